"""What the daemon holds, and what it does when nothing happens, or the same for long."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Callable

from bed import endpoint, eventually
from crowd import Crowd
from engine import container_event, network_event
from figures import Figure, Size
from place import DIES_WITH_US
from programs import program
from tracing import TRACES

PLACES = 40  # that containers of a soak come to and go from
LIMITS = {100: 4.0, 1000: 6.0, 10_000: 16.0}
IDLE_AFTER = 15  # s; by then the checks are done, and rest
AT_REST = 65  # s; a minute's listing, behind which what is free is given back, is over


def memory(pid: int) -> tuple[float, float]:
    """Resident, and of that the process' own, in MiB. Pages of files are not counted among those, for they change sides
    whenever another process with the same libraries begins or ends."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = {k: int(v) for k, v in re.findall(r"^(\w+): +(\d+) kB", text, re.M)}
    return found["Rss"] / 1024, found["Anonymous"] / 1024


def bare() -> tuple[float, float]:
    """A process that has libmnl and a socket."""
    process = subprocess.Popen([*DIES_WITH_US, program("bench_replay"), "1"], stdin=subprocess.DEVNULL)
    try:
        assert eventually(lambda: "bench_replay" in Path(f"/proc/{process.pid}/comm").read_text(), 10)
        time.sleep(0.3)
        return memory(process.pid)
    finally:
        process.kill()
        process.wait()


def held(size: Size) -> list[Figure]:
    figures = []
    least = bare()
    for n in (20, 40) if size.smoke else (100, 1000, size.endpoints):
        with Crowd(n) as crowd:
            crowd.start()
            time.sleep(1 if size.smoke else IDLE_AFTER)
            assert crowd.process
            rss, own = memory(crowd.process.pid)
            peak = crowd.memory("VmHWM")
        counts = {"its own": round(own, 1), "peak": peak, "a bare process": round(least[0], 1)}
        counts["the bare one's own"] = round(least[1], 1)
        figures.append(Figure(f"resident at {n:,} containers", "MiB", [rss], LIMITS.get(n), counts))
    return figures


def soak(size: Size) -> list[Figure]:
    """Containers that start and die, at places whose veths are there all the time: two events of each that are of a
    container, and two of its network."""
    total, warm = (500, 200) if size.smoke else (100_000, 10_000)
    with Crowd(100 if not size.smoke else 20) as crowd:
        # Not known to the engine yet: the pairs alone.
        addresses = [f"172.18.9.{1 + i}" for i in range(PLACES)]
        crowd.plug(addresses)
        crowd.start()
        begin, events = 0.0, 0
        samples = []
        assert crowd.process
        while events < total:
            events += live_and_die(crowd, addresses, events)
            samples.append(memory(crowd.process.pid)[1])
            if events >= warm and not begin:
                begin = at_rest(crowd, size)
        end = at_rest(crowd, size)
        status = crowd.engine_status()
        assert not any(crowd.knows(a) for a in addresses), "one that died is still there"
        crowd.assert_right()
    assert status["lost"] == status["repaired"] == 0, status
    counts = {"events": events, "MiB after warming up": round(begin, 2), "at the end": round(end, 2)}
    counts["most"] = round(max(samples), 2)
    return [Figure(f"private memory after {total:,} container events / after {warm:,}", "x", [end / begin], 1.02, counts)]


def at_rest(crowd: Crowd, size: Size) -> float:
    time.sleep(2 if size.smoke else AT_REST)
    assert crowd.process
    return memory(crowd.process.pid)[1]


def live_and_die(crowd: Crowd, addresses: list[str], done: int) -> int:
    """Returns how many events of containers that were."""
    engine = crowd.engine
    here = []
    for i, address in enumerate(addresses):
        c = crowd.new("worker", 10_000 + done + i)
        engine.add(c, crowd.front, endpoint(c, address))
        engine.emit(network_event("connect", crowd.front, c.id), container_event("start", c))
        here.append(c)
    crowd.assert_known(addresses[-1])
    for c in here:
        engine.emit(container_event("die", c))
        with engine.lock:
            del crowd.front.endpoints[c.id]
            engine.remove(c)
        engine.emit(network_event("disconnect", crowd.front, c.id))
    crowd.assert_known(addresses[-1], False)
    return 2 * len(addresses)


class Waits:
    """`with Waits(pid) as w: …`: how often any of its threads waited for something, and how often the wait ended because its
    time was over."""

    CALLS = ("poll", "ppoll", "epoll_wait", "select", "pselect6", "futex", "nanosleep", "clock_nanosleep", "restart_syscall")
    SHORT = 0.001  # s; what is shorter did not wait, or for another thread's word

    def __init__(self, pid: int, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.pid, self.file = pid, folder / "waits"
        self.ended = self.by_time = 0

    def __enter__(self) -> Waits:
        argv = ["strace", "-f", "-T", "-e", "trace=" + ",".join(self.CALLS), "-o", str(self.file), "-p", str(self.pid)]
        self.tracer = subprocess.Popen([*DIES_WITH_US, *argv], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Waits that are interrupted go on, which is its first line.
        assert eventually(lambda: self.file.exists() and self.file.stat().st_size > 0, 10)
        return self

    def __exit__(self, *_: object) -> None:
        self.tracer.terminate()
        self.tracer.wait(timeout=30)
        for line in self.file.read_text().splitlines():
            m = re.search(r" = (.*) <([\d.]+)>$", line)
            if m and float(m[2]) >= self.SHORT:
                self.ended += 1
                self.by_time += "Timeout" in m[1] or "ETIMEDOUT" in m[1] or ("nanosleep" in line and m[1] == "0")


def idle(size: Size) -> list[Figure]:
    seconds = 4 if size.smoke else 600
    with Crowd(20 if size.smoke else 100) as crowd:
        crowd.start()
        time.sleep(3 if size.smoke else IDLE_AFTER)
        assert crowd.process
        with Waits(crowd.process.pid, crowd.folder / TRACES) as waits:
            asked, cpu, began = crowd.engine.asked(), crowd.cpu_ns(), time.monotonic()
            time.sleep(seconds)
            passed, computed = time.monotonic() - began, (crowd.cpu_ns() - cpu) / 1e9
        requests = crowd.engine.asked() - asked
        crowd.assert_right()  # it sleeps, and is not dead
    assert size.smoke or requests >= passed // 60, f"{requests} requests: it did not list"
    counts = {"seconds": round(passed), "requests": requests}
    name = f"idle, {crowd.total} containers"
    return [
        Figure(f"{name}: wake-ups a minute", "", [60 * waits.ended / passed], 1, counts),
        Figure(f"{name}: of them by the clock", "", [60 * waits.by_time / passed], 1),
        Figure(f"{name}: CPU", "%", [100 * computed / passed], 0.049),
    ]


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"memory": held, "soak": soak, "idle": idle}
