"""Packets that are no ordinary beginning of a flow: forged addresses, segments without a connection,
extension headers, fragments, neighbour discovery, replies. By hand, in the host of sentences.json. Needs
root."""

from __future__ import annotations

import copy
import ipaddress
import json
import os
import struct
import subprocess
from typing import Iterator

import pytest

import asking
import naive
import packet
from generate import Case
from test_sentences import SNAPSHOT
from wires import Port, Probe, Wires

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

POLICY = """
policy: p
for: {project: shop}
allow: [{from: {service: web}, to: {service: db}, ports: [5432/tcp+udp]}]
"""
UDP, TCP, ICMPV6 = packet.UDP, packet.TCP, packet.ICMPV6
ENDPOINTS = {e["name"] + "@" + e["network"]: e for e in SNAPSHOT["endpoints"]}


def endpoint(name: str) -> dict:
    return ENDPOINTS[name + "@n1"] if name + "@n1" in ENDPOINTS else ENDPOINTS[name + "@n2"]


class Bench:
    """The host with the policy in force, and probes gathered to be sent at once."""

    def __init__(self, wires: Wires) -> None:
        self.wires = wires
        self.probes: list[Probe] = []
        self.wanted: list[tuple[str, bool]] = []

    def port(self, name: str) -> Port:
        return self.wires.ports["eth0" if name == "outside" else endpoint(name)["id"]]

    def number(self) -> int:
        return 41000 + len(self.probes)

    def add(self, says: str, passes: bool, sender: str, receiver: str, payload: bytes) -> None:
        if sender == "host":
            to = str(ipaddress.ip_address(payload[16:20] if payload[0] >> 4 == 4 else payload[24:40]))
            space = self.port(receiver).namespace
            self.probes.append(Probe({}, self.number(), "host", space, payload, to))
            self.wanted.append((says, passes))
            return
        port, place = self.port(sender), "host"
        mac = port.gateway_mac
        if receiver != "host":
            destination = self.port(receiver)
            place = destination.namespace
            mac = destination.mac if destination.network is port.network else mac
        self.probes.append(
            Probe({}, self.number(), port.namespace, place, payload, "", port, mac)
        )
        self.wanted.append((says, passes))

    def check(self) -> None:
        arrived = self.wires.send(self.probes)
        wrong = [
            f"{says}: {'lost' if passes else 'arrived'}"
            for probe, (says, passes) in zip(self.probes, self.wanted)
            if (probe.number in arrived) != passes
        ]
        assert not wrong, wrong


@pytest.fixture
def bench() -> Iterator[Bench]:
    case = Case(0, copy.deepcopy(SNAPSHOT), {"p.yaml": POLICY}, "{}\n")
    with Wires(case) as wires:
        wires.publish()
        wires.spaces["host"].nft(asking.compiled_ruleset(case))
        yield Bench(wires)


def v4(name: str) -> str:
    return endpoint(name)["addr4"]


def v6(name: str) -> str:
    return endpoint(name)["addr6"]


def test_forged_sources(bench: Bench) -> None:
    """A right to something is bound to the bridge that its owner sits on."""

    def udp(source: str, destination: str, port: int) -> bytes:
        return packet.packet(source, destination, UDP, bench.number(), port)

    bench.add("the owner", True, "web", "db", udp(v4("web"), v4("db"), 5432))
    bench.add("the owner, IPv6", True, "web", "db", udp(v6("web"), v6("db"), 5432))
    bench.add("web from outside", False, "outside", "db", udp(v4("web"), v4("db"), 5432))
    bench.add("web from outside, IPv6", False, "outside", "db", udp(v6("web"), v6("db"), 5432))
    bench.add("unknown from outside", False, "outside", "db", udp("172.18.0.200", v4("db"), 5432))
    bench.add("tool from outside", False, "outside", "liar", udp(v4("tool"), v4("liar"), 1))
    for forged in ("203.0.113.9", "172.19.0.2", "172.18.0.1", "192.0.2.1", "172.18.0.200"):
        for name in ("db", "liar"):
            bench.add(f"{forged} by worker", False, "worker", name, udp(forged, v4(name), 9))
            bench.add(f"{forged} by tool", False, "tool", name, udp(forged, v4(name), 9))
    bench.add("world by tool to the host", False, "tool", "host", udp("203.0.113.9", "172.18.0.1", 9))
    bench.add("world by tool outwards", False, "tool", "outside", udp("198.18.0.1", "203.0.113.9", 9))
    bench.check()


