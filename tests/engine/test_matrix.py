"""Every path of section 4 of the design to the same few ends, on engines of every kind.

A row is a first packet and what the language says of it, whichever way it takes. All are asked without quaywall
first: what the engine itself refuses, quaywall must not open, and those rows are named here for each kind of engine.
Every other row must pass or be refused as the language says.
"""

import os
import re
import subprocess
from dataclasses import dataclass, replace
from typing import Any, Callable

import pytest

from bed import Ask, Place, Quaywall, reach_all
from checks import PATIENT, PORTS, Bed, Box, World, box_of, judge

Make = Callable[..., Quaywall]
MakeBed = Callable[..., Bed]

# db's egress is free, other's is not: one is refused by the far end, the other by its own.
POLICY = """
policy: shop
for: [{project: shop, service: web}, {project: shop, service: legacy}, {project: shop, service: loop},
  {project: shop, service: multi}, {project: shop, service: routed}]
isolate: [ingress]
groups:
  served: [{project: shop, service: "*"}]
allow:
  - {from: [{service: worker}, {service: cache}], to: served, ports: [80, 53/udp]}
publish:
  - {to: {service: web}, port: [8080, 8085, 8053/udp], from: [192.0.2.2, "2001:db8:1::2"]}
  - {to: [{service: legacy}, {service: multi}, {service: routed}], port: [8090, 8097, 8201, 8203],
     from: [192.0.2.2, "2001:db8:1::2"]}
---
policy: out
for: [{project: shop, service: worker}, {project: blog, service: other}]
isolate: [egress]
allow:
  - {from: {service: worker}, to: {project: shop}}
  - {from: {service: worker}, to: host, ports: [9100]}
  - {from: {service: worker}, to: [192.0.2.2, "2001:db8:1::2"], ports: [80]}
"""


@dataclass(frozen=True)
class Row:
    title: str
    ask: Ask
    allowed: bool


class Matrix:
    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: list[Row] = []

    def add(self, title: str, allowed: bool, ask: Ask) -> None:
        self.rows.append(Row(title, ask, allowed))


def host_addrs(world: World, family: int) -> dict[str, str]:
    """Each is the host: its own address of the LAN, another interface's, gateways of near and far bridges."""
    lan = world.lan
    if family == 4:
        return {"lan": lan.host4, "vpn": lan.vpn_host4, "near": "172.30.1.1", "far": "172.30.2.1"}
    return {"lan": lan.host6, "vpn": lan.vpn_host6, "near": "fd00:1::1", "far": "fd00:2::1"}


def link_local(place: Place, device: str) -> str:
    """The link-local address of DEVICE in the place, to be asked by a neighbour."""
    argv = ["nsenter", f"--net={place.netns}", "--", "ip", "-6", "-o", "addr", "show", "dev", device]
    shown = subprocess.run([*argv, "scope", "link"], capture_output=True, text=True, check=True).stdout
    return shown.split("inet6 ")[1].split("/")[0]


def between_containers(m: Matrix, who: str, place: Place, good: bool) -> None:
    w = m.world
    for family in (4, 6):
        for name, box, network in (("web", w.web, "front"), ("multi", w.multi, "front"), ("multi", w.multi, "back")):
            addr = box.addr(family, network)
            m.add(f"{who} -> {name} on {network} v{family}", good, Ask(place, addr, "tcp", 80))
            m.add(f"{who} -> {name} on {network} v{family} 443", False, Ask(place, addr, "tcp", 443))
        m.add(f"{who} -> web v{family} udp", good, Ask(place, w.web.addr(family), "udp", 53))
        m.add(f"{who} -> web v{family} icmp", False, Ask(place, w.web.addr(family), "icmp"))


