"""The verbs, beside a real engine."""

import json
from typing import Callable

from bed import Ask, Quaywall
from checks import World, hold

Make = Callable[..., Quaywall]

SHOP = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
publish:
  - {to: {service: web}, port: 8080, from: 192.0.2.2}
expect:
  - {from: {service: web}, to: {service: db}, port: 5432, verdict: allow}
  - {from: {service: worker}, to: {service: db}, port: 5432, verdict: deny}
"""


def test_validate_with_the_engine(world: World, quaywall: Make) -> None:
    q = quaywall(world.bed)
    q.policy("shop", SHOP)
    q.verb("validate")
    q.policy("shop", SHOP.replace("5432, verdict: deny", "5432, verdict: allow"))
    assert "shop.yaml:9" in q.verb("validate", code=1)


def test_plan(world: World, quaywall: Make) -> None:
    """Everything before the daemon has applied it, nothing afterwards, and the change of a file."""
    q = quaywall(world.bed)
    q.policy("shop", SHOP)
    assert "shop" in q.verb("plan", code=1)
    q.start()
    q.verb("plan", code=0)
    q.stop()
    q.policy("shop", SHOP.replace("[5432]", "[5433]"))
    assert "5433" in q.verb("plan", code=1)


def test_explain(world: World, quaywall: Make) -> None:
    """Names the line that decides; the same answer as the packets give."""
    q = quaywall(world.bed)
    q.policy("shop", SHOP)
    q.start()
    web, worker, db = "shop-web-1", "shop-worker-1", world.db.addr(4)
    assert "shop.yaml:4" in q.verb("explain", web, "shop/db", "5432")
    assert "shop.yaml" in q.verb("explain", worker, "shop-db-1", "5432", code=1)
    assert "shop.yaml:6" in q.verb("explain", "192.0.2.2", "publish:8080")
    q.verb("explain", "192.0.2.3", "publish:8080", code=1)
    q.verb("explain", world.web.addr(4), db, "5432/tcp")
    q.verb("explain", "host", db, "80")
    json.loads(q.call("--json", "explain", web, "shop/db", "5432").stdout)
    hold(
        [Ask(world.web.place, db, "tcp", 5432), Ask(world.engine, db, "tcp", 80)],
        [Ask(world.worker.place, db, "tcp", 5432)],
    )


def test_snapshot_takes_the_engines_place(world: World, quaywall: Make) -> None:
    """Nothing secret is in it, and every offline verb takes it."""
    q = quaywall(world.bed)
    q.policy("shop", SHOP)
    flags = ["-e", "PASSWORD=hunter2"]
    world.engine.run("secretive", "front", service="shop/secretive", flags=flags)
    try:
        file = q.folder / "snapshot.json"
        q.verb("snapshot", "-o", str(file))
    finally:
        world.engine.docker("rm", "-f", "secretive")
    text = file.read_text(encoding="utf-8")
    assert "hunter2" not in text
    found = json.loads(text)
    assert {"shop-web-1", "secretive"} <= {c["name"] for c in found["containers"]}
    assert {"front", "back", "old"} <= {n["name"] for n in found["networks"]}
    q.verb("validate", "--snapshot", str(file))
    assert "shop.yaml:4" in q.verb(
        "explain", "--snapshot", str(file), "shop-web-1", "shop/db", "5432"
    )
    q.verb("explain", "--snapshot", str(file), "secretive", "shop/db", "5432", code=1)


def test_status(world: World, quaywall: Make) -> None:
    q = quaywall(world.bed)
    q.policy("shop", SHOP)
    assert q.call("status").returncode == 3
    q.start()
    text = q.verb("status")
    for word in ("shop", "front", "back"):
        assert word in text
    assert q.status()


def test_without_an_engine(world: World, quaywall: Make) -> None:
    q = quaywall(world.bed)
    q.policy("shop", SHOP)
    done = q.call("--docker", "unix:///nonexistent.sock", "snapshot")
    assert done.returncode == 3, done
    assert "nonexistent" in done.stderr
