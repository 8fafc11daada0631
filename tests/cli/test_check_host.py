"""The group `host`: a recorded set-up without a finding, and what each change of it leads to."""

import copy
from typing import Any, Callable, Optional

import pytest

from check_world import answer
from program import Program

Wanted = dict[tuple[str, str], str]  # (check, subject): severity
Change = Callable[[Any], None]

# As the engine of docker.com tells of itself, with the recommended settings.
ENGINE = {
    "version": "28.5.2", "api_version": "1.51", "min_api": "1.24", "kernel": "6.18.4", "os": "linux", "arch": "amd64",
    "components": [{"name": "Engine", "version": "28.5.2"}, {"name": "containerd", "version": "v2.1.4"}],
    "id": "a8adc007-6a9e-4d24-96bf-4793f5856c78", "name": "vm", "root": "/var/lib/docker/165536.165536",
    "storage_driver": "overlay2", "logging_driver": "json-file", "cgroup_driver": "systemd", "cgroup_version": "2",
    "security_options": ["name=apparmor", "name=seccomp,profile=builtin", "name=userns", "name=cgroupns"],
    "live_restore": True, "experimental": False, "swarm_state": "inactive", "swarm_node": "", "swarm_manager": False,
    "insecure_registries": [],
}  # fmt: skip
PROGRAMS = [{"program": "dockerd", "pid": 812, "uid": 0, "here": True, "flags": {}, "config": {}}]
HOST = {
    "gaps": [], "kernel": "6.18.4", "machine": "x86_64", "loopback_resolver": False, "programs": PROGRAMS,
    "sysctl": {"net/ipv6/conf/docker0/accept_ra": "0", "net/ipv6/conf/br-back/accept_ra": "0"},
}  # fmt: skip
SNAPSHOT = {
    "quaywall_snapshot": 1,
    "engine": {"id": "", "name": "Docker Engine", "version": "28.5.2", "api_version": "1.47"},
    "networks": [
        {"id": "n1", "name": "bridge", "driver": "bridge", "bridge": "docker0", "subnets": ["172.17.0.0/16", "fd00::/64"]},
        {"id": "n2", "name": "back", "driver": "bridge", "bridge": "br-back", "subnets": ["172.18.0.0/16", "fd01::/64"]},
    ],
    "containers": [{"id": "c1", "name": "web", "image": "nginx", "network_mode": "bridge"}],
    "endpoints": [
        {"id": "e1", "network": "n1", "container": "c1", "name": "web", "addr4": "172.17.0.2", "mac": "02:42:ac:11:00:02"},
        {"id": "e2", "network": "n2", "container": "c1", "name": "web", "addr4": "172.18.0.2", "mac": "02:42:ac:12:00:02"},
    ],
    "posture": {"version": 1, "engine": ENGINE, "containers": [], "images": [], "swarm": None, "host": HOST, "gaps": []},
}  # fmt: skip


def found(program: Program, *changes: Change, settings: str = "{}\n") -> tuple[Wanted, list[str], list[Any]]:
    """Of the recorded host after CHANGES: findings by severity, why what was not looked at, the findings."""
    snapshot = copy.deepcopy(SNAPSHOT)
    for change in changes:
        change(snapshot)
    told = answer(program, "host", snapshot, settings=settings)
    findings = {(f["id"], f["subject"]): f["severity"] for f in told["findings"]}
    assert len(findings) == len(told["findings"])
    return findings, [gap["why"] for gap in told["not_checked"]], told["findings"]


def engine(**values: Any) -> Change:
    return lambda s: s["posture"]["engine"].update(values)


def without(key: str) -> Change:
    return lambda s: s["posture"]["engine"].pop(key)


def on_host(**values: Any) -> Change:
    return lambda s: s["posture"]["host"].update(values)


def sysctl(value: Optional[str]) -> Change:
    def change(s: Any) -> None:
        s["posture"]["host"]["sysctl"].pop("net/ipv6/conf/br-back/accept_ra")
        if value:
            s["posture"]["host"]["sysctl"]["net/ipv6/conf/br-back/accept_ra"] = value

    return change


def network(**values: Any) -> Change:
    """Of the network that is not the default."""
    return lambda s: s["networks"][1].update(values)


def overlay(**values: Any) -> Change:
    more = {"id": "n3", "name": "mesh", "driver": "overlay", "scope": "swarm", "vnis": [4097], "subnets": ["10.0.1.0/24"]}
    return lambda s: s["networks"].append(more | values)


def firewalld(here: bool, sees: bool = True) -> Change:
    return on_host(programs=[dict(PROGRAMS[0], here=sees), {"program": "firewalld", "pid": 9, "uid": 0, "here": here}])


