"""A container may use its own addresses alone, whatever it sends by a raw socket."""

import json
import socket
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from frames import BROADCAST, Ear, Node, Pen, arrivals, attacks, legitimate, packet_socket  # noqa: E402
from place import Daemon, Namespace, attach  # noqa: E402

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
