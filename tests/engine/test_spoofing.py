"""A container may use its own addresses alone: frames of raw sockets, on real engines."""

import signal
import struct
import sys
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bed import Ask, Container, Quaywall  # noqa: E402
from checks import Bed, hold  # noqa: E402
from frames import (  # noqa: E402
    BROADCAST,
    ETH_P_IP,
    Ear,
    Node,
    Pen,
    arrivals,
    attacks,
    ether,
    icmp4,
    ipv4,
    ipv6,
    legitimate,
    packet_socket,
    udp,
    udp_socket,
)

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


FLOWS = """
policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: [{service: db}, world]}
"""


def error4(sender: Node, to: Node, inner: bytes, name: str) -> bytes:
    """Port unreachable, with NAME behind the packet that it is about."""
    data = icmp4(3, 3, bytes(4) + inner + name.encode())
    return ether(to.mac, sender.mac, ETH_P_IP, ipv4(sender.ip4, to.ip4, 1, data))


def error6(sender: Node, to: Node, inner: bytes, name: str) -> bytes:
    return Pen(sender, to, sender).icmp6(1, struct.pack("!I", 0) + inner + name.encode())


def link_mac(shown: str) -> str:
    return shown.split("link/ether ")[1].split()[0]


class Errors:
    """web asks db and outside, and hears ICMP errors about that: of db, of a third one, and of outside."""

    def __init__(self, pair: Pair, third: Container) -> None:
        lan, engine = pair.bed.lan, pair.bed.engine
        self.web, self.db, self.third = node(pair.web), node(pair.db), node(third)
        sent = udp(4000, 53, b"quaywall")
        within4 = ipv4(self.web.ip4, self.db.ip4, 17, sent)
        within6 = ipv6(self.web.ip6, self.db.ip6, 17, sent)
        out = Node(
            link_mac(lan.outside.net("ip", "-o", "link", "show", "lan0")), lan.addr4, lan.addr6
        )
        host = Node(link_mac(engine.host("ip", "-o", "link", "show", "lan0")), lan.host4, lan.host6)
        by_host = Node(host.mac, self.web.ip4, self.web.ip6)
        translated = ipv4(lan.host4, lan.addr4, 17, sent)
        self.asks = [
            Pen(self.web, self.db, pair.gateway).v4(),
            Pen(self.web, self.db, pair.gateway).v6(),
            Pen(self.web, pair.gateway, pair.gateway).v4(dst=lan.addr4),
        ]
        self.mouths = {
            "web": packet_socket(pair.web.netns, "eth0"),
            "db": packet_socket(pair.db.netns, "eth0"),
            "third": packet_socket(third.netns, "eth0"),
            "outside": packet_socket(lan.netns, "lan0"),
        }
        self.ear = Ear([(pair.web.netns, "eth0")])
        self.errors = {
            "db4": error4(self.db, self.web, within4, "db4"),
            "db6": error6(self.db, self.web, within6, "db6"),
            "third4": error4(self.third, self.web, within4, "third4"),
            "third6": error6(self.third, self.web, within6, "third6"),
            "outside4": error4(out, by_host, within4, "outside4"),
            "outside4 of its own": error4(out, host, translated, "outside4 of its own"),
        }

    def heard(self) -> set[str]:
        for frame in self.asks:
            self.mouths["web"].send(frame)
        self.ear.heard()
        for name, frame in self.errors.items():
            self.mouths[name.rstrip("46") if " " not in name else "outside"].send(frame)
        heard = self.ear.heard()
        return {name for name in self.errors if any(f.endswith(name.encode()) for f in heard)}

    def close(self) -> None:
        for s in (self.ear, *self.mouths.values()):
            s.close()


def test_errors_about_a_flow_come_from_its_ends(clean: Bed, quaywall: Make) -> None:
    """Conntrack takes an ICMP error for the flow's that it quotes, whoever sends it."""
    pair = Pair(clean)
    third = clean.engine.run("blog-third-1", "front", service="blog/third")
    q = quaywall(clean)
    q.policy("shop", FLOWS)
    errors = Errors(pair, third)
    own = {"db4", "db6", "outside4 of its own"}
    try:
        assert errors.heard() >= own | {"third4", "third6"}
        q.start()
        hold([Ask(pair.web.at(), errors.db.ip4, "udp", 53)])
        assert errors.heard() == own
    finally:
        errors.close()


def test_one_interface_that_is_down_keeps_nobody_from_its_port(clean: Bed, quaywall: Make) -> None:
    """Whoever has its own interface down may not cut off the others when the daemon starts anew."""
    pair = Pair(clean)
    third = clean.engine.run("blog-third-1", "front", service="blog/third")
    q = quaywall(clean)
    q.policy("shop", FLOWS)
    third.ip("link", "set", "eth0", "down")
    q.start()
    hold([Ask(pair.web.at(), node(pair.db).ip4, "tcp", 5432)])
