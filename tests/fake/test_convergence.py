"""However events come, and whatever answers go wrong on the way: once all is quiet, the kernel holds what a
daemon that has just started would put there.

QUAYWALL_FAKE_WALKS is how many random walks (default 100)."""

import json
import os
import random
import re
import signal
import subprocess
import time
from typing import Callable

import faults
from bed import DIES, Bed, container, endpoint, eventually, side_by_side
from engine import Container, Json, Network, container_event, network_event
from place import Namespace

WALKS = int(os.environ.get("QUAYWALL_FAKE_WALKS", "100"))
STEPS = 30
POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
  - {from: {service: worker, network: back}, to: [{service: db}, {service: cache}], ports: [6379, 8000-8100]}
publish:
  - {to: {service: web}, port: 8080-8090, from: any}
---
policy: projects
for: {project: "*"}
isolate: [ingress]
allow:
  - {from: {}, to: {}}
deny:
  - {from: {label: {tier: loose}}, to: {service: db}}
"""
BRIDGES = {"br-shopfront": "172.18", "br-back": "172.20", "br-0123456789ab": "172.21"}
ODD = (b"{}\n", b"[1\n", b'{"Type": "network"}\n', b"\xff\n", b'{"Type": "container", "Action": {}}\n')
FAULTS = (
    faults.status("500 Oops"),
    faults.says(b"<html>"),
    faults.says(b""),
    faults.truncated,
    faults.reset_within,
    faults.longer_than_said,
    faults.cut_in_chunk,
)


class Walk:
    """What happens in an engine, and what is heard of it."""

    def __init__(self, bed: Bed, seed: int, published: dict[str, list[Json]]) -> None:
        self.bed = bed
        self.engine = bed.engine
        self.rng = random.Random(seed)
        self.seed = seed
        self.late: list[bytes] = []
        self.count = 0
        self.mine: list[Container] = []
        self.published = published

    # ---- the world ----

    def networks(self) -> list[Network]:
        return [n for n in self.engine.networks.values() if n.bridge]

    def free(self, n: Network) -> str:
        """Small numbers, so that addresses find new owners soon."""
        taken = {e.addr4.partition("/")[0] for e in n.endpoints.values()}
        begin = BRIDGES[n.bridge]
        left = [a for a in (f"{begin}.0.{i}" for i in range(4, 12)) if a not in taken]
        return self.rng.choice(left) if left else ""

    def join(self, c: Container, n: Network) -> list[Json]:
        addr = self.free(n)
        if not addr:
            return []
        self.count += 1
        n.endpoints[c.id] = endpoint(c, addr, f" {self.seed} {self.count}")
        return [network_event("connect", n, c.id)]

    def leave(self, c: Container, n: Network) -> list[Json]:
        if n.endpoints.pop(c.id, None) is None:
            return []
        return [network_event("disconnect", n, c.id)]

    def start(self) -> list[Json]:
        self.count += 1
        c = container(
            self.rng.choice(["shop", "shop", "blog"]),
            self.rng.choice(["web", "db", "worker", "cache"]),
            self.seed * 1000 + self.count,  # no id comes twice
            image_id=self.rng.choice(["sha256:01", "sha256:02", "sha256:gone"]),
        )
        if self.rng.random() < 0.2:
            c.labels["tier"] = "loose"
        if self.rng.random() < 0.2:
            c.labels = {}
        if self.rng.random() < 0.3:
            port = self.rng.randint(8080, 8090)
            c.ports = [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"}]
        self.published[c.id] = c.ports
        self.engine.containers[c.id] = c
        self.mine.append(c)
        joined = self.join(c, self.rng.choice(self.networks()))
        return [container_event("create", c), *joined, container_event("start", c)]

    def stop(self) -> list[Json]:
        c = self.rng.choice(self.mine)
        c.state, c.ports = "exited", []  # those of one that is down are not listed
        left = [e for n in self.networks() for e in self.leave(c, n)]
        return [container_event("die", c), *left]

    def start_again(self) -> list[Json]:
        c = self.rng.choice(self.mine)
        c.state, c.ports = "running", self.published.get(c.id, [])
        if any(c.id in n.endpoints for n in self.networks()):
            return []
        return [*self.join(c, self.rng.choice(self.networks())), container_event("start", c)]

    def remove(self) -> list[Json]:
        c = self.mine.pop(self.rng.randrange(len(self.mine)))
        left = [e for n in self.networks() for e in self.leave(c, n)]
        self.engine.remove(c)
        return [container_event("die", c), *left, container_event("destroy", c)]

    def replace(self) -> list[Json]:
        """Its address is another's at once."""
        n = self.rng.choice(self.networks())
        found = [c for c in self.mine if c.id in n.endpoints]
        if not found:
            return []
        old = self.rng.choice(found)
        addr = n.endpoints[old.id].addr4.partition("/")[0]
        gone = self.leave(old, n)
        started = self.start()
        c = self.mine[-1]
        for other in self.networks():
            other.endpoints.pop(c.id, None)
        self.count += 1
        n.endpoints[c.id] = endpoint(c, addr, f" {self.seed} {self.count}")
        return [*gone, started[0], network_event("connect", n, c.id), started[-1]]

    def rename(self) -> list[Json]:
        c = self.rng.choice(self.mine)
        self.count += 1
        c.name = f"renamed-{self.count}"
        return [container_event("rename", c)]

    def connect(self) -> list[Json]:
        c, n = self.rng.choice(self.mine), self.rng.choice(self.networks())
        return [] if c.id in n.endpoints or c.state != "running" else self.join(c, n)

    def disconnect(self) -> list[Json]:
        return self.leave(self.rng.choice(self.mine), self.rng.choice(self.networks()))

    def network(self) -> list[Json]:
        """The third one comes and goes, each time with another id."""
        found = [n for n in self.networks() if n.bridge == "br-0123456789ab"]
        if found:
            left = [e for c in self.mine for e in self.leave(c, found[0])]
            del self.engine.networks[found[0].id]
            return [*left, network_event("destroy", found[0])]
        self.count += 1
        key = f"{self.seed:08x}{self.count:08x}".ljust(64, "f")
        n = self.engine.add_network(Network(key, "third", ["172.21.0.0/16"], "br-0123456789ab"))
        return [network_event("create", n)]

    def step(self) -> list[Json]:
        with self.engine.lock:
            if len(self.mine) < 2:
                return self.start()
            does: list[Callable[[], list[Json]]] = [
                self.start,
                self.stop,
                self.start_again,
                self.remove,
                self.replace,
                self.replace,
                self.rename,
                self.connect,
                self.disconnect,
                self.network,
            ]
            return self.rng.choice(does)()

    # ---- what is heard ----

    def tell(self, events: list[Json], lossy: bool) -> None:
        lines = [json.dumps(e).encode() + b"\n" for e in events]
        if self.rng.random() < 0.1:
            lines.insert(0, self.rng.choice(ODD))
        for line in lines:
            chance = self.rng.random()
            if lossy and chance < 0.15:
                continue
            if chance < 0.4:
                self.late.append(line)
            else:
                self.engine.emit_raw(line * (2 if chance > 0.9 else 1))
        self.rng.shuffle(self.late)
        while self.late and self.rng.random() < 0.5:
            self.engine.emit_raw(self.late.pop())

    def disturb(self, mutate: bool) -> None:
        """An answer or two go wrong; or the stream breaks within an event."""
        chance = self.rng.random()
        what = self.rng.choice(["", "^/networks", "^/networks/.", "^/containers", "^/images", "^/events"])
        if chance < 0.08:
            self.engine.misbehave(what, self.rng.choice(FAULTS), self.rng.randint(1, 3))
        elif chance < 0.12:
            self.engine.end_streams(b'30\r\n{"Type": "network", "Acti')
        elif mutate and chance < 0.5:
            fault = faults.mutated(self.rng.randrange(1 << 30))
            self.engine.misbehave("^/(?!events)", fault, self.rng.randint(1, 5))

    def go(self, mode: str) -> None:
        """Lossless: all is heard, late, twice, or in another order. Lossy: not all. Disturbed: and answers are
        errors. Mutated: and answers are not what they were."""
        for _ in range(STEPS):
            if mode in ("disturbed", "mutated"):
                self.disturb(mode == "mutated")
            self.tell(self.step(), mode != "lossless")
            time.sleep(self.rng.choice([0, 0, 0.001, 0.01]))
        self.engine.behave()
        self.rng.shuffle(self.late)
        while self.late:
            self.engine.emit_raw(self.late.pop())
        if mode == "lossless":
            return
        if self.rng.random() < 0.5:
            self.engine.end_streams()
        self.bed.daemon.ask(b'{"verb": "reload"}\n')


