"""What `quaywall check` finds of how containers were started, on real engines: one container for each thing."""

import json
import time
from typing import Any, Callable

from bed import Quaywall
from checks import Bed
from test_check import SEVERITIES

Make = Callable[..., Quaywall]

# Of a container that is started with these nothing is found; each other one lacks one of them, or has something besides.
STRICT = {
    "--user": "1000", "--memory": "64m", "--cpus": "0.5", "--pids-limit": "50",
    "--security-opt": "no-new-privileges", "--read-only": "",
}  # fmt: skip


def strict(*more: str, without: str = "") -> list[str]:
    flags = [f"{flag}={value}" if value else flag for flag, value in STRICT.items() if flag != without]
    return [*flags, *more]


def look(q: Quaywall, groups: str) -> list[Any]:
    """Of a snapshot: nothing that a daemon has seen before counts."""
    file = str(q.folder / "snapshot.json")
    q.verb("snapshot", "-o", file)
    found = json.loads(q.verb("check", "--snapshot", file, "--only", groups, "--json", "--fail-on", "never"))
    assert found["not_checked"] == []
    findings: list[Any] = found["findings"]
    return findings


def of(findings: list[Any], subject: str) -> set[tuple[str, str]]:
    return {(f["id"], f["severity"]) for f in findings if f["subject"] == subject}


def wait_for(q: Quaywall, check: str, subject: str, within: float = 20) -> list[Any]:
    end = time.monotonic() + within
    while True:
        findings = look(q, "runtime")
        if check in {name for name, _ in of(findings, subject)}:
            return findings
        assert time.monotonic() < end, f"no {check} of {subject}: {findings}"
        time.sleep(0.2)


def test_runtime(clean: Bed, quaywall: Make) -> None:
    engine = clean.engine
    q = quaywall(clean)
    path = str(engine.path)
    wanted: dict[str, tuple[list[str], dict[str, str]]] = {
        "strict": (strict(), {}),
        "free": (strict(without="--memory"), {"memory-unlimited": "low"}),
        "busy": (strict(without="--cpus"), {"cpu-unlimited": "info"}),
        "pinned": (strict("--cpuset-cpus=0", without="--cpus"), {}),
        "forks": (strict(without="--pids-limit"), {"pids-unlimited": "info"}),
        "setuid": (strict(without="--security-opt"), {"no-new-privileges-off": "info"}),
        "writes": (strict(without="--read-only"), {"root-writable": "info"}),
        "rooted": (strict(without="--user"), {}),
        "calls": (strict("--security-opt=seccomp=unconfined"), {"seccomp-off": "high"}),
        "paths": (strict("--security-opt=systempaths=unconfined"), {"system-paths-open": "high"}),
        "usual": (strict("--cap-add=CHOWN", "--cap-add=cap_kill"), {}),
        "ptrace": (strict("--cap-add=cap_sys_ptrace"), {"capabilities-added": "medium"}),
        "ipc": (strict("--ipc=host"), {"ipc-host": "medium"}),
        "uts": (strict("--uts=host"), {"uts-host": "low"}),
        "etc": (strict("-v=/etc:/e"), {"mount-sensitive": "high"}),
        "etc-read": (strict("-v=/etc:/e:ro"), {}),
        "volume": (strict("-v=data:/d"), {}),
        "shared": (strict(f"-v={path}:/s:rshared"), {"mount-shared": "low"}),
        "always": (strict("--restart=always"), {}),
    }
    for name, (flags, _) in wanted.items():
        engine.run(name, flags=flags)
    engine.run("ended", flags=["-v", "/etc:/e", "--security-opt", "seccomp=unconfined"]).stop()
    engine.docker("commit", "--change", "USER 1000", "strict", "quiet:1.0")
    engine.run("as-image", flags=strict(without="--user"), image="quiet:1.0")
    engine.run("to-root", flags=[*strict(without="--user"), "--user=0"], image="quiet:1.0")
    # A mistake of its own makes it end at once.
    argv = ["run", "-d", "--name", "falls", "--security-opt", "apparmor=unconfined", "--restart", "always"]
    engine.docker(*argv, *strict(), "quiet:1.0", "/probe", "no-such-verb")
    findings = wait_for(q, "restart-storm", "falls")
    # The bed starts all of them so; only some machines have AppArmor.
    apparmor = {"apparmor-off": "medium"} if "name=apparmor" in engine.docker("info", "-f", "{{.SecurityOptions}}") else {}
    expected = {name: what for name, (_, what) in wanted.items()}
    expected |= {"as-image": {}, "to-root": {"root-user": "low"}, "falls": {"restart-storm": "low"}}
    for name, what in expected.items():
        assert of(findings, name) == set((what | apparmor).items()), name
    assert {f["subject"] for f in findings} <= set(expected)


def test_plain(clean: Bed, quaywall: Make) -> None:
    """A container that is simply run has nothing that is worse than low."""
    clean.engine.run("plain")
    findings = [f for f in look(quaywall(clean), "runtime") if f["id"] != "apparmor-off"]
    assert {f["id"] for f in findings} == {
        "cpu-unlimited", "memory-unlimited", "no-new-privileges-off", "pids-unlimited", "root-writable",
    }  # fmt: skip
    assert max(SEVERITIES.index(f["severity"]) for f in findings) == 1
