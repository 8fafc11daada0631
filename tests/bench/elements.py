"""What an element costs the kernel: the memory that it charges to the control group of who adds it. Of each of the tables'
sets the elements are added once more, to a set like it that is empty, by a process in a group of its own."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import hosts
from figures import Figure, Size
from hosts import Host

LIMIT = 130  # bytes
LEAST = 1000  # elements: what a page more or less is of no account beside
SMOKED = 4  # sets, of the two dozen
PORTS = 5
# Every kind of selector that a set of its own comes of.
POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [%s, 6000-6999]}
  - {from: {service: web}, to: {service: web}}
  - {from: 10.0.0.0/8, to: {service: web}, ports: [80]}
  - {from: {service: web}, to: [192.0.2.53, "2001:db8::/32"], ports: [udp, 443]}
"""


class Group:
    """A control group: what the kernel keeps for those who are or were in it."""

    def __init__(self) -> None:
        mounts = re.findall(r"^\S+ (\S+) (cgroup2?) (\S+)", Path("/proc/mounts").read_text(), re.M)
        self.first = next((p for p, kind, how in mounts if kind == "cgroup" and "memory" in how.split(",")), None)
        unified = next((p for p, kind, _ in mounts if kind == "cgroup2"), None)
        root = self.first or unified
        assert root, "there are no control groups"
        self.path = Path(root) / f"quaywall-bench.{os.getpid()}"
        self.path.mkdir()
        if not self.first and not (self.path / "memory.stat").exists():
            self.path.rmdir()
            raise AssertionError(f"{root} does not account for memory: its cgroup.subtree_control lacks it")

    def kernel(self) -> int:
        """Bytes, once they do not change any more."""
        end, before = time.monotonic() + 30, -1
        while before != (now := self._read()):
            assert time.monotonic() < end, "the group does not come to rest"
            before = now
            time.sleep(0.2)
        return now

    def _read(self) -> int:
        if self.first:
            return int((self.path / "memory.kmem.usage_in_bytes").read_text())
        found = re.search(r"^kernel (\d+)$", (self.path / "memory.stat").read_text(), re.M)
        assert found, "this kernel does not tell of its own memory (5.18)"
        return int(found[1])

    def run(self, argv: list[str], text: str) -> None:
        enter = ["sh", "-c", f'echo $$ >{self.path}/cgroup.procs && exec "$@"', "sh"]
        done = subprocess.run([*enter, *argv], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:2000]

    def close(self) -> None:
        """Nobody is in it, but what was kept may be."""
        end = time.monotonic() + 10
        while True:
            try:
                self.path.rmdir()
                return
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)


@dataclass
class Set:
    family: str
    name: str
    kind: str  # set or map
    head: str  # its type, its flags
    elements: list[str]

    @property
    def empty(self) -> str:
        """A table with it, and with the chains that its verdicts lead to."""
        chains = set(re.findall(r"(?:goto|jump) (\S+)", " ".join(self.elements)))
        text = "".join(f" chain {c} {{\n }}\n" for c in sorted(chains))
        return f"table {self.family} measured {{\n{text} {self.kind} {self.name} {{\n{self.head}\n }}\n}}\n"

    @property
    def full(self) -> str:
        return f"add element {self.family} measured {self.name} {{ {', '.join(self.elements)} }}\n"


SET = re.compile(r"^\t(set|map) (\S+) \{\n(.*?)^\t\}", re.M | re.S)


def sets_of(host: Host) -> Iterator[Set]:
    for family in ("inet", "bridge"):
        text = host.space.run("nft", "list", "table", family, "quaywall")
        for kind, name, body in SET.findall(text):
            head, _, rest = body.partition("elements = {")
            items = re.sub(r"counter packets \d+ bytes \d+", "counter", rest.rpartition("}")[0])
            yield Set(family, name, kind, head, [i.strip() for i in re.split(r",\s+", items) if i.strip()])


def weigh(group: Group, one: Set, host: Host) -> int:
    host.nft(one.empty)
    before = group.kernel()
    group.run(host.space.argv("nft", "-f", "-"), one.full)
    taken = group.kernel() - before
    host.nft(f"delete table {one.family} measured\n")
    return taken


def buckets(n: int) -> int:
    """Bytes of a hash of N, which grows behind the one who adds, where three quarters of it are used: a pointer each."""
    size = 4
    while n > size * 3 / 4:
        size *= 2
    return 8 * size


def at_ports(one: Set, n: int) -> Set:
    """As though all N were at a port of a bridge here, which web alone is."""
    if one.family == "bridge" and one.elements and all('"veth0"' in e for e in one.elements):
        one.elements = [one.elements[-1].replace("veth0", f"veth{i}") for i in range(n)]
    return one


def kept(size: Size) -> list[Figure]:
    figures: dict[str, Figure] = {}
    n, least = (100, 100) if size.smoke else (size.endpoints, LEAST)
    total, elements = 0, 0
    with contextlib.ExitStack() as stack:
        group = Group()
        stack.callback(group.close)
        host, empty = Host(stack), Host(stack)
        host.enforce(POLICY % ", ".join(hosts.udp_ports(PORTS)), hosts.many_containers(n))
        for one in (at_ports(s, n) for s in sets_of(host)):
            kind = f"{one.family} {one.name.rpartition('.')[2]}"  # those of an identity are alike
            if len(one.elements) < least or (size.smoke and len(figures) == SMOKED):
                continue
            count = len(one.elements)
            taken = weigh(group, one, empty) + buckets(count)
            assert taken > 32 * count, (one.family, one.name, taken, count)
            counts = {"elements": count, "of it a bucket's": round(buckets(count) / count, 1)}
            name = f"kernel memory of an element, {kind}"
            figures[kind] = Figure(name, "B", [taken / count], None, counts)
            total, elements = total + taken, elements + count
    assert len(figures) >= SMOKED, f"only {list(figures)} have so many elements"
    counts = {"elements": elements, "CPUs": os.cpu_count()}
    return [Figure("kernel memory of an element, all of them", "B", [total / elements], LIMIT, counts), *figures.values()]


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"elements": kept}