def through_published_ports(m: Matrix, who: str, place: Place, good: bool) -> None:
    """A container that asks the host's port asks the container behind it."""
    w = m.world
    for family in (4, 6):
        for name, addr in host_addrs(w, family).items():
            m.add(f"{who} -> {name} v{family}:8080", good, Ask(place, addr, "tcp", 8080))
            m.add(f"{who} -> {name} v{family}:8443", False, Ask(place, addr, "tcp", 8443))
            m.add(f"{who} -> {name} v{family}:8097", good, Ask(place, addr, "tcp", 8097))
        lan, near = host_addrs(w, family)["lan"], host_addrs(w, family)["near"]
        # docker-proxy answers UDP from the gateway's address, whichever was asked
        m.add(f"{who} -> near v{family}:8123/udp", False, Ask(place, near, "udp", 8123))
        # docker-proxy alone takes IPv6 to a container that has IPv4 only
        m.add(f"{who} -> lan v{family}:8090", good, Ask(place, lan, "tcp", 8090))
        m.add(f"{who} -> lan v{family}:8093", False, Ask(place, lan, "tcp", 8093))
    m.add(f"{who} -> lan v4:8085", good, Ask(place, w.lan.host4, "tcp", 8085))
    m.add(f"{who} -> lan v4:8086", False, Ask(place, w.lan.host4, "tcp", 8086))


def to_the_host(m: Matrix, who: str, place: Place, good: bool) -> None:
    for family in (4, 6):
        for name, addr in host_addrs(m.world, family).items():
            m.add(f"{who} -> host {name} v{family}", good, Ask(place, addr, "tcp", 9100))
            m.add(f"{who} -> host {name} v{family} 9101", False, Ask(place, addr, "tcp", 9101))
            m.add(f"{who} -> host {name} v{family} udp", False, Ask(place, addr, "udp", 9102))
            m.add(f"{who} -> host {name} v{family} icmp", False, Ask(place, addr, "icmp"))


def to_outside(m: Matrix, who: str, place: Place, good: bool) -> None:
    lan = m.world.lan
    for family, near, other in ((4, lan.addr4, lan.other4), (6, lan.addr6, lan.other6)):
        m.add(f"{who} -> outside v{family}", good, Ask(place, near, "tcp", 80))
        m.add(f"{who} -> outside v{family} 443", False, Ask(place, near, "tcp", 443))
        m.add(f"{who} -> other outside v{family}", False, Ask(place, other, "tcp", 80))


def by_link_local(m: Matrix, who: str, place: Place, good: bool, egress: bool) -> None:
    """Of the container and of the bridge, which is the host."""
    w = m.world
    web = link_local(w.web.place, "eth0") + "%eth0"
    m.add(f"{who} -> web link-local", good, Ask(place, web, "tcp", 80))
    m.add(f"{who} -> web link-local 443", False, Ask(place, web, "tcp", 443))
    bridge = link_local(w.engine, w.bridge("front")) + "%eth0"
    m.add(f"{who} -> bridge link-local:8080", good, Ask(place, bridge, "tcp", 8080))
    m.add(f"{who} -> bridge link-local:8443", False, Ask(place, bridge, "tcp", 8443))
    if egress:
        m.add(f"{who} -> bridge link-local host", good, Ask(place, bridge, "tcp", 9100))
        m.add(f"{who} -> bridge link-local host 9101", False, Ask(place, bridge, "tcp", 9101))


