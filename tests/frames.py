"""Frames as raw sockets send them: what a container may send, and what none may.

No program of the container is needed: sockets are opened in its network namespace, so one test process
sends as the attacker and sees what arrives elsewhere.
"""

import ctypes
import os
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Callable, Iterable, Mapping

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD
BROADCAST = "ff:ff:ff:ff:ff:ff"
CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Node:
    """Something on the bridge, with the addresses that are its own."""

    mac: str
    ip4: str
    ip6: str

    @property
    def link(self) -> str:
        return link_local(self.mac)


def link_local(mac: str) -> str:
    b = bytearray(mac_bytes(mac))
    b[0] ^= 2
    return str(IPv6Address(bytes.fromhex("fe80000000000000") + b[:3] + b"\xff\xfe" + b[3:]))


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


# ---- sockets in other namespaces ----


def socket_in(netns: str, make: Callable[[], socket.socket]) -> socket.socket:
    """What MAKE opens in the namespace of the file NETNS; this thread stays where it is."""
    made: list[socket.socket | OSError] = []

    def enter() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {netns}")
            made.append(make())
        except OSError as error:
            made.append(error)
        finally:
            os.close(fd)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def packet_socket(netns: str, interface: str, protocol: int = ETH_P_ALL) -> socket.socket:
    """A raw socket of INTERFACE in the namespace of the file NETNS."""

    def make() -> socket.socket:
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        s.bind((interface, protocol))
        return s

    return socket_in(netns, make)


def udp_socket(netns: str, port: int) -> socket.socket:
    """One that hears what is sent to PORT of any address in the namespace of the file NETNS."""

    def make() -> socket.socket:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("", port))
        return s

    return socket_in(netns, make)


class Ear:
    """Everything that comes to some interfaces, as (netns, interface)."""

    def __init__(self, places: Iterable[tuple[str, str]]) -> None:
        self._sockets = [packet_socket(netns, name) for netns, name in places]
        for s in self._sockets:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def heard(self, quiet: float = 0.3) -> set[bytes]:
        """What came until nothing did for QUIET seconds."""
        found = set()
        while ready := select.select(self._sockets, [], [], quiet)[0]:
            for s in ready:
                data, address = s.recvfrom(65536)
                if address[2] != socket.PACKET_OUTGOING:
                    found.add(data)
        return found

    def close(self) -> None:
        for s in self._sockets:
            s.close()


def untagged(frame: bytes) -> bytes:
    """As a socket shows it: the kernel takes the first tag off before, and the rest is data."""
    while frame[12:14] in (b"\x81\x00", b"\x88\xa8"):
        frame = frame[:12] + frame[16:]
    return frame


def arrivals(
    speak: socket.socket, ear: Ear, frames: Mapping[str, bytes], before: Callable[[], object]
) -> set[str]:
    """The names of those of FRAMES that are heard. BEFORE each the receiver speaks up, for a frame that claims
    its MAC may have turned the bridge's mind."""
    ear.heard(0.05)
    for frame in frames.values():
        before()
        speak.send(frame)
        time.sleep(0.002)
    heard = {untagged(f) for f in ear.heard()}
    return {name for name, frame in frames.items() if untagged(frame) in heard}


# ---- layers ----


def ether(dst: str, src: str, kind: int, data: bytes) -> bytes:
    return mac_bytes(dst) + mac_bytes(src) + struct.pack("!H", kind) + data


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(
    src: str, dst: str, protocol: int, data: bytes, fragment: int = 0, options: bytes = b""
) -> bytes:
    """FRAGMENT: the offset in bytes, and 1 besides where more follow."""
    field = (fragment >> 3) | (0x2000 if fragment & 1 else 0)
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, 4 * words + len(data), 77, field, 64, protocol, 0)
    head += IPv4Address(src).packed + IPv4Address(dst).packed + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + data


def ipv6(src: str, dst: str, nexthdr: int, data: bytes, hops: int = 255) -> bytes:
    head = struct.pack("!IHBB", 0x60000000, len(data), nexthdr, hops)
    return head + IPv6Address(src).packed + IPv6Address(dst).packed + data


def udp(sport: int, dport: int, data: bytes) -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def icmp4(kind: int, code: int, body: bytes) -> bytes:
    """BODY is what follows the checksum."""
    data = struct.pack("!BBH", kind, code, 0) + body
    return data[:2] + struct.pack("!H", checksum(data)) + data[4:]


