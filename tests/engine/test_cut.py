"""Rule 10: a changed policy ends the flows that it refuses, by whatever path they go, and no other."""

import os
import time
from typing import Callable, Iterator

import pytest

from bed import Live, Many, Place, Quaywall
from checks import World

Make = Callable[..., Quaywall]
families = pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])

STREAMS = int(os.environ.get("QUAYWALL_STREAMS", "100"))
ENDED = 1.0  # seconds in which nothing may come any more

def policy(*allow: str, publish: str = "any", deny: str = "") -> str:
    """Web and db, to which the containers ALLOW may speak, and PUBLISH by published ports."""
    rules = "".join(f"  - {{from: {{service: {a}}}, to: [{{service: web}}, {{service: db}}]}}\n" for a in allow)
    return (
        "policy: shop\nfor: [{project: shop, service: web}, {project: shop, service: db}]\nisolate: [ingress]\n"
        + (f"allow:\n{rules}" if rules else "")
        + "publish:\n"
        + f"  - {{to: {{service: web}}, port: [8000-8999/tcp+udp], from: {publish}}}\n"
        + (f"deny:\n{deny}" if deny else "")
    )


class Crowd:
    """Streams that must live on, of every path between containers and from outside."""

    def __init__(self, world: World) -> None:
        lan, share = world.lan, STREAMS // 5
        web, db = world.web, world.db
        self.parts: list[Many] = []
        try:
            for place, addr, port, source in (
                (world.multi.place, db.addr(4), 5432, None),
                (world.multi.place, db.addr(6), 5432, None),
                (world.multi.place, web.addr(4), 80, None),
                (lan, lan.host4, 8080, lan.addr4),
                (lan, lan.host6, 8080, lan.addr6),
            ):
                self.parts.append(Many(place, share, addr, port, source))
        except BaseException:
            self.close()
            raise

    def assert_whole(self) -> None:
        told = [(p.name, p.done()) for p in self.parts]
        self.parts = []
        assert sum(c.streams for _, c in told) == STREAMS // 5 * 5
        assert all(not c.broken and not c.wrong and c.numbers > c.streams for _, c in told), told

    def close(self) -> None:
        for one in self.parts:
            one.close()


@pytest.fixture
def crowd(world: World, quaywall: Make) -> Iterator[tuple[Quaywall, Crowd]]:
    q = quaywall(world.bed)
    q.policy("shop", policy("multi", "worker", "other", "cache"))
    q.start()
    made = Crowd(world)
    yield q, made
    made.close()


def ended(*servers: Live) -> None:
    """A server counts what still comes to it: what it sends itself keeps no flow alive."""
    time.sleep(0.3)
    for one in servers:
        assert one.counts(ENDED) == 0, f"{one.name}: a refused flow lives on"


def lives(*servers: Live) -> None:
    for one in servers:
        assert one.counts(0.3) > 5, f"{one.name}: nothing comes"


class Pair:
    """One who sends and one who serves, each without minding the other."""

    def __init__(
        self,
        client: Place,
        server: Place,
        proto: str,
        addr: str,
        port: int,
        behind: int = 0,
        source: str | None = None,
        own_port: int = 0,
    ) -> None:
        """BEHIND is the server's port where PORT is published."""
        self.server = Live(server, proto, behind or port)
        try:
            self.client = Live(client, proto, port, addr, source, own_port)
        except BaseException:
            self.server.close()
            raise

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made: list[Pair] = []
    yield made
    for one in made:
        one.close()


