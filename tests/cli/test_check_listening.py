"""What containers of the host's network listen on, on hosts whose sockets were recorded."""

from typing import Any, Optional

import pytest

from check_world import answer, host
from program import Program

WEB, SIDE, LAN = "a" * 64, "b" * 64, "c" * 64


def socket(addr: str, port: int, protocol: str = "tcp", container: Optional[str] = WEB, **more: str) -> dict[str, Any]:
    return {"protocol": protocol, "addr": addr, "port": port, "uid": 0, "container": container, **more}


def unseen(addr: str, port: int, protocol: str = "tcp") -> dict[str, Any]:
    found = socket(addr, port, protocol)
    del found["container"]
    return found


def world(sockets: Optional[list[Any]], mode: str = "host", **more: Any) -> Any:
    """`web` uses the host's network, `side` web's, and `lan` a network of its own."""
    snapshot = host([])
    snapshot["containers"] = [
        {"id": WEB, "name": "web", "image": "nginx", "network_mode": mode},
        {"id": SIDE, "name": "side", "image": "nginx", "network_mode": f"container:{WEB}"},
        {"id": LAN, "name": "lan", "image": "nginx", "network_mode": "front"},
    ]
    snapshot["endpoints"] = []
    own = None if sockets is None else {"gaps": [], "listening": sockets}
    snapshot["posture"] = {"version": 1, "host": own, "gaps": []} | more
    return snapshot


def told(program: Program, snapshot: Any) -> tuple[dict[str, str], list[str]]:
    found = answer(program, "exposure", snapshot)
    assert {f["id"] for f in found["findings"]} <= {"host-network-listens"}
    return {f["subject"]: f["severity"] for f in found["findings"]}, [gap["why"] for gap in found["not_checked"]]


@pytest.mark.parametrize(
    "sockets, wanted",
    [
        ([], {}),
        ([socket("0.0.0.0", 80)], {"web 80/tcp": "medium"}),
        ([socket("0.0.0.0", 80), socket("::", 80), socket("::", 80)], {"web 80/tcp": "medium"}),
        ([socket("::", 80), socket("::", 80, "udp")], {"web 80/tcp": "medium", "web 80/udp": "medium"}),
        ([socket("203.0.113.9", 5432)], {"web 5432/tcp": "high"}),
        ([socket("0.0.0.0", 2375)], {"web 2375/tcp": "critical"}),
        ([socket("10.0.0.9", 80), socket("fd00::9", 80)], {"web 80/tcp": "low"}),
        ([socket("10.0.0.9", 80), socket("203.0.113.9", 80)], {"web 80/tcp": "medium"}),
        ([socket("10.0.0.9", 5432)], {"web 5432/tcp": "medium"}),
        ([socket("0.0.0.0", 80, container=SIDE)], {"side 80/tcp": "medium"}),
        # The host's own, or of a container that this engine does not run.
        ([socket("0.0.0.0", 5432, container=None), socket("0.0.0.0", 5432, container="d" * 64)], {}),
        # Nobody comes there, or it is a client's.
        ([socket("127.0.0.1", 80), socket("::1", 80), socket("::ffff:127.0.0.1", 80)], {}),
        ([socket("0.0.0.0", 80, interface="lo")], {}),
        ([socket("0.0.0.0", 40000, "udp")], {}),
        ([socket("0.0.0.0", 40000), socket("0.0.0.0", 20000, "udp")], {"web 40000/tcp": "medium", "web 20000/udp": "medium"}),
    ],
)  # fmt: skip
def test_what_is_listened_on(program: Program, sockets: list[Any], wanted: dict[str, str]) -> None:
    assert told(program, world(sockets)) == (wanted, [])


def test_the_ports_of_clients_are_the_host_s(program: Program) -> None:
    snapshot = world([socket("0.0.0.0", 40000, "udp"), socket("0.0.0.0", 20000, "udp")])
    snapshot["posture"]["host"]["sysctl"] = {"net/ipv4/ip_local_port_range": "15000\t25000"}
    assert told(program, snapshot) == ({"web 40000/udp": "medium"}, [])


def test_evidence(program: Program) -> None:
    sockets = [socket("0.0.0.0", 5432, process="postgres"), socket("10.0.0.9", 5432, interface="wg0")]
    (found,) = answer(program, "exposure", world(sockets))["findings"]
    assert found["evidence"] == (
        "5432/tcp is PostgreSQL's: a database (IANA: postgresql); listens on 0.0.0.0 and 10.0.0.9 by wg0 alone, "
        "port 5432/tcp, process postgres (the host's sockets)"
    )


@pytest.mark.parametrize(
    "snapshot, gaps",
    [
        (world(None), ["what containers of the host's network listen on: the host was not read"]),
        (
            world([], gaps=[{"part": "listening", "why": "no memory"}]),
            ["what containers of the host's network listen on: no memory"],
        ),
        (
            world([unseen("0.0.0.0", 80), unseen("::", 81), unseen("127.0.0.1", 82), unseen("::", 40000, "udp")]),
            ["whether containers of the host's network listen there: whose 2 of the host's ports are was not seen"],
        ),
        (world([unseen("127.0.0.1", 82), unseen("::", 40000, "udp")]), []),
        # Where no container could, nothing is missing.
        (world(None, mode="front"), []),
        (world([unseen("0.0.0.0", 80)], mode="front"), []),
    ],
)
def test_gaps(program: Program, snapshot: Any, gaps: list[str]) -> None:
    assert told(program, snapshot) == ({}, gaps)
