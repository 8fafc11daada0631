"""Two engines as one swarm, joined by a veth pair: what is between them is VXLAN over that pair."""

import json
import time
from typing import Any, Callable

from .engine import Container, PrivateEngine
from .space import CommandError


def until(what: Callable[[], bool], within: float, why: str) -> None:
    end = time.monotonic() + within
    while not what():
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {why}")
        time.sleep(0.1)


class Swarm:
    """Its data path port is not the usual one, so that it has to be found. `wan0` on both sides: 192.0.2.1 is the manager's, 192.0.2.2 the worker's, .9 a stranger's on the worker's side."""

    PORT = 4790
    MANAGER, WORKER, STRANGER = "192.0.2.1", "192.0.2.2", "192.0.2.9"

    def __init__(self, generation: str) -> None:
        self.engines: list[PrivateEngine] = []
        try:
            for _ in range(2):
                self.engines.append(PrivateEngine(generation))
            self._join()
        except BaseException:
            self.close()
            raise

    @property
    def manager(self) -> PrivateEngine:
        return self.engines[0]

    @property
    def worker(self) -> PrivateEngine:
        return self.engines[1]

    def _join(self) -> None:
        assert self.worker.space
        peer = ["peer", "name", "wan0", "netns", str(self.worker.space.pid)]
        self.manager.host("ip", "link", "add", "wan0", "type", "veth", *peer)
        for engine, addrs in ((self.manager, [self.MANAGER]), (self.worker, [self.WORKER, self.STRANGER])):
            for addr in addrs:
                engine.host("ip", "addr", "add", f"{addr}/24", "dev", "wan0")
            engine.host("ip", "link", "set", "wan0", "up")
        address = ("--advertise-addr", self.MANAGER, "--listen-addr", self.MANAGER)
        self.manager.docker("swarm", "init", *address, "--data-path-port", str(self.PORT))
        token = self.manager.docker("swarm", "join-token", "-q", "worker")
        self.worker.docker("swarm", "join", "--token", token, "--advertise-addr", self.WORKER, f"{self.MANAGER}:2377")

    def network(self, name: str, *options: str) -> int:
        """Its VXLAN identifier, which the swarm gives a moment later."""
        key = "com.docker.network.driver.overlay.vxlanid_list"
        self.manager.docker("network", "create", "-d", "overlay", "--attachable", *options, name)
        until(lambda: key in (self.inspect(self.manager, name)["Options"] or {}), 10, f"{name} has an identifier")
        return int(self.inspect(self.manager, name)["Options"][key])

    def update(self, what: str, *argv: str) -> None:
        """Of `swarm` or `node`. The engine refuses an update of an object that the swarm itself has changed since the client read it."""
        end = time.monotonic() + 20
        while True:
            try:
                self.manager.docker(what, "update", *argv)
                return
            except CommandError as why:
                if "update out of sequence" not in str(why) or time.monotonic() > end:
                    raise
                time.sleep(0.1)

    @staticmethod
    def inspect(engine: PrivateEngine, network: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(engine.docker("network", "inspect", network))[0]
        return found

    def peers(self, engine: PrivateEngine, network: str) -> set[str]:
        return {peer["IP"] for peer in self.inspect(engine, network).get("Peers") or []}

    def run(self, engine: PrivateEngine, name: str, network: str) -> Container:
        """A worker learns of a network by and by."""
        end = time.monotonic() + 20
        while True:
            try:
                return engine.run(name, network, serve=["tcp:80", "udp:53"])
            except CommandError:
                if time.monotonic() > end:
                    raise
                engine.docker("rm", "-f", engine.prefix + name)
                time.sleep(0.2)

    def close(self) -> None:
        for engine in self.engines:
            engine.close()
