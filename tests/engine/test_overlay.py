"""Overlay networks of a real swarm of two nodes: their datagrams are seen, and those that must not be are stopped."""

import json
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bed import Container, PrivateEngine, Quaywall, eventually, Ask  # noqa: E402
from bed.swarm import Swarm, until  # noqa: E402

# Sends a datagram of VXLAN from an address of this namespace; in a process of its own, as a namespace is a process's.
INJECT = """
import socket, sys
source, target, data = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0))
s.sendto(data, (target, int(sys.argv[4])))
"""


@pytest.fixture(scope="module")
def swarm(generation: str) -> Iterator[Swarm]:
    made = Swarm(generation)
    yield made
    made.close()


@pytest.fixture
def guard(swarm: Swarm, tmp_path: Path) -> Iterator[Quaywall]:
    """Quaywall beside the manager's engine."""
    q = Quaywall(swarm.manager, tmp_path / "q")
    q.start()
    yield q
    q.stop()
    q.verb("flush")


def overlay(q: Quaywall, **settings: str) -> None:
    q.configure({"overlay": settings})
    q.verb("reload")


def elements(q: Quaywall, name: str) -> dict[tuple[int, str], int]:
    """{(VNI, PEER): packets} of a set."""
    argv = ["nsenter", f"--net={q.engine.netns}", "--", "nft", "-j", "list", "set", "inet", "quaywall", name]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    found: dict[tuple[int, str], int] = {}
    for item in json.loads(done.stdout)["nftables"][1]["set"].get("elem", []):
        element = item.get("elem", item) if isinstance(item, dict) else item
        value = element["val"] if "val" in element else element
        vni, peer = value["concat"]
        packets = element.get("counter", {}).get("packets", 0)
        found[int(str(vni), 0), peer] = packets
    return found


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def forged(vni: int, target: Container, network: str) -> bytes:
    """A datagram for port 9999 of TARGET, as a container of the network would send it."""
    own = target.inspect()["NetworkSettings"]["Networks"][network]
    src, dst = socket.inet_aton("10.66.66.66"), socket.inet_aton(own["IPAddress"])
    inner = struct.pack(">HHHH", 5555, 9999, 8 + 6, 0) + b"forged"
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(inner), 1, 0, 64, 17, 0, src, dst)
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    mac = bytes.fromhex(own["MacAddress"].replace(":", ""))
    frame = mac + bytes.fromhex("020000000066") + b"\x08\x00" + head + inner
    return struct.pack(">BxxxI", 8, vni << 8) + frame


def inject(swarm: Swarm, source: str, data: bytes) -> None:
    swarm.worker.host(sys.executable, "-c", INJECT, source, swarm.MANAGER, data.hex(), str(swarm.PORT))


class Ear:
    """Counts what comes to a container's port 9999, by a rule in its own namespace."""

    def __init__(self, container: Container) -> None:
        self.netns = container.netns
        self.nft("add table inet ear; add chain inet ear in { type filter hook prerouting priority -400; };"
                 " add rule inet ear in udp dport 9999 counter")

    def nft(self, text: str) -> str:
        argv = ["nsenter", f"--net={self.netns}", "--", "nft", text]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def heard(self) -> int:
        return int(self.nft("list table inet ear").split("counter packets ")[1].split()[0])


