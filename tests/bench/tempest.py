"""tempest.py CONTAINERS ROUNDS: containers that a real engine starts as fast as it can, by turns with quaywall and without it.
A process of its own, as the beds of the scripted and of the real engines share a name. Prints JSON: the seconds of each
round, and what quaywall missed."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "engine"))

from bed import GENERATIONS, PrivateEngine, Quaywall  # noqa: E402
from bed.daemon import binary  # noqa: E402
from starts import Api, Folder  # noqa: E402

POLICY = "policy: shop\nfor: {project: shop}\nallow: [{from: {service: web}, to: {service: web}, ports: [80]}]\n"
AT_ONCE = 8
PATIENCE = 30


def storm(engine: PrivateEngine, count: int, name: str) -> tuple[float, list[str]]:
    """How long they took to start, and their addresses."""
    api = Api(engine.socket)
    folder = Folder(engine)
    names = [f"{name}-{i}" for i in range(count)]
    argv = ["/probe", "serve", "web", "tcp:80"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda n: api.create(n, argv, "front", "shop/web", folder.path), names))
        began = time.monotonic()
        list(pool.map(api.start, names))
        took = time.monotonic() - began
        found = list(pool.map(api.inspect, names))
    return took, [c["NetworkSettings"]["Networks"]["front"]["IPAddress"] for c in found]


def clear(engine: PrivateEngine, count: int, name: str) -> None:
    api = Api(engine.socket)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(api.remove, (f"{name}-{i}" for i in range(count))))


def missing(quaywall: Quaywall, addresses: list[str]) -> list[str]:
    end = time.monotonic() + PATIENCE
    while True:
        table = quaywall.table()
        left = [a for a in addresses if f" . {a} " not in table]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.2)


def main() -> None:
    count, rounds = int(sys.argv[1]), int(sys.argv[2])
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    lost, status = [], {}
    assert binary()
    with tempfile.TemporaryDirectory(prefix="quaywall-storm.") as folder:
        engine = PrivateEngine(next(iter(GENERATIONS)))
        try:
            engine.load_image()
            engine.network("front", "172.30.0.0/16")
            quaywall = Quaywall(engine, Path(folder))
            quaywall.policy("shop", POLICY)
            for r in range(2 * rounds):
                kind = ("with", "without")[(r + r // 2) % 2]
                if kind == "with":
                    quaywall.start()
                took, addresses = storm(engine, count, f"c{r}")
                seconds[kind].append(took)
                if kind == "with":
                    lost += missing(quaywall, addresses)
                    status = told(quaywall.status(), status)
                    clear(engine, count, f"c{r}")
                    quaywall.verb("flush")
                    quaywall.stop()
                else:
                    clear(engine, count, f"c{r}")
        finally:
            engine.close()
    print(json.dumps({"seconds": seconds, "lost": lost, "status": status}))


def told(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Of all its runs."""
    found = {k: now["engine"][k] + before.get(k, 0) for k in ("events", "lost", "repaired")}
    return found | {"transactions": now["kernel"]["transactions"] + before.get("transactions", 0)}


if __name__ == "__main__":
    main()
