"""An address that changes owners: the new one has none of the old one's rights, and none of its flows.

QUAYWALL_OWNERS: how many rounds for each generation of the engine, 6 unless given.
"""

import itertools
import json
import signal
import subprocess
import time
from functools import partial
from typing import Any, Callable, Iterator

import pytest

from bed import Container, Quaywall
from bed.space import DIES_WITH_US
from checks import Bed
from starts import PATIENCE, Api, Counted, Folder, Result, Starter, environment_count, flows

Make = Callable[..., Quaywall]

POLICY = """
policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432/tcp+udp]}
  - {from: {project: blog}, to: {service: web}, ports: [7777/udp]}
publish:
  - {to: {service: web}, port: 8053/udp, from: any}
"""
DB4, DB6 = "172.30.1.250", "fd00:1::fa"
OWN4, OWN6 = "172.30.1.66", "fd00:1::42"
PORT, SOURCE = 7777, 40000


class Scene:
    """Peers of the address, on both sides, that go on whoever holds it: db, which it may ask; a neighbour
    and a machine outside, who may send to it."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")
        bed.bridge_filter(0)
        self.api = Api(bed.engine.socket)
        self.folder = Folder(bed.engine)
        self.starter = Starter(bed.engine, self.api, self.folder)
        self._create("shop-db-1", ["serve", "5432"], "shop/db", (DB4, DB6))
        self.db = Container(bed.engine, "shop-db-1")
        # who sends is seen by the length: datagrams hold their sender's name
        self.rightful = Counted(self.db.netns, "udp dport 5432 udp length < 24")
        self.stolen = Counted(self.db.netns, "udp dport 5432 udp length >= 24", table="stolen")
        self._senders: list[subprocess.Popen[bytes]] = []

    def _create(
        self, name: str, argv: list[str], service: str, addrs: tuple[str, str] | None, **host: Any
    ) -> None:
        config = {"IPAMConfig": {"IPv4Address": addrs[0], "IPv6Address": addrs[1]}} if addrs else {}
        verb, *rest = argv
        out = [] if verb == "serve" else [f"/out/{name}"]
        argv = ["/out/first", verb, *out, *rest]
        self.api.create(name, argv, "front", service, self.folder.path, config, **host)
        self.api.start(name)

    def send_from_all_sides(self, addrs: tuple[str, str], seconds: int) -> None:
        """From one port each, so that every packet is of the same flow."""
        udp = f"udp@{SOURCE}"
        near = flows((udp, addrs[0], PORT), (udp, addrs[1], PORT))
        self._create("neighbour", ["flood", str(seconds * 1000), "1", *near], "blog/other", None)
        lan = self.bed.lan
        far = flows((udp, lan.host4, 8053), (udp, lan.host6, 8053))
        argv = [str(self.folder.path / "first"), "flood", str(self.folder.path / "far")]
        enter = ["nsenter", f"--net={lan.netns}", "--"]
        self._senders.append(
            subprocess.Popen([*DIES_WITH_US, *enter, *argv, str(seconds * 1000), "1", *far])
        )

    def create(self, name: str, service: str, addrs: tuple[str, str] | None, ms: int) -> None:
        """A container that asks db from the port that all owners use, and counts what comes."""
        asks = flows((f"udp@{SOURCE}", DB4, 5432), (f"udp@{SOURCE}", DB6, 5432))
        ports = {f"{PORT}/udp": [{"HostPort": "8053"}]}
        config = {"IPAMConfig": {"IPv4Address": addrs[0], "IPv6Address": addrs[1]}} if addrs else {}
        argv = ["flood", str(ms), str(PORT), *asks]
        self.starter.create(name, argv, service, endpoint=config, PortBindings=ports)

    def told(self, name: str) -> Result:
        self.folder.wait(name, 1, PATIENCE)
        self.api.remove(name)
        return self.folder.results(name, "")[0]

    def close(self) -> None:
        for sender in self._senders:
            sender.kill()
            sender.wait()


@pytest.fixture
def scene(clean: Bed) -> Iterator[Scene]:
    made = Scene(clean)
    yield made
    made.close()


def nothing() -> None:
    pass


def hand_over(
    scene: Scene,
    i: int,
    given: tuple[str, str] | None,
    before_it: Callable[[], object] = nothing,
    behind_it: Callable[[], object] = nothing,
    may_receive: bool = False,
) -> str:
    """What is wrong with the second owner. BEFORE_IT comes before the first one goes, BEHIND_IT when the
    second one has sent what it wanted."""
    web, thief = f"w{i}", f"thief-who-is-next-{i}"
    scene.create(web, "shop/web", given, 60000)
    scene.create(thief, "shop/thief", given, 150)
    before = scene.rightful.packets()
    scene.api.start(web)
    addr = scene.api.inspect(web)["NetworkSettings"]["Networks"]["front"]["IPAddress"]
    end = time.monotonic() + PATIENCE
    while scene.rightful.packets() < before + 20:
        assert time.monotonic() < end, "the rightful owner's packets do not pass"
    before_it()
    scene.api.remove(web)  # in the middle of its flows
    scene.api.start(thief)
    told = scene.told(thief)
    behind_it()
    stolen, sent = scene.stolen.packets(), sum(f["sent"] for f in told.flows)
    assert sent and told.flows[0]["from"] == addr, (told, addr)
    if not stolen and (may_receive or not told.arrived):
        return ""
    return f"{i}: {stolen} so far reached db, {told.arrived} came in"


def test_packets_reach_the_rightful_owner(scene: Scene, quaywall: Make) -> None:
    """What the rounds below show to be refused is there."""
    q = quaywall(scene.bed)
    q.policy("shop", POLICY)
    q.start()
    scene.send_from_all_sides((OWN4, OWN6), 300)
    scene.create("ww", "shop/web", (OWN4, OWN6), 1500)
    scene.api.start("ww")
    assert scene.told("ww").arrived > 0
    assert scene.rightful.packets() > 0


def test_the_next_owner_inherits_nothing(scene: Scene, quaywall: Make) -> None:
    n = environment_count("QUAYWALL_OWNERS", 6)
    q = quaywall(scene.bed)
    q.policy("shop", POLICY)
    q.start()
    scene.send_from_all_sides((OWN4, OWN6), 3000)
    wrong = []
    for i, given in zip(range(n), itertools.cycle([(OWN4, OWN6), None])):
        found = hand_over(scene, i, given)
        wrong += [found] if found else []
    said = json.loads(q.verb("--json", "status"))
    print(f"{n} rounds, flows cut: {said['kernel']['flows_cut']}")
    assert not wrong, wrong


def test_while_the_daemon_hangs(scene: Scene, quaywall: Make) -> None:
    """It reads of both owners when the second one has long sent: the bridge table binds addresses to ports.
    What peers send to the address it does not keep from the second one, which cannot answer."""
    q = quaywall(scene.bed)
    q.policy("shop", POLICY)
    q.start()
    scene.send_from_all_sides((OWN4, OWN6), 3000)
    for i in range(environment_count("QUAYWALL_OWNERS", 6) // 3):
        stop, go_on = partial(q.send, signal.SIGSTOP), partial(q.send, signal.SIGCONT)
        assert not hand_over(scene, i, (OWN4, OWN6), stop, go_on, may_receive=True)


def test_while_the_daemon_is_dead(scene: Scene, quaywall: Make) -> None:
    q = quaywall(scene.bed)
    q.policy("shop", POLICY)
    q.start()
    scene.send_from_all_sides((OWN4, OWN6), 3000)
    for i in range(environment_count("QUAYWALL_OWNERS", 6) // 3):
        kill = partial(q.stop, signal.SIGKILL)
        assert not hand_over(scene, i, (OWN4, OWN6), kill, q.start, may_receive=True)
