"""The group `swarm`: a recorded swarm without a finding, and what each change of it leads to."""

import copy
import time
from typing import Any, Callable

import pytest

from check_world import answer
from program import Program

Wanted = dict[tuple[str, str], str]  # (check, subject): severity
Change = Callable[[Any], None]

DAY = 24 * 3600
NS = 10**9
NOW = int(time.time())


def node(name: str, role: str = "worker", **values: Any) -> dict[str, Any]:
    manager = {"availability": "drain", "leader": name == "m1", "reachability": "reachable"}
    one = {"id": f"id-{name}", "name": name, "role": role, "availability": "active", "state": "ready",
           "address": "192.0.2.1", "engine": "28.5.2"}  # fmt: skip
    return one | (manager if role == "manager" else {}) | values


def managers(n: int, **values: Any) -> list[dict[str, Any]]:
    return [node(f"m{i + 1}", "manager", **values) for i in range(n)]


# As a manager of 28.5 tells of it, with the recommended settings.
SWARM = {
    "id": "xtbcimefvmk0o545bkxi24s0h", "autolock": True, "node_cert_ns": 90 * DAY * NS, "root_rotates": False,
    "data_path_port": 4789, "root_expires": NOW + 7300 * DAY, "nodes": [*managers(3), node("w1")],
}  # fmt: skip
ENGINE = {"version": "28.5.2", "swarm_state": "active", "swarm_node": "id-m1", "swarm_manager": True, "swarm_error": ""}
HOST = {"gaps": [], "kernel": "6.18.4", "swarm_certificate_expires": NOW + 80 * DAY}
SNAPSHOT = {
    "quaywall_snapshot": 1,
    "engine": {"id": "", "name": "Docker Engine", "version": "28.5.2", "api_version": "1.47"},
    "networks": [], "containers": [], "endpoints": [],
    "posture": {"version": 1, "engine": ENGINE, "containers": [], "images": [], "swarm": SWARM, "host": HOST, "gaps": []},
}  # fmt: skip
WORKER_GAP = "what the swarm is set to, and its nodes: this node is a worker, and only managers tell"
# As 20.10 and 28.5 say it, when one of two managers has gone.
HEADLESS = (
    "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are "
    "online. Make sure more than half of the managers are online."
)


def found(program: Program, *changes: Change) -> tuple[Wanted, list[str], list[Any]]:
    snapshot = copy.deepcopy(SNAPSHOT)
    for change in changes:
        change(snapshot["posture"])
    told = answer(program, "swarm", snapshot)
    findings = {(f["id"], f["subject"]): f["severity"] for f in told["findings"]}
    assert len(findings) == len(told["findings"])
    return findings, [gap["why"] for gap in told["not_checked"]], told["findings"]


def change(part: str, **values: Any) -> Change:
    return lambda p: p[part].update(values)


def without(part: str, key: str) -> Change:
    return lambda p: p[part].pop(key)


def nodes(*those: dict[str, Any]) -> Change:
    return change("swarm", nodes=list(those))


def one(check: str, severity: str, subject: str = "swarm") -> Wanted:
    return {(check, subject): severity}


def certificate(days: float) -> Change:
    return change("host", swarm_certificate_expires=NOW + int(days * DAY))


def root(days: float) -> Change:
    return change("swarm", root_expires=NOW + int(days * DAY))


def valid(days: float) -> Change:
    return change("swarm", node_cert_ns=int(days * DAY) * NS)


WORKER: list[Change] = [change("engine", swarm_manager=False), lambda p: p.update(swarm=None)]
AWAY = node("m3", "manager", reachability="unreachable", state="down")
AWAY2 = node("m2", "manager", reachability="unreachable", state="down")


def test_a_swarm_without_findings(program: Program) -> None:
    assert found(program)[:2] == ({}, [])