def test_link_local_sources(bench: Bench) -> None:
    """They belong to the endpoint with that MAC."""
    for name, source, passes in (
        ("web", str(naive.link_local(endpoint("web")["mac"])), True),
        ("worker", str(naive.link_local(endpoint("worker")["mac"])), False),
        ("web", "fe80::1234", False),
        ("tool", "fe80::1234", False),
    ):
        payload = packet.packet(source, v6("db"), UDP, bench.number(), 5432)
        bench.add(f"{source} by {name}", passes, name, "db", payload)
    bench.check()


def segment(source: str, destination: str, number: int, flags: int) -> bytes:
    whole = packet.packet(source, destination, TCP, number, 5432)
    header, tcp = whole[:20], bytearray(whole[20:])
    tcp[13] = flags
    tcp[16:18] = b"\0\0"
    pseudo = header[12:20] + struct.pack("!BBH", 0, TCP, len(tcp))
    tcp[16:18] = struct.pack("!H", packet.internet_checksum(pseudo + bytes(tcp)))
    return header + bytes(tcp)


@pytest.mark.parametrize("flags", [0x10, 0x04, 0x11, 0x00, 0x12, 0x29, 0x03, 0x18])
def test_segments_without_a_connection(bench: Bench, flags: int) -> None:
    """None gets through where a SYN does not."""
    bench.add("a SYN that may", True, "web", "db", segment(v4("web"), v4("db"), bench.number(), 2))
    bench.add("refused", False, "worker", "db", segment(v4("worker"), v4("db"), bench.number(), flags))
    bench.add("to web", False, "worker", "web", segment(v4("worker"), v4("web"), bench.number(), flags))
    bench.check()


@pytest.mark.parametrize("flags", [0x00, 0x03, 0x29])
def test_segments_of_no_flow(bench: Bench, flags: int) -> None:
    """What conntrack calls invalid reaches no container, and none sends it, where a SYN and a datagram may go."""

    def add(says: str, sender: str, receiver: str, source: str, destination: str) -> None:
        for passes, f in ((True, 2), (False, flags)):
            payload = segment(source, destination, bench.number(), f)
            bench.add(f"{says}, flags {f}", passes, sender, receiver, payload)

    add("within a bridge", "web", "db", v4("web"), v4("db"))
    add("between bridges", "tool", "api", v4("tool"), v4("api"))
    add("outwards", "tool", "outside", v4("tool"), "203.0.113.9")
    add("inwards", "outside", "tool", "203.0.113.9", v4("tool"))
    add("to the host", "tool", "host", v4("tool"), "172.18.0.1")
    bench.check()


NO_TRACK = """
table inet untracked {
    chain prerouting {
        type filter hook prerouting priority -305
        notrack
    }
    chain output {
        type filter hook output priority -305
        notrack
    }
}
"""


def test_untracked_packets_are_judged(bench: Bench) -> None:
    """Somebody's `notrack` opens nothing."""
    bench.wires.spaces["host"].nft(NO_TRACK)
    for v in (v4, v6):
        for protocol in (UDP, TCP):

            def to_db(source: str, port: int) -> bytes:
                return packet.packet(v(source), v("db"), protocol, bench.number(), port)

            bench.add("allowed", True, "web", "db", to_db("web", 5432))
            bench.add("another port", False, "web", "db", to_db("web", 5433))
            bench.add("another source", False, "worker", "db", to_db("worker", 5432))
            bench.add("forged", False, "outside", "db", to_db("web", 5432))
    bench.check()


CUT_SECONDS = 30  # of the 180 are left of what is there


