"""What one container that comes or goes costs the daemon, beside what it costs on a host with ten."""

from __future__ import annotations

import contextlib
import statistics
import time
from dataclasses import dataclass, field
from typing import Callable

from crowd import Crowd
from engine import Container
from figures import Figure, Size, ratios
from tracing import Instructions, Netlink, Sent, start_counted

FEW, MANY = 10, 1000
SETTLE = 2.5  # s; an event is followed by a second look after 1 s (follow.c), and its checks begin as long after
BRIEF = 1.2
LISTING = r"^/containers/json\?all=1$"
Come = tuple[Container, str]


@dataclass
class Costs:
    """Of each event, in one crowd."""

    instructions: list[float] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)


def settled(crowd: Crowd, address: str, known: bool) -> None:
    crowd.assert_known(address, known)
    rest(crowd)


def rest(crowd: Crowd) -> None:
    """Until nothing more comes of an event, however slow the daemon is just now."""
    time.sleep(BRIEF)
    before = -1.0
    while crowd.total >= MANY and crowd.cpu() > before + 0.05:
        before = crowd.cpu()
        time.sleep(SETTLE)


def come_and_go(crowd: Crowd, measure: Callable[[Callable[[], None]], None]) -> None:
    """Twice an event that is measured: one that comes, and the same that goes."""
    here: list[Come] = []

    def come() -> None:
        here.append(crowd.come())
        settled(crowd, here[0][1], True)

    def go() -> None:
        crowd.go(*here[0])
        settled(crowd, here[0][1], False)

    measure(come)
    measure(go)


def sends(crowd: Crowd, rounds: int) -> tuple[Costs, Costs]:
    both = (Costs(), Costs())

    def measure(work: Callable[[], None]) -> None:
        with Netlink(crowd) as trace:
            work()
        costs = both[sum(len(c.sent) for c in both) % 2]
        costs.sent.append(trace.sent())

    for _ in range(rounds):
        come_and_go(crowd, measure)
    return both


def executes(crowd: Crowd, rounds: int) -> tuple[Costs, Costs]:
    """Without the minute's listing, which may fall into an event's time: what one costs is taken off."""
    both = (Costs(), Costs())
    counter = Instructions(crowd)
    rest(crowd)
    listing = listing_of(crowd, counter)

    def measure(work: Callable[[], None]) -> None:
        counter.dump()
        began, listed = time.monotonic(), 0
        work()
        found = counter.count()
        listed = crowd.engine.asked(LISTING, since=began)
        costs = both[sum(len(c.instructions) for c in both) % 2]
        costs.instructions.append(found - listed * listing)

    for _ in range(rounds):
        come_and_go(crowd, measure)
    return both


def listing_of(crowd: Crowd, counter: Instructions) -> int:
    """What the engine's thread executes for one: until the next has come, and gone by."""
    if crowd.total < MANY:
        return 0  # hardly any falls into so short a time, and it is short itself
    counter.dump()
    before = crowd.engine.asked(LISTING)
    while crowd.engine.asked(LISTING) == before:
        time.sleep(1)
    rest(crowd)
    return counter.count()


def flat(size: Size) -> list[Figure]:
    """Ten containers, and the large number, side by side; first what is sent, then, in a daemon that valgrind runs, what is
    executed."""
    large = size.endpoints if not size.smoke else 30
    with contextlib.ExitStack() as stack:
        crowds = [stack.enter_context(Crowd(n)) for n in (FEW, large)]
        found = []
        for crowd in crowds:
            crowd.start()
            time.sleep(BRIEF)
            found.append(sends(crowd, size.rounds))
            crowd.stop()
        figures = sent_figures(found, f"{large:,}")
        found = []
        for crowd in crowds:
            start_counted(crowd)
            # A count, of which every round gives nearly the same, and of the large one slow.
            found.append(executes(crowd, 1 if size.smoke else 2))
    return figures + instruction_figures(found, f"{large:,}")


def instruction_figures(found: list[tuple[Costs, Costs]], large: str) -> list[Figure]:
    figures = []
    for i, what in enumerate(("comes", "goes")):
        few, many = found[0][i].instructions, found[1][i].instructions
        assert min(few) > 1000 and min(many) > 1000, (few, many)
        counts = {"at 10": int(statistics.median(few)), f"at {large}": int(statistics.median(many))}
        figures.append(Figure(f"instructions, a container that {what}, at {large} / at 10", "x", ratios(many, few), 1.1))
        figures.append(
            Figure(f"instructions, a container that {what}, at {large}", "k", [n / 1000 for n in many], 100, counts)
        )
    return figures


def sent_figures(found: list[tuple[Costs, Costs]], large: str) -> list[Figure]:
    figures = []
    for i, what in enumerate(("comes", "goes")):
        few, many = found[0][i].sent, found[1][i].sent
        assert all(s.transactions for s in few + many), "an event without a transaction"
        assert not any(s.rule_dumps for s in few + many), "an event for which rules were read"
        for unit in ("messages", "bytes"):
            a, b = ([float(getattr(s, unit)) for s in side] for side in (many, few))
            counts = {"at 10": statistics.median(b), f"at {large}": statistics.median(a)}
            name = f"netlink {unit}, a container that {what}, at {large} / at 10"
            figures.append(Figure(name, "x", ratios(a, b), 1.1, counts))
        kinds = ("rule_dumps", "flow_walks", "link_dumps")
        counts = {k: max(getattr(s, k) for s in few + many) for k in kinds}
        counts["transactions"] = max(s.transactions for s in many)
        walks = [float(s.walks) for s in many]
        # One ends its flows, and one, a moment later, is for what was on its way then.
        assert max(walks) <= (0, 2)[i], counts
        figures.append(Figure(f"dumps and walks, a container that {what}, at {large}", "", walks, 0, counts))
    return figures


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"update": flat}
