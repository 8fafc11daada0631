"""tempest.py CONTAINERS SERVICES ROUNDS: containers that a real engine starts as fast as it can, by turns with quaywall and
without it: all at once, and as the services of a project that goes up with its network, and down again. A process of its own, as
the beds of the scripted and of the real engines share a name. Prints JSON: the seconds of each round, and what quaywall missed."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "engine"))

from bed import GENERATIONS, PrivateEngine, Quaywall  # noqa: E402
from bed.daemon import binary  # noqa: E402
from starts import Api, Folder  # noqa: E402

POLICY = "policy: shop\nfor: {project: shop}\nallow: [{from: {service: web}, to: {service: web}, ports: [80]}]\n"
SERVE = ["/probe", "serve", "web", "tcp:80"]
AT_ONCE = 8
PATIENCE = 30


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def on_each(work: Callable[[str], Any], names: Iterable[str]) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, names))


class Weather:
    """What is measured with quaywall and without: `up` and `down` return the seconds of what counts."""

    network: str

    def __init__(self, engine: PrivateEngine, count: int) -> None:
        # It is not asked to be fast: to remove one of 200 at once has taken 20.10 more than a minute.
        self.api = Api(engine.socket, patience=300)
        self.folder = Folder(engine)
        self.names = [f"c{i}" for i in range(count)]

    def addresses(self) -> list[str]:
        found = on_each(self.api.inspect, self.names)
        return [c["NetworkSettings"]["Networks"][self.network]["IPAddress"] for c in found]

    def up(self) -> float:
        raise NotImplementedError

    def down(self) -> float | None:
        """None where the engine did not do it."""
        raise NotImplementedError


class Storm(Weather):
    network = "front"

    def __init__(self, engine: PrivateEngine, count: int) -> None:
        super().__init__(engine, count)
        engine.network(self.network, "172.30.0.0/16")

    def up(self) -> float:
        on_each(lambda n: self.api.create(n, SERVE, self.network, "shop/web", self.folder.path), self.names)
        return timed(lambda: on_each(self.api.start, self.names))

    def down(self) -> float:
        return timed(lambda: on_each(self.api.remove, self.names))


class Compose(Weather):
    """Each is a service of its own, so that each is an identity that comes and goes."""

    def __init__(self, engine: PrivateEngine, count: int) -> None:
        super().__init__(engine, count)
        self.projects = 0

    def up(self) -> float:
        self.projects += 1
        self.network = f"shop_default{self.projects}"
        config = {"Name": self.network, "IPAM": {"Config": [{"Subnet": f"172.31.{self.projects}.0/24"}]}}

        def run(name: str) -> None:
            service = f"shop/{name if name != self.names[0] else 'web'}"
            self.api.create(name, SERVE, self.network, service, self.folder.path)
            self.api.start(name)

        def work() -> None:
            self.api.call("POST", "/networks/create", config)
            on_each(run, self.names)

        return timed(work)

    def down(self) -> float | None:
        began = time.monotonic()
        on_each(self.api.remove, self.names)
        return time.monotonic() - began if self._remove_network() else None

    def _remove_network(self) -> bool:
        """An engine that is busy has not let go of all endpoints when it says that a container is removed. And 20.10 miscounts now
        and then those of containers that come and go side by side, with quaywall or without: until it is started anew it
        refuses to remove the network, in which it lists nobody."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                self.api.call("DELETE", f"/networks/{self.network}")
                return True
            except RuntimeError as e:
                if "has active endpoints" not in str(e):
                    raise
            time.sleep(0.05)
        assert not self.api.call("GET", f"/networks/{self.network}")["Containers"]
        return False


def left(quaywall: Quaywall, addresses: list[str], known: bool) -> list[str]:
    """Those that the rules do not know when all is done; or know still, where they are gone."""
    end = time.monotonic() + PATIENCE
    while True:
        table = quaywall.table()
        found = [a for a in addresses if (f" . {a} " in table) != known]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.2)


def compiled(quaywall: Quaywall) -> int:
    """How often not a step was made, but everything anew, of all that its log tells."""
    return quaywall.log_text().count("all of it is compiled")


def told(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Of all its runs."""
    found = {k: now["engine"][k] + before.get(k, 0) for k in ("events", "lost", "repaired")}
    return found | {"transactions": now["kernel"]["transactions"] + before.get("transactions", 0)}


def measure(weather: Weather, quaywall: Quaywall, rounds: int) -> dict[str, Any]:
    ways = ("up", "down")
    seconds: dict[str, dict[str, list[Any]]] = {way: {"with": [], "without": []} for way in ways}
    lost: list[str] = []
    status: dict[str, Any] = {}
    before = compiled(quaywall)
    for r in range(2 * rounds):
        kind = ("with", "without")[(r + r // 2) % 2]
        if kind == "with":
            quaywall.start("--debug")
        seconds["up"][kind].append(weather.up())
        addresses = weather.addresses()
        lost += left(quaywall, addresses, True) if kind == "with" else []
        seconds["down"][kind].append(weather.down())
        print(kind, *(f"{way} {seconds[way][kind][-1]}" for way in ways), file=sys.stderr)
        if kind == "with":
            lost += left(quaywall, addresses, False)
            status = told(quaywall.status(), status)
            quaywall.verb("flush")
            quaywall.stop()
    status["compiled anew"] = compiled(quaywall) - before
    kept = {kind: found.count(None) for kind, found in seconds["down"].items()}
    pairs = [pair for pair in zip(*seconds["down"].values()) if None not in pair]
    seconds["down"] = {"with": [a for a, _ in pairs], "without": [b for _, b in pairs]}
    return {"seconds": seconds, "lost": lost, "status": status, "kept": kept}


def main() -> None:
    containers, services, rounds = map(int, sys.argv[1:])
    assert binary()
    with tempfile.TemporaryDirectory(prefix="quaywall-storm.") as folder:
        engine = PrivateEngine(next(iter(GENERATIONS)))
        try:
            engine.load_image()
            quaywall = Quaywall(engine, Path(folder))
            quaywall.policy("shop", POLICY)
            storm = measure(Storm(engine, containers), quaywall, rounds)
            print(json.dumps({"storm": storm, "compose": measure(Compose(engine, services), quaywall, rounds)}))
        finally:
            engine.close()


if __name__ == "__main__":
    main()