def from_outside(m: Matrix) -> None:
    w, lan = m.world, m.world.lan
    for family, good, bad in ((4, lan.addr4, lan.other4), (6, lan.addr6, lan.other6)):
        for name, addr in host_addrs(w, family).items():
            for port, proto, named in (
                (8080, "tcp", True), (8443, "tcp", False), (8053, "udp", True), (8123, "udp", False),
                (8090, "tcp", True), (8093, "tcp", False), (8097, "tcp", True),
            ):  # fmt: skip
                if proto == "udp" and name != "lan":
                    continue  # docker-proxy answers from whichever address the route prefers
                title = f"{name} v{family}:{port}/{proto}"
                m.add(f"outside -> {title}", named, Ask(lan, addr, proto, port, good))
                m.add(f"other outside -> {title}", False, Ask(lan, addr, proto, port, bad))
        for name, box, network in (("web", w.web, "front"), ("multi", w.multi, "back"), ("legacy", w.legacy, "old")):
            if box.addrs[network, family]:
                addr = box.addr(family, network)
                m.add(f"outside -> {name} straight v{family}", False, Ask(lan, addr, "tcp", 80, good))
        m.add(f"outside -> db straight v{family}", True, Ask(lan, w.db.addr(family), "tcp", 80, good))
    m.add("outside -> lan v4:8085", True, Ask(lan, lan.host4, "tcp", 8085, lan.addr4))
    m.add("other outside -> lan v4:8085", False, Ask(lan, lan.host4, "tcp", 8085, lan.other4))
    m.add("outside -> vpn v4:8085", True, Ask(lan, lan.vpn_host4, "tcp", 8085, lan.addr4))
    m.add("outside -> lan link-local:8080", False, Ask(lan, link_local(w.engine, "lan0") + "%lan0", "tcp", 8080))
    m.add("outside -> loopback:8070", False, Ask(lan, lan.loopback_route(), "tcp", 8070))


def from_the_host(m: Matrix) -> None:
    """Rule 6: it reaches its containers, by whatever way."""
    w = m.world
    for family, loopback in ((4, "127.0.0.1"), (6, "::1")):
        for name, addr in (host_addrs(w, family) | {"loopback": loopback}).items():
            for port in (8080, 8443, 8090, 8097):
                m.add(f"host -> {name} v{family}:{port}", True, Ask(w.engine, addr, "tcp", port))
        for port in (80, 443):
            m.add(f"host -> web v{family} {port}", True, Ask(w.engine, w.web.addr(family), "tcp", port))
    m.add("host -> loopback v4:8070", True, Ask(w.engine, "127.0.0.1", "tcp", 8070))


def to_itself(m: Matrix) -> None:
    w = m.world
    for family in (4, 6):
        for name in ("lan", "near"):
            addr = host_addrs(w, family)[name]
            m.add(f"web -> itself by {name} v{family}:8080", True, Ask(w.web.place, addr, "tcp", 8080))


def rows_of(world: World, sharers: dict[str, Place], inner: dict[str, Box]) -> list[Row]:
    m = Matrix(world)
    senders: list[tuple[str, Place, bool, bool]] = [
        ("worker", world.worker.place, True, True),
        ("other", world.other.place, False, True),
        ("db", world.db.place, False, False),
        ("cache", world.cache.place, True, False),
        ("worker's sharer", sharers["worker"], True, True),
        ("other's sharer", sharers["other"], False, True),
    ]
    for who, place, good, egress in senders:
        between_containers(m, who, place, good)
        through_published_ports(m, who, place, good)
        if egress:
            to_the_host(m, who, place, good)
            to_outside(m, who, place, good)
        if who != "cache":
            by_link_local(m, who, place, good, egress)
    for who, box in inner.items():
        m.add(f"{who} -> lan v4:8080", who == "inner worker", Ask(box.place, world.lan.host4, "tcp", 8080))
        m.add(f"{who} -> lan v4:8443", False, Ask(box.place, world.lan.host4, "tcp", 8443))
        m.add(f"{who} -> inner gateway", who == "inner worker", Ask(box.place, "172.30.5.1", "tcp", 9100))
        m.add(f"{who} -> inner gateway 9101", False, Ask(box.place, "172.30.5.1", "tcp", 9101))
        m.add(f"{who} -> inner gateway:8080", who == "inner worker", Ask(box.place, "172.30.5.1", "tcp", 8080))
        m.add(f"{who} -> web v4", who == "inner worker", Ask(box.place, world.web.addr(4), "tcp", 80))
    from_outside(m)
    from_the_host(m)
    to_itself(m)
    return m.rows