class Watcher:
    """Sees every transaction: none may leave those without rules that were there all the time."""

    def __init__(self, bed: Bed) -> None:
        self.path = bed.folder / "monitor"
        with open(self.path, "wb") as out:
            argv = [*DIES, *bed.space.argv("stdbuf", "-oL", "nft", "monitor")]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def stop(self) -> list[str]:
        self.process.terminate()
        self.process.wait()
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines()

    def check(self) -> None:
        absent: set[tuple[str, str]] = set()
        element = re.compile(r'(add|create|delete) element inet quaywall (\S+) \{ "br-shopfront" \. (172\S+) ')
        for line in self.stop():
            if line.startswith("# new generation"):
                assert not absent, f"without rules for a moment: {absent}"
            found = element.match(line)
            if not found or found[3] not in ("172.18.0.2", "172.18.0.3"):
                continue
            if found[1] != "delete":
                absent.discard((found[2], found[3]))
            elif found[2].startswith("endpoints"):
                absent.add((found[2], found[3]))


def lines_of(space: Namespace) -> list[str]:
    text = space.call("nft", "list", "table", "inet", "quaywall").stdout
    lines = (line.strip(" \t,") for line in text.splitlines())
    kept = [line.replace("elements = { ", "").removesuffix(" }") for line in lines]
    return sorted(
        line.partition(" # ")[0]
        for line in kept
        if line and not line.startswith(("flags owner", "#", "}"))
    )


