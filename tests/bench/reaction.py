"""From an event to the rules: how long until the kernel has what it asks for, beside a loop that has the same transaction
ready and does nothing but send it, to the same tables in a namespace of its own."""

from __future__ import annotations

import contextlib
import re
import socket
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from answers import Answers
from bed import within
from crowd import Crowd
from figures import Figure, Size
from place import Namespace
from programs import program
from tracing import STRACE, Netlink, took

NETFILTER, NFT_GROUP = 12, 7
ADD_MEMBERSHIP, SOL_NETLINK = 1, 270
REST = 1.3  # s, by which the second look is over too
PACE = 100  # ms, between two transactions of a loop that is not in the processor's caches any more
FAMILIES = ("inet", "bridge")


def listen(crowd: Crowd) -> socket.socket:
    """To what the kernel tells of changed rules."""
    s = within(crowd.space, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER))
    s.bind((0, 0))
    s.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, NFT_GROUP)
    s.settimeout(30)
    return s


def wait_for(s: socket.socket, address: str) -> float:
    """When the kernel told of a transaction with an element that begins or ends with ADDRESS."""
    wanted = socket.inet_aton(address)
    while wanted not in s.recv(1 << 20):
        pass
    return time.monotonic()


def scrape(crowd: Crowd) -> tuple[float, int]:
    """How long transactions took in all, from waking up to the kernel's word, in seconds; and how many they were."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(crowd.folder / "metrics"))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b""
        while got := s.recv(65536):
            text += got
    found = re.findall(rb"^quaywall_transaction_duration_seconds_(?:sum|count) ([\d.e+-]+)$", text, re.M)
    assert len(found) == 2, text[:500]
    return float(found[0]), int(float(found[1]))


class Twin:
    """A copy of the tables, which nobody guards."""

    def __init__(self, crowd: Crowd) -> None:
        self.space = Namespace()
        try:
            for family in FAMILIES:
                text = crowd.space.run("nft", "list", "table", family, "quaywall")
                self.feed(re.sub(r"^\tflags [^;\n]*$", "", text, flags=re.M))
        except BaseException:
            self.close()
            raise

    def feed(self, text: str) -> None:
        subprocess.run(self.space.argv("nft", "-f", "-"), input=text, text=True, check=True)

    def replay(self, times: int, come: Path, go: Path) -> list[tuple[float, float]]:
        """In microseconds, of each."""
        out = self.space.run(program("bench_replay"), str(times), str(come), str(go))
        lines = (line.split() for line in out.splitlines())
        return [(int(a) / 1000, int(b) / 1000) for a, b, _ in lines]

    def close(self) -> None:
        self.space.close()

    def replay_traced(self, times: int, come: Path, go: Path, rest: int = 0) -> tuple[list[float], float]:
        """What the kernel takes for COME, in microseconds, while strace looks on; and what that alone takes. REST: of so many
        milliseconds before each."""
        trace = come.parent / "replay.strace"
        argv = [*STRACE, "-e", "trace=sendto,recvfrom", "-o", str(trace)]
        replay = self.space.argv(program("bench_replay"), str(times), str(come), str(go), str(rest))
        subprocess.run([*argv, *replay], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        return took(trace, "sendto", come.stat().st_size), min(took(trace, "recvfrom"))


def share_of_kernel(crowd: Crowd, twin: Twin, size: Size, come: Path, go: Path) -> tuple[list[float], list[float]]:
    """How long the kernel takes for the daemon's transactions, by how long for the loop's, of which nobody is told: strace
    looks on at both. And by how long for those of a loop that rests between them."""
    busy, paced = [], []
    for _ in range(size.rounds):
        with Netlink(crowd) as trace:
            who = crowd.come()
            crowd.assert_known(who[1])
            time.sleep(REST)
        ours = [t for b in trace.sent().batches for t in took(trace.file, "sendto", len(b))]
        crowd.go(*who)
        crowd.assert_known(who[1], False)
        time.sleep(REST)
        for found, rest in ((busy, 0), (paced, PACE)):
            bare, tracing = twin.replay_traced(20, come, go, rest)
            found.append((statistics.median(ours) - tracing) / (statistics.median(bare) - tracing))
    return busy, paced


def record(crowd: Crowd) -> tuple[Path, Path]:
    """The transactions of a container that comes, and goes again, as the daemon sends them."""
    paths = (crowd.folder / "come", crowd.folder / "go")
    with Netlink(crowd) as trace:
        who = crowd.come()
        crowd.assert_known(who[1])
        time.sleep(REST)
        crowd.go(*who)
        crowd.assert_known(who[1], False)
        time.sleep(REST)
    batches = trace.sent().batches
    assert len(batches) == 2, f"two transactions are expected, not {len(batches)}"
    for path, data in zip(paths, batches):
        path.write_bytes(data)
    return paths


@contextlib.contextmanager
def told(n: int) -> Any:
    """A crowd whose daemon says how long it took."""
    with Crowd(n) as crowd:
        settings = crowd.folder / "settings.yaml"
        settings.write_text(f"metrics: {{listen: 'unix:{crowd.folder}/metrics'}}\n", encoding="utf-8")
        crowd.daemon.options += ["--config", str(settings)]
        crowd.start()
        time.sleep(REST)
        yield crowd


def react(n: int, size: Size) -> list[Figure]:
    whole: list[float] = []
    own: list[float] = []
    bare: list[float] = []
    with told(n) as crowd, contextlib.ExitStack() as stack:
        twin = Twin(crowd)
        stack.callback(twin.close)
        come, go = record(crowd)
        answers = Answers(crowd)
        ear = stack.enter_context(listen(crowd))
        for _ in range(3 if size.smoke else 4 * size.rounds):
            before = scrape(crowd)
            address = crowd.next_address()
            crowd.plug_next()
            time.sleep(0.3)  # the host's links are read by then: that a veth came is no event of the engine's
            began = time.monotonic()
            who = crowd.announce()
            ended = wait_for(ear, address)
            whole.append(1e6 * (ended - began - answers.within(began, ended)))
            time.sleep(REST)
            after = scrape(crowd)
            if after[1] == before[1] + 1:
                own.append(1e6 * (after[0] - before[0]))
            bare += [a for a, _ in twin.replay(50, come, go)]
            crowd.go(*who)
            crowd.assert_known(address, False)
        busy, paced = share_of_kernel(crowd, twin, size, come, go)
    name = f"event to enforced, {n:,} containers, the kernel's part / "
    return [
        *figures_of(n, whole, own, bare),
        Figure(name + "a bare loop", "x", busy, 1.5),
        Figure(name + f"a loop that sends each {PACE} ms", "x", paced, None),
    ]


def figures_of(n: int, whole: list[float], own: list[float], bare: list[float]) -> list[Figure]:
    loop = statistics.median(bare)
    counts = {"events": len(whole), "of one transaction": len(own), "the bare loop's p50": round(loop, 1)}
    counts["the bare loop's p99"] = round(statistics.quantiles(bare, n=100)[-1], 1)
    name = f"event to enforced, {n:,} containers"
    main = [Figure(f"{name}, the main thread's part / a bare loop", "x", [t / loop for t in own])] if own else []
    return [
        Figure(f"{name}, p50", "µs", whole, 100, counts),
        Figure(f"{name}, the slowest", "µs", [max(whole)], 1000),
        *main,
    ]


def reaction(size: Size) -> list[Figure]:
    sizes = (10,) if size.smoke else (10, 1000, size.endpoints)
    return [figure for n in sizes for figure in react(n, size)]


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"reaction": reaction}
