"""What one container that comes or goes costs the daemon, beside what it costs on a host with ten."""

from __future__ import annotations

import contextlib
import functools
import shutil
import statistics
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

from answers import Answers
from bed import eventually
from crowd import Crowd
from engine import Container
from figures import Figure, Size, ratios
from load import record_start, without_tables
from tracing import ENGINE, MAIN, Instructions, Netlink, Sent, start_counted

FEW = 10
SECOND_LOOK = 1.2  # s; an event is followed by a second look after 1 s (follow.c)
CHECKS_BEGIN = 2.5  # s after a start; then they rest for 50 times as long as they took (checking.c)
QUIET = 0.4  # s, in which neither the daemon nor the engine does anything: then it is done
LISTING_S = 60  # from one to the next
TRIES = 8
LARGE_ROUNDS = 3
# What comes, beside containers of the services that are there: its name in figures, and what the engine tells of it.
KINDS: dict[str, dict[str, Any]] = {
    "container": {},
    "first of a service": {"service": "extra"},
    "container with a port": {"ports": [8080]},
}
Event = tuple[str, str]  # a kind, and "comes" or "goes"
EVENTS: list[Event] = [(kind, way) for kind in KINDS for way in ("comes", "goes")]


@dataclass
class Costs:
    """Of each event, in one crowd."""

    instructions: dict[Event, list[float]] = field(default_factory=lambda: defaultdict(list))
    own: dict[Event, list[float]] = field(default_factory=lambda: defaultdict(list))  # the main thread's
    sent: dict[Event, list[Sent]] = field(default_factory=lambda: defaultdict(list))


class Stage:
    """A crowd whose daemon runs, and what is measured of it."""

    def __init__(self, crowd: Crowd, answers: Answers) -> None:
        self.crowd = crowd
        self.answers = answers
        self.costs = Costs()
        self.took = 0.0  # s, of the last one that was counted

    def before_listing(self) -> None:
        """Until there is as much time as the last one took: else until a listing is over."""
        before = self.answers.listed
        if time.monotonic() + self.took < before + LISTING_S:
            return
        end = time.monotonic() + 600
        while self.answers.listed == before:
            assert time.monotonic() < end, "no listing comes"
            time.sleep(0.1)
        self.rest()

    def rest(self, least: float = SECOND_LOOK) -> None:
        """Until nothing more comes of an event, however slow the daemon is just now."""
        time.sleep(least)
        end = time.monotonic() + 600
        before, since = -1, time.monotonic()
        while time.monotonic() < since + QUIET and not self.answers.spoil:
            now = self.crowd.cpu_ns_of(2)
            if now != before or self.answers.running:
                before, since = now, time.monotonic()
            assert since < end, "the daemon does not rest"
            time.sleep(0.05)

    def unchecked(self) -> None:
        """Until the thread that runs the checks, if there is one, has ended."""
        end = time.monotonic() + 600
        while len(self.crowd.threads()) > 2:
            assert time.monotonic() < end, "the checks do not end"
            time.sleep(0.1)

    def compiled(self) -> int:
        """How often not a step was made, but everything anew."""
        return self.crowd.daemon.log_text().count("all of it is compiled")

    def cause(self, event: Event, here: list[tuple[Container, str]]) -> None:
        """The event, and all that it brings about; less where it is taken again anyway."""
        kind, way = event
        before = self.compiled()
        if way == "comes":
            here.append(self.crowd.come(**KINDS[kind]))
        else:
            self.crowd.go(*here[-1])
        is_done = lambda: self.crowd.knows(here[-1][1]) == (way == "comes")  # noqa: E731
        assert eventually(lambda: self.answers.spoil or is_done(), 600), self.crowd.daemon.log_text()[-2000:]
        self.rest()
        assert self.compiled() == before, f"{kind} {way}: everything was compiled"

    def recover(self, event: Event, here: list[tuple[Container, str]]) -> None:
        if self.answers.disturbed:
            self.crowd.assert_known(here[-1][1], event[1] == "comes")
            self.rest()


def send(stage: Stage, event: Event, work: Callable[[], None]) -> bool:
    with stage.answers.gathered(), Netlink(stage.crowd) as trace:
        work()
    if not stage.answers.disturbed:
        stage.costs.sent[event].append(trace.sent())
    return not stage.answers.disturbed


def execute(keep: Path | None, stage: Stage, event: Event, work: Callable[[], None]) -> bool:
    """False where the checks began meanwhile, for which the main thread has its part to do, or a listing."""
    stage.before_listing()
    began = time.monotonic()
    with stage.answers.gathered(), Instructions(stage.crowd) as count:
        work()
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        for file in count.files:
            shutil.copy(file, keep / f"{stage.crowd.total}.{'.'.join(event).replace(' ', '-')}.{file.name}")
    stage.took = time.monotonic() - began
    if count.others or stage.answers.disturbed:
        return False
    stage.costs.instructions[event].append(count.of(MAIN, ENGINE))
    stage.costs.own[event].append(count.of(MAIN))
    return True


