"""What `quaywall check` finds of how containers were started, on real engines: one container for each thing."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from bed import Quaywall
from bed.engine import IMAGE
from checks import Bed
from test_check import SEVERITIES
from test_posture import posture_of

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
        "etc-read": (strict("-v=/etc:/e:ro"), {"mount-secrets": "medium"}),
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
    """A container that is simply run has nothing that is worse than low, but that this engine keeps no logs."""
    clean.engine.run("plain")
    findings = [f for f in look(quaywall(clean), "runtime,image,secret,logging") if f["id"] != "apparmor-off"]
    assert {(f["id"], f["subject"]) for f in findings if SEVERITIES.index(f["severity"]) > 1} == {("logging-none", "host")}
    assert {name for name, _ in of(findings, "plain")} == {
        "cpu-unlimited", "memory-unlimited", "no-new-privileges-off", "pids-unlimited", "root-writable",
    }  # fmt: skip
    assert of(findings, f"image {IMAGE}") == {("image-latest", "low"), ("image-root", "low")}


def test_images_and_secrets(clean: Bed, quaywall: Make) -> None:
    engine = clean.engine
    engine.run("maker", flags=["-e", "PLAIN=x"])
    engine.docker("commit", "--change", "USER 1000", "maker", "good.example/app:1.0")
    engine.docker("commit", "--change", "USER 1000", "--change", "ENV API_TOKEN=hunter2", "maker", "leaky:1.0")
    engine.docker("rm", "-f", "maker")
    engine.run("good", image="good.example/app:1.0")
    engine.run("also-good", image="good.example/app:1.0", flags=["-e", "DB_PASSWORD_FILE=/run/secrets/db"])
    engine.run("leaks", image="leaky:1.0")
    engine.run("given", image="good.example/app:1.0", flags=["-e", "DB_PASSWORD=hunter2", "-e", "EMPTY_TOKEN="])
    engine.run("both", image="leaky:1.0", flags=["-e", "SMTP_PASS=hunter2"])
    q = quaywall(clean, check={"registries": ["good.example", "docker.io/library"]})
    findings = look(q, "image,secret")
    assert {(f["id"], f["subject"], f["severity"]) for f in findings} == {
        ("image-secret", "image leaky:1.0", "medium"),
        ("secret-environment", "given", "medium"),
        ("secret-environment", "both", "medium"),
    }
    evidence = {f["subject"]: f["evidence"] for f in findings}
    assert evidence["given"] == "Config.Env: DB_PASSWORD" and evidence["both"] == "Config.Env: SMTP_PASS"
    assert "hunter2" not in json.dumps(findings)
    foreign = look(quaywall(clean, check={"registries": ["*.example"]}), "image")
    assert {f["subject"] for f in foreign if f["id"] == "image-foreign"} == {"image leaky:1.0"}


def test_logging(make_bed: Callable[..., Bed], quaywall: Make) -> None:
    bed = make_bed(log_driver="json-file")
    engine = bed.engine
    drivers: dict[str, list[str]] = {
        "default": [],
        "rotates": ["--log-opt=max-size=1m"],
        "local": ["--log-driver=local"],
        "silent": ["--log-driver=none"],
    }
    for name, flags in drivers.items():
        engine.run(name, flags=flags)
    q = quaywall(bed)
    found = {(f["id"], f["subject"], f["severity"]) for f in look(q, "logging")}
    assert found == {("logging-unbounded", "host", "low"), ("logging-none", "silent", "low")}
    # The containers stay as they were made.
    engine.options["log-opts"] = {"max-size": "10m"}
    engine.restart()
    engine.run("later")
    for name in drivers:
        engine.docker("start", name)
    found = {(f["id"], f["subject"], f["severity"]) for f in look(q, "logging")}
    assert found == {("logging-unbounded", "default", "low"), ("logging-none", "silent", "low")}


def test_options_of_logging(clean: Bed, quaywall: Make, tmp_path: Path) -> None:
    """Of those on the engine's command line the size alone is read: another may be a secret."""
    program = tmp_path / "dockerd"
    program.write_text("#!/bin/sh\nread line\n", encoding="utf-8")
    program.chmod(0o755)
    argv = ["nsenter", f"--net={clean.engine.netns}", "--", str(program)]
    argv += ["--log-opt", "max-size=7m", "--log-opt=splunk-token=hunter2", "--log-opt", "env=A"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        try:
            text, posture = wait_for_program(quaywall(clean), process.pid)
        finally:
            process.kill()
    assert "hunter2" not in text
    (flags,) = [p["flags"] for p in posture["host"]["programs"] if p["pid"] == process.pid]
    assert flags == {"log-max-size": ["7m"]}


def wait_for_program(q: Quaywall, pid: int, within: float = 10) -> tuple[str, Any]:
    """Until nsenter has become it."""
    end = time.monotonic() + within
    while True:
        text, posture = posture_of(q)
        if pid in {p["pid"] for p in posture["host"]["programs"]}:
            return text, posture
        assert time.monotonic() < end, posture["host"]["programs"]