def without_counters(lines: list[str]) -> list[str]:
    return [re.sub(r"counter packets \d+ bytes \d+", "counter", line) for line in lines]


class Reference:
    """A daemon that has just started, on a host of its own."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.space = Namespace()
        self.published: dict[str, list[Json]] = {}  # by container
        for name, begin in BRIDGES.items():
            self.space.bridge(name, f"{begin}.0.1/16")

    def lines(self) -> list[str]:
        daemon = self.bed.daemon
        argv = [str(daemon.binary), "--control", str(self.bed.folder / "none"), "--docker"]
        argv += [f"unix://{self.bed.engine.path}", "--policies", str(daemon.policies), "run", "--once"]
        done = self.space.call(*argv)
        assert done.returncode == 0, done.stderr
        return without_counters(lines_of(self.space))

    def close(self) -> None:
        self.space.close()


def converges(bed: Bed, reference: Reference, seed: int, mode: str) -> None:
    walk = Walk(bed, seed, reference.published)
    with bed.engine.lock:
        bed.engine.images["sha256:02"] = {"tier": "loose"}
        walk.mine = [c for c in bed.engine.containers.values() if c not in (bed.db, bed.web)]
    walk.go(mode)
    want = reference.lines()
    if eventually(lambda: without_counters(lines_of(bed.space)) == want):
        return
    got = without_counters(lines_of(bed.space))
    raise AssertionError(
        f"seed {seed}, {mode}, {bed.engine_status()}: only fresh: {sorted(set(want) - set(got))}, "
        f"only here: {sorted(set(got) - set(want))}\n{bed.daemon.log_text()[-1000:]}"
    )


def life(bed: Bed, seed: int) -> None:
    """Of one daemon: four walks."""
    bed.engine.add_network(Network("b" * 64, "back", ["172.20.0.0/16"], "br-back"))
    reference = Reference(bed)
    watcher = None
    try:
        bed.start()
        watcher = Watcher(bed)
        for i, mode in enumerate(("lossless", "lossy", "disturbed", "mutated")):
            if mode == "mutated":
                # What is told of those that stay is not to be believed from here on.
                watcher.check()
            converges(bed, reference, seed * 4 + i, mode)
        bed.stop()
    finally:
        if watcher:
            watcher.stop()
        reference.close()


def test_it_converges() -> None:
    def case(seed: int) -> Callable[[Bed], None]:
        return lambda bed: life(bed, seed)

    first = int(os.environ.get("QUAYWALL_FAKE_FIRST", "0"))
    side_by_side(
        ((f"life {s}", case(s)) for s in range(first, first + (WALKS + 3) // 4)),
        policy=POLICY,
        bridges=BRIDGES,
    )


COMPILED = "all of it is compiled"
NAMES_INTERFACES = """policy: shop
for: {project: shop}
allow:
  - {from: {interface: 'pass?by'}, to: {service: db}, ports: [80]}
