"""Containers that a real engine starts as fast as it can, by turns with quaywall and without it: see tempest.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

from figures import Figure, Size, medians, ratios
from place import DIES_WITH_US

HERE = Path(__file__).resolve().parent


def tempest(*sizes: int) -> Any:
    argv = [sys.executable, "-B", str(HERE / "tempest.py"), *map(str, sizes)]
    done = subprocess.run([*DIES_WITH_US, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def beside(told: dict[str, Any], way: str, name: str) -> Figure:
    seconds = told["seconds"][way]
    counts = medians(seconds) | {f"networks that the engine kept, {k}": n for k, n in told["kept"].items()}
    return Figure(name, "x", ratios(seconds["with"], seconds["without"]), 1.02, counts)


def missed(told: dict[str, Any], name: str) -> Figure:
    return Figure(name, "", [float(told["status"]["lost"] + told["status"]["repaired"])], 0, told["status"])


def storm(size: Size) -> list[Figure]:
    containers, services, rounds = (10, 5, 1) if size.smoke else (200, 50, 10)
    told = tempest(containers, services, rounds)
    for kind, number in (("storm", containers), ("compose", services)):
        assert not told[kind]["lost"], f"what the rules lack, or have still: {told[kind]}"
        assert told[kind]["status"]["events"] >= 2 * number * rounds, told[kind]
    down = told["compose"]["seconds"]["down"]["with"]
    assert size.smoke or len(down) >= 7, f"the engine kept too many networks: {told['compose']['kept']}"
    at_once, project = f"{containers} containers that start at once", f"a project of {services} services"
    return [
        beside(told["storm"], "up", f"{at_once}, with quaywall / without"),
        missed(told["storm"], f"{at_once}: those not told of, or lost"),
        beside(told["compose"], "up", f"{project} that goes up, with quaywall / without"),
        *([beside(told["compose"], "down", f"{project} that goes down, with quaywall / without")] if down else []),
        missed(told["compose"], f"{project}: events lost, or found by a listing alone"),
    ]


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"storm": storm}
