"""Containers that a real engine starts as fast as it can, by turns with quaywall and without it: see tempest.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Callable

from figures import Figure, Size, medians, ratios
from place import DIES_WITH_US

HERE = Path(__file__).resolve().parent


def storm(size: Size) -> list[Figure]:
    containers = 10 if size.smoke else 200
    argv = [sys.executable, "-B", str(HERE / "tempest.py"), str(containers), str(size.rounds)]
    done = subprocess.run([*DIES_WITH_US, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    seconds = told["seconds"]
    lost = len(told["lost"]) + told["status"]["lost"] + told["status"]["repaired"]
    assert not told["lost"], told
    name = f"{containers} containers that start at once"
    return [
        Figure(f"{name}, with quaywall / without", "x", ratios(seconds["with"], seconds["without"]), 1.02, medians(seconds)),
        Figure(f"{name}: those not told of, or lost", "", [float(lost)], 0, told["status"]),
    ]


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"storm": storm}