def cut(bench: Bench, payload: bytes) -> None:
    """As though a flow had been cut that this packet answers."""
    v6, at = payload[0] >> 4 == 6, 40 if payload[0] >> 4 == 6 else 20
    size, first = (16, 8) if v6 else (4, 12)
    source, destination = (str(ipaddress.ip_address(payload[i : i + size])) for i in (first, first + size))
    sport, dport = struct.unpack("!HH", payload[at : at + 4])
    protocol = payload[6] if v6 else payload[9]
    bench.wires.spaces["host"].nft(
        f"add element inet quaywall cut{6 if v6 else 4} {{ {source} . {protocol} . {sport} . {destination} . {dport} "
        f"timeout 180s expires {CUT_SECONDS}s }}\n"
    )


def seconds_left(bench: Bench, name: str) -> dict[int, int]:
    """Of each element, by protocol, the longest."""
    with bench.wires.spaces["host"].entered():
        done = subprocess.run(
            ["nft", "-j", "list", "set", "inet", "quaywall", name], capture_output=True, text=True, check=True
        )
    found: dict[int, int] = {}
    for item in json.loads(done.stdout)["nftables"][1]["set"]["elem"]:
        protocol = {"tcp": TCP, "udp": UDP}[item["elem"]["val"]["concat"][1]]
        found[protocol] = max(found.get(protocol, 0), item["elem"]["expires"])
    return found


def test_answers_of_cut_flows(bench: Bench) -> None:
    """They begin nothing, whatever they look like, in any hook; of TCP the ban lasts as long as they come."""
    for family, v, host in ((4, v4, "172.18.0.1"), (6, v6, "fd00:18::1")):
        for protocol in (TCP, UDP):
            for says, sender, receiver, source, destination in (
                ("within a bridge", "web", "db", v("web"), v("db")),
                ("to the host", "tool", "host", v("tool"), host),
                ("from the host", "host", "tool", host, v("tool")),
                ("outwards", "tool", "outside", v4("tool"), "203.0.113.9"),
            ):
                for passes in (True, False):
                    payload = packet.packet(source, destination, protocol, bench.number(), 5432)
                    if not passes:
                        cut(bench, payload)
                    bench.add(f"{says}, IPv{family}, {protocol}", passes, sender, receiver, payload)
    for flags in (0x10, 0x12, 0x18):
        payload = segment(v4("tool"), v4("liar"), bench.number(), flags)
        cut(bench, payload)
        bench.add(f"in the middle, {flags}", False, "tool", "liar", payload)
    bench.check()
    for name in ("cut4", "cut6"):
        left = seconds_left(bench, name)
        assert left[TCP] > 2 * CUT_SECONDS, left
        assert left[UDP] <= CUT_SECONDS, left


@pytest.mark.parametrize("extension", packet.OPTION_HEADERS)
def test_extension_headers_hide_nothing(bench: Bench, extension: int) -> None:
    def extended(source: str, port: int) -> bytes:
        whole = packet.packet(v6(source), v6("db"), UDP, bench.number(), port)
        options = bytes([UDP, 0, 1, 4, 0, 0, 0, 0])
        length = struct.pack("!H", len(whole) - 40 + len(options))
        return whole[:4] + length + bytes([extension]) + whole[7:40] + options + whole[40:]

    bench.add("allowed", True, "web", "db", extended("web", 5432))
    bench.add("another port", False, "web", "db", extended("web", 5433))
    bench.add("another source", False, "worker", "db", extended("worker", 5432))
    bench.check()