"""


def pass_by(bed: Bed, name: str) -> int:
    """How often everything is compiled while an interface without addresses comes, then a container, and both go."""
    before = bed.daemon.log_text().count(COMPILED)
    c = container("shop", "db", 7)
    bed.space.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}peer")
    bed.add(c, "172.18.0.7")
    bed.engine.emit(network_event("connect", bed.front, c.id), container_event("start", c))
    assert eventually(lambda: "172.18.0.7" in bed.table())
    time.sleep(0.3)  # what comes of the interface alone comes by then (HOST_MS in inputs.c)
    bed.space.run("ip", "link", "del", name)
    with bed.engine.lock:
        bed.engine.remove(c)
    bed.engine.emit(container_event("die", c), network_event("disconnect", bed.front, c.id))
    assert eventually(lambda: "172.18.0.7" not in bed.table())
    time.sleep(0.3)
    bed.assert_right()
    return bed.daemon.log_text().count(COMPILED) - before


def test_interfaces_that_pass() -> None:
    """A container that starts has two in the host's namespace, for a moment. Rules that name such are compiled with them."""
    with Bed(NAMES_INTERFACES) as bed:
        bed.start()
        assert pass_by(bed, "veth1a2b3c") == 0
        assert pass_by(bed, "pass1by") >= 2


def test_interfaces_that_a_later_policy_names() -> None:
    """What no rule names is no other host, but there."""
    with Bed() as bed:
        bed.start()
        bed.space.run("ip", "link", "add", "pass1by", "type", "veth", "peer", "name", "pass1peer")
        time.sleep(0.5)
        bed.daemon.policy(NAMES_INTERFACES)
        assert eventually(lambda: "pass1by" in bed.table(), 10), bed.table()


def test_more_interfaces_than_can_be_told() -> None:
    """What the kernel could not tell, as nobody read it, is listed."""
    with Bed(NAMES_INTERFACES) as bed:
        bed.start()
        assert bed.process and "pass1by" not in bed.table()
        bed.space.run("ip", "link", "add", "busy", "type", "bridge")
        bed.process.send_signal(signal.SIGSTOP)
        try:
            many = "".join(f"link set busy mtu {1000 + i % 2}\n" for i in range(6000))
            done = subprocess.run(bed.space.argv("ip", "-batch", "-"), input=many, text=True, check=False)
            bed.space.run("ip", "link", "add", "pass1by", "type", "veth")
            lost = [line.split() for line in bed.space.run("cat", "/proc/net/netlink").splitlines()[1:]]
        finally:
            bed.process.send_signal(signal.SIGCONT)
        assert done.returncode == 0
        assert any(int(fields[8]) for fields in lost if fields[1] == "0"), "nothing was lost"
        assert eventually(lambda: "pass1by" in bed.table())