def test_a_hundred_streams_live_on(
    crowd: tuple[Quaywall, Crowd], world: World, pairs: list[Pair]
) -> None:
    """While others are cut by a changed policy, by `deny`, and by a network that is left."""
    q, streams = crowd
    db = world.db
    for family in (4, 6):
        pairs.append(Pair(world.worker.place, db.place, "tcp", db.addr(family), 6000 + family))
        pairs.append(Pair(world.other.place, db.place, "tcp", db.addr(family), 6100 + family))
        back = world.multi.addr(family, "back")
        pairs.append(Pair(world.cache.place, world.multi.place, "tcp", back, 6200 + family))
    lives(*(p.server for p in pairs))
    worker, other, cache = pairs[0::3], pairs[1::3], pairs[2::3]

    q.policy("shop", policy("multi", "other", "cache"))
    q.verb("reload")
    ended(*(p.server for p in worker))
    lives(*(p.server for p in other + cache))

    q.policy("shop", policy("multi", "other", "cache", deny="  - {from: {project: blog}, to: {service: db}}\n"))
    q.verb("reload")
    ended(*(p.server for p in other))
    lives(*(p.server for p in cache))

    world.engine.docker("network", "disconnect", "back", world.multi.container.name)
    try:
        ended(*(p.server for p in cache))
    finally:
        same = ["--ip", world.multi.addr(4, "back"), "--ip6", world.multi.addr(6, "back")]
        world.engine.docker("network", "connect", *same, "back", world.multi.container.name)
    assert q.status()["kernel"]["flows_cut"] >= 4
    streams.assert_whole()


@families
def test_answers_bring_no_flow_back(
    world: World, quaywall: Make, pairs: list[Pair], family: int
) -> None:
    """Both ends send all the time, so that conntrack, having lost the flow, is told of it by an answer first in
    half of the cases; and what the refused end sends would pass as answers to that."""
    q = quaywall(world.bed)
    q.policy("shop", policy("worker"))
    q.start()
    addr = world.db.addr(family)
    pairs += [Pair(world.worker.place, world.db.place, p, addr, 6001) for p in ("tcp", "udp")]
    lives(*(p.server for p in pairs))
    q.policy("shop", policy("nobody"))
    q.verb("reload")
    ended(*(p.server for p in pairs))


@families
def test_answers_bring_no_published_flow_back(
    world: World, quaywall: Make, pairs: list[Pair], family: int
) -> None:
    """By the engine's translation, and by docker-proxy, whose answers are the host's own packets."""
    q = quaywall(world.bed)
    lan = world.lan
    host, good, other = (
        (lan.host4, lan.addr4, lan.other4) if family == 4 else (lan.host6, lan.addr6, lan.other6)
    )
    q.policy("shop", policy("nobody"))
    q.start()
    refused = [
        Pair(lan, world.web.place, "tcp", host, 8600, 600, good),
        Pair(lan, world.web.place, "udp", host, 8601, 8601, good),
    ]
    pairs += refused
    lives(*(p.server for p in pairs))
    q.policy("shop", policy("nobody", publish=f'["{other}"]'))
    q.verb("reload")
    ended(*(p.server for p in refused))


@families
def test_answers_of_the_host_bring_no_flow_back(
    world: World, quaywall: Make, pairs: list[Pair], family: int
) -> None:
    q = quaywall(world.bed)
    gateway = "172.30.1.1" if family == 4 else "fd00:1::1"
    text = "policy: w\nfor: {service: worker}\nisolate: [egress]\nallow: [{from: {service: worker}, to: WHO}]\n"
    q.policy("w", text.replace("WHO", "any"))
    q.start()
    pairs += [Pair(world.worker.place, world.engine, p, gateway, 6300) for p in ("tcp", "udp")]
    pairs += [Pair(world.worker.place, world.lan, p, world.lan.addr4, 6301) for p in ("tcp", "udp")]
    lives(*(p.server for p in pairs))
    q.policy("w", text.replace("WHO", "{service: nobody}"))
    q.verb("reload")
    ended(*(p.server for p in pairs))


def test_a_port_that_a_rule_names(world: World, quaywall: Make, pairs: list[Pair]) -> None:
    """The client's own port is one that the server may reach: its answers look like a flow that is allowed."""
    q = quaywall(world.bed)
    text = (
        "policy: shop\nfor: [{project: shop, service: worker}, {project: shop, service: db}]\nallow:\n"
        "  - {from: {service: db}, to: {service: worker}, ports: [6400/tcp]}\n"
    )
    more = "  - {from: {service: worker}, to: {service: db}, ports: [6500/tcp]}\n"
    q.policy("shop", text + more)
    q.start()
    pairs.append(Pair(world.worker.place, world.db.place, "tcp", world.db.addr(4), 6500, own_port=6400))
    lives(pairs[0].server)
    q.policy("shop", text)
    q.verb("reload")
    ended(pairs[0].server)
