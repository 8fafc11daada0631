"""First packets of flows, written and recognised.

Each carries a number of its own, so that whoever receives it knows which flow it began: the source port
of TCP, UDP and SCTP, the identifier of an echo request, the payload of another protocol.
"""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache
from typing import Optional

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
OPTION_HEADERS = (0, 60)  # IPv6: hop-by-hop and destination options
ECHO_REQUEST = {ICMP: 8, ICMPV6: 128}


def internet_checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@lru_cache(maxsize=256)
def _crc32c_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _crc32c_entry((crc ^ byte) & 0xFF)
    return crc ^ 0xFFFFFFFF


def transport(source: bytes, destination: bytes, protocol: int, number: int, port: int) -> bytes:
    """The part behind the IP header. SOURCE and DESTINATION are packed addresses."""

    def with_checksum(data: bytes, at: int) -> bytes:
        if len(source) == 4:
            pseudo = source + destination + struct.pack("!BBH", 0, protocol, len(data))
        else:
            pseudo = source + destination + struct.pack("!IHBB", len(data), 0, 0, protocol)
        if protocol == ICMP:
            pseudo = b""
        value = internet_checksum(pseudo + data) or 0xFFFF
        return data[:at] + struct.pack("!H", value) + data[at + 2 :]

    if protocol == TCP:
        syn = struct.pack("!HHIIBBHHH", number, port, 1000, 0, 5 << 4, 2, 65000, 0, 0)
        return with_checksum(syn, 16)
    if protocol == UDP:
        return with_checksum(struct.pack("!HHHH", number, port, 12, 0) + b"ping", 6)
    if protocol == SCTP:
        init = struct.pack("!BBHIIHHI", 1, 0, 20, 0x12345678, 65000, 1, 1, 1)
        header = struct.pack("!HHI", number, port, 0)
        return header + struct.pack("<I", crc32c(header + bytes(4) + init)) + init
    if protocol in ECHO_REQUEST:
        return with_checksum(struct.pack("!BBHHH", ECHO_REQUEST[protocol], 0, 0, number, 1), 2)
    return struct.pack("!HHH", 0, 0x88B5, number)  # GRE's header without options, then the number


def number_of(protocol: int, data: bytes) -> Optional[int]:
    """The number in what transport() wrote; of other packets anything or nothing."""
    if len(data) < 6:
        return None
    if protocol in ECHO_REQUEST:
        is_request = data[0] == ECHO_REQUEST[protocol]
        return struct.unpack("!H", data[4:6])[0] if is_request else None
    if protocol in (TCP, UDP, SCTP):
        return struct.unpack("!H", data[0:2])[0]
    return struct.unpack("!H", data[4:6])[0]


def packet(source: str, destination: str, protocol: int, number: int, port: int) -> bytes:
    """With its IP header."""
    src, dst = ipaddress.ip_address(source).packed, ipaddress.ip_address(destination).packed
    body = transport(src, dst, protocol, number, port)
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + src + dst + body
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), number, 0, 64, protocol, 0) + src + dst
    return header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:] + body


def number_in_packet(data: bytes) -> Optional[int]:
    """Of a packet with its IP header."""
    if len(data) >= 20 and data[0] >> 4 == 4:
        return number_of(data[9], data[(data[0] & 15) * 4 :])
    if len(data) >= 40 and data[0] >> 4 == 6:
        if data[6] in OPTION_HEADERS and len(data) >= 48:
            return number_of(data[40], data[48:])
        return number_of(data[6], data[40:])
    return None


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def frame(source_mac: str, destination_mac: str, payload: bytes) -> bytes:
    kind = 0x0800 if payload[0] >> 4 == 4 else 0x86DD
    return mac_bytes(destination_mac) + mac_bytes(source_mac) + struct.pack("!H", kind) + payload