@pytest.fixture
def pair(swarm: Swarm, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """A network with a container on each node."""
    made: list[tuple[PrivateEngine, str]] = []

    def make(name: str, *options: str) -> tuple[int, Container, Container]:
        vni = swarm.network(name, *options)
        here = swarm.run(swarm.manager, f"{name}-here", name)
        made.append((swarm.manager, here.name))
        there = swarm.run(swarm.worker, f"{name}-there", name)
        made.append((swarm.worker, there.name))
        return vni, here, there

    yield make
    for engine, name in made:
        engine.docker("rm", "-f", name)


def test_clear_datagrams_are_counted_and_with_deny_stopped(
    swarm: Swarm, pair: Callable[..., Any], guard: Quaywall
) -> None:
    vni, here, there = pair("plain")
    to_there = Ask(here.at(), there.addr(network="plain"), "tcp", 80)
    overlay(guard, strangers="deny")  # who is refused is looked for: else it takes a listing, within a minute
    eventually(to_there, "ok", 20)
    until(lambda: (vni, swarm.WORKER) in elements(guard, "overlay_peers4"), 5, "the worker is a peer")
    eventually(to_there, "ok")
    pairs = (vni, swarm.WORKER)
    assert elements(guard, "overlay_out_clear4")[pairs] > 0
    assert elements(guard, "overlay_in_clear4")[pairs] > 0
    assert pairs not in elements(guard, "overlay_in_ipsec4")
    overlay(guard, plaintext="deny-encrypted", strangers="deny")
    eventually(to_there, "ok")  # neither encrypted nor a stranger's
    overlay(guard, plaintext="deny")
    eventually(to_there, "timeout")
    found = findings(guard)
    assert ("overlay-cleartext", "network plain") not in {(id, subject) for id, _, subject in found}
    assert "overlay-unencrypted" in {id for id, _, subject in found if subject == "network plain"}
    overlay(guard, plaintext="alert")
    eventually(to_there, "ok")


def test_strangers(swarm: Swarm, pair: Callable[..., Any], guard: Quaywall) -> None:
    vni, here, there = pair("open")
    ear, datagram = Ear(here), forged(vni, here, "open")
    inject(swarm, swarm.STRANGER, datagram)
    until(lambda: ear.heard() == 1, 5, "without a guard it reaches the container")
    assert elements(guard, "overlay_in_others4")[vni, swarm.STRANGER] == 1
    overlay(guard, strangers="deny")
    for _ in range(20):
        inject(swarm, swarm.STRANGER, datagram)
    until(lambda: elements(guard, "overlay_in_others4")[vni, swarm.STRANGER] >= 21, 5, "they came to the host")
    assert ear.heard() == 1
    # The real peer is let in as soon as it is known: what it sends makes the daemon ask.
    eventually(Ask(there.at(), here.addr(network="open"), "tcp", 80), "ok", 20)
    assert (vni, swarm.WORKER) in elements(guard, "overlay_peers4")
    assert (vni, swarm.STRANGER) not in elements(guard, "overlay_peers4")
    told = [line for line in guard.verb("watch", "--last", "100", "--json").splitlines() if "overlay.strangers" in line]
    assert any(swarm.STRANGER in line for line in told)


def test_peers_go(swarm: Swarm, pair: Callable[..., Any], guard: Quaywall) -> None:
    vni, here, there = pair("gone")
    overlay(guard, strangers="deny")
    eventually(Ask(there.at(), here.addr(network="gone"), "tcp", 80), "ok", 20)
    there.remove()
    until(lambda: swarm.WORKER not in swarm.peers(swarm.manager, "gone"), 30, "the engine knows")
    again = swarm.run(swarm.manager, "gone-again", "gone")  # an event of the network
    until(lambda: (vni, swarm.WORKER) not in elements(guard, "overlay_peers4"), 10, "the peer goes")
    again.remove()
    swarm.run(swarm.worker, "gone-there", "gone")


def test_clear_text_of_an_encrypted_network(swarm: Swarm, pair: Callable[..., Any], guard: Quaywall) -> None:
    vni, here, there = pair("secret", "--opt", "encrypted")
    ear, datagram = Ear(here), forged(vni, here, "secret")
    # As after a flush of somebody's: the engine never puts its rules back.
    for table, chain in (("filter", "INPUT"), ("mangle", "OUTPUT")):
        for engine in swarm.engines:
            engine.host("iptables", "-t", table, "-F", chain)
    inject(swarm, swarm.WORKER, datagram)
    until(lambda: ear.heard() == 1, 5, "nobody keeps it out")
    overlay(guard, plaintext="deny-encrypted")
    assert vni in {int(str(v), 0) for v in encrypted(guard)}
    for source in (swarm.WORKER, swarm.STRANGER):
        for _ in range(20):
            inject(swarm, source, datagram)
    assert ear.heard() == 1
    # Nor does it leave: the mark that leads it to IPsec is gone.
    wire = Wire(swarm.worker, swarm.MANAGER)
    eventually(Ask(here.at(), there.addr(network="secret"), "tcp", 80), "timeout")
    assert wire.heard(vni) == 0
    overlay(guard, plaintext="alert")
    eventually(Ask(here.at(), there.addr(network="secret"), "tcp", 80), "ok")  # and nobody notices
    assert wire.heard(vni) > 0
    found = findings(guard)
    assert ("overlay-cleartext", "critical", "network secret") in found
    assert ("overlay-unencrypted", "low", "network secret") not in found
    # This kernel has no ESP: the engine's policy is there, and no state.
    assert ("overlay-no-ipsec", "critical", "network secret") in found
    assert ("overlay-port-open", "medium", "host") in found
    # The daemon sees that, too, confined as it is, and has no gap to tell of.
    found, gaps = told(guard)
    assert ("overlay-no-ipsec", "critical", "network secret") in found
    assert "overlay" not in gaps, gaps


def told(q: Quaywall) -> tuple[set[tuple[str, str, str]], dict[str, str]]:
    """By the daemon: its findings, and what it could not look at."""
    answer = q.checked()
    found = {(f["id"], f["severity"], f["subject"]) for f in answer["findings"]}
    return found, {gap["group"]: gap["why"] for gap in answer["not_checked"]}


def test_the_swarm_itself(swarm: Swarm, guard: Quaywall, tmp_path: Path) -> None:
    """The group `swarm` of the checks: of a manager, as its settings change, and of a worker."""
    lock, tasks = ("swarm-autolock", "low", "swarm"), ("swarm-manager-tasks", "info", "swarm")
    number = ("swarm-managers", "medium", "swarm")
    assert of_swarm(guard) == {lock, tasks, number}
    assert of_swarm(Quaywall(swarm.worker, tmp_path / "w")) == set()
    self = swarm.manager.docker("info", "-f", "{{.Swarm.NodeID}}")
    try:
        swarm.update("swarm", "--autolock=true", "--cert-expiry", "10000h")
        swarm.update("node", "--availability", "drain", self)
        # The certificate of before, made for a shorter time, is none that was not renewed.
        assert of_swarm(guard) == {number, ("swarm-certificate-validity", "low", "swarm")}
    finally:
        swarm.update("swarm", "--autolock=false", "--cert-expiry", "2160h")
        swarm.update("node", "--availability", "active", self)


def of_swarm(q: Quaywall) -> set[tuple[str, str, str]]:
    return {f for f in findings(q) if f[0].startswith("swarm-")}


def findings(q: Quaywall) -> set[tuple[str, str, str]]:
    """Of a snapshot taken now: (id, severity, subject)."""
    recorded = q.folder / "recorded.json"
    recorded.write_text(q.verb("snapshot"), encoding="utf-8")
    done = q.call("--json", "check", "--snapshot", str(recorded))
    assert done.returncode in (0, 1), done.stderr
    return {(f["id"], f["severity"], f["subject"]) for f in json.loads(done.stdout)["findings"]}


def encrypted(q: Quaywall) -> list[Any]:
    argv = ["nsenter", f"--net={q.engine.netns}", "--", "nft", "-j", "list", "set", "inet", "quaywall"]
    done = subprocess.run([*argv, "overlay_encrypted"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["nftables"][1]["set"].get("elem", [])
    return [item["elem"]["val"] if isinstance(item, dict) else item for item in found]


class Wire:
    """Counts VXLAN from PEER as it comes to an engine's host, by identifier."""

    def __init__(self, engine: PrivateEngine, peer: str) -> None:
        self.engine = engine
        engine.host("nft", "add table inet wire; add set inet wire seen { typeof @th,96,24; size 100; flags dynamic; };"
                    " add chain inet wire in { type filter hook prerouting priority -400; };"
                    f" add rule inet wire in ip saddr {peer} udp dport {Swarm.PORT} update @seen {{ @th,96,24 counter }}")

    def heard(self, vni: int) -> int:
        text = self.engine.host("nft", "list", "set", "inet", "wire", "seen")
        _, found, rest = text.partition(f"{vni:#x} counter packets ")
        return int(rest.split()[0]) if found else 0
