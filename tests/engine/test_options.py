"""Engines with options that change the paths of packets."""

import re
from typing import Any, Callable

import pytest

from bed import Ask, Container, Quaywall, eventually
from checks import PORTS, Bed, arrive, box_of, hold, judge

Make = Callable[..., Quaywall]
MakeBed = Callable[..., Bed]

WEB = """
policy: web
for: {project: shop, service: web}
allow:
  - {from: {service: client}, to: {service: web}, ports: [80]}
publish:
  - {to: {service: web}, port: 8080, from: [192.0.2.2, "2001:db8:1::2"]}
"""


def networks(bed: Bed) -> None:
    bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")
    bed.engine.network("back", "172.30.2.0/24", "fd00:2::/64")


def web(bed: Bed, network: str = "front") -> Container:
    return bed.engine.run("web", network, PORTS, ["8080:80", "8443:443"], service="shop/web")


def test_bridge_to_bridge(make_bed: MakeBed, quaywall: Make) -> None:
    """Where the engine does not isolate its bridges (its iptables are off), quaywall judges alone."""
    bed = make_bed(iptables=False, ip6tables=False)
    networks(bed)
    target = box_of(web(bed))
    client = box_of(bed.engine.run("client", "back", PORTS, service="shop/client"))
    other = box_of(bed.engine.run("other", "back", PORTS, service="shop/other"))
    passes, refused = [], []
    for family in (4, 6):
        addr = target.addr(family)
        passes += [Ask(client.place, addr, "tcp", 80), Ask(client.place, other.addr(family, "back"), "icmp")]
        refused += [Ask(client.place, addr, "tcp", 443), Ask(other.place, addr, "tcp", 80)]
        refused += [Ask(client.place, addr, "icmp"), Ask(target.place, client.addr(family, "back"), "tcp", 80)]
    q = quaywall(bed)
    q.policy("web", WEB)
    judge(q, passes, refused)


def test_everything_by_proxy(make_bed: MakeBed, quaywall: Make) -> None:
    """With the engine's iptables off docker-proxy serves every client, IPv4 too."""
    bed = make_bed(iptables=False, ip6tables=False)
    networks(bed)
    box_of(web(bed))
    client = box_of(bed.engine.run("client", "front", PORTS, service="shop/client"))
    other = box_of(bed.engine.run("other", "front", PORTS, service="shop/other"))
    lan = bed.lan
    passes, refused = [], []
    for host, good, bad in (
        (lan.host4, lan.addr4, lan.other4),
        (lan.host6, lan.addr6, lan.other6),
    ):
        passes += [
            Ask(lan, host, "tcp", 8080, source=good),
            Ask(client.place, host, "tcp", 8080),
            Ask(bed.engine, host, "tcp", 8080),
        ]
        refused += [
            Ask(lan, host, "tcp", 8080, source=bad),
            Ask(lan, host, "tcp", 8443, source=good),
            Ask(other.place, host, "tcp", 8080),
            Ask(client.place, host, "tcp", 8443),
        ]
    q = quaywall(bed)
    q.policy("web", WEB)
    judge(q, passes, refused)


def test_hairpin_without_proxy(make_bed: MakeBed, quaywall: Make) -> None:
    """userland-proxy: false translates every way to a published port, back to the same bridge too."""
    bed = make_bed(userland_proxy=False)
    networks(bed)
    bed.bridge_filter(1)  # else the answers on the same bridge are never translated back
    target = box_of(web(bed))
    client = box_of(bed.engine.run("client", "front", PORTS, service="shop/client"))
    other = box_of(bed.engine.run("other", "front", PORTS, service="shop/other"))
    lan = bed.lan
    q = quaywall(bed)
    q.policy("web", WEB)
    judge(
        q,
        [
            Ask(lan, lan.host4, "tcp", 8080, source=lan.addr4),
            Ask(client.place, lan.host4, "tcp", 8080),
            Ask(client.place, "172.30.1.1", "tcp", 8080),
            Ask(bed.engine, "127.0.0.1", "tcp", 8080),
            Ask(bed.engine, lan.host4, "tcp", 8080),
            Ask(target.place, lan.host4, "tcp", 8080),  # itself, by way of the host
        ],
        [
            Ask(lan, lan.host4, "tcp", 8080, source=lan.other4),
            Ask(other.place, lan.host4, "tcp", 8080),
            Ask(client.place, lan.host4, "tcp", 8443),
        ],
    )


