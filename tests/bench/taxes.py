"""What quaywall costs on a host that has an engine: from web outwards, through the engine's own rules and its address
translation."""

from __future__ import annotations

import contextlib
import functools
from typing import Callable

import hosts
from figures import Figure, Size, interleave, medians, ratios
from hosts import OUTSIDE, Answering, Host

GENERATIONS = ("20.10", "28.5")
EMPTY = "table inet empty {\n chain forward {\n  type filter hook forward priority -10;\n }\n}\n"
WITHOUT, WITH = "without quaywall", "with quaywall"


class Hosts:
    """The same host with various rules beside the engine's."""

    def __init__(
        self, stack: contextlib.ExitStack, protocol: str = "udp", generation: str = GENERATIONS[0]
    ) -> None:
        self.stack = stack
        self.generation = generation
        self.protocol = protocol

    def without(self, filter_bridged: bool = True) -> Host:
        host = Host(self.stack, filter_bridged)
        host.engine_rules(self.generation)
        return host

    def ours(self) -> Host:
        host = self.without()
        policy = hosts.policy([f"{hosts.PORT}/{self.protocol}"], "world")
        host.enforce(policy, hosts.many_containers(10))
        assert host.space.sysctl("bridge/bridge-nf-call-iptables") == "1"
        return host

    def with_rules(self, text: str, *argv: str) -> Host:
        host = self.without()
        host.feed(text, *(argv or ("nft", "-f", "-")))
        return host

    def linear(self, rules: int) -> Host:
        return self.with_rules(hosts.linear(rules, OUTSIDE, self.protocol))

    def docker_user(self, rules: int) -> Host:
        return self.with_rules(hosts.docker_user(rules, self.protocol), "iptables-nft-restore", "-n")


def established(size: Size) -> list[Figure]:
    return [established_beside(size, generation) for generation in GENERATIONS]


def established_beside(size: Size, generation: str) -> Figure:
    """Packets of a flow that has been answered."""
    with contextlib.ExitStack() as stack:
        h = Hosts(stack, generation=generation)
        variants = {
            WITHOUT: h.without(),
            WITH: h.ours(),
            "an empty base chain": h.with_rules(EMPTY),
            "without, nor br_netfilter": h.without(filter_bridged=False),
        }
        for host in variants.values():
            host.establish(OUTSIDE, hosts.HOST)
        found = interleave(
            size, {n: functools.partial(v.stream(OUTSIDE).burst, size.packets) for n, v in variants.items()}
        )
    name = f"a packet of an established flow beside {generation}, with / without"
    return Figure(name, "x", ratios(found[WITH], found[WITHOUT]), 1.03, medians(found))


def first_packets(host: Host, size: Size) -> Callable[[], float]:
    """Each of a burst begins a flow. Afterwards there are none."""
    stream = host.stream(OUTSIDE, flows=32_768)

    def burst() -> float:
        taken = stream.burst(size.packets)
        assert int(host.space.run("conntrack", "-C")) >= size.packets
        host.space.run("conntrack", "-F")
        return taken

    return burst


def requests(host: Host, size: Size) -> Callable[[], float]:
    outside = host.neighbour()
    pids = [str(host.inside.pid), str(outside.pid)]
    for space in (host.inside, outside):
        space.run("sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=0")
    program = host.stack.enter_context(
        Answering(outside, "bench_connect", *pids, OUTSIDE, str(hosts.PORT))
    )

    def burst() -> float:
        taken = program.burst(size.requests)
        host.space.run("conntrack", "-F")
        return taken

    return burst


def new(size: Size) -> list[Figure]:
    return [
        begun(size, "udp", first_packets, "the first packet of a flow, with / without", 1.05),
        begun(size, "tcp", requests, "TCP connect, request and close, with / without", 1.02),
    ]


Begin = Callable[[Host, Size], Callable[[], float]]


def begun(size: Size, protocol: str, begin: Begin, name: str, limit: float) -> Figure:
    with contextlib.ExitStack() as stack:
        h = Hosts(stack, protocol)
        variants = {
            WITHOUT: h.without(),
            WITH: h.ours(),
            "an empty base chain": h.with_rules(EMPTY),
            f"{size.rules:,} linear rules": h.linear(size.rules),
            f"{size.rules:,} rules in DOCKER-USER": h.docker_user(size.rules),
        }
        found = interleave(size, {n: begin(v, size) for n, v in variants.items()})
    return Figure(name, "x", ratios(found[WITH], found[WITHOUT]), limit, medians(found))


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {
    "established": established,
    "new": new,
}
