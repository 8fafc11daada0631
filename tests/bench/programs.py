"""The programs that send, who may compute where, and what the rules counted."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from place import DIES_WITH_US, Namespace


def program(name: str) -> str:
    return str(Path(os.environ["QUAYWALL_BUILD"]) / "tests" / "bench" / name)


def offer(place: Namespace, *argv: str, cpu: int | None = None) -> subprocess.Popen[str]:
    """See offer.c."""
    own = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
    whole = place.argv(*own, program("bench_offer"), *argv)
    return subprocess.Popen([*DIES_WITH_US, *whole], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def sent_by(process: subprocess.Popen[str]) -> int:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return int(out)


def run_on(pid: int, cpus: set[int]) -> None:
    """All threads that it has; those of a moment are as their maker."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cpus)


def refused(space: Namespace, table: str = "inet quaywall", chain: str = "refuse") -> int:
    """Packets that came to the chain that refuses, and no further."""
    text = space.run("nft", "list", "chain", *table.split(), chain)
    found = re.search(r"counter packets (\d+)", text)
    assert found, text
    return int(found[1])