def test_never_opens_what_the_engine_refuses(make_bed: MakeBed, quaywall: Make) -> None:
    """icc: false, isolation between bridges, an internal network: allow rules cannot lift them."""
    bed = make_bed(icc=False)
    networks(bed)
    bed.engine.network("inner", "172.30.5.0/24", flags=["--internal"])
    one = box_of(bed.engine.run("one", None, PORTS, service="shop/one"))
    two = box_of(bed.engine.run("two", None, PORTS, service="shop/two"))
    front = box_of(bed.engine.run("front-1", "front", PORTS, service="shop/front"))
    back = box_of(bed.engine.run("back-1", "back", PORTS, service="shop/back"))
    inner = box_of(bed.engine.run("inner-1", "inner", PORTS, service="shop/inner"))
    asks = [
        Ask(one.place, two.addr(4, "bridge"), "tcp", 80),
        Ask(front.place, back.addr(4, "back"), "tcp", 80),
        Ask(inner.place, bed.lan.addr4, "tcp", 80),
    ]
    hold([], asks)
    q = quaywall(bed)
    q.policy("all", "policy: all\nfor: all\nallow: [{from: any, to: any}]\n")
    q.start()
    hold([Ask(one.place, bed.lan.addr4, "tcp", 80)], asks)


def ipv6_options(generation: str) -> dict[str, Any]:
    """IPv6 on docker0, and the engine's own IPv6 rules where they are not the default."""
    options: dict[str, Any] = {"ipv6": True, "fixed_cidr_v6": "fd00:d0c::/64"}
    if generation != "28.5":
        options |= {"ip6tables": True, "experimental": True}
    return options


def test_ipv6_by_the_engine(make_bed: MakeBed, quaywall: Make, generation: str) -> None:
    """docker0 with IPv6; published ports are translated for IPv6 as for IPv4."""
    bed = make_bed(**ipv6_options(generation))
    engine, lan = bed.engine, bed.lan
    target = box_of(engine.run("web", None, PORTS, ["8080:80", "8443:443"], service="shop/web"))
    client = box_of(engine.run("client", None, PORTS, service="shop/client"))
    other = box_of(engine.run("other", None, PORTS, service="shop/other"))
    bed.bridge_filter(0)
    passes, refused = [], []
    for family, host, good, bad in (
        (4, lan.host4, lan.addr4, lan.other4),
        (6, lan.host6, lan.addr6, lan.other6),
    ):
        addr = target.addr(family, "bridge")
        passes += [
            Ask(client.place, addr, "tcp", 80),
            Ask(lan, host, "tcp", 8080, source=good),
            Ask(client.place, host, "tcp", 8080),
        ]
        refused += [
            Ask(other.place, addr, "tcp", 80),
            Ask(client.place, addr, "tcp", 443),
            Ask(lan, host, "tcp", 8080, source=bad),
            Ask(lan, host, "tcp", 8443, source=good),
            Ask(other.place, host, "tcp", 8080),
        ]
    q = quaywall(bed)
    q.policy("web", WEB)
    judge(q, passes, refused)


def test_br_netfilter_is_kept_on(make_bed: MakeBed, quaywall: Make) -> None:
    """Somebody turns it off: the next listing, or a reload, turns it on again."""
    bed = make_bed()
    networks(bed)
    target = web(bed)
    other = bed.engine.run("other", "front", PORTS, service="shop/other").at()
    ask = Ask(other, target.addr(4, "front"), "tcp", 80)
    arrive(ask)
    q = quaywall(bed)
    q.policy("web", WEB)
    q.start()
    hold([], [ask])
    bed.bridge_filter(0)
    q.call("reload")
    eventually(ask, "no", within=10)


def test_nothing_but_get(make_bed: MakeBed, quaywall: Make) -> None:
    """The engine is only read, so that a read-only proxy of its socket is enough."""
    bed = make_bed(debug=True)
    networks(bed)
    target = web(bed)
    log = bed.engine.path / "dockerd.log"
    before = log.stat().st_size
    q = quaywall(bed)
    q.policy("web", WEB)
    q.start()
    q.verb("status")
    q.call("plan")
    q.call("snapshot", "-o", str(q.folder / "snapshot.json"))
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(before)
        calls = re.findall(r"(?:Calling|msg=\"handling) ([A-Z]+)", file.read())
    assert calls and set(calls) == {"GET"}, calls
    target.remove()
