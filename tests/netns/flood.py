"""Packets that flow all the while: who they are from is counted where they arrive."""

import json
import os
import subprocess
from typing import Any

from place import Daemon, Namespace, attach

DB, WEB, WORKER = "172.18.0.2", "172.18.0.3", "172.18.0.4"

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432, 53/udp]}
  - {from: {service: web}, to: world, ports: [443]}
  - {from: {service: cron}, to: {service: db}, ports: [5000-6000, icmp]}
publish:
  - {to: {service: web}, port: 8080, from: [10.0.0.0/8, 192.0.2.0/24], limit: {new: 50/second, per: source}}
"""

# Counts what arrives at port 53, by sender; prints it for each line that it reads.
COUNT = """
import json, select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("", 53))
seen = {}
print("up", flush=True)
while True:
    ready = select.select([s, sys.stdin], [], [])[0]
    if s in ready:
        addr = s.recvfrom(100)[1][0]
        seen[addr] = seen.get(addr, 0) + 1
    elif not sys.stdin.readline():
        break
    else:
        print(json.dumps(seen), flush=True)
"""
# Each packet is the first of a flow of its own, so each is judged. Prints how many were sent.
SEND = """
import select, socket, sys
sent = 0
print("up", flush=True)
while not select.select([sys.stdin], [], [], 0.001)[0]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.sendto(b"x", (sys.argv[1], 53))
        except OSError:
            pass
    sent += 1
print(sent, flush=True)
"""
ONE = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (sys.argv[1], 53))"
# Prints when a transaction was told of and by whom it was, one JSON line each.
WATCH = """
import json, socket, struct, sys, time
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
s.bind((0, 0))
s.setsockopt(270, 1, 7)  # NETLINK_ADD_MEMBERSHIP of NFNLGRP_NFTABLES
print("up", flush=True)
while True:
    data = s.recv(1 << 16)
    now = time.monotonic_ns()
    while data:
        length, kind = struct.unpack_from("=IH", data)
        if kind == (10 << 8 | 15):  # NFT_MSG_NEWGEN
            at, who = 20, {}
            while at < length:
                size, attr = struct.unpack_from("=HH", data, at)
                who[attr] = data[at + 4:at + size]
                at += size + 3 & ~3
            name = who[3].rstrip(bytes(1)).decode()
            print(json.dumps([now, name, struct.unpack("!I", who[2])[0]]), flush=True)
        data = data[length + 3 & ~3:]
"""


class Script:
    """A Python script in a namespace, that says `up` first."""

    def __init__(self, place: Namespace, text: str, *argv: str) -> None:
        self.process = subprocess.Popen(
            place.argv("/usr/bin/python3", "-c", text, *argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "up"

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def tell(self, text: str = "") -> None:
        assert self.process.stdin
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def ask(self) -> Any:
        self.tell()
        return json.loads(self.line())

    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> str:
        """Ends it; what it still had to say."""
        self.process.kill()
        return self.process.communicate()[0]


def mac(number: int) -> str:
    return f"02:42:ac:12:{number // 256:02x}:{number % 256:02x}"


class Traffic:
    """web, which may, and worker, which may not, send to db without a rest."""

    def __init__(self, daemon: Daemon) -> None:
        self.places: list[Namespace] = []
        self.scripts: list[Script] = []
        try:
            for number, addr in ((2, DB), (3, WEB), (4, WORKER)):
                self.places.append(attach(daemon, f"{addr}/16", mac(number)))
            self.db, self.web, self.worker = self.places
            self.counter = self.script(self.db, COUNT)
        except BaseException:
            self.close()
            raise

    def script(self, place: Namespace, text: str, *argv: str) -> Script:
        self.scripts.append(Script(place, text, *argv))
        return self.scripts[-1]

    def send(self) -> None:
        self.senders = [self.script(place, SEND, DB) for place in (self.web, self.worker)]

    def one(self, place: Namespace) -> None:
        place.run("/usr/bin/python3", "-c", ONE, DB)

    def arrived(self) -> tuple[int, int]:
        """So far, from web and from worker."""
        seen = self.counter.ask()
        return seen.get(WEB, 0), seen.get(WORKER, 0)

    def stop(self) -> tuple[int, int]:
        """What web and worker have sent in all."""
        sent = [sender.ask() for sender in self.senders]
        return sent[0], sent[1]

    def close(self) -> None:
        for script in self.scripts:
            script.close()
        for place in self.places:
            place.close()


def shop(daemon: Daemon, containers: int = 4) -> None:
    """Writes the world and the policy: db, web, worker, and so many others that it is CONTAINERS."""
    host = json.loads(daemon.snapshot.read_text(encoding="utf-8"))
    services = ["db", "web", "worker", "cron"] + [f"more{i % 20}" for i in range(containers - 4)]
    host["containers"] = [c for c in host["containers"] if not c["name"].startswith("shop")]
    host["endpoints"] = [e for e in host["endpoints"] if e["network"] != "n1"]
    for i, service in enumerate(services):
        labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": service}
        container = {
            "id": f"s{i}",
            "name": f"shop-{service}-{i}",
            "image": "x",
            "network_mode": "shop_front",
            "labels": labels,
        }
        if service == "web":
            container["ports"] = [
                {"protocol": "tcp", "container_port": 80, "host_port": 8080, "host_addr": "0.0.0.0"}
            ]
        addr = f"172.18.{(i + 2) // 256}.{(i + 2) % 256}"
        host["containers"].append(container)
        host["endpoints"].append(
            {"id": f"f{i}", "network": "n1", "container": f"s{i}", "name": container["name"]}
            | {"addr4": addr, "addr6": f"fd00:18::{i + 2:x}", "mac": mac(i + 2)}
        )
    daemon.snapshot.write_text(json.dumps(host), encoding="utf-8")
    daemon.policy(POLICY)


def old_kernel(daemon: Daemon) -> dict[str, str]:
    """The environment in which the kernel seems to know nothing of owned tables that persist."""
    library = daemon.binary.parent / "tests" / "netns" / "libold_kernel.so"
    assert library.exists(), library
    options = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"}


def bench(name: str, default: int) -> int:
    return int(os.environ.get(f"QUAYWALL_{name}", default))
