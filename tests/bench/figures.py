"""What a benchmark hands over: figures, each with its rounds, and how large the run is to be."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable


@dataclass
class Figure:
    name: str
    unit: str  # "x": a ratio
    rounds: list[float]
    limit: float | None = None
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def line(self) -> str:
        digits = 3 if self.unit == "x" else 2
        held = "" if self.limit is None else f"  (limit {self.limit:g}: {'held' if self.held() else 'MISSED'})"
        spread = f"{min(self.rounds):.{digits}f} to {max(self.rounds):.{digits}f}"
        counts = ", ".join(f"{k} {v}" for k, v in self.counts.items())
        return f"{self.name:<60} {self.median:8.{digits}f} {self.unit:<4} {spread:<16}{held}\n{'':>4}{counts}"

    def held(self) -> bool:
        return self.limit is None or self.median <= self.limit


@dataclass
class Size:
    rounds: int
    seconds: float
    refused: int  # packets a second
    flows: int  # new flows a second
    events: int  # of the engine, in a round
    smoke: bool
    repeats: int  # of a packet benchmark, whose rounds are short and many
    bursts: int  # in one of those rounds, of which the least disturbed counts
    packets: int  # in a burst
    endpoints: int  # at the large end of what should be flat
    elements: int  # of policies, there
    rules: int  # that a user would write one after the other, at the large end
    requests: int  # connections that are made, used and closed, in a round
    keep: Path | None = None  # a folder for what valgrind counted


FULL = Size(
    rounds=7,
    seconds=5,
    refused=100_000,
    flows=5_000,
    events=50,
    smoke=False,
    repeats=15,
    bursts=8,
    packets=16_384,
    endpoints=10_000,
    elements=100_000,
    rules=1_000,
    requests=4_000,
)
SMOKE = Size(
    rounds=1,
    seconds=1,
    refused=20_000,
    flows=500,
    events=5,
    smoke=True,
    repeats=2,
    bursts=1,
    packets=1_024,
    endpoints=100,
    elements=1_000,
    rules=100,
    requests=100,
)


def interleave(size: Size, variants: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each variant took in each round. A round is some bursts of each, in turn, of which the shortest counts: what else
    goes on in the machine only ever adds, and by turns it is the same for all. A first round counts for nothing."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for r in range(size.repeats + 1):
        least = [min(values) for values in zip(*([v() for v in variants.values()] for _ in range(size.bursts)))]
        for name, value in zip(variants, least):
            if r:
                found[name].append(value)
    return found


def ratios(over: list[float], under: list[float]) -> list[float]:
    return [a / b for a, b in zip(over, under)]


def median(values: list[float]) -> float:
    """To be told beside a figure."""
    return round(statistics.median(values), 1)


def medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: median(values) for name, values in found.items()}
