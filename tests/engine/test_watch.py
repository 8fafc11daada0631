"""`watch` beside a real engine: each road a refused packet comes by is told with the names of both ends."""

import json
import time
from typing import Any, Callable

import pytest

from bed import Ask, Quaywall, reach_all
from checks import World

Make = Callable[..., Quaywall]

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
publish:
  - {to: {service: web}, port: 8080, from: 192.0.2.2}
"""


Record = dict[str, Any]


class Seen:
    """What the daemon remembers."""

    def __init__(self, q: Quaywall, *options: str) -> None:
        self.q = q
        self.options = ["watch", "--last", "999", *options]

    def records(self, *options: str) -> list[Record]:
        return [json.loads(line) for line in self.q.verb(*self.options, "--json", *options).splitlines()]

    def one(self, *options: str) -> Record:
        for _ in range(50):
            if records := self.records(*options):
                return records[0]
            time.sleep(0.1)
        raise AssertionError(f"{options}: not among\n" + self.q.verb(*self.options))


@pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])
def test_every_road(world: World, quaywall: Make, family: int) -> None:
    """Between containers, out, to the host, and from outside to a published port (over IPv6 by docker-proxy or DNAT)."""
    q = quaywall(world.bed)
    q.configure({"log": {"rate": "1000/second", "burst": 1000}})
    q.policy("shop", POLICY)
    q.start()
    lan = world.lan
    host, outside, stranger = (
        (lan.host4, lan.addr4, lan.other4) if family == 4 else (lan.host6, lan.addr6, lan.other6)
    )
    web, db = world.web.addr(family), world.db.addr(family)
    reach_all(
        [
            Ask(world.web.place, db, "tcp", 80),
            Ask(world.web.place, outside, "udp", 53),
            Ask(world.worker.place, host, "tcp", 9100),
            Ask(lan, host, "tcp", 8080, source=stranger),
        ]
    )

    one = Seen(q, "--refused").one
    record = one("--from", "shop/web", "--to", "shop/db", "--port", "80")
    assert (record["from"]["address"], record["to"]["address"]) == (web, db)
    assert record["from"]["container"] == "shop-web-1" and record["to"]["network"] == "front"
    assert (record["verdict"], record["decided_by"]) == ("refused", "egress")
    assert record["egress"]["where"] == record["ingress"]["where"] == "shop.yaml:1"
    record = one("--from", "shop/web", "--to", "world", "--port", "53/udp")
    assert record["to"]["address"] == outside and record["egress"]["policy"] == "shop"
    record = one("--from", "shop/worker", "--to", "host", "--port", "9100")
    assert record["to"]["address"] == host
    record = one("--from", "world", "--to", "shop/web", "--port", "8080")
    assert (record["from"]["address"], record["published"], record["ports"]) == (stranger, 8080, "80/tcp")
    assert record["ingress"]["reason"] == "not-published" and record["to"]["container"] == "shop-web-1"
    q.check_alive()


@pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])
def test_flows_that_pass(world: World, quaywall: Make, family: int) -> None:
    """The same roads, where rules let the flows pass: the published port is told, also where docker-proxy relays."""
    q = quaywall(world.bed)
    q.configure({"flows": "always"})
    lan = world.lan
    host, outside = (lan.host4, lan.addr4) if family == 4 else (lan.host6, lan.addr6)
    web, db = world.web.addr(family), world.db.addr(family)
    q.policy("shop", POLICY.replace("from: 192.0.2.2", f'from: "{outside}"'))
    q.start()
    answers = reach_all(
        [
            Ask(world.web.place, db, "tcp", 5432),
            Ask(lan, host, "tcp", 8080, source=outside),
            Ask(world.other.place, outside, "udp", 53),
        ]
    )
    assert [a.word for a in answers[:2]] == ["ok", "ok"]
    one = Seen(q, "--all").one
    record = one("--from", web, "--to", "shop/db", "--port", "5432")
    assert (record["verdict"], record["state"]) == ("accepted", "begins")
    assert (record["from"]["address"], record["to"]["address"]) == (web, db)
    assert record["egress"]["where"] == record["ingress"]["where"] == "shop.yaml:4"
    record = one("--from", outside, "--to", "shop/web", "--port", "8080")
    assert (record["from"]["address"], record["published"], record["ports"]) == (outside, 8080, "80/tcp")
    assert record["ingress"]["reason"] == "publish-rule" and record["ingress"]["where"] == "shop.yaml:6"
    record = one("--to", outside, "--port", "53/udp")
    assert record["egress"]["reason"] == "not-isolated"
    flows = q.status()["flows"]
    assert flows["losses"] == flows["not_judged"] == 0
    q.check_alive()
