"""Frames that no rule of the inet table sees: with VLAN tags, which their receiver takes off again."""

import json
import subprocess
from typing import Iterator

import pytest

from place import Daemon, Namespace, attach, eventually

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [53/udp]}
"""
DB, WEB = "02:42:ac:12:00:02", "02:42:ac:12:00:03"

# Prints what arrives at port 53, until "end" does.
RECEIVE = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 53))
s.settimeout(20)
print("up", flush=True)
while (got := s.recv(100)) != b"end":
    print(got.decode())
"""
# By name, the tags of each frame; "four" and "six" go as every program's packets do, ARP and ND before them.
TAGS = {"plain": [], "q": [0x8100], "ad": [0x88A8], "q-q": [0x8100] * 2, "ad-q": [0x88A8, 0x8100]}
SEND = """
import json, socket, struct, sys, time
dst, src, tags = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

def packet(data):
    udp = struct.pack("!HHHH", 4000, 53, 8 + len(data), 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                     socket.inet_aton("172.18.0.3"), socket.inet_aton("172.18.0.2"))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    return ip[:10] + struct.pack("!H", ~total & 0xFFFF) + ip[12:] + udp

raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
for name, protocols in tags.items():
    head = bytes.fromhex(dst.replace(":", "")) + bytes.fromhex(src.replace(":", ""))
    head += b"".join(struct.pack("!HH", p, 0) for p in protocols)
    raw.send(head + struct.pack("!H", 0x0800) + packet(name.encode()))
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"six", ("fd00:18::2", 53))
plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
plain.sendto(b"four", ("172.18.0.2", 53))
time.sleep(0.2)
plain.sendto(b"end", ("172.18.0.2", 53))
"""
UNTAGGED = {"plain", "four", "six"}
EVERYTHING = UNTAGGED | set(TAGS)


class Pair:
    def __init__(self, daemon: Daemon) -> None:
        self.db = attach(daemon, "172.18.0.2/16", DB)
        self.web = attach(daemon, "172.18.0.3/16", WEB)
        for place, addr in ((self.db, "fd00:18::2/64"), (self.web, "fd00:18::3/64")):
            place.run("ip", "addr", "add", addr, "dev", "eth0", "nodad")

    def arrives(self) -> set[str]:
        receiver = subprocess.Popen(
            self.db.argv("/usr/bin/python3", "-c", RECEIVE),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert receiver.stdout and receiver.stdout.readline() == "up\n"
            self.web.run("/usr/bin/python3", "-c", SEND, DB, WEB, json.dumps(TAGS))
            return set(receiver.communicate(timeout=20)[0].split())
        finally:
            receiver.kill()
            receiver.communicate()

    def close(self) -> None:
        self.db.close()
        self.web.close()


@pytest.fixture
def pair(daemon: Daemon) -> Iterator[Pair]:
    host = json.loads(daemon.snapshot.read_text(encoding="utf-8"))
    host["endpoints"][0]["addr6"] = "fd00:18::2"
    daemon.snapshot.write_text(json.dumps(host), encoding="utf-8")
    daemon.policy(POLICY)
    made = Pair(daemon)
    try:
        yield made
    finally:
        made.close()


def test_tagged_frames_are_dropped_where_policies_are_in_force(daemon: Daemon, pair: Pair) -> None:
    assert pair.arrives() == EVERYTHING
    daemon.offline("run", "--once")
    assert "bridge" in daemon.table("bridge")
    assert pair.arrives() == UNTAGGED
    daemon.verb("flush")
    assert daemon.table("bridge") == ""
    assert pair.arrives() == EVERYTHING


def test_audit_drops_nothing(daemon: Daemon, pair: Pair) -> None:
    daemon.policy(POLICY + "mode: audit\n")
    daemon.offline("run", "--once")
    assert daemon.table() != "" and "refuse_spoofed comment" not in daemon.table("bridge")
    assert pair.arrives() == EVERYTHING


# ---- the table ----


def test_it_comes_and_goes_with_what_is_refused(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.status()["kernel"]["bridge_table"] is True
    daemon.policy(POLICY + "isolate: []\n")
    assert eventually(lambda: daemon.table("bridge") == "")
    assert daemon.status()["kernel"]["bridge_table"] is False
    daemon.policy(POLICY)
    assert eventually(lambda: daemon.table("bridge") != "")


def test_it_is_planned(daemon: Daemon) -> None:
    diff = daemon.offline("plan", code=1)
    assert "table inet quaywall\n+table quaywall\n" in diff
    assert "table bridge quaywall\n+table quaywall\n" in diff
    daemon.offline("run", "--once")
    assert daemon.offline("plan") == "nothing to change\n"
    daemon.policy(POLICY + "isolate: []\n")
    assert daemon.offline("plan", code=1).endswith("table bridge quaywall\n-table quaywall\n")


def test_drift_is_undone(daemon: Daemon) -> None:
    daemon.start()
    before = daemon.table("bridge").splitlines()[2:]
    daemon.space.run("nft", "flush", "ruleset")
    assert eventually(lambda: daemon.table("bridge").splitlines()[2:] == before)
    assert daemon.offline("plan") == "nothing to change\n"
    daemon.verb("flush")
    assert daemon.table("bridge") == ""


def test_a_dead_daemons_table_is_adopted(daemon: Daemon) -> None:
    daemon.stop(daemon.start(), 9)
    assert daemon.table("bridge") != ""
    daemon.start()
    kernel = daemon.status()["kernel"]
    assert kernel["transactions"] == 0 and kernel["bridge_table"]
    if kernel["owner"]:
        done = daemon.space.call("nft", "delete", "table", "bridge", "quaywall")
        assert done.returncode != 0
    daemon.policy(POLICY + "isolate: []\n")
    assert eventually(lambda: daemon.table("bridge") == "")


def test_where_it_cannot_be_had_the_other_table_stands(daemon: Daemon) -> None:
    """A name that another program owns stands for a kernel that refuses."""
    holder = subprocess.Popen(
        daemon.space.argv("nft", "-i"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        assert holder.stdin
        holder.stdin.write("add table bridge quaywall { flags owner; }\n")
        holder.stdin.flush()
        assert eventually(lambda: daemon.table("bridge") != "")
        daemon.start()
        assert daemon.table() != ""
        status = daemon.status()
        assert status["state"] == "enforcing"
        whys = [n["why"] for n in status["not_governed"] if n["kind"] == "bridge-table"]
        assert len(whys) == 1 and "tagged frames are not governed: " in whys[0]
        assert daemon.call("status").returncode == 1
        assert "tagged frames are not governed" in daemon.log_text()
    finally:
        holder.kill()
        holder.communicate()