def icmp6(src: str, dst: str, kind: int, body: bytes) -> bytes:
    """BODY is what follows the checksum."""
    data = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = IPv6Address(src).packed + IPv6Address(dst).packed + struct.pack("!II", len(data), 58)
    return data[:2] + struct.pack("!H", checksum(pseudo + data)) + data[4:]


def hop_by_hop(nexthdr: int, data: bytes) -> bytes:
    return struct.pack("!BB", nexthdr, 0) + b"\x05\x02\0\0\x01\0" + data  # router alert


def destination_options(nexthdr: int, data: bytes, units: int = 0) -> bytes:
    """UNITS: how many more times 8 bytes the header says it has than are there."""
    return struct.pack("!BB", nexthdr, units) + b"\x01\x04\0\0\0\0" + data


def fragment(nexthdr: int, data: bytes, offset: int = 0, more: bool = False) -> bytes:
    return struct.pack("!BBHI", nexthdr, 0, offset | (1 if more else 0), 0x51) + data


def arp(op: int, mac: str, ip: str, target_mac: str, target_ip: str) -> bytes:
    head = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, op)
    sender = mac_bytes(mac) + IPv4Address(ip).packed
    return head + sender + mac_bytes(target_mac) + IPv4Address(target_ip).packed


def option(kind: int, mac: str) -> bytes:
    return struct.pack("!BB", kind, 1) + mac_bytes(mac)


def group_mac(addr: str) -> str:
    ip = IPv6Address(addr).packed
    return "33:33:" + ":".join(f"{b:02x}" for b in ip[-4:])


def solicited(addr: str) -> str:
    return str(IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + IPv6Address(addr).packed[13:]))


# ---- frames with a meaning ----


@dataclass(frozen=True)
class Pen:
    """Writes frames of ME to TO. Each has a number of its own in it, to be told from the others."""

    me: Node
    to: Node
    gateway: Node

    def v4(self, **changes: object) -> bytes:
        c: dict[str, object] = {"mac": self.me.mac, "src": self.me.ip4, "dst": self.to.ip4}
        c |= {"to": self.to.mac, "protocol": 17, "data": udp(4000, 53, b"quaywall"), "fragment": 0}
        c |= {"options": b""} | changes
        packet = ipv4(c["src"], c["dst"], c["protocol"], c["data"], c["fragment"], c["options"])  # type: ignore[arg-type]
        return ether(c["to"], c["mac"], ETH_P_IP, packet)  # type: ignore[arg-type]

    def v6(self, **changes: object) -> bytes:
        c: dict[str, object] = {"mac": self.me.mac, "src": self.me.ip6, "dst": self.to.ip6}
        c |= {"to": self.to.mac, "nexthdr": 17, "data": udp(4000, 53, b"quaywall")}
        c |= changes
        if str(c["dst"]).startswith("ff"):
            c["to"] = group_mac(str(c["dst"]))
        packet = ipv6(c["src"], c["dst"], c["nexthdr"], c["data"])  # type: ignore[arg-type]
        return ether(c["to"], c["mac"], ETH_P_IPV6, packet)  # type: ignore[arg-type]

    def arp(self, op: int, ip: str, **changes: str) -> bytes:
        c = {"mac": self.me.mac, "ether": self.me.mac, "to": self.to.mac, "target": self.to.ip4}
        c |= changes
        target = self.to.mac if op == 2 else "00:00:00:00:00:00"
        return ether(c["to"], c["ether"], ETH_P_ARP, arp(op, c["mac"], ip, target, c["target"]))

    def icmp6(
        self,
        kind: int,
        body: bytes,
        src: str = "",
        dst: str = "",
        wrap: Callable[[int, bytes], bytes] | None = None,
    ) -> bytes:
        src, dst = src or self.me.ip6, dst or self.to.ip6
        data = icmp6(src, dst, kind, body)
        if not wrap:
            return self.v6(src=src, dst=dst, nexthdr=58, data=data)
        number = {hop_by_hop: 0, destination_options: 60}.get(wrap, 44)
        return self.v6(src=src, dst=dst, nexthdr=number, data=wrap(58, data))

    def advert(self, target: str, **changes: object) -> bytes:
        """A neighbour advertisement, solicited and overriding."""
        body = struct.pack("!I", 0x60000000) + IPv6Address(target).packed + option(2, self.me.mac)
        return self.icmp6(136, body, **changes)  # type: ignore[arg-type]

    def solicit(self, target: str, src: str, options: bytes = b"", dst: str = "") -> bytes:
        body = struct.pack("!I", 0) + IPv6Address(target).packed + options
        return self.icmp6(135, body, src=src, dst=dst or solicited(target))

    def router(self, src: str, **changes: object) -> bytes:
        body = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + option(1, self.me.mac)
        return self.icmp6(134, body, src=src, dst="ff02::1", **changes)  # type: ignore[arg-type]