def answers_of(rows: list[Row], timeout: float) -> list[str]:
    return [a.word for a in reach_all([replace(r.ask, timeout=timeout) for r in rows])]


def run(bed: Bed, world: World, quaywall: Make, rows: list[Row], record: Callable[[str, object], None]) -> list[str]:
    """The titles of what the engine refuses; fails where a verdict is not the language's."""
    before = [w == "ok" for w in answers_of(rows, 1.5)]
    silent = [i for i, ok in enumerate(before) if not ok]
    for i, word in zip(silent, answers_of([rows[i] for i in silent], PATIENT)):
        before[i] = word == "ok"
    q = quaywall(bed)
    q.policy("matrix", POLICY)
    q.start()
    after = [w == "ok" for w in answers_of(rows, 1.0)]
    late = [i for i, r in enumerate(rows) if r.allowed and before[i] and not after[i]]
    for i, word in zip(late, answers_of([rows[i] for i in late], PATIENT)):
        after[i] = word == "ok"
    wrong = [
        f"{'LEAK' if after[i] else 'WRONGLY REFUSED'}: {r.title} ({r.ask})"
        for i, r in enumerate(rows)
        if after[i] != (r.allowed and before[i])
    ]
    refused = sum(1 for i, r in enumerate(rows) if before[i] and not r.allowed)
    record("matrix", f"{len(rows)} rows, {refused} refused by quaywall alone")
    assert not wrong, f"{len(wrong)} of {len(rows)}:\n" + "\n".join(wrong)
    assert refused > len(rows) // 4
    return [r.title for i, r in enumerate(rows) if not before[i]]


# ---- engines ----

KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "no-proxy": {"userland_proxy": False},
    "no-iptables": {"iptables": False, "ip6tables": False},
    "ip6tables": {"ip6tables": True, "experimental": True},
}

# An engine of each kind takes a minute: without QUAYWALL_MATRIX=all one of the others for each generation.
ALSO = {"20.10": "no-iptables", "26.1": "ip6tables", "28.5": "no-proxy"}

# What does not pass without quaywall either, by the beginning of its title.
ISOLATED = [  # bridges from one another, where the engine's rules are on
    r"(worker|other|db)('s sharer)? -> multi on back v",
    r"cache -> (web|multi on front) ?(on front )?v",
]
INNER = r"inner \w+ -> (web|lan|inner gateway:)"
FEW = [
    INNER,
    r".* -> near v\d:8123/udp",
    r"outside -> vpn v4:8085",  # published on the address of the LAN alone
    r"outside -> loopback:8070",  # from 28 on
    r"outside -> db straight",  # from 28 on, but for a route that it allows
    r"outside -> lan link-local:8080",  # where it translates IPv6
]
REFUSED_BY_ENGINE = {
    "default": ISOLATED + FEW,
    "ip6tables": ISOLATED + FEW,
    "no-iptables": FEW,
    # Nobody carries on what it does not translate: IPv6, and containers' own ways across bridges.
    "no-proxy": ISOLATED + FEW + [r".* -> .*:(8080|8443|8085|8086|8090|8093|8097)", r".*outside -> lan v6:(8053|8123)/udp"],
}


def sharers_of(world: World) -> dict[str, Place]:
    """`network_mode: container:X` is X, whatever its labels say."""
    beside = [("worker", world.worker, "blog/other"), ("other", world.other, "shop/worker")]
    return {
        name: world.engine.run(
            f"beside-{name}", f"container:{box.container.name}", ["tcp:81"], service=service
        ).at()
        for name, box, service in beside
    }


def inner_of(world: World) -> dict[str, Box]:
    """On an internal network, which has the host and no outside."""
    world.engine.network("inner", "172.30.5.0/24", flags=["--internal"])
    return {
        f"inner {name}": box_of(world.engine.run(f"inner-{name}", "inner", PORTS, service=service))
        for name, service in (("worker", "shop/worker"), ("other", "blog/other"))
    }


