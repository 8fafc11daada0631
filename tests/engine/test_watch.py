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

    def found(*options: str) -> list[dict[str, Any]]:
        lines = q.verb("watch", "--last", "999", "--json", "--refused", *options).splitlines()
        return [json.loads(line) for line in lines]

    def one(*options: str) -> dict[str, Any]:
        for _ in range(50):
            if records := found(*options):
                return records[0]
            time.sleep(0.1)
        raise AssertionError(f"{options}: not among\n" + q.verb("watch", "--last", "999"))

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