@pytest.mark.parametrize(
    "changes, wanted",
    [
        ([change("swarm", autolock=False)], one("swarm-autolock", "low")),
        ([change("swarm", root_rotates=True)], one("swarm-root-rotation", "info")),
        # Certificates: this node's, and the root's.
        ([certificate(-1)], one("swarm-certificate", "high", "host")),
        ([certificate(8)], one("swarm-certificate", "medium", "host")),
        ([certificate(10)], {}),
        ([certificate(8), valid(30)], {}),
        ([certificate(2), valid(30)], one("swarm-certificate", "medium", "host")),
        ([root(-1)], one("swarm-root-certificate", "critical")),
        ([root(80)], one("swarm-root-certificate", "medium")),
        ([root(100)], {}),
        ([valid(90.5)], one("swarm-certificate-validity", "info")),
        ([valid(400), certificate(390)], one("swarm-certificate-validity", "low")),
        ([valid(400), certificate(20)], one("swarm-certificate-validity", "low")),  # made before that was set
        ([valid(400), certificate(8)],
         one("swarm-certificate-validity", "low") | one("swarm-certificate", "medium", "host")),
        ([valid(30)], {}),
        # Managers.
        ([nodes(*managers(1))], one("swarm-managers", "low")),
        ([nodes(*managers(1), node("w1"))], one("swarm-managers", "medium")),
        ([nodes(*managers(2), node("w1"))], one("swarm-managers", "medium")),
        ([nodes(*managers(4))], one("swarm-managers", "medium")),
        ([nodes(*managers(5))], {}),
        ([nodes(*managers(2), AWAY)], one("swarm-quorum", "medium")),
        ([nodes(*managers(1), AWAY2, AWAY)], one("swarm-quorum", "high")),
        ([nodes(*managers(1), AWAY2)], one("swarm-managers", "medium") | one("swarm-quorum", "high")),
        ([nodes(*managers(3, availability="active"), node("w1"))], one("swarm-manager-tasks", "info")),
        ([nodes(*managers(3, availability="active"))], {}),
        # Nodes.
        ([nodes(*managers(3), node("w1", state="down"))], one("swarm-node-down", "low", "node w1")),
        ([nodes(*managers(3), node("w1", state="disconnected"))], one("swarm-node-down", "low", "node w1")),
        ([nodes(*managers(3), node("w1"), node("w1", state="down", id="old"), node("w1", state="down", id="older"))],
         one("swarm-node-down", "low", "node w1 (old)") | one("swarm-node-down", "low", "node w1 (older)")),
        ([nodes(*managers(3), node("w1", engine="20.10.24"))], one("swarm-engine-versions", "info")),
        ([nodes(*managers(3), node("w1", engine=""))], {}),
        # Not in a swarm, or not any more.
        ([change("engine", swarm_state="inactive"), lambda p: p.update(swarm=None)], {}),
        ([change("engine", swarm_state="locked")], one("swarm-node-state", "medium", "host")),
        ([change("engine", swarm_state="error")], one("swarm-node-state", "medium", "host")),
        ([change("engine", swarm_error=HEADLESS), lambda p: p.update(swarm=None)], one("swarm-quorum", "high")),
    ],
)  # fmt: skip
def test_swarm(program: Program, changes: list[Change], wanted: Wanted) -> None:
    assert found(program, *changes)[:2] == (wanted, [])


def test_evidence(program: Program) -> None:
    (lost,) = found(program, nodes(*managers(2), AWAY))[2]
    assert lost["evidence"] == "1 of 3 managers are not reachable, 2 have to be (GET /nodes): m3"
    (mixed,) = found(program, nodes(*managers(3), node("w1", engine="20.10.24")))[2]
    assert mixed["evidence"] == "28.5.2 (3 nodes), 20.10.24 (1 node)"
    (ended,) = found(program, change("host", swarm_certificate_expires=0))[2]
    assert "ended 1970-01-01T00:00:00Z" in ended["evidence"]
    (busy,) = found(program, nodes(*managers(11, availability="active"), node("w1")))[2]
    assert busy["evidence"].endswith(": m1, m2, m3, m4, m5, m6, m7, m8, …")
    (locked,) = found(program, change("engine", swarm_state="locked"))[2]
    assert locked["remedy"] == "docker swarm unlock"


def test_a_worker(program: Program) -> None:
    """It knows its own certificate alone."""
    assert found(program, *WORKER)[:2] == ({}, [WORKER_GAP])
    assert found(program, *WORKER, certificate(-1))[:2] == (one("swarm-certificate", "high", "host"), [WORKER_GAP])


@pytest.mark.parametrize(
    "changes, gap",
    [
        ([without("swarm", "autolock")], "whether managers are locked: the engine does not tell"),
        ([without("swarm", "root_expires")], "when the root certificate ends: the engine does not tell"),
        ([without("swarm", "node_cert_ns")], "how long certificates are valid: the engine does not tell"),
        ([without("swarm", "nodes")], "the nodes: the engine tells of none"),
        ([nodes(*managers(1025))], "there are more nodes than are looked at"),
        ([without("host", "swarm_certificate_expires")], "when this node's certificate ends: the file was not read"),
        ([without("engine", "swarm_state")], "whether the host is in a swarm: the engine does not tell"),
        ([without("engine", "swarm_manager")], "whether this node is a manager: the engine does not tell"),
        ([lambda p: p.update(swarm=None)], "swarm: the posture has none"),
        ([lambda p: p.update(swarm=None, gaps=[{"part": "swarm", "why": "HTTP status 500"}])], "swarm: HTTP status 500"),
        ([lambda p: p.update(engine=None)], "engine: the posture has none"),
    ],
)  # fmt: skip
def test_what_is_missing(program: Program, changes: list[Change], gap: str) -> None:
    wanted, gaps, _ = found(program, *changes)
    assert gaps == [gap]
    assert set(wanted) <= {("swarm-managers", "swarm")}  # of the many, whose number is even


@pytest.mark.parametrize("hostile", [7, "x", [], {}, [[]], True, -(2**63), 2**63 - 1, {"nodes": [7, [], None]}])
def test_a_hostile_posture(program: Program, hostile: Any) -> None:
    for part in ("engine", "swarm", "host"):
        found(program, lambda p: p.update({part: hostile}))
    for part in ("engine", "swarm", "host"):
        for key in SNAPSHOT["posture"][part]:  # type: ignore[index]
            found(program, change(part, **{key: hostile}))
    for key in node("m1", "manager"):
        found(program, nodes(*managers(1), node("m2", "manager") | {key: hostile}))