def legitimate(me: Node, to: Node, gateway: Node, private: str = "fe80::1234") -> dict[str, bytes]:
    """What a container may send. PRIVATE: a link-local address that it formed in another way than of its MAC."""
    w = Pen(me, to, gateway)
    report = struct.pack("!HH", 0, 1) + struct.pack("!BBH", 4, 0, 0) + IPv6Address("ff02::db8").packed
    group = b"\x16\0\xf8\xfa\xef\x01\x02\x03"
    own_link = option(1, me.mac)
    dhcp = udp(68, 67, b"\x01\x01\x06\0" + bytes(240))
    echo = struct.pack("!HH", 7, 1) + bytes(64)
    return {
        "v4": w.v4(),
        "v4 with options": w.v4(options=b"\x94\x04\0\0"),
        "v4 first fragment": w.v4(data=udp(4000, 53, bytes(64)), fragment=1),
        "v4 later fragment": w.v4(data=bytes(40), fragment=72),
        "igmp": w.v4(dst="239.1.2.3", to="01:00:5e:01:02:03", protocol=2, data=group, options=b"\x94\x04\0\0"),
        "dhcp client": w.v4(src="0.0.0.0", dst="255.255.255.255", to=BROADCAST, data=dhcp),
        "arp request": w.arp(1, me.ip4, to=BROADCAST),
        "arp reply": w.arp(2, me.ip4),
        "arp probe": w.arp(1, "0.0.0.0", to=BROADCAST, target=me.ip4),
        "gratuitous arp": w.arp(1, me.ip4, to=BROADCAST, target=me.ip4),
        "v6": w.v6(),
        "v6 link-local": w.v6(src=me.link, dst=to.link),
        "v6 ping": w.icmp6(128, echo),
        "v6 ping link-local": w.icmp6(128, echo, src=me.link, dst=to.link),
        "v6 first fragment": w.v6(nexthdr=44, data=fragment(17, udp(4000, 53, bytes(64)), 0, True)),
        "v6 later fragment": w.v6(nexthdr=44, data=fragment(17, bytes(40), 72)),
        "v6 ping first fragment": w.v6(nexthdr=44, data=fragment(58, icmp6(me.ip6, to.ip6, 128, echo), 0, True)),
        "v6 ping later fragment": w.v6(nexthdr=44, data=fragment(58, bytes(48), 72)),
        "v6 destination options": w.v6(nexthdr=60, data=destination_options(17, udp(4000, 53, b"d"))),
        "ns": w.solicit(to.ip6, me.ip6, own_link),
        "ns link-local": w.solicit(to.ip6, me.link, own_link),
        "ns unicast": w.solicit(to.ip6, me.ip6, b"", dst=to.ip6),
        "na": w.advert(me.ip6),
        "na link-local": w.advert(me.link, src=me.link, dst=to.link),
        "na unsolicited": w.advert(me.ip6, dst="ff02::1"),
        "dad": w.solicit(me.ip6, "::"),
        "dad link-local": w.solicit(me.link, "::"),
        "rs": w.icmp6(133, bytes(4) + own_link, src=me.link, dst="ff02::2"),
        "rs unspecified": w.icmp6(133, bytes(4), src="::", dst="ff02::2"),
        "mld1": w.icmp6(131, bytes(4) + IPv6Address("ff02::db8").packed, src=me.link, dst="ff02::db8", wrap=hop_by_hop),
        "mld2": w.icmp6(143, report, src=me.link, dst="ff02::16", wrap=hop_by_hop),
        "mld2 unspecified": w.icmp6(143, report, src="::", dst="ff02::16", wrap=hop_by_hop),
        "dhcpv6 client": w.v6(src=me.link, dst="ff02::1:2", data=udp(546, 547, b"\x01abc")),
        "private link-local ns": w.solicit(to.ip6, private, own_link),
        "private link-local dad": w.solicit(private, "::"),
        "private link-local na": w.advert(private, src=private, dst=to.link),
    }


