"""From exec to rules in force, beside a program that has the whole transaction ready and only sends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable

from bed import eventually
from crowd import IN_FRONT, POLICY, Crowd
from figures import Figure, Size, median, ratios
from place import DIES_WITH_US, Namespace
from programs import program
from reaction import FAMILIES
from tracing import STRACE, Netlink, Sent, read_trace

PROBE = 1000  # bytes; what asks the kernel for something is shorter, and sets nothing
IN_FORCE = 'event="policies in force"'
PORTS = 5  # of a project's db: so that a container has some ten elements
REST = 1.5
DB = "172.18.0.2"


def policies(n: int) -> str:
    ports = ", ".join(str(5432 + i) for i in range(PORTS))
    return POLICY + "".join(
        f"---\npolicy: p{i}\nfor: {{project: p{i}}}\n"
        f"allow: [{{from: {{service: worker}}, to: {{service: db}}, ports: [{ports}]}}]\n"
        for i in range(n)
    )


def start(crowd: Crowd) -> tuple[float, float]:
    """Milliseconds until the rules are in force, and how much of a CPU was taken. No table is left of a run before."""
    without_tables(crowd)
    before = crowd.daemon.log_text().count(IN_FORCE)
    began = time.monotonic()
    crowd.process = crowd.daemon.start(wait_for="", snapshot=False)
    while crowd.daemon.log_text().count(IN_FORCE) == before:
        assert time.monotonic() < began + 300 and crowd.process.poll() is None, crowd.daemon.log_text()[-3000:]
        time.sleep(0.002)
    # Where the engine was slow to answer those were the rules of a host of which nothing is known yet.
    while not crowd.knows(DB):
        assert time.monotonic() < began + 300 and crowd.process.poll() is None, crowd.daemon.log_text()[-3000:]
    return 1000 * (time.monotonic() - began), crowd.cpu_ns() / 1e6


def without_tables(crowd: Crowd) -> None:
    for family in FAMILIES:
        crowd.space.call("nft", "delete", "table", family, "quaywall")


def record_start(crowd: Crowd) -> Sent:
    """A start, by the netlink messages that it sends. strace stands outside of the namespace, where it does not know whose
    protocol they are, and leaves them as they are."""
    file, before = crowd.folder / "start", crowd.daemon.log_text().count(IN_FORCE)
    run = crowd.daemon.argv("run", "--policies", str(crowd.daemon.policies))
    with open(crowd.daemon.log, "ab") as log:
        argv = [*DIES_WITH_US, *STRACE, "-o", str(file), *DIES_WITH_US, *run]
        tracer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    crowd.daemon.processes.append(tracer)
    assert eventually(lambda: crowd.daemon.log_text().count(IN_FORCE) > before, 300), crowd.daemon.log_text()[-3000:]
    # As in start(): the first rules may be those of a host of which nothing is known.
    assert eventually(lambda: crowd.knows(DB), 600), crowd.daemon.log_text()[-3000:]
    for child in Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGTERM)
    tracer.wait(timeout=60)
    crowd.daemon.processes.remove(tracer)
    return read_trace(file)


def keep(batches: list[bytes], folder: Path) -> list[Path]:
    """The transactions with rules. Where the engine was slow to answer they are two: on what holds without it the whole is built."""
    largest = max(range(len(batches)), key=lambda i: len(batches[i]))
    kept = [data for data in batches[:largest] if len(data) > PROBE] + [batches[largest]]
    assert len(kept) in (1, 2), [len(data) for data in batches]
    paths = [folder / f"batch{i}" for i in range(len(kept))]
    for path, data in zip(paths, kept):
        path.write_bytes(data)
    return paths


def bare(batches: list[Path]) -> tuple[float, float]:
    """The transactions sent at once to a kernel without rules: milliseconds, and those of the CPU."""
    space = Namespace()
    try:
        first, second, cpu = space.run(program("bench_replay"), "1", *map(str, batches)).split()
        return (int(first) + int(second)) / 1e6, int(cpu) / 1e6
    finally:
        space.close()


def load(containers: int, projects: int, size: Size) -> tuple[list[Figure], float]:
    """The figures, and the bytes of a policy's change."""
    rounds: list[tuple[float, float]] = []
    under: list[tuple[float, float]] = []
    with Crowd(containers, policies(projects), projects) as crowd:
        batches = record_start(crowd).batches
        paths = keep(batches, crowd.folder)
        for _ in range(size.rounds):
            rounds.append(start(crowd))
            crowd.stop()
            under.append(bare(paths))
        start(crowd)
        elements = count_elements(crowd)
        assert elements > 2 * containers, elements
        change = change_a_line(crowd, projects)
    name = f"exec to in force, {containers:,} x {projects:,}"
    cpu, bare_cpu = ([b for _, b in side] for side in (rounds, under))
    counts = {"elements": elements, "bytes": batch_size(batches), "ms of CPU": median(cpu), "bare": median(bare_cpu)}
    changed = {"messages": change.messages, "bytes": change.bytes}
    return [
        Figure(f"{name}: CPU / a bare transaction's", "x", ratios(cpu, bare_cpu), 2, counts),
        Figure(f"{name}: time", "ms", [a for a, _ in rounds]),
        Figure(f"a line of a policy, {containers:,} x {projects:,}", "B", [float(change.bytes)], None, changed),
    ], change.bytes


def batch_size(batches: list[bytes]) -> int:
    return max(len(b) for b in batches)


def count_elements(crowd: Crowd) -> int:
    """Of all sets of both tables: each has a counter, or a comment, or ends by a comma."""
    found = 0
    for family in FAMILIES:
        text = crowd.daemon.table(family)
        for part in re.findall(r"elements = \{(.*?)\}\n", text, re.S):
            found += part.count(",\n") + 1 if "\n" in part else part.count(",") + 1
    return found


def change_a_line(crowd: Crowd, projects: int) -> Sent:
    """One more port of one project's db."""
    text = policies(projects)
    last = text.rindex(str(5432 + PORTS - 1))
    with Netlink(crowd) as trace:
        crowd.daemon.policy(text[:last] + "5999, " + text[last:])
        assert eventually(lambda: " . 5999 " in crowd.daemon.table(), 120), crowd.daemon.log_text()[-2000:]
        time.sleep(REST)
    return trace.sent()


def full_load(size: Size) -> list[Figure]:
    projects = (2, 5) if size.smoke else (10, 100, size.endpoints // 10)
    sizes = [(IN_FRONT + 10 * n, n) for n in projects]
    figures: list[Figure] = []
    changes = []
    for containers, projects in sizes:
        found, bytes_changed = load(containers, projects, size)
        figures += found
        changes.append(bytes_changed)
    name = f"a line of a policy, bytes, {sizes[-1][0]:,} x {sizes[-1][1]:,} / {sizes[0][0]} x {sizes[0][1]}"
    return [*figures, Figure(name, "x", [changes[-1] / changes[0]], 1.1)]


def cold_start(size: Size) -> list[Figure]:
    times, cpus = [], []
    with Crowd(20 if size.smoke else 100) as crowd:
        for _ in range(size.rounds):
            took, cpu = start(crowd)
            times.append(took)
            cpus.append(cpu)
            crowd.stop()
    counts = {"ms until then": median(times), "slowest": round(max(times), 1)}
    return [Figure(f"start, {crowd.total} containers: CPU from exec to rules in force", "ms", cpus, 50, counts)]


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"load": full_load, "start": cold_start}
