"""How many packets get through on one CPU while another changes the rules as fast as the kernel takes it: one container more
in the sets that the packets are looked up in, and one less."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import hosts
from figures import Figure, Size, interleave, medians
from hosts import Host
from place import DIES_WITH_US, Daemon, eventually
from programs import program
from tracing import STRACE, read_trace

LONGER = 4  # times as many packets in a burst as else, so that each has its transactions
FOREVER = 1_000_000_000


class Changes:
    """Transactions, one after the other, where they are not held up."""

    def __init__(self, host: Host, come: Path, go: Path) -> None:
        own = host.space.argv("taskset", "--cpu-list", other_cpu(), program("bench_replay"), str(FOREVER), str(come), str(go))
        self.told = come.parent / "told"
        with open(self.told, "wb") as out:
            self.process = subprocess.Popen([*DIES_WITH_US, *own], stdin=subprocess.DEVNULL, stdout=out)
        assert eventually(lambda: self.told.stat().st_size > 0, 60), "no transaction was taken"
        self.hold()

    def _state(self) -> str:
        assert self.process.poll() is None, "the kernel took no more transactions"
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def hold(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        assert eventually(lambda: self._state() == "T", 60)

    def __enter__(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def __exit__(self, *_: object) -> None:
        self.hold()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def rate(self) -> tuple[int, float]:
        """How many transactions, and how many in a second in which nothing else is done."""
        lines = self.told.read_text().splitlines()[:-1]
        took = [sum(map(int, line.split()[:2])) for line in lines]
        return 2 * len(took), 2e9 * len(took) / sum(took)


def other_cpu() -> str:
    """The first, as packets are sent on the last."""
    return str(min(os.sched_getaffinity(0)))


def record(daemon: Daemon, snapshot: dict[str, Any], name: str) -> Path:
    """The transaction by which the rules become those of SNAPSHOT."""
    daemon.snapshot.write_text(json.dumps(snapshot), encoding="utf-8")
    files = ["--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
    trace = daemon.folder / f"{name}.strace"
    argv = [*STRACE, "-o", str(trace), *daemon.argv("run", "--once", *files)]
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    batches = read_trace(trace).batches
    assert len(batches) == 1, f"one transaction is expected, not {len(batches)}"
    (daemon.folder / name).write_bytes(batches[0])
    return daemon.folder / name


def dip_at(endpoints: int, size: Size) -> Figure:
    size = replace(size, bursts=max(size.bursts // 2, 1), packets=LONGER * size.packets)
    few, more = hosts.many_containers(endpoints), hosts.many_containers(endpoints + 1)
    with contextlib.ExitStack() as stack:
        host = Host(stack)
        daemon = host.enforce(hosts.policy(hosts.udp_ports(5)), few)
        changes = Changes(host, record(daemon, more, "come"), record(daemon, few, "go"))
        stack.callback(changes.close)
        burst = functools.partial(host.stream().burst, size.packets)

        changed_in = []

        def changed() -> float:
            before = changes.told.stat().st_size
            with changes:
                taken = burst()
            changed_in.append(changes.told.stat().st_size > before)
            return taken

        found = interleave(size, {"calm": burst, "changed": changed})
        number, rate = changes.rate()
    assert any(changed_in) if size.smoke else all(changed_in), f"no transaction in {changed_in.count(False)} bursts"
    counts = medians(found) | {"transactions": number, "a second": round(rate)}
    dips = [100 * (1 - calm / slow) for calm, slow in zip(found["calm"], found["changed"])]
    return Figure(f"packets that get through less while rules change, {endpoints:,} containers", "%", dips, 3, counts)


def dip(size: Size) -> list[Figure]:
    assert size.smoke or len(os.sched_getaffinity(0)) > 1, "it takes two CPUs"
    return [dip_at(n, size) for n in ((10,) if size.smoke else (10, 1000, size.endpoints))]


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"dip": dip}
