"""From the first packet of a container on its own policy holds, and what is permitted gets through.

QUAYWALL_STARTS: how many starts for each generation of the engine, 20 unless given. QUAYWALL_STARTS_TOLD: a
file that the figures are added to.
"""

import itertools
import os
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from bed import Quaywall
from checks import Bed
from starts import (
    Api,
    Counted,
    Events,
    Folder,
    Kernel,
    Result,
    Starter,
    environment_count,
    flows,
    spread,
)

Make = Callable[..., Quaywall]

POLICY = """
policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432/tcp+udp]}
"""
PORT, FORBIDDEN = 5432, 7777


class Scene:
    """db, which web may reach; vault, which nobody may; and a neighbour that nobody governs and that
    sends to whatever address the next containers will have."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")
        bed.engine.network("idle", "172.30.2.0/24", "fd00:2::/64", flags=["--internal"])
        bed.bridge_filter(0)
        self.api = Api(bed.engine.socket)
        self.folder = Folder(bed.engine)
        self.starter = Starter(bed.engine, self.api, self.folder)
        self.db = self._server("shop-db-1", "shop/db", 250)
        publish = {f"{FORBIDDEN}/{p}": [{"HostPort": "17777"}] for p in ("tcp", "udp")}
        self.vault = self._server("shop-vault-1", "shop/vault", 251, PortBindings=publish)
        forbidden = [f"tcp dport {FORBIDDEN}", f"udp dport {FORBIDDEN}"]
        self.counted = [
            Counted(self.vault.netns, *forbidden),
            Counted(bed.lan.netns, *forbidden),
            Counted(bed.engine.netns, *forbidden, hook="input"),
        ]

    def _server(self, name: str, service: str, last: int, **host: Any) -> Any:
        from bed import Container

        argv = ["/out/first", "serve", str(PORT if service == "shop/db" else FORBIDDEN)]
        config = {"IPv4Address": f"172.30.1.{last}", "IPv6Address": f"fd00:1::{last:x}"}
        self.api.create(name, argv, "front", service, self.folder.path, {"IPAMConfig": config}, **host)
        self.api.start(name)
        return Container(self.bed.engine, name)

    def neighbour(self, seconds: int) -> None:
        """Sends to the eight addresses that the engine gives next, and to no other."""
        near = [(p, a, FORBIDDEN) for p in ("tcp", "udp") for a in addresses(3, 7)]
        self.starter.create("neighbour", ["flood", str(seconds * 1000), "1", *flows(*near)], "blog/other")
        self.api.start("neighbour")

    def asking(self) -> list[str]:
        to = [(p, a, PORT) for p in ("tcp", "udp") for a in ("172.30.1.250", "fd00:1::fa")]
        return ["ask", "60000", *flows(*to)]

    def flooding(self) -> list[str]:
        lan = self.bed.lan
        forbidden = ["172.30.1.251", "fd00:1::fb", lan.addr4, lan.host4, "172.30.1.1"]
        to = [(p, a, FORBIDDEN) for a in forbidden for p in ("tcp", "udp")]
        to += [(p, lan.host4, 17777) for p in ("tcp", "udp")]
        return ["flood", "150", str(FORBIDDEN), *flows(*to)]

    def close(self) -> None:
        """The namespaces of the LAN and of the engine outlive the test."""
        for one in self.counted[1:]:
            one.close()

    def passed(self) -> list[int]:
        return [c.packets() for c in self.counted]


def addresses(first: int, n: int) -> Iterator[str]:
    """The neighbour has the first free address, .2; of what follows IPv6 for every second."""
    for i in range(first, first + n):
        yield f"172.30.1.{i}" if i % 2 else f"fd00:1::{i:x}"


def jobs(scene: Scene, n: int) -> Iterator[tuple[str, str, list[str], str]]:
    """Half of them ask, half flood. One job of `restart` is several starts."""
    order = ["run", "connect", "start", "run", "restart", "start", "connect", "run"]
    made = 0
    for i, kind in enumerate(itertools.cycle(order)):
        if made >= n:
            return
        made += scene.starter.restarts if kind == "restart" else 1
        ask = i // len(order) % 2 == 0 or kind == "start" and i % 2 == 0
        argv = scene.asking() if ask else scene.flooding()
        yield kind, f"s{i}", argv, "shop/web" if ask else "shop/worker"


def figures(scene: Scene, results: list[Result], kernel: Kernel, events: Events) -> Iterator[str]:
    for kind in ("run", "start", "connect", "restart"):
        asked = [r for r in results if r.kind == kind and any(f["done"] for f in r.flows)]
        first = [f for r in asked for f in r.flows]
        lost = [f for r in asked for f in r.lost()]
        why = Counter(f["error"] or "dropped" for f in lost)
        yield f"{kind}: {len(asked)} asked, {len(lost)} of {len(first)} first packets lost {dict(why)}"
        yield f"  lost in {sum(1 for r in asked if r.lost())} of {len(asked)} starts"
        yield f"  answered after {spread([f['done'] - f['first'] for f in first if f['done']])}"
        reached = []
        for r in asked:
            connects = [e for e in events.connects if scene.starter.ids.get(e[0]) == r.name]
            before = [e for e in connects if e[1] == "front" and e[2] < r.began + 10_000_000]
            mine = min(before, key=lambda e: abs(e[2] - r.flows[0]["first"]), default=None)
            if mine:
                addr = next(f["from"] for f in r.flows if ":" not in f["from"])
                at = kernel.programmed(addr, mine[2] - 100_000)
                reached.append((mine, at, min(f["first"] for f in r.flows)))
        known = [(e, at, first) for e, at, first in reached if at is not None]
        yield f"  event -> read by us {spread([e[3] - e[2] for e, _, _ in reached])}"
        yield f"  event -> in the kernel {spread([at - e[2] for e, at, _ in known])}"
        yield f"  event -> first packet {spread([first - e[2] for e, _, first in reached])}"
        yield f"  first packet was sooner {sum(first < at for _, at, first in known)} of {len(known)}"


def tell(lines: list[str]) -> None:
    for line in lines:
        print(line)
    if "QUAYWALL_STARTS_TOLD" in os.environ:
        with open(os.environ["QUAYWALL_STARTS_TOLD"], "a", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")


def test_first_packets(clean: Bed, quaywall: Make, generation: str) -> None:
    scene = Scene(clean)
    n = environment_count("QUAYWALL_STARTS", 20)
    q = quaywall(clean)
    q.policy("shop", POLICY)
    q.start()
    events, kernel = Events(scene.api), Kernel(clean.engine.netns)
    scene.neighbour(n * 3)
    results = scene.starter.all(jobs(scene, n))
    flooded = sum(f["sent"] for r in results for f in r.flows if f["to"] == "172.30.1.251")
    arrived = sum(r.arrived for r in results)
    passed = scene.passed()
    lines = [f"== {generation}: {len(results)} starts, {flooded} packets to the vault, passed {passed}"]
    lines += [f"from the neighbour arrived {arrived}", *figures(scene, results, kernel, events)]
    tell(lines)
    events.close()
    kernel.close()
    scene.close()
    assert passed == [0, 0, 0] and arrived == 0
    assert flooded > 0
    asked = [r for r in results if any(f["to"] == "172.30.1.250" for f in r.flows)]
    never = [f for r in asked for f in r.flows if not f["done"]]
    assert not never, never[:3]