def second(s: Any) -> None:
    """Another container on the default bridge."""
    s["containers"].append({"id": "c2", "name": "db", "image": "postgres", "network_mode": "bridge"})
    s["endpoints"].append(
        {"id": "e3", "network": "n1", "container": "c2", "name": "db", "addr4": "172.17.0.3", "mac": "02:42:ac:11:00:03"}
    )


def cve(severity: str, *numbers: str) -> Wanted:
    return {("engine-advisory", f"host: CVE-{n}"): severity for n in numbers}


def one(check: str, severity: str, subject: str = "host") -> Wanted:
    return {(check, subject): severity}


ENCRYPTED = overlay(encrypted=True)
INTERNAL = network(internal=True)
LOOPBACK = on_host(loopback_resolver=True)
V4 = network(subnets=["172.18.0.0/16"])
OVERLAYS = ("2023-28840", "2023-28841", "2023-28842")


def test_a_host_without_findings(program: Program) -> None:
    assert found(program)[:2] == ({}, [])


@pytest.mark.parametrize(
    "version, changes, wanted",
    [
        # What the flaw needs is there, is not there, or was not read.
        ("19.03.10", [sysctl("1")], cve("medium", "2020-13401")),
        ("19.03.10", [], {}),
        ("19.03.10", [sysctl(None)], cve("medium", "2020-13401")),
        ("19.03.11", [sysctl("1")], {}),
        ("20.10.23", [ENCRYPTED], cve("high", OVERLAYS[0]) | cve("medium", *OVERLAYS[1:])),
        ("20.10.23", [overlay()], {}),
        ("20.10.24", [ENCRYPTED], {}),
        ("25.0.4", [INTERNAL, LOOPBACK], cve("medium", "2024-29018")),
        ("25.0.4", [INTERNAL], {}),
        ("25.0.4", [LOOPBACK], {}),
        ("25.0.4", [INTERNAL, on_host(loopback_resolver=None)], cve("medium", "2024-29018")),
        ("25.0.4", [INTERNAL, LOOPBACK, lambda s: s["endpoints"].pop()], {}),
        ("25.0.5", [INTERNAL, LOOPBACK], {}),
        ("26.0.1", [V4], cve("low", "2024-32473")),
        ("26.0.1", [V4, network(driver="macvlan", bridge="")], cve("medium", "2024-32473")),
        ("26.0.1", [], {}),
        ("26.0.1", [V4, lambda s: s["endpoints"].pop()], {}),
        ("26.0.2", [V4], {}),
        ("27.5.1", [firewalld(True)], cve("low", "2025-54410")),
        ("27.5.1", [firewalld(False)], {}),
        ("27.5.1", [firewalld(False, sees=False)], cve("low", "2025-54410")),
        ("27.5.1", [on_host(programs=None)], cve("low", "2025-54410")),
        ("28.3.2", [firewalld(True)], cve("medium", "2025-54388")),
        ("28.3.2", [], {}),
        ("28.3.3", [firewalld(True)], {}),
        # A distribution may have mended it.
        ("20.10.23+dfsg1", [ENCRYPTED], cve("low", *OVERLAYS)),
        ("28.3.2-0ubuntu1~24.04.1", [firewalld(True)], cve("low", "2025-54388")),
    ],
)  # fmt: skip
def test_known_flaws(program: Program, version: str, changes: list[Change], wanted: Wanted) -> None:
    assert found(program, engine(version=version), *changes)[:2] == (wanted, [])


def test_what_is_said_of_a_flaw(program: Program) -> None:
    ((one_finding),) = found(program, engine(version="25.0.4"), INTERNAL, LOOPBACK)[2]
    assert "the engine is 25.0.4, which is before 25.0.5; network back is internal" in one_finding["evidence"]
    assert "GHSA-mq39-4gv4-mvpx" in one_finding["evidence"]
    assert one_finding["remedy"] == "upgrade the engine to 25.0.5 or newer"
    (unread,) = found(program, engine(version="27.5.1"), on_host(programs=None))[2]
    assert "whether firewalld runs was not read" in unread["evidence"]
    (packaged,) = found(program, engine(version="27.5.1+dfsg1"), firewalld(True))[2]
    assert packaged["remedy"].startswith("look CVE-2025-54410 up in the distribution's tracker")


def test_what_could_not_be_listed_is_not_absent(program: Program) -> None:
    gap = {"part": "programs", "why": "Permission denied"}
    changes = [engine(version="27.5.1"), on_host(programs=[]), lambda s: s["posture"]["gaps"].append(gap)]
    assert found(program, *changes)[0] == cve("low", "2025-54410")


def test_quaywalls_own_guard(program: Program) -> None:
    settings = "overlay: {plaintext: deny-encrypted}\n"
    wanted, gaps, findings = found(program, engine(version="20.10.23"), ENCRYPTED, settings=settings)
    assert (wanted, gaps) == (cve("low", *OVERLAYS), [])
    assert all("overlay.plaintext refuses the clear text" in f["evidence"] for f in findings)