def each(stage: Stage, rounds: int, measure: Callable[[Stage, Event, Callable[[], None]], bool]) -> None:
    """Twice an event of each kind that is measured, in each round: one that comes, and the same that goes."""
    for kind in KINDS:
        done = {"comes": 0, "goes": 0}
        for _ in range(rounds * TRIES):
            here: list[tuple[Container, str]] = []
            for way in done:
                stage.unchecked()
                stage.rest(0)
                done[way] += measure(stage, (kind, way), functools.partial(stage.cause, (kind, way), here))
                stage.recover((kind, way), here)
            if min(done.values()) >= rounds:
                break
        assert min(done.values()) >= rounds, f"the checks were always in between: {done}"


@contextlib.contextmanager
def stages(size: Size) -> Iterator[list[Stage]]:
    """Ten containers, and the large number."""
    with contextlib.ExitStack() as stack:
        crowds = [stack.enter_context(Crowd(n)) for n in (FEW, size.endpoints if not size.smoke else 30)]
        yield [Stage(c, Answers(c)) for c in crowds]


def side_by_side(found: list[Stage], work: Callable[[Stage], None]) -> tuple[Costs, Costs]:
    with ThreadPoolExecutor(len(found)) as pool:
        list(pool.map(work, found))
    return found[0].costs, found[1].costs


def sends(size: Size) -> list[Figure]:
    def work(stage: Stage) -> None:
        stage.crowd.start()
        stage.rest()
        each(stage, size.rounds, send)
        stage.crowd.stop()

    with stages(size) as found:
        figures = sent_figures(*side_by_side(found, work), f"{found[1].crowd.total:,}")
        return [*figures, rebuild(found[1], EVENTS[0])]


def rebuild(stage: Stage, event: Event) -> Figure:
    """What a program would send for an event that makes everything anew: as much as at a start."""
    without_tables(stage.crowd)
    everything = record_start(stage.crowd)
    one = statistics.median(s.bytes for s in stage.costs.sent[event])
    name = f"beside: bytes to make everything anew, at {stage.crowd.total:,} / for a {' that '.join(event)}"
    counts = {"bytes": everything.bytes, "messages": everything.messages}
    return Figure(name, "x", [everything.bytes / one], None, counts)


def executes(size: Size) -> list[Figure]:
    """In a daemon that valgrind runs. The figures of one round and of the next are nearly the same, and a round of the large
    one takes minutes where the machine is busy."""

    def work(stage: Stage) -> None:
        start_counted(stage.crowd)
        stage.rest(CHECKS_BEGIN)
        rounds = size.rounds if stage.crowd.total == FEW else min(size.rounds, LARGE_ROUNDS)
        each(stage, rounds, functools.partial(execute, size.keep))

    with stages(size) as found:
        return instruction_figures(*side_by_side(found, work), f"{found[1].crowd.total:,}")


def instruction_figures(few: Costs, many: Costs, large: str) -> list[Figure]:
    figures = []
    for event in EVENTS:
        a, b = statistics.median(many.instructions[event]), statistics.median(few.instructions[event])
        counts = {"at 10": int(b), f"at {large}": int(a), "the main thread's": int(statistics.median(many.own[event]))}
        name = f"instructions, {' that '.join(event)}, at {large}"
        figures.append(Figure(f"{name} / at 10", "x", [n / b for n in many.instructions[event]], 1.1))
        figures.append(Figure(name, "k", [n / 1000 for n in many.instructions[event]], 100, counts))
    return figures


def sent_figures(few: Costs, many: Costs, large: str) -> list[Figure]:
    figures = []
    for event in EVENTS:
        small, big = few.sent[event], many.sent[event]
        assert all(s.transactions for s in small + big), "an event without a transaction"
        assert not any(s.rule_dumps for s in small + big), "an event for which rules were read"
        what = " that ".join(event)
        for unit in ("messages", "bytes"):
            a, b = ([float(getattr(s, unit)) for s in side] for side in (big, small))
            counts = {"at 10": statistics.median(b), f"at {large}": statistics.median(a)}
            figures.append(Figure(f"netlink {unit}, {what}, at {large} / at 10", "x", ratios(a, b), 1.1, counts))
        kinds = ("rule_dumps", "flow_walks", "link_dumps")
        walked = {k: max(getattr(s, k) for s in small + big) for k in kinds}
        walked["transactions"] = max(s.transactions for s in big)
        walks = [float(s.walks) for s in big]
        if event[0] == "container":  # one ends its flows, and one, a moment later, is for what was on its way then
            assert max(walks) <= (2 if event[1] == "goes" else 0), walked
        figures.append(Figure(f"dumps and walks, {what}, at {large}", "", walks, 0, walked))
    return figures


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"update": sends, "instructions": executes}