def attacks(me: Node, to: Node, gateway: Node, elsewhere: Node) -> dict[str, bytes]:
    """What none may send. ELSEWHERE is on another network."""
    w = Pen(me, to, gateway)
    wrong = "02:00:00:00:00:66"
    offer = udp(67, 68, b"\x02\x01\x06\0" + bytes(240))
    offer6 = udp(547, 546, b"\x02abc")
    target = struct.pack("!I", 0x60000000) + IPv6Address(gateway.ip6).packed + option(2, me.mac)
    router = icmp6(me.link, "ff02::1", 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + bytes(64))
    advert = icmp6(me.ip6, to.ip6, 136, target)
    redirect = bytes(4) + IPv6Address(me.link).packed + IPv6Address("2001:db8::1").packed
    found = {
        "v4 of the neighbour": w.v4(src=to.ip4, dst=gateway.ip4, to=BROADCAST),
        "v4 of the neighbour, its MAC": w.v4(src=to.ip4, mac=to.mac, dst=gateway.ip4, to=BROADCAST),
        "v4 of the gateway": w.v4(src=gateway.ip4),
        "v4 of the gateway, its MAC": w.v4(src=gateway.ip4, mac=gateway.mac),
        "v4 of another network": w.v4(src=elsewhere.ip4),
        "v4 of outside": w.v4(src="203.0.113.9"),
        "v4 of nobody": w.v4(src=str(IPv4Address(to.ip4) + 77)),
        "v4 fragment of the neighbour": w.v4(src=to.ip4, data=bytes(48), fragment=72, to=BROADCAST),
        "v6 of the neighbour": w.v6(src=to.ip6, dst="ff02::1"),
        "v6 of the neighbour, link-local": w.v6(src=to.link, dst="ff02::1"),
        "v6 of the gateway, link-local": w.v6(src=gateway.link),
        "v6 of the gateway": w.v6(src=gateway.ip6),
        "v6 of another network": w.v6(src=elsewhere.ip6),
        "v6 of outside": w.v6(src="2001:db8:99::9"),
        "v6 of nobody": w.v6(src=str(IPv6Address(to.ip6) + 0x7777)),
        "v6 fragment of the neighbour": w.v6(src=to.ip6, nexthdr=44, data=fragment(17, bytes(48), 72)),
        "MAC of nobody": w.v4(mac=wrong),
        "MAC of nobody, v6": w.v6(mac=wrong),
        "MAC of the neighbour": w.v4(mac=to.mac, to=BROADCAST),
        "MAC of the neighbour, v6": w.v6(mac=to.mac, dst="ff02::1"),
        "MAC of the gateway": w.v4(mac=gateway.mac),
        "arp reply for the neighbour": w.arp(2, to.ip4, to=BROADCAST, target=gateway.ip4),
        "arp reply for the gateway": w.arp(2, gateway.ip4),
        "arp reply for nobody": w.arp(2, str(IPv4Address(to.ip4) + 77)),
        "arp reply for another network": w.arp(2, elsewhere.ip4),
        "arp request of the gateway": w.arp(1, gateway.ip4, to=BROADCAST),
        "gratuitous arp of the neighbour": w.arp(1, to.ip4, to=BROADCAST, target=to.ip4),
        "gratuitous arp reply of the gateway": w.arp(2, gateway.ip4, to=BROADCAST, target=gateway.ip4),
        "arp of its address, another MAC": w.arp(2, me.ip4, mac=to.mac),
        "arp of its address by another MAC": w.arp(2, me.ip4, ether=wrong),
        "arp probe by another MAC": w.arp(1, "0.0.0.0", mac=wrong, ether=wrong, to=BROADCAST),
        "rarp": ether(BROADCAST, me.mac, 0x8035, arp(3, me.mac, "0.0.0.0", me.mac, "0.0.0.0")),
        "na for the neighbour": w.advert(to.ip6, dst="ff02::1"),
        "na for the neighbour, link-local": w.advert(to.link, src=me.link, dst="ff02::1"),
        "na for the gateway": w.advert(gateway.ip6),
        "na for the gateway, link-local": w.advert(gateway.link, src=me.link),
        "na of the gateway": w.advert(gateway.ip6, src=gateway.ip6),
        "na for another network": w.advert(elsewhere.ip6),
        "na cut short": w.icmp6(136, struct.pack("!I", 0x60000000)),
        "na behind options": w.advert(gateway.ip6, wrap=destination_options),
        "na behind router alert": w.advert(gateway.ip6, wrap=hop_by_hop),
        "na of its own behind options": w.advert(me.ip6, wrap=destination_options),
        "na in an atomic fragment": w.advert(gateway.ip6, wrap=fragment),
        "na in a fragment": w.v6(nexthdr=44, data=fragment(58, advert[:24], 0, True)),
        "na hidden by a fragment": w.v6(
            nexthdr=44, data=fragment(60, destination_options(58, b"", units=9), 0, True)
        ),
        "na hidden by two headers": w.v6(
            nexthdr=44, data=fragment(60, destination_options(60, b"", units=9), 0, True)
        ),
        "ns of the neighbour": w.solicit(gateway.ip6, to.ip6, option(1, me.mac)),
        "dad for the neighbour": w.solicit(to.ip6, "::"),
        "dad for the gateway": w.solicit(gateway.ip6, "::"),
        "na from nowhere": w.advert(gateway.ip6, src="::", dst="ff02::1"),
        "v6 from nowhere": w.v6(src="::", dst="ff02::1"),
        "ra": w.router(me.link),
        "ra of a global address": w.router(me.ip6),
        "ra of the gateway": w.router(gateway.link),
        "ra from nowhere": w.router("::"),
        "ra of a private link-local address": w.router("fe80::1234"),
        "ra behind options": w.router(me.link, wrap=destination_options),
        "ra behind router alert": w.router(me.link, wrap=hop_by_hop),
        "ra in an atomic fragment": w.router(me.link, wrap=fragment),
        "ra in a fragment": w.v6(src=me.link, dst="ff02::1", nexthdr=44, data=fragment(58, router[:24], 0, True)),
        "mld query": w.icmp6(130, bytes(20), src=me.link, dst="ff02::1", wrap=hop_by_hop),
        "redirect": w.icmp6(137, redirect, src=me.link),
        "redirect of the gateway": w.icmp6(137, redirect, src=gateway.link),
        "dhcp server": w.v4(dst="255.255.255.255", to=BROADCAST, data=offer),
        "dhcp server, to one": w.v4(data=offer),
        "dhcp server from nowhere": w.v4(src="0.0.0.0", data=offer),
        "dhcp server by another port": w.v4(data=udp(6700, 68, b"\x02\x01\x06\0" + bytes(240))),
        "dhcpv6 server": w.v6(src=me.link, dst=to.link, data=offer6),
        "dhcpv6 server, global": w.v6(data=offer6),
        "bpdu": ether("01:80:c2:00:00:00", me.mac, 38, b"\x42\x42\x03" + bytes(35)),
        "llc": ether(to.mac, me.mac, 46, b"\xaa\xaa\x03" + bytes(43)),
        "local experimental": ether(to.mac, me.mac, 0x88B5, b"covert"),
        "eapol": ether(to.mac, me.mac, 0x888E, b"\x01\x01\0\0"),
    }
    for name, tags in (("q", [0x8100]), ("ad", [0x88A8]), ("q-q", [0x8100] * 2), ("ad-q", [0x88A8, 0x8100])):
        for what, frame in (("v4", w.v4(data=udp(4000, 53, name.encode()))), ("v6", w.v6(data=udp(4000, 53, name.encode())))):
            head = b"".join(struct.pack("!HH", tag, 0) for tag in tags)
            found[f"{what} tagged {name}"] = frame[:12] + head + frame[12:]
        reply = w.arp(2, me.ip4, target=str(IPv4Address(to.ip4) + len(name)))
        found[f"arp tagged {name}"] = reply[:12] + struct.pack("!HH", tags[0], 0) + reply[12:]
    return found


def without(node: Node, **changes: str) -> Node:
    return replace(node, **changes)
