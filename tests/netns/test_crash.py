"""The daemon is killed, at any moment and between any two of its netlink messages. The kernel has the rules of
before or of after, of both families, and while the next start takes over, nothing passes that should not and
nothing is lost that should.

QUAYWALL_CRASH_KILLS is how often it is killed at random (40), QUAYWALL_CRASH_POINTS at how many messages of each
story (6, and before and after each transaction; 0: at each)."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from place import Daemon, Namespace, eventually
from shim import BATCH, RECEIVED, SENT, Action, Shim
from traffic import CONNECT, STREAM, Traffic

sys.path.append(str(Path(__file__).resolve().parent.parent / "fake"))
from engine import Container, Endpoint, Engine, Network, compose, container_event, network_event

KILLS = int(os.environ.get("QUAYWALL_CRASH_KILLS", "40"))
POINTS = int(os.environ.get("QUAYWALL_CRASH_POINTS", "6"))

# The second has more of everything: sets, chains, elements, ranges.
FIRST = f"""policy: shop
for: {{project: shop}}
allow:
  - {{from: {{service: web}}, to: {{service: db}}, ports: [{STREAM}, {CONNECT}]}}
  - {{from: {{service: web}}, to: {{service: cache}}, ports: [6379]}}
"""
SECOND = (
    FIRST
    + f"""  - {{from: {{cidr: 198.51.100.0/24}}, to: {{service: web}}, ports: [80, 1000-1999], limit: {{new: 5/second}}}}
  - {{from: {{service: web}}, to: {{service: db}}, ports: [{", ".join(str(p) for p in range(20000, 20200, 2))}]}}
"""
)

Rules = list[tuple[str, str]]


class Scene:
    """A daemon with a fake engine, and what runs in it."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.shim = Shim(daemon)
        self.engine = Engine(daemon.folder / "engine")
        self.net = self.engine.add_network(
            Network("n" * 64, "shop_front", ["172.18.0.0/16"], "br-shopfront")
        )
        for number, service in ((2, "db"), (3, "web")):
            self.container(number, service)
        self.cache = self.container(4, "cache")
        self.policy(FIRST)
        self.process: "subprocess.Popen[bytes] | None" = None

    def container(self, number: int, service: str) -> Container:
        made = Container(
            f"{number:064x}", f"shop-{service}-1", compose("shop", service), mode="shop_front"
        )
        self.place(made, number)
        return made

    def place(self, c: Container, number: int) -> None:
        mac = f"02:42:ac:12:00:{number:02x}"
        self.engine.add(c, self.net, Endpoint(f"{number:064x}", f"172.18.0.{number}/16", mac=mac))

    def come(self) -> None:
        self.place(self.cache, 4)
        self.engine.emit(
            network_event("connect", self.net, self.cache.id), container_event("start", self.cache)
        )

    def go(self) -> None:
        self.engine.remove(self.cache)
        self.engine.emit(
            container_event("die", self.cache), network_event("disconnect", self.net, self.cache.id)
        )

    def policy(self, text: str) -> None:
        self.daemon.policy(text)

    def start(self, wait_for: str = "enforcing") -> "subprocess.Popen[bytes]":
        self.process = self.daemon.start(wait_for=wait_for, snapshot=False, env=self.shim.env)
        return self.process

    def kill(self) -> None:
        if self.process:
            self.daemon.stop(self.process, signal.SIGKILL)
        self.process = None

    def dies(self) -> bool:
        """At the message it was to die at; else it is killed here."""
        assert self.process
        process = self.process
        died = eventually(lambda: process.poll() is not None, 3)
        self.kill()
        return died

    def settled(self, text: str, cached: bool) -> Rules:
        """What the kernel has once the daemon is through with this."""
        self.policy(text)
        (self.come if cached else self.go)()
        self.daemon.verb("reload")
        elements = "172.18.0.4"
        assert eventually(lambda: (elements in self.daemon.table()) == cached)
        return self.daemon.rules()

    def close(self) -> None:
        self.engine.close()
        self.shim.close()


@pytest.fixture
def scene(daemon: Daemon) -> Iterator[Scene]:
    made = Scene(daemon)
    try:
        yield made
    finally:
        daemon.close()
        made.close()


@pytest.fixture
def traffic(daemon: Daemon) -> Iterator[Traffic]:
    made = Traffic(daemon)
    try:
        yield made
    finally:
        made.close()


# ---- between any two messages ----