@pytest.mark.parametrize("version", ["dev", "", "20.10", "0.0.0-20240115110000-0123abc", "20.10.0-dev", None, 28])
def test_versions_that_say_nothing(program: Program, version: Any) -> None:
    wanted, gaps, _ = found(program, engine(version=version), ENCRYPTED)
    assert wanted == {}
    (why,) = gaps
    assert why.startswith("the engine's known flaws: ") and "is no release of the Docker Engine" in why


def test_another_engines_version(program: Program) -> None:
    podman = engine(version="5.4.0", components=[{"name": "Podman Engine", "version": "5.4.0"}])
    wanted, gaps, _ = found(program, podman, ENCRYPTED)
    assert (wanted, len(gaps)) == ({}, 1)


@pytest.mark.parametrize(
    "changes, wanted",
    [
        ([engine(experimental=True)], one("engine-experimental", "low")),
        ([engine(live_restore=False)], one("engine-live-restore", "info")),
        ([engine(live_restore=False, swarm_state="active")], {}),
        ([engine(security_options=["name=apparmor", "name=seccomp"])], one("engine-userns-remap", "info")),
        ([engine(security_options=["name=rootless"])], {}),
        ([engine(cgroup_version="1")], one("engine-cgroup-v1", "info")),
        ([engine(root="/var/tmp/docker")], one("engine-data-root", "low")),
        ([engine(root="/srv/tmp/docker")], {}),
        ([on_host(kernel="6.8.0-31-generic")], one("kernel-table-owner", "info")),
        ([on_host(kernel="5.15.0")], one("kernel-table-owner", "info")),
        ([on_host(kernel="6.9.0")], {}),
        ([on_host(kernel="6.10-rc1")], {}),
        ([on_host(kernel="7.0.0")], {}),
        ([on_host(kernel=None), engine(kernel="6.1.0-18-amd64")], one("kernel-table-owner", "info")),
        ([second], one("engine-icc", "info", "network bridge")),
        ([second, lambda s: s["networks"][0].update(icc=False)], {}),
    ],
)  # fmt: skip
def test_set_up(program: Program, changes: list[Change], wanted: Wanted) -> None:
    assert found(program, *changes)[:2] == (wanted, [])


def test_the_default_bridge_under_a_policy(program: Program) -> None:
    """Nobody there reaches another one."""
    assert found(program, second, settings="defaults: {containers: deny}\n")[0] == {}


def test_warnings(program: Program) -> None:
    """Each once; what other checks tell, and what limits nothing that anybody asks for, is left out."""
    warnings = [
        "WARNING: No swap limit support", "WARNING: No swap limit support", "WARNING: No cpuset support",
        "WARNING: bridge-nf-call-iptables is disabled", "WARNING: IPv4 forwarding is disabled",
        "WARNING: No blkio weight support", "WARNING: API is accessible on http://0.0.0.0:2375 without encryption.",
        "WARNING: Running Swarm in a two-manager configuration.", 7,
    ]  # fmt: skip
    wanted = one("engine-warning", "info", "host: No swap limit support")
    wanted |= one("engine-warning", "info", "host: No cpuset support")
    assert found(program, engine(warnings=warnings))[:2] == (wanted, [])


@pytest.mark.parametrize("key", ["experimental", "live_restore", "security_options", "cgroup_version", "root"])
def test_what_is_missing(program: Program, key: str) -> None:
    assert found(program, without(key))[:2] == ({}, [f"the engine does not tell of: {key}"])


def test_no_posture(program: Program) -> None:
    gaps = found(program, lambda s: s.pop("posture"))[1]
    assert gaps == ["engine: the snapshot holds no posture", "the kernel: its release was not read"]
    gone = {"part": "engine", "why": "no answer"}
    wanted, gaps, _ = found(program, lambda s: s["posture"].update(engine=None, gaps=[gone]))
    assert (wanted, gaps) == ({}, ["engine: no answer"])


@pytest.mark.parametrize("hostile", [7, "x", [], {}, [[]], True, {"components": 7, "warnings": {}, "root": []}])
def test_a_hostile_posture(program: Program, hostile: Any) -> None:
    """What is of another type is not there."""
    for part in ("engine", "host", "gaps"):
        wanted = found(program, lambda s: s["posture"].update({part: hostile}))[0]
        assert wanted == {}


def test_a_gap_of_one_check(program: Program) -> None:
    """Whoever asks for another check is not told of it."""
    snapshot = copy.deepcopy(SNAPSHOT)
    for where in (snapshot["posture"]["engine"], snapshot["posture"]["host"]):
        del where["kernel"]
    (gap,) = answer(program, "kernel-table-owner", snapshot)["not_checked"]
    assert (gap["group"], gap["checks"]) == ("host", ["kernel-table-owner"])
    assert answer(program, "engine-icc,engine-advisory", snapshot)["not_checked"] == []
