"""What a packet costs, in nanoseconds of CPU time, with quaywall's rules and with others in their place. See hosts.py for the
way that it goes, and inject.c for how it gets there."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
from dataclasses import replace
from typing import Any, Callable

import hosts
from figures import Figure, Size, interleave, medians, ratios
from hosts import Host
from place import Daemon
from programs import refused, run_on

FLOWS = 65_536
SMALL = 10  # endpoints, and policies' elements


def quaywall(stack: contextlib.ExitStack, endpoints: int, elements: int, settings: str = "") -> Host:
    """ENDPOINTS containers, each of which has as many ports of db's as give so many elements."""
    host = Host(stack)
    ports = hosts.udp_ports(elements // endpoints)
    host.enforce(hosts.policy(ports), hosts.many_containers(endpoints), settings)
    return host


def bind(host: Host, endpoints: int) -> None:
    """As though all of them were at the port that packets come by: a bridge has 1,023 ports at most."""
    first = ipaddress.IPv4Address(hosts.WEB)
    own = (f"veth0 . {hosts.mac(str(first + i))} . {first + i}" for i in range(1, endpoints))
    host.nft(f"add element bridge quaywall own4 {{ {', '.join(own)} }}\n")
    host.ip("link set veth0 type bridge_slave learning off")


def sender(host: Host, size: Size, warm: int = 1000, **traffic: Any) -> Callable[[], float]:
    stream = host.stream(**traffic)
    stream.burst(warm)
    return functools.partial(stream.burst, size.packets)


def ruled(stack: contextlib.ExitStack, text: str, *argv: str) -> Host:
    host = Host(stack)
    host.feed(text, *(argv or ("nft", "-f", "-")))
    return host


Alternative = tuple[str, Callable[[int], str], tuple[str, ...]]
ALTERNATIVES: list[Alternative] = [
    ("linear nft rules", hosts.linear, ()),
    ("linear rules of iptables-nft", hosts.iptables, ("iptables-nft-restore",)),
    ("linear rules of iptables-legacy", hosts.iptables, ("iptables-legacy-restore",)),
    ("a verdict map, then linear rules", hosts.map_and_linear, ()),
]


def flatness(size: Size) -> list[Figure]:
    """Every packet is the first of its flow, as none is answered, so that each is judged by all of the rules."""
    large = f"{size.endpoints:,} endpoints x {size.elements:,} elements"
    with contextlib.ExitStack() as stack:
        few = quaywall(stack, SMALL, SMALL)
        many = quaywall(stack, size.endpoints, size.elements)
        found = interleave(size, {"few": sender(few, size), "many": sender(many, size)})
    name = f"a packet at {large} / at 10 x 10, one flow"
    ours = Figure(name, "x", ratios(found["many"], found["few"]), 1.02, medians(found))
    return [ours, scattered(size, large), *(growth(size, *a) for a in ALTERNATIVES)]


def growth(size: Size, name: str, text: Callable[[int], str], argv: tuple[str, ...]) -> Figure:
    """Of what a user would pick instead. The large one takes so long that an eighth of the packets will do."""
    with contextlib.ExitStack() as stack:
        few = ruled(stack, text(SMALL), *argv).stream()
        many = ruled(stack, text(size.rules), *argv).stream()
        variants = {
            "few": functools.partial(few.burst, size.packets),
            "many": functools.partial(many.burst, size.packets // 8),
        }
        found = interleave(replace(size, repeats=min(7, size.repeats), bursts=min(2, size.bursts)), variants)
    return Figure(f"beside: {size.rules:,} / 10 {name}", "x", ratios(found["many"], found["few"]), None, medians(found))


def scattered(size: Size, large: str) -> Figure:
    """The same of flows in an order that no cache holds."""
    flows = FLOWS if not size.smoke else 1024
    few = {"warm": flows, "flows": flows, "sources": SMALL}
    many = {"warm": flows, "flows": flows, "sources": size.endpoints, "ports": size.elements // size.endpoints}
    with contextlib.ExitStack() as stack:
        hosts_of = {"few": quaywall(stack, SMALL, SMALL), "many": quaywall(stack, size.endpoints, size.elements)}
        bind(hosts_of["few"], SMALL)
        bind(hosts_of["many"], size.endpoints)
        for name in ("few, no rules", "many, no rules"):
            hosts_of[name] = Host(stack)
            hosts_of[name].ip("link set veth0 type bridge_slave learning off")
        variants = {n: sender(h, size, **(many if "many" in n else few)) for n, h in hosts_of.items()}
        found = interleave(size, variants)
    name = f"the same, {flows:,} flows of all endpoints at random"
    return Figure(name, "x", ratios(found["many"], found["few"]), 1.30, medians(found))


def surcharge(size: Size) -> list[Figure]:
    """Above forwarding alone, against the least that could judge the same."""
    ports = max(size.elements // size.endpoints, 1)
    with contextlib.ExitStack() as stack:
        variants = {
            "no rules": Host(stack),
            "quaywall": quaywall(stack, size.endpoints, size.elements),
            ONE_MAP: ruled(stack, hosts.one_map(size.endpoints, ports)),
            ONE_RULE: ruled(stack, hosts.linear(1)),
            INTERVALS: ruled(stack, hosts.interval_set(min(size.endpoints, INTERVALS_MAX), ports)),
            "quaywall, counters: false": quaywall(stack, size.endpoints, size.elements, "counters: false\n"),
            "quaywall, antispoof: false": quaywall(stack, size.endpoints, size.elements, "antispoof: false\n"),
        }
        senders = {n: sender(h, size) for n, h in variants.items()}
        senders[XDP] = sender(Host(stack), size, firewall=f"{size.endpoints}:{ports}")
        found = interleave(size, senders)
    name = "what quaywall adds to a packet /"
    first = Figure(f"{name} {ONE_MAP}", "x", added(found, ONE_MAP), 1.4, medians(found))
    assert size.smoke or len(first.rounds) >= 7, f"nothing shows what {ONE_MAP} adds: {medians(found)}"
    return [first, *(Figure(f"beside: {name} {n}", "x", added(found, n)) for n in (XDP, INTERVALS, ONE_RULE))]


ONE_MAP, ONE_RULE, INTERVALS = "one verdict map", "one rule", "one set of intervals"
XDP = "an XDP program with four lookups"
INTERVALS_MAX = 1000  # of more it takes minutes to load


def added(found: dict[str, list[float]], to: str) -> list[float]:
    """Of the rounds in which the other one added something: in the others it was the machine."""
    rounds = list(zip(found["quaywall"], found[to], found["no rules"]))
    return [(a - p) / (b - p) for a, b, p in rounds if b > p] or [0.0]


REFUSES = [f"{hosts.PORT}/tcp"]


def refusing(stack: contextlib.ExitStack, settings: str) -> tuple[Host, Daemon]:
    """With the daemon, which reads what is logged, on the other CPUs."""
    host = Host(stack)
    daemon = host.enforce(hosts.policy(REFUSES), hosts.many_containers(SMALL), settings)
    stack.callback(daemon.close)
    process = daemon.start("--config", str(daemon.folder / "settings.yaml"))
    others = os.sched_getaffinity(0) - {int(hosts.cpu())}
    run_on(process.pid, others or os.sched_getaffinity(0))
    return host, daemon


def flood(size: Size) -> list[Figure]:
    """Packets that no rule allows, and that are dropped without an answer. Logged are 20 a second."""
    with contextlib.ExitStack() as stack:
        ours = {
            "logged": refusing(stack, "refuse: {containers: drop}\n"),
            "not logged": refusing(stack, "refuse: {containers: drop}\nlog: {rate: 0}\n"),
            "logged, and rejected": refusing(stack, ""),
        }
        variants = {n: h.stream(arrives_at="") for n, (h, _) in ours.items()}
        bare = Host(stack)
        bare.nft(hosts.chain("counter drop"))
        variants["one rule that drops"] = bare.stream(arrives_at="")
        found = interleave(size, {n: functools.partial(s.burst, size.packets) for n, s in variants.items()})
        for name, (host, _) in ours.items():
            sent, dropped = variants[name].asked, refused(host.space)
            assert dropped >= sent and host.sent_to("br-back") < 10, f"{name}: of {sent} packets {dropped} were refused"
        sent, dropped = variants["one rule that drops"].asked, refused(bare.space, "inet peer", "forward")
        assert dropped >= sent, f"of {sent} packets one rule dropped {dropped}"
        counts = medians(found) | {"told": ours["logged"][1].status()["log"]["packets"]}
        assert counts["told"] > 0
    values = ratios(found["logged"], found["not logged"])
    return [Figure("a packet that is refused, logged / not logged", "x", values, 1.15, counts)]


def bridged(size: Size) -> list[Figure]:
    """From one container to another at the same bridge, the first of their flow each, with what makes the kernel show them to
    the rules, and without."""
    with contextlib.ExitStack() as stack:
        bare, filtered, bridged, ours = (Host(stack, filter_bridged=b) for b in (False, True, False, True))
        variants = {}
        for name, host in {
            "no br_netfilter": bare,
            "br_netfilter": filtered,
            "one map of the family bridge": bridged,
            "quaywall": ours,
        }.items():
            to = host.beside()
            if host is bridged:
                host.nft(hosts.BRIDGED)
            if host is ours:
                host.enforce(hosts.policy(hosts.udp_ports(1), "{service: web}"), hosts.many_containers(SMALL))
            stream = host.stream(to, "veth1", dmac=hosts.mac(to), sink="sink")
            variants[name] = functools.partial(stream.burst, size.packets)
        found = interleave(size, variants)
    name = "a packet within a bridge, with quaywall / without br_netfilter"
    first = Figure(name, "x", ratios(found["quaywall"], found["no br_netfilter"]), None, medians(found))
    beside = ("br_netfilter", "one map of the family bridge")
    return [first, *(Figure(f"beside: {n} alone", "x", ratios(found[n], found["no br_netfilter"])) for n in beside)]


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {
    "flatness": flatness,
    "surcharge": surcharge,
    "flood": flood,
    "bridged": bridged,
}
