"""A container may use its own addresses alone: frames of raw sockets, on real engines."""

import signal
import sys
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bed import Ask, Container, Quaywall  # noqa: E402
from checks import Bed, hold  # noqa: E402
from frames import BROADCAST, Ear, Node, Pen, arrivals, attacks, legitimate, packet_socket, udp, udp_socket  # noqa: E402

Make = Callable[..., Quaywall]
POLICY = """
policy: shop
for: {project: shop}
allow:
  - {from: any, to: any}
"""
ELSEWHERE = Node("02:42:ac:63:00:02", "172.30.2.9", "fd00:2::9")


def node(c: Container, network: str = "front") -> Node:
    found = c.inspect()["NetworkSettings"]["Networks"][network]
    return Node(found["MacAddress"], found["IPAddress"], found["GlobalIPv6Address"])


class Pair:
    """db listens, web attacks. The policy lets everything pass, so what is refused is so by the bridge table."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        engine = bed.engine
        engine.network("front", "172.30.1.0/24", "fd00:1::/64", {"com.docker.network.bridge.name": "qwfront0"})
        engine.network("back", "172.30.2.0/24", "fd00:2::/64")
        self.db = engine.run("shop-db-1", "front", service="shop/db")
        self.web = engine.run("shop-web-1", "front", service="shop/web")
        mac = engine.host("ip", "-o", "link", "show", "qwfront0").split("link/ether ")[1].split()[0]
        self.gateway = Node(mac, "172.30.1.1", "fd00:1::1")

    def arrive(self, which: str = "attacks", interface: str = "eth0") -> tuple[set[str], set[str]]:
        """What is sent, and what of it arrives at db or at the host."""
        me, to = node(self.web), node(self.db)
        if which == "attacks":
            frames = attacks(me, to, self.gateway, ELSEWHERE)
        else:
            # br_netfilter puts fragments of IPv6 together, and makes others.
            every = legitimate(me, to, self.gateway)
            frames = {name: f for name, f in every.items() if not ("v6" in name and "fragment" in name)}
        ear = Ear([(self.db.netns, "eth0"), (self.bed.engine.netns, "qwfront0")])
        mouth = packet_socket(self.web.netns, interface)
        other = packet_socket(self.db.netns, "eth0")
        announce = Pen(to, me, self.gateway).arp(1, to.ip4, to=BROADCAST)
        try:
            return set(frames), arrivals(mouth, ear, frames, lambda: other.send(announce))
        finally:
            for s in (ear, mouth, other):
                s.close()

    def check(self) -> None:
        _, arrived = self.arrive("attacks")
        assert arrived == set()
        sent, arrived = self.arrive("legitimate")
        assert sent - arrived == set()


def begin(bed: Bed, quaywall: Make) -> tuple[Pair, Quaywall]:
    pair = Pair(bed)
    q = quaywall(bed)
    q.policy("shop", POLICY)
    return pair, q


def test_spoofed_frames(clean: Bed, quaywall: Make) -> None:
    pair, q = begin(clean, quaywall)
    sent, arrived = pair.arrive("attacks")
    assert sent - arrived == set()
    q.start()
    pair.check()


def test_a_dhcp_client_reaches_the_host(clean: Bed, quaywall: Make) -> None:
    """Whatever the policy: it asks for the address that it would be known by. Nothing else is sent from none."""
    pair, q = begin(clean, quaywall)
    q.policy("shop", POLICY + "---\npolicy: alone\nfor: {project: shop, service: web}\nisolate: [ingress, egress]\n")
    q.start()
    pen = Pen(node(pair.web), node(pair.db), pair.gateway)
    mouth = packet_socket(pair.web.netns, "eth0")
    heard = []
    for port in (66, 67):
        with udp_socket(clean.engine.netns, port) as s:
            s.settimeout(2)
            mouth.send(pen.v4(src="0.0.0.0", dst="255.255.255.255", to=BROADCAST, data=udp(68, port, b"discover")))
            try:
                heard.append((port, s.recv(100)))
            except TimeoutError:
                pass
    mouth.close()
    assert heard == [(67, b"discover")]


def test_a_port_comes_with_its_container(clean: Bed, quaywall: Make) -> None:
    """Started, restarted, connected and paused while the daemon runs: each time a new port."""
    pair, q = begin(clean, quaywall)
    q.start()
    pair.check()
    pair.web.restart()
    hold([Ask(pair.web.at(), node(pair.db).ip4, "tcp", 5432)])
    pair.check()
    clean.engine.docker("network", "connect", "back", "shop-web-1")
    clean.engine.docker("network", "connect", "back", "shop-db-1")
    hold([Ask(pair.web.at(), node(pair.db, "back").ip4, "tcp", 5432)])
    pair.check()
    clean.engine.docker("pause", "shop-web-1")
    clean.engine.docker("unpause", "shop-web-1")
    hold([Ask(pair.web.at(), node(pair.db).ip4, "tcp", 5432)])
    clean.engine.docker("network", "disconnect", "back", "shop-web-1")
    pair.check()


def test_a_container_that_changes_its_mac_is_bound_to_the_old_one(clean: Bed, quaywall: Make) -> None:
    pair, q = begin(clean, quaywall)
    q.start()
    web, db = node(pair.web), node(pair.db)
    pair.web.ip("link", "set", "eth0", "address", "02:00:00:00:00:77")
    hold([], [Ask(pair.web.at(), db.ip4, "tcp", 5432)])
    pair.web.ip("link", "set", "eth0", "address", db.mac)
    hold([], [Ask(pair.web.at(), db.ip4, "tcp", 5432)])
    clean.engine.run("shop-new-1", "front", service="shop/new")
    hold([Ask(pair.db.at(), node(Container(clean.engine, "shop-new-1")).ip4, "tcp", 80)])
    pair.web.ip("link", "set", "eth0", "address", web.mac)
    hold([Ask(pair.web.at(), db.ip4, "tcp", 5432)])


def test_an_address_taken_over_while_the_daemon_is_dead_is_refused(clean: Bed, quaywall: Make) -> None:
    """The table of the dead daemon does not know the new port."""
    pair, q = begin(clean, quaywall)
    q.start()
    address = node(pair.web).ip4
    hold([Ask(pair.web.at(), node(pair.db).ip4, "tcp", 5432)])
    q.stop(signal.SIGKILL)
    pair.web.remove()
    thief = clean.engine.run("thief", "front", flags=["--ip", address])
    assert node(thief).ip4 == address
    hold([], [Ask(thief.at(), node(pair.db).ip4, "tcp", 5432)])
