"""A host with as many containers as one likes. Ten are in the network that events come to: what the engine answers of that
is then as long as on a small host, and all that grows is what the daemon does. The others are by the thousand in networks
of their own, as a bridge has 1,023 ports at most. Each has its pair of veths, as it would have."""

from __future__ import annotations

import ipaddress
import subprocess
import time
from pathlib import Path
from typing import Iterable

from bed import Bed, container, endpoint, eventually, long_id
from engine import Container, Network, container_event, network_event
from hosts import mac
from place import Namespace

IN_FRONT = 10
IN_A_BRIDGE = 1000
BATCH = 500
NO_IPV6 = ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
  - {from: {service: worker}, to: {service: db}, ports: [5432]}
"""


PASSING = "vethpassing"


class Crowd(Bed):
    """A bed with N containers, db and web among them."""

    def __init__(self, n: int, policy: str = POLICY, projects: int = 0, attached: bool = False) -> None:
        """ATTACHED: db and web are namespaces of their own, for packets (self.places). With PROJECTS those that are not in front are by turns of p0, p1 and so on, each with one db and workers."""
        super().__init__(policy)
        self.projects = projects
        self.inside = Namespace()  # all of them: a namespace each would cost the machine more than it tells
        try:
            self._fill(n, attached)
        except BaseException:
            self.close()
            raise

    def _fill(self, n: int, attached: bool) -> None:
        for space in (self.space, self.inside):
            space.run("sysctl", "-qw", *NO_IPV6)
        self.total = n
        self.came = 0
        self.passes = False  # a pair that is made for the next one
        first = min(n, IN_FRONT) - 2
        pairs = [] if attached else [("172.18.0.2", "br-shopfront"), ("172.18.0.3", "br-shopfront")]
        pairs += [(self._join(self.front, i, f"172.18.0.{4 + i}"), "br-shopfront") for i in range(first)]
        for k in range((n - first - 2 + IN_A_BRIDGE - 1) // IN_A_BRIDGE):
            pairs += self._back(k, min(IN_A_BRIDGE, n - first - 2 - k * IN_A_BRIDGE))
        self._plug(pairs)
        if attached:
            self.attach()

    def close(self) -> None:
        super().close()
        self.inside.close()

    def _join(self, network: Network, number: int, address: str) -> str:
        project, service = "shop", "worker"
        at = number - IN_A_BRIDGE
        if self.projects and at >= 0:
            project, service = f"p{at % self.projects}", "worker" if at >= self.projects else "db"
        self.add(container(project, service, number), address, network)
        return address

    def _back(self, k: int, size: int) -> list[tuple[str, str]]:
        bridge = f"br-back{k}"
        net = ipaddress.IPv4Network((f"10.{k}.0.0", 16))
        network = self.engine.add_network(Network(long_id(bridge), f"shop_back{k}", [str(net)], bridge))
        self.space.bridge(bridge, f"{net[1]}/16")
        return [
            (self._join(network, (k + 1) * IN_A_BRIDGE + i, str(net[i + 2])), bridge) for i in range(size)
        ]

    def _ip(self, lines: Iterable[str], space: Namespace | None = None) -> None:
        done = subprocess.run(
            (space or self.space).argv("ip", "-batch", "-"),
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[:500]

    def _plug(self, pairs: list[tuple[str, str]]) -> None:
        peer = f"netns {self.inside.pid}"
        self._ip(
            f"link add {port(a)} up master {bridge} type veth peer name {port(a)} address {mac(a)} {peer}"
            for a, bridge in pairs
        )
        self._ip((f"link set {port(a)} up" for a, _ in pairs), self.inside)

    # ---- containers that come and go ----

    def plug(self, addresses: list[str]) -> None:
        """Veths in front, with nobody that the engine tells of."""
        self._plug([(a, "br-shopfront") for a in addresses])

    def new(self, service: str, number: int) -> Container:
        return container("shop", service, number)

    def next_address(self) -> str:
        return f"172.18.{1 + (self.came + 1) // 200 % 200}.{1 + (self.came + 1) % 200}"

    def plug_next(self) -> None:
        self.plug([self.next_address()])

    def announce(self, service: str = "worker", ports: Iterable[int] = ()) -> tuple[Container, str]:
        """What the engine tells of a container that starts, in its order. PORTS are published."""
        address = self.next_address()
        self.came += 1
        c = container("shop", service, 900_000 + self.came)
        c.ports = [{"IP": "0.0.0.0", "PrivatePort": p, "PublicPort": p, "Type": "tcp"} for p in ports]
        self.engine.add(c, self.front, endpoint(c, address))
        self.engine.emit(network_event("connect", self.front, c.id), container_event("start", c))
        return c, address

    def come(self, service: str = "worker", ports: Iterable[int] = ()) -> tuple[Container, str]:
        """One more, in front. Meanwhile an engine makes the pair of the next: until it goes, its two ends are the host's."""
        self._ip([f"link add {PASSING} type veth peer name {PASSING}peer"])
        self.passes = True
        self.plug_next()
        return self.announce(service, ports)

    def go(self, c: Container, address: str) -> None:
        self.engine.emit(container_event("die", c))
        with self.engine.lock:
            del self.front.endpoints[c.id]
        self._ip([f"link del {port(address)}", *([f"link del {PASSING}"] if self.passes else [])])
        self.passes = False
        self.engine.emit(network_event("disconnect", self.front, c.id))
        with self.engine.lock:
            self.engine.remove(c)
        self.engine.emit(container_event("destroy", c))

    def knows(self, address: str) -> bool:
        """Whether the kernel has the address among those that are governed: one element is looked for."""
        element = f"{{ br-shopfront . {address} }}"
        return self.space.call("nft", "get", "element", "inet", "quaywall", "endpoints_out4", element).returncode == 0

    def assert_known(self, address: str, known: bool = True) -> None:
        assert eventually(lambda: self.knows(address) == known, 300), (address, known, self.daemon.log_text()[-2000:])

    def cpu_ns(self) -> int:
        """Computed by all threads, those that have ended, too: by the process' own clock (linux/posix-timers.h)."""
        assert self.process
        return time.clock_gettime_ns(~self.process.pid << 3 | 2)

    def cpu_ns_of(self, threads: int) -> int:
        """By the first so many of those that are there."""
        assert self.process
        tasks = Path(f"/proc/{self.process.pid}/task")
        return sum(int((tasks / str(t) / "schedstat").read_text().split()[0]) for t in self.threads()[:threads])

    def threads(self) -> list[int]:
        """Of the daemon, the first its main one, the second the engine's; then those of a moment."""
        assert self.process
        return sorted(int(p.name) for p in Path(f"/proc/{self.process.pid}/task").iterdir())


def port(address: str) -> str:
    return "v" + "".join(f"{int(n):02x}" for n in address.split("."))
