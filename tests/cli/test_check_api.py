"""The group `api`: the recorded posture, and what each change of it has for a consequence."""

from typing import Any

import pytest

from check_world import answer, host, recorded
from program import Program

NO_PLUGIN = {"api-no-authorization: engine": "info"}
PLAIN = "WARNING: API is accessible on http://{} without encryption.\n         Access to the remote API is equivalent"
TLS = "WARNING: API is accessible on https://{} without TLS client verification.\n         Access to the remote API"
DEPRECATED = "[DEPRECATION NOTICE]: API is accessible on http://{} without encryption.\n     Access to the remote API"


def world(**changes: Any) -> Any:
    """A host with the recorded posture; CHANGES are of the engine's part."""
    snapshot = host([])
    snapshot["posture"] = recorded()
    snapshot["posture"]["engine"] |= changes
    return snapshot


def started(flags: dict[str, list[str]], config: dict[str, Any]) -> Any:
    snapshot = world()
    snapshot["posture"]["host"]["programs"][0] |= {"flags": flags, "config": config}
    return snapshot


def found(program: Program, snapshot: Any) -> dict[str, str]:
    said = answer(program, "api", snapshot)
    assert said["not_checked"] == []
    rows = {f"{f['id']}: {f['subject']}": f["severity"] for f in said["findings"]}
    assert len(rows) == len(said["findings"])
    return rows


def test_clean(program: Program) -> None:
    assert found(program, world()) == NO_PLUGIN
    assert found(program, world(authorization_plugins=["opa"])) == {}


OPEN = "api-tcp-open: tcp://"
UNVERIFIED = "api-tls-unverified: tcp://"


@pytest.mark.parametrize(
    "warning, wanted",
    [
        (PLAIN.format("0.0.0.0:2375"), {OPEN + "0.0.0.0:2375": "critical"}),
        (DEPRECATED.format("192.168.1.9:2375"), {OPEN + "192.168.1.9:2375": "critical"}),
        (PLAIN.format("[::]:2375"), {OPEN + "[::]:2375": "critical"}),
        (PLAIN.format("127.0.0.1:2375"), {OPEN + "127.0.0.1:2375": "high"}),
        (PLAIN.format("[::1]:2375"), {OPEN + "[::1]:2375": "high"}),
        (PLAIN.format("localhost:2375"), {OPEN + "localhost:2375": "high"}),
        (TLS.format("0.0.0.0:2376"), {UNVERIFIED + "0.0.0.0:2376": "critical"}),
        (TLS.format("127.0.0.1:2376"), {UNVERIFIED + "127.0.0.1:2376": "high"}),
        ("WARNING: bridge-nf-call-iptables is disabled", {}),
        ("API is accessible on http", {}),
    ],
)
def test_the_engine_warns(program: Program, warning: str, wanted: dict[str, str]) -> None:
    assert found(program, world(warnings=[warning])) == NO_PLUGIN | wanted


@pytest.mark.parametrize(
    "flags, config, wanted",
    [
        ({"host": ["tcp://0.0.0.0:2375"]}, {}, {OPEN + "0.0.0.0:2375": "critical"}),
        ({"host": ["fd://", "0.0.0.0:2375"]}, {}, {OPEN + "0.0.0.0:2375": "critical"}),
        ({"host": ["unix:///run/docker.sock", "tcp://127.0.0.1:2375"]}, {}, {OPEN + "127.0.0.1:2375": "high"}),
        ({}, {"hosts": ["tcp://10.0.0.1:2375", "tcp://:2375"]},
         {OPEN + "10.0.0.1:2375": "critical", OPEN + ":2375": "high"}),
        ({}, {"hosts": ["tcp://0.0.0.0:2376"], "tls": True}, {UNVERIFIED + "0.0.0.0:2376": "critical"}),
        ({"tlsverify": ["false"]}, {"hosts": ["tcp://0.0.0.0:2376"]}, {UNVERIFIED + "0.0.0.0:2376": "critical"}),
        ({"tlsverify": ["true"]}, {"hosts": ["tcp://0.0.0.0:2376"]}, {}),
        ({"host": ["tcp://0.0.0.0:2376"]}, {"tlsverify": True}, {}),
        ({"host": ["tcp://0.0.0.0:2376"], "tls": ["false"]}, {}, {OPEN + "0.0.0.0:2376": "critical"}),
        ({"host": ["fd://"]}, {}, {}),
    ],
)  # fmt: skip
def test_how_it_was_started(program: Program, flags: Any, config: Any, wanted: dict[str, str]) -> None:
    assert found(program, started(flags, config)) == NO_PLUGIN | wanted


def test_one_address_is_one_finding(program: Program) -> None:
    snapshot = started({"host": ["tcp://0.0.0.0:2375"]}, {})
    snapshot["posture"]["engine"]["warnings"] = [PLAIN.format("0.0.0.0:2375")]
    (one,) = [f for f in answer(program, "api", snapshot)["findings"] if f["id"] == "api-tcp-open"]
    assert one["evidence"] == "the engine warns of it (GET /info), dockerd's option hosts has it"