Story = tuple[Callable[[Scene], None], Callable[[Scene], None]]


def nothing(_: Scene) -> None:
    pass


def emptied(scene: Scene) -> None:
    scene.daemon.verb("flush")


def running(scene: Scene) -> None:
    scene.policy(FIRST)
    scene.go()
    scene.start()
    assert eventually(lambda: "172.18.0.4" not in scene.daemon.table())


def dead(scene: Scene) -> None:
    running(scene)
    scene.kill()
    scene.policy(SECOND)


def starts(scene: Scene) -> None:
    scene.start(wait_for="")


def changes_policy(scene: Scene) -> None:
    scene.policy(SECOND)
    scene.daemon.call("reload")


def container_comes(scene: Scene) -> None:
    scene.come()


def is_flushed(scene: Scene) -> None:
    scene.daemon.call("flush")


STORIES: dict[str, Story] = {
    "first start": (emptied, starts),
    "takeover": (dead, starts),
    "policy": (running, changes_policy),
    "container": (running, container_comes),
    "flush": (running, is_flushed),
}


def rehearse(scene: Scene, story: Story) -> tuple[list[tuple[int, int, Action]], Rules, Rules]:
    """Where the story can be interrupted, what the kernel has before it and what after."""
    before, act = story
    before(scene)
    old = scene.daemon.rules()
    counts = [scene.shim.count(k) for k in range(3)]
    act(scene)
    assert eventually(lambda: scene.daemon.rules() != old)
    time.sleep(1)
    new = scene.daemon.rules()
    sent, received, batches = (scene.shim.count(k) - counts[k] for k in range(3))
    scene.kill()
    points = [(SENT, n, a) for n in range(1, sent + 1) for a in (Action.KILL_BEFORE, Action.KILL_AFTER)]
    points += [(RECEIVED, n, Action.KILL_AFTER) for n in range(1, received + 1)]
    if POINTS and len(points) > POINTS:
        points = points[:: len(points) // POINTS + 1]
        for n in range(1, batches + 1):
            points += [(BATCH, n, a) for a in (Action.KILL_BEFORE, Action.KILL_AFTER)]
    return points, old, new


@pytest.mark.parametrize("name", STORIES)
def test_killed_between_any_two_messages(scene: Scene, name: str) -> None:
    before, act = STORIES[name]
    points, old, new = rehearse(scene, STORIES[name])
    assert old != new
    found = {"old": 0, "new": 0, "not reached": 0}
    for kind, number, action in points:
        before(scene)
        assert scene.daemon.rules() == old
        scene.shim.arm(kind, number, action)
        act(scene)
        died = scene.dies()
        scene.shim.disarm()
        now = scene.daemon.rules()
        assert now in (old, new), (name, kind, number, action)
        found["not reached" if not died else "new" if now == new else "old"] += 1
    print(f"{name}: {len(points)} points: {found}")
    assert found["not reached"] <= len(points) // 4
    assert found["old"] and found["new"]
    scene.start()


# ---- at any moment, while everything changes ----


class Churn:
    """Policies and a container come and go, as fast as they are taken in."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        acts = (self._policy, self._policy, self.scene.come, self.scene.go)
        while not self.over.wait(self.random.uniform(0, 0.05)):
            self.random.choice(acts)()

    def _policy(self) -> None:
        self.scene.policy(self.random.choice((FIRST, SECOND)))
        try:
            self.scene.daemon.ask(b'{"verb": "reload"}\n')
        except OSError:
            pass  # it is dead just now

    def stop(self) -> None:
        self.over.set()
        self.thread.join()


def test_killed_at_random_moments(scene: Scene, traffic: Traffic) -> None:
    running(scene)
    rulesets = [scene.settled(text, cached) for text in (FIRST, SECOND) for cached in (False, True)]
    traffic.begin()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    churn = Churn(scene, seed)
    moments = random.Random(seed)
    found = [0] * len(rulesets)
    try:
        for _ in range(KILLS):
            time.sleep(moments.choice((0.05, 0.2, 0.6)) * moments.random())
            scene.kill()
            found[rulesets.index(scene.daemon.rules())] += 1
            scene.start(wait_for="")
    finally:
        churn.stop()
    print(f"{KILLS} kills, rulesets found {found}, {scene.shim.count(BATCH)} transactions, {traffic.check()}")
    assert eventually(lambda: scene.daemon.state() == "enforcing")
    traffic.check()
    scene.daemon.verb("flush")
    assert traffic.leaks()