@pytest.mark.parametrize("kind", KINDS)
def test_matrix(
    request: pytest.FixtureRequest,
    quaywall: Make,
    record_property: Callable[[str, object], None],
    generation: str,
    kind: str,
) -> None:
    if kind == "ip6tables" and generation == "28.5":
        pytest.skip("is the default there")
    if kind not in ("default", ALSO[generation]) and os.environ.get("QUAYWALL_MATRIX") != "all":
        pytest.skip("QUAYWALL_MATRIX=all runs it")
    if kind == "default":
        bed: Bed = request.getfixturevalue("clean")
    else:
        bed = request.getfixturevalue("make_bed")(**KINDS[kind])
    world = World(bed)
    rows = rows_of(world, sharers_of(world), inner_of(world))
    bed.bridge_filter(1)  # without docker-proxy the engine needs it; the others do not mind
    try:
        refused = run(bed, world, quaywall, rows, record_property)
    finally:
        bed.clear()
    surprising = [r for r in refused if not any(re.match(p, r) for p in REFUSED_BY_ENGINE[kind])]
    assert not surprising, "do not pass without quaywall either:\n" + "\n".join(surprising)


def test_gateway_modes(clean: Bed, quaywall: Make, generation: str) -> None:
    """Of 28: ports that nobody publishes open to a route (nat-unprotected), no translation at all (routed), and a
    bridge without the host (isolated)."""
    if generation != "28.5":
        pytest.skip("has no gateway modes")
    engine, lan = clean.engine, clean.lan
    mode = "com.docker.network.bridge.gateway_mode_ipv4"
    for name, net, flags in (("nat-unprotected", 6, []), ("routed", 7, []), ("isolated", 8, ["--internal"])):
        engine.network(name, f"172.30.{net}.0/24", None, {mode: name}, flags)
    publish = {"nat-unprotected": ["8206:80", "8216:443"], "routed": ["80", "443"], "isolated": []}
    web = {n: box_of(engine.run(f"web-{n}", n, PORTS, p, service="shop/web")) for n, p in publish.items()}
    worker = {n: box_of(engine.run(f"worker-{n}", n, PORTS, service="shop/worker")) for n in publish}
    other = {n: box_of(engine.run(f"other-{n}", n, PORTS, service="blog/other")) for n in publish}
    passes, refused = [], []
    for n in publish:
        addr = web[n].addr(4, n)
        passes.append(Ask(worker[n].place, addr, "tcp", 80))
        refused += [Ask(worker[n].place, addr, "tcp", 443), Ask(other[n].place, addr, "tcp", 80)]
    unprotected, routed = web["nat-unprotected"].addr(4, "nat-unprotected"), web["routed"].addr(4, "routed")
    passes += [
        Ask(lan, lan.host4, "tcp", 8206, lan.addr4),
        Ask(lan, routed, "tcp", 80, lan.addr4),
        Ask(worker["nat-unprotected"].place, lan.host4, "tcp", 8206),
    ]
    refused += [
        Ask(lan, lan.host4, "tcp", 8206, lan.other4),
        Ask(lan, lan.host4, "tcp", 8216, lan.addr4),
        Ask(lan, unprotected, "tcp", 443, lan.addr4),
        Ask(lan, unprotected, "tcp", 5432, lan.addr4),
        Ask(lan, routed, "tcp", 80, lan.other4),
        Ask(lan, routed, "tcp", 443, lan.addr4),
        Ask(other["nat-unprotected"].place, lan.host4, "tcp", 8206),
    ]
    q = quaywall(clean)
    q.policy(
        "web",
        """
policy: web
for: {project: shop, service: web}
isolate: [ingress]
allow:
  - {from: [{service: worker}, 192.0.2.2], to: {service: web}, ports: [80]}
publish:
  - {to: {service: web}, port: 8206, from: 192.0.2.2}
""",
    )
    judge(q, passes, refused)