@pytest.mark.parametrize(
    "socket, flags, wanted",
    [
        (("systemd", "::", 2375), {"host": ["fd://"]}, {OPEN + "[::]:2375": "critical"}),
        (("dockerd", "127.0.0.1", 2376), {"host": ["fd://"], "tls": ["true"]}, {UNVERIFIED + "127.0.0.1:2376": "high"}),
        (("dockerd", "0.0.0.0", 2376), {"host": ["fd://"], "tlsverify": ["true"]}, {}),
        (("docker-proxy", "0.0.0.0", 2375), {"host": ["fd://"]}, {}),
        (("dockerd", "0.0.0.0", 8080), {"host": ["fd://"]}, {}),
        (("dockerd", "0.0.0.0", 2375), {"host": ["tcp://0.0.0.0:2375"]}, {OPEN + "0.0.0.0:2375": "critical"}),
    ],
)  # fmt: skip
def test_what_systemd_opened(program: Program, socket: Any, flags: Any, wanted: dict[str, str]) -> None:
    process, addr, port = socket
    snapshot = started(flags, {})
    listening = {"protocol": "tcp", "addr": addr, "port": port, "uid": 0, "process": process, "pid": 1}
    snapshot["posture"]["host"]["listening"].append(listening)
    assert found(program, snapshot) == NO_PLUGIN | wanted


@pytest.mark.parametrize(
    "mode, members, wanted",
    [
        (0o660, [], {}),
        (0o660, ["alice", "bob"], {"api-socket-group: /run/docker.sock": "low"}),
        (0o600, ["alice"], {}),
        (0o666, [], {"api-socket-open: /run/docker.sock": "critical"}),
        (0o666, ["alice"], {"api-socket-open: /run/docker.sock": "critical", "api-socket-group: /run/docker.sock": "low"}),
        (0o664, [], {}),
    ],
)
def test_socket(program: Program, mode: int, members: list[str], wanted: dict[str, str]) -> None:
    snapshot = world()
    snapshot["posture"]["host"]["socket"] |= {"mode": mode, "members": members}
    assert found(program, snapshot) == NO_PLUGIN | wanted


def test_members_are_named(program: Program) -> None:
    snapshot = world()
    snapshot["posture"]["host"]["socket"]["members"] = [f"u{i}" for i in range(12)]
    (one,) = [f for f in answer(program, "api", snapshot)["findings"] if f["id"] == "api-socket-group"]
    assert one["evidence"].startswith("its mode is 0660, its group docker (996) with u0, u1, ")
    assert one["evidence"].endswith("u9 and 2 more (/etc/group, /etc/passwd)")


@pytest.mark.parametrize(
    "key, name, wanted",
    [
        ("insecure_registries", "registry.example:5000", {"registry-insecure: registry registry.example:5000": "medium"}),
        ("insecure_registries", "10.1.2.3:5000", {"registry-insecure: registry 10.1.2.3:5000": "low"}),
        ("insecure_registries", "203.0.113.9", {"registry-insecure: registry 203.0.113.9": "medium"}),
        ("insecure_registries", "localhost:5000", {}),
        ("insecure_registries", "127.0.0.1:5000", {}),
        ("insecure_networks", "127.0.0.0/8", {}),
        ("insecure_networks", "::1/128", {}),
        ("insecure_networks", "10.0.0.0/8", {"registry-insecure: registries in 10.0.0.0/8": "low"}),
        ("insecure_networks", "10.0.0.0/7", {"registry-insecure: registries in 10.0.0.0/7": "medium"}),
        ("insecure_networks", "0.0.0.0/0", {"registry-insecure: registries in 0.0.0.0/0": "medium"}),
    ],
)  # fmt: skip
def test_registries(program: Program, key: str, name: str, wanted: dict[str, str]) -> None:
    assert found(program, world(**{key: [name]})) == NO_PLUGIN | wanted


def test_gaps(program: Program) -> None:
    options = "the options that the engine was started with were not seen; it warns of what it serves itself, not of what systemd opens for it"
    snapshot = world()
    snapshot["posture"] |= {"engine": None, "host": None}
    snapshot["posture"]["gaps"] = [{"part": "engine", "why": "no answer"}, {"part": "host", "why": "not read"}]
    said = answer(program, "api", snapshot)
    assert said["findings"] == []
    assert [g["why"] for g in said["not_checked"]] == ["engine: no answer", "host: not read", options]
    snapshot = world(warnings=[PLAIN.format("0.0.0.0:2375")])
    snapshot["posture"]["host"] |= {"programs": [], "socket": None}
    snapshot["posture"]["gaps"] = [{"part": "socket", "why": "Permission denied"}]
    said = answer(program, "api", snapshot)
    assert {f["id"] for f in said["findings"]} == {"api-tcp-open", "api-no-authorization"}
    assert [g["why"] for g in said["not_checked"]] == ["socket: Permission denied", options]
