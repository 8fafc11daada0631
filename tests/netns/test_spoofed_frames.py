"""A container may use its own addresses alone, whatever it sends by a raw socket."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from frames import BROADCAST, Ear, Node, Pen, arrivals, attacks, ether, legitimate, packet_socket, udp  # noqa: E402
from place import Daemon, Namespace, attach, eventually  # noqa: E402

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}}
"""
WEB = Node("02:42:ac:12:00:03", "172.18.0.3", "fd00:18::3")
DB = Node("02:42:ac:12:00:02", "172.18.0.2", "fd00:18::2")
LONE = Node("02:42:ac:13:00:02", "172.19.0.2", "fd00:19::2")


class Bridge:
    """web, who attacks, db, and the host, on one bridge; br_netfilter is off, so the bridge table judges alone."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.host = daemon.space
        self.gateway = Node("02:42:00:00:00:01", "172.18.0.1", "fd00:18::1")
        self.host.run("ip", "link", "set", "br-shopfront", "address", self.gateway.mac)
        self.host.run("ip", "addr", "add", self.gateway.ip6 + "/64", "dev", "br-shopfront", "nodad")
        self.host.run("ip", "addr", "add", self.gateway.link + "/64", "dev", "br-shopfront", "nodad")
        self.db = self._attach(DB)
        self.web = self._attach(WEB)
        self.ear = Ear([(self.netns(self.db), "eth0"), (self.netns(self.host), "br-shopfront")])
        self.mouth = packet_socket(self.netns(self.web), "eth0")
        self._db_mouth = packet_socket(self.netns(self.db), "eth0")

    def _attach(self, node: Node) -> Namespace:
        place = attach(self.daemon, f"{node.ip4}/16", node.mac)
        place.run("ip", "addr", "add", f"{node.ip6}/64", "dev", "eth0", "nodad")
        return place

    @staticmethod
    def netns(place: Namespace) -> str:
        return f"/proc/{place.pid}/ns/net"

    def arrive(self, frames: dict[str, bytes], mouth: socket.socket | None = None) -> set[str]:
        return arrivals(mouth or self.mouth, self.ear, frames, self.db_speaks)

    def db_speaks(self) -> None:
        self._db_mouth.send(Pen(DB, WEB, self.gateway).arp(1, DB.ip4, to=BROADCAST))

    def attacks(self) -> dict[str, bytes]:
        return attacks(WEB, DB, self.gateway, LONE)

    def legitimate(self) -> dict[str, bytes]:
        return legitimate(WEB, DB, self.gateway)

    def enforce(self) -> None:
        self.daemon.offline("run", "--once")
        for name in ("iptables", "ip6tables"):
            self.host.call("sh", "-c", f"echo 0 >/proc/sys/net/bridge/bridge-nf-call-{name}")

    def fdb(self, mac: str) -> str:
        """The port by which the bridge would send to MAC."""
        for line in self.host.run("bridge", "fdb", "show", "br", "br-shopfront").splitlines():
            if line.startswith(mac) and "permanent" not in line:
                return line.split()[2]
        return ""

    def close(self) -> None:
        self.ear.close()
        self.mouth.close()
        self._db_mouth.close()
        self.db.close()
        self.web.close()


@pytest.fixture
def bridge(daemon: Daemon) -> Iterator[Bridge]:
    host = json.loads(daemon.snapshot.read_text(encoding="utf-8"))
    host["endpoints"][0]["addr6"] = DB.ip6
    daemon.snapshot.write_text(json.dumps(host), encoding="utf-8")
    daemon.policy(POLICY)
    made = Bridge(daemon)
    try:
        yield made
    finally:
        made.close()


def test_every_frame_arrives_without_quaywall(bridge: Bridge) -> None:
    """Else what follows would prove nothing. The bridge itself answers for its own group addresses."""
    frames = bridge.attacks() | bridge.legitimate()
    assert set(frames) - bridge.arrive(frames) == set()


def test_what_is_its_own_passes_and_nothing_else(bridge: Bridge) -> None:
    bridge.enforce()
    assert bridge.arrive(bridge.attacks()) == set()
    legitimate_frames = bridge.legitimate()
    assert set(legitimate_frames) - bridge.arrive(legitimate_frames) == set()


STRANGER = "02:00:00:00:00:99"
GROUPS = [f"01:80:c2:00:00:{n:02x}" for n in range(16)]
LISTEN = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9999))
s.settimeout(20)
print("up", flush=True)
while (got := s.recv(100)) != b"end":
    print(got.decode(), flush=True)
"""


def test_frames_to_group_addresses_turn_no_traffic(bridge: Bridge) -> None:
    """They are the bridge's own: some pass no hook on their way to it."""
    draw = [ether(group, DB.mac, 0x88CC, bytes(50)) for group in GROUPS]
    for enforced in (False, True):
        if enforced:
            bridge.enforce()
        drawn = set()
        for frame in draw:
            bridge.db_speaks()
            home = bridge.fdb(DB.mac)
            bridge.mouth.send(frame)
            # A bridge that is busy learns of it a moment later.
            if eventually(lambda: bridge.fdb(DB.mac) != home, 0.5):
                drawn.add(frame[5])
        assert (0x0E in drawn) if not enforced else drawn == set()


def test_what_the_bridge_learned_before(bridge: Bridge) -> None:
    """A port that was nobody's yet drew the traffic of a container that was stopped: it does no more once that has its
    port, though it says nothing. By the daemon as it is confined."""
    bridge.db_speaks()
    bridge.mouth.send(ether(BROADCAST, DB.mac, 0x88CC, bytes(50)))
    assert bridge.fdb(DB.mac) == f"veth{bridge.web.pid}"
    bridge.daemon.start()
    assert bridge.daemon.status()["sandbox"]["capabilities"] is True
    assert bridge.fdb(DB.mac) == f"veth{bridge.db.pid}"


@pytest.mark.parametrize("bound", [True, False])
def test_packets_in_them_reach_the_host_no_more(bridge: Bridge, bound: bool) -> None:
    """They come by the port, not by the bridge that the policies' rules name; also by one that is nobody's yet."""
    place = None if bound else attach(bridge.daemon, "172.18.0.99/16", STRANGER)
    mouth = packet_socket(bridge.netns(place), "eth0") if place else bridge.mouth
    try:
        packets_in_frames_to_groups(bridge, mouth)
    finally:
        if place:
            mouth.close()
            place.close()


def packets_in_frames_to_groups(bridge: Bridge, mouth: socket.socket) -> None:
    w = Pen(WEB, DB, bridge.gateway)
    frames = {
        f"{group[-2:]} {src}": w.v4(
            src=src, dst="172.18.0.1", to=group, data=udp(4000, 9999, f"{group[-2:]} {src}".encode())
        )
        for group in GROUPS
        for src in (WEB.ip4, "203.0.113.9")
    }
    for enforced in (False, True):
        if enforced:
            bridge.enforce()
        listener = subprocess.Popen(
            bridge.host.argv("/usr/bin/python3", "-c", LISTEN), stdout=subprocess.PIPE, text=True
        )
        try:
            assert listener.stdout and listener.stdout.readline() == "up\n"
            for frame in frames.values():
                mouth.send(frame)
            end = 'import socket; socket.socket(2, 2).sendto(b"end", ("127.0.0.1", 9999))'
            bridge.host.run("/usr/bin/python3", "-c", end)
            heard = set(listener.communicate(timeout=20)[0].split("\n")) - {""}
        finally:
            listener.kill()
            listener.communicate()
        assert ("0e 203.0.113.9" in heard) if not enforced else heard == set()