def test_fragments(bench: Bench) -> None:
    def fragments(source: str, port: int) -> list[bytes]:
        src, dst = (ipaddress.ip_address(v4(name)).packed for name in (source, "db"))
        datagram = struct.pack("!HHHH", bench.number(), port, 48, 0) + bytes(40)
        found = []
        for part, offset in ((datagram[:16], 0x2000), (datagram[16:], 2)):
            head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(part), bench.number(), offset, 64, UDP)
            sum_ = packet.internet_checksum(head + b"\0\0" + src + dst)
            found.append(head + struct.pack("!H", sum_) + src + dst + part)
        return found

    for says, passes, source, port in (
        ("allowed", True, "web", 5432),
        ("another port", False, "web", 5433),
        ("another source", False, "worker", 5432),
    ):
        first, second = fragments(source, port)
        bench.add(says, passes, source, "db", first)
        probe = copy.copy(bench.probes[-1])
        probe.payload = second
        bench.probes.append(probe)
        bench.wanted.append((says, passes))
    bench.check()


def neighbour_message(kind: int, source: str, destination: str, number: int) -> bytes:
    """Its number stands where receivers of echo requests look for it, the reserved field's top."""
    src, dst = (ipaddress.ip_address(a).packed for a in (source, destination))
    body = struct.pack("!BBHHH", kind, 0, 0, number, 0) + dst
    pseudo = src + dst + struct.pack("!IHBB", len(body), 0, 0, ICMPV6)
    body = body[:2] + struct.pack("!H", packet.internet_checksum(pseudo + body)) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, 255) + src + dst + body


def test_neighbour_discovery_passes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 7, between containers that may not talk. What path MTU discovery needs belongs to a flow, and a
    container is no router."""
    passing, refused = (133, 135, 136), (1, 2, 128, 134, 137)
    for kind, passes in [(k, True) for k in passing] + [(k, False) for k in refused]:
        payload = neighbour_message(kind, v6("worker"), v6("db"), bench.number())
        bench.add(f"ICMPv6 type {kind}", passes, "worker", "db", payload)

    def any_number(data: bytes) -> int:
        return struct.unpack("!H", data[44:46])[0] if len(data) >= 46 and data[6] == ICMPV6 else 0

    monkeypatch.setattr(packet, "number_in_packet", any_number)
    bench.check()


def test_replies_pass(bench: Bench) -> None:
    """Flows are judged by their first packet; what answers it passes, and nothing else does."""
    ask = packet.packet(v4("web"), v4("db"), UDP, 41000, 5432)
    bench.add("the question", True, "web", "db", ask)
    bench.check()
    bench.probes.clear()
    bench.wanted.clear()
    # The receiver knows a packet by its source port: give the answers the numbers that they have.
    bench.probes.append(
        Probe({}, 5432, "c-db", "c-web", packet.packet(v4("db"), v4("web"), UDP, 5432, 41000), "",
              bench.port("db"), bench.port("web").mac)
    )
    bench.wanted.append(("the answer", True))
    bench.probes.append(
        Probe({}, 5433, "c-db", "c-web", packet.packet(v4("db"), v4("web"), UDP, 5433, 41000), "",
              bench.port("db"), bench.port("web").mac)
    )
    bench.wanted.append(("from another port", False))
    bench.check()


def test_published_ports_lead_to_the_address_of_their_family() -> None:
    """The engine's proxy takes the container's IPv6 address for a port published on an IPv6 address."""
    policy = """
policy: p
for: {name: db}
isolate: [ingress]
allow:
  - {from: {name: worker}, to: 172.18.0.0/16, ports: [5432]}
  - {from: {name: tool}, to: "fd00:18::/64", ports: [5432]}
"""
    snapshot = copy.deepcopy(SNAPSHOT)
    db = next(c for c in snapshot["containers"] if c["name"] == "db")
    db["ports"].append({**db["ports"][0], "host_addr": "::"})
    case = Case(0, snapshot, {"p.yaml": policy}, "{}\n")
    with Wires(case) as wires:
        wires.publish()
        wires.spaces["host"].nft(asking.compiled_ruleset(case))
        bench = Bench(wires)
        for name, v4_passes in (("worker", True), ("tool", False)):
            for gateway, source, passes in (
                ("172.18.0.1", v4(name), v4_passes),
                ("fd00:18::1", v6(name), not v4_passes),
            ):
                payload = packet.packet(source, gateway, TCP, bench.number(), 15432)
                bench.add(f"{name} to {gateway}", passes, name, "host", payload)
        bench.check()
