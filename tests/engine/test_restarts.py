"""The engine goes and comes back, or was never there; others meddle with the kernel's tables."""

import re
import signal
import time
from typing import Callable

from bed import Ask, Container, Quaywall, eventually, stays
from bed.space import run
from checks import Bed, hold

Make = Callable[..., Quaywall]
MakeBed = Callable[..., Bed]

SHOP = """
policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
"""


def shop(bed: Bed) -> tuple[Container, Container, Container]:
    bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")
    bed.bridge_filter(0)
    keep = ["--restart", "always"]
    made = [bed.engine.run(f"shop-{s}-1", "front", service=f"shop/{s}", flags=keep) for s in NAMES]
    return made[0], made[1], made[2]


NAMES = ("db", "web", "worker")


def ask(source: Container, db: Container, family: int = 4) -> Ask:
    return Ask(source.at(), db.addr(family, "front"), "tcp", 5432)


def test_live_restore(make_bed: MakeBed, quaywall: Make) -> None:
    """The containers run on without an engine, and so do the rules. Who died meanwhile died without an
    event, and somebody else has the address."""
    bed = make_bed(live_restore=True)
    db, web, worker = shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    q.start()
    good, bad = [ask(web, db), ask(web, db, 6)], [ask(worker, db), ask(worker, db, 6)]
    hold(good, bad)
    lost = bed.engine.run("shop-web-2", "front", service="shop/web")
    eventually(ask(lost, db), "ok")
    old = lost.addr(4, "front")
    pid = int(lost.inspect()["State"]["Pid"])
    bed.engine.stop()
    hold(good, bad)
    assert bed.engine.space
    bed.engine.space.inside("sh", "-c", f"kill -9 {pid}")
    bed.engine.start()
    thief = bed.engine.run("thief", "front", service="shop/thief")
    assert thief.addr(4, "front") == old
    stays(ask(thief, db), "no")
    hold(good, bad)
    late = bed.engine.run("shop-web-3", "front", service="shop/web")
    eventually(ask(late, db), "ok", within=15)
    hold(good, bad)


def test_engine_restart(make_bed: MakeBed, quaywall: Make) -> None:
    """Without live-restore all containers start anew, before the engine answers, at any addresses."""
    bed = make_bed()
    db, web, worker = shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    q.start()
    hold([ask(web, db)], [ask(worker, db)])
    for how in (signal.SIGTERM, signal.SIGKILL):
        bed.engine.restart(how)
        wait_running(web, db, worker)
        eventually(ask(web, db), "ok", within=20)
        eventually(ask(web, db, 6), "ok", within=5)
        stays(ask(worker, db), "no")
        hold([], [ask(worker, db, 6)])
    q.wait_in_force()


def wait_running(*containers: Container) -> None:
    end = time.monotonic() + 30
    for one in containers:
        while not one.inspect()["State"]["Running"] or not one.inspect()["State"]["Pid"]:
            assert time.monotonic() < end, f"{one.name} does not start"
            time.sleep(0.1)


def test_engine_that_is_not_there_yet(make_bed: MakeBed, quaywall: Make) -> None:
    """At boot quaywall stands first. It waits, and is there when the engine comes."""
    bed = make_bed(start=False)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    q.start(wait=False)
    time.sleep(1.5)
    q.check_alive()
    assert q.call("status").returncode != 3, "the daemon has to answer while the engine is away"
    bed.engine.start()
    db, web, worker = shop(bed)
    eventually(ask(web, db), "ok", within=20)
    hold([ask(web, db, 6)], [ask(worker, db), ask(worker, db, 6)])
    q.wait_in_force()


def test_containers_of_before_the_daemon(make_bed: MakeBed, quaywall: Make) -> None:
    """Started while quaywall was away, on a table that it left: refused until known, then judged."""
    bed = make_bed()
    db, web, worker = shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    q.start()
    hold([ask(web, db)], [ask(worker, db)])
    q.stop()
    late = bed.engine.run("shop-web-2", "front", service="shop/web")
    hold([ask(web, db)], [ask(late, db), ask(worker, db)])
    q.start()
    hold([ask(web, db), ask(late, db)], [ask(worker, db)])


def test_broken_stream(make_bed: MakeBed, quaywall: Make) -> None:
    """The engine stops for a while in the middle of its work: nothing is lost but time."""
    bed = make_bed()
    db, web, worker = shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    q.start()
    hold([ask(web, db)], [ask(worker, db)])
    for _ in range(3):
        bed.engine.stop(signal.SIGKILL)
        bed.engine.start()
    wait_running(db, web, worker)
    eventually(ask(web, db), "ok", within=20)
    stays(ask(worker, db), "no")


def test_foreign_flush(make_bed: MakeBed, quaywall: Make) -> None:
    """`nft flush ruleset`, as `systemctl reload nftables` does: the table stays, or is back at once."""
    bed = make_bed()
    db, web, worker = shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    q.start()
    hold([ask(web, db)], [ask(worker, db)])
    bed.engine.host("nft", "flush", "ruleset")
    eventually(ask(worker, db), "no", within=3)
    stays(ask(worker, db), "no")
    hold([ask(web, db)])


def test_second_daemon_is_refused(make_bed: MakeBed, quaywall: Make) -> None:
    bed = make_bed()
    shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    q.start()
    done = q.call("run")
    assert done.returncode in (1, 2, 3), done
    q.verb("status")


def test_table_lists_and_loads(make_bed: MakeBed, quaywall: Make) -> None:
    """With the nft of the engine's own distribution, and as this machine's nft prints it."""
    bed = make_bed()
    db, web, worker = shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    q.start()
    hold([ask(web, db)], [ask(worker, db)])
    space = bed.engine.space
    assert space
    text = space.inside("nft", "list", "table", "inet", "quaywall")
    assert "shop.yaml" in text
    # an owner's table cannot be loaded by another: what is tested is that all else is understood
    plain = re.sub(r" # progname.*|\n\tflags owner.*", "", text)
    outside = bed.lan.outside
    enter = ["nsenter", "-t", str(space.pid), "-m", "-r", "-w", f"--net={outside.netns}", "--"]
    run([*enter, "nft", "-f", "-"], stdin=plain.encode())
    again = run([*enter, "nft", "list", "table", "inet", "quaywall"])
    assert uncounted(again) == uncounted(plain)


def uncounted(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    return [re.sub(r"counter packets \d+ bytes \d+", "counter", line) for line in lines]
