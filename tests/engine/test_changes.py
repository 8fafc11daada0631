"""Containers, addresses and networks come and go under a running daemon."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

import pytest

from bed import Ask, Container, Quaywall, eventually, stays
from checks import Bed, arrive, hold

Make = Callable[..., Quaywall]
families = pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])

SHOP = """
policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
"""
COMPILED = "all of it is compiled"


def front(bed: Bed) -> None:
    bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")
    bed.bridge_filter(0)


def to_db(source: Container, db: Container, family: int = 4, port: int = 5432) -> Ask:
    return Ask(source.at(), db.addr(family, "front"), "tcp", port)


def box(bed: Bed, name: str, service: str, *flags: str) -> Container:
    return bed.engine.run(name, "front", service=service, flags=flags)


@pytest.fixture
def running(clean: Bed, quaywall: Make) -> tuple[Bed, Quaywall]:
    """A daemon with the shop's policy beside an engine that has one network and no container."""
    front(clean)
    q = quaywall(clean)
    q.policy("shop", SHOP)
    return clean, q.start()


@families
def test_containers_are_judged_as_they_start(running: tuple[Bed, Quaywall], family: int) -> None:
    bed, _ = running
    db = box(bed, "shop-db-1", "shop/db")
    web = box(bed, "shop-web-1", "shop/web")
    worker = box(bed, "shop-worker-1", "shop/worker")
    eventually(to_db(web, db, family), "ok")
    hold([], [to_db(worker, db, family), to_db(web, db, family, 80)])
    late = box(bed, "shop-web-2", "shop/web")
    eventually(to_db(late, db, family), "ok")


@families
def test_address_with_a_new_owner(running: tuple[Bed, Quaywall], family: int) -> None:
    """The engine gives the lowest free address at once to the next container: it inherits nothing."""
    bed, _ = running
    db = box(bed, "shop-db-1", "shop/db")
    web = box(bed, "shop-web-1", "shop/web")
    eventually(to_db(web, db, family), "ok")
    old = web.addr(family, "front")
    web.stop()
    worker = box(bed, "shop-worker-1", "shop/worker")
    assert worker.addr(family, "front") == old
    stays(to_db(worker, db, family), "no")
    web.start()
    assert web.addr(family, "front") != old
    eventually(to_db(web, db, family), "ok")
    hold([], [to_db(worker, db, family)])


def test_replaced_container(running: tuple[Bed, Quaywall]) -> None:
    """As `compose up` does it: a new container of the same service and name, at another address."""
    bed, _ = running
    db = box(bed, "shop-db-1", "shop/db")
    web = box(bed, "shop-web-1", "shop/web")
    eventually(to_db(web, db), "ok")
    old = db.addr(4, "front")
    db.remove()
    squatter = box(bed, "shop-squatter-1", "shop/squatter")
    assert squatter.addr(4, "front") == old
    db = box(bed, "shop-db-1", "shop/db")
    eventually(to_db(web, db), "ok")
    hold([], [Ask(web.at(), old, "tcp", 5432), to_db(squatter, db)])


def test_each_is_a_step(clean: Bed, quaywall: Make) -> None:
    """What comes and goes while an engine makes and removes containers has nothing compiled but themselves. The first of a project
    and of its network is another thing."""
    front(clean)
    q = quaywall(clean)
    q.policy("shop", SHOP)
    q.start("--debug")
    db = box(clean, "shop-db-1", "shop/db")
    eventually(to_db(box(clean, "shop-web-1", "shop/web"), db), "ok")
    before = q.log_text()
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda i: box(clean, f"shop-web-{i}", "shop/web"), range(2, 6)))
        for one in made:
            eventually(to_db(one, db), "ok")
        addresses = [one.addr(4, "front") for one in made]
        box(clean, "shop-worker-1", "shop/worker").remove()
        list(pool.map(Container.remove, made))
    end = time.monotonic() + 10
    while any(f" {a} " in q.table() for a in addresses):
        assert time.monotonic() < end
        time.sleep(0.1)
    steps, compiled = (q.log_text().count(what) - before.count(what) for what in ("rules applied", COMPILED))
    assert steps >= 2 and compiled == 0


def test_restarted_container(running: tuple[Bed, Quaywall]) -> None:
    bed, _ = running
    db = box(bed, "shop-db-1", "shop/db")
    web = box(bed, "shop-web-1", "shop/web")
    worker = box(bed, "shop-worker-1", "shop/worker")
    for one in (web, db, web):
        one.restart()
        eventually(to_db(web, db), "ok")
        hold([], [to_db(worker, db)])


@families
def test_address_of_choice(running: tuple[Bed, Quaywall], family: int) -> None:
    bed, _ = running
    db = box(bed, "shop-db-1", "shop/db", "--ip", "172.30.1.99", "--ip6", "fd00:1::99")
    web = box(bed, "shop-web-1", "shop/web", "--ip", "172.30.1.98", "--ip6", "fd00:1::98")
    assert db.addr(family, "front").endswith("99")
    eventually(to_db(web, db, family), "ok")
    hold([], [to_db(web, db, family, 80)])
    web.remove()
    worker = box(bed, "shop-worker-1", "shop/worker", "--ip", "172.30.1.98", "--ip6", "fd00:1::98")
    stays(to_db(worker, db, family), "no")


def test_rename(clean: Bed, quaywall: Make) -> None:
    front(clean)
    db = box(clean, "base", "shop/db")
    app = box(clean, "plain", "shop/app")
    q = quaywall(clean)
    q.policy(
        "names",
        """
policy: names
for: {name: base}
isolate: [ingress]
allow:
  - {from: {name: "chosen-*"}, to: {name: base}, ports: [5432]}
""",
    )
    arrive(to_db(app, db))
    q.start()
    ask = to_db(app, db)
    hold([], [ask])
    clean.engine.docker("rename", "plain", "chosen-one")
    eventually(ask, "ok")
    clean.engine.docker("rename", "chosen-one", "plain")
    eventually(ask, "no")


@families
def test_network_connect_and_disconnect(running: tuple[Bed, Quaywall], family: int) -> None:
    """A running container on a further network: the same identity, from when it is connected."""
    bed, _ = running
    engine = bed.engine
    engine.network("back", "172.30.2.0/24", "fd00:2::/64")
    db = box(bed, "shop-db-1", "shop/db")
    web = engine.run("shop-web-1", "back", service="shop/web")
    worker = engine.run("shop-worker-1", "back", service="shop/worker")
    for one in (web, worker):
        engine.docker("network", "connect", "front", one.name)
    eventually(to_db(web, db, family), "ok")
    hold([], [to_db(worker, db, family)])
    engine.docker("network", "disconnect", "front", "shop-web-1")
    engine.docker("network", "connect", "--ip", "172.30.1.77", "front", "shop-web-1")
    eventually(to_db(web, db, family), "ok")
    engine.docker("network", "disconnect", "front", "shop-worker-1")
    engine.docker("network", "connect", "--ip", "172.30.1.78", "front", "shop-worker-1")
    stays(to_db(worker, db, family), "no")
    # and the network that the container left has nothing of it any more
    engine.docker("network", "connect", "back", "shop-db-1")
    eventually(Ask(web.at(), db.addr(family, "back"), "tcp", 5432), "ok")


def test_published_port_comes_and_goes(clean: Bed, quaywall: Make) -> None:
    front(clean)
    q = quaywall(clean)
    q.policy(
        "edge",
        """
policy: edge
for: {service: web}
isolate: []
publish:
  - {to: {service: web}, port: 8080, from: 192.0.2.2}
""",
    )
    q.start()
    lan = clean.lan
    for _ in range(2):
        web = clean.engine.run("shop-web-1", "front", publish=["8080:80"], service="shop/web")
        eventually(Ask(lan, lan.host4, "tcp", 8080, source=lan.addr4), "ok")
        hold([], [Ask(lan, lan.host4, "tcp", 8080, source=lan.other4)])
        web.remove()


@families
def test_network_made_again(running: tuple[Bed, Quaywall], family: int) -> None:
    """The same name and subnet, another network: another bridge device."""
    bed, _ = running
    for _ in range(2):
        db = box(bed, "shop-db-1", "shop/db")
        web = box(bed, "shop-web-1", "shop/web")
        worker = box(bed, "shop-worker-1", "shop/worker")
        eventually(to_db(web, db, family), "ok")
        hold([], [to_db(worker, db, family)])
        for one in (db, web, worker):
            one.remove()
        bed.engine.docker("network", "rm", "front")
        bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")


def test_custom_bridge_name(running: tuple[Bed, Quaywall]) -> None:
    bed, _ = running
    bed.engine.network("odd", "172.30.9.0/24", options={"com.docker.network.bridge.name": "odd.br-0_x"})
    db = bed.engine.run("shop-db-1", "odd", service="shop/db")
    web = bed.engine.run("shop-web-1", "odd", service="shop/web")
    worker = bed.engine.run("shop-worker-1", "odd", service="shop/worker")
    addr = db.addr(4, "odd")
    eventually(Ask(web.at(), addr, "tcp", 5432), "ok")
    hold([], [Ask(worker.at(), addr, "tcp", 5432), Ask(web.at(), addr, "tcp", 80)])


def test_default_bridge(running: tuple[Bed, Quaywall]) -> None:
    """IPv4 alone, as installed; test_options.py has an engine with IPv6 on it."""
    bed, _ = running
    db = bed.engine.run("shop-db-1", service="shop/db")
    web = bed.engine.run("shop-web-1", service="shop/web")
    worker = bed.engine.run("shop-worker-1", service="shop/worker")
    eventually(Ask(web.at(), db.addr(4, "bridge"), "tcp", 5432), "ok")
    hold([], [Ask(worker.at(), db.addr(4, "bridge"), "tcp", 5432)])


def test_shared_namespace(running: tuple[Bed, Quaywall]) -> None:
    """`network_mode: container:X` is X, whatever labels the sharer has; `status` names it."""
    bed, q = running
    db = box(bed, "shop-db-1", "shop/db")
    web = box(bed, "shop-web-1", "shop/web")
    worker = box(bed, "shop-worker-1", "shop/worker")
    spy = bed.engine.run("spy", "container:shop-worker-1", ["tcp:81"], service="shop/web")
    side = bed.engine.run("sidecar", "container:shop-web-1", ["tcp:81"], service="shop/worker")
    eventually(to_db(web, db), "ok")
    ask_side = Ask(side.at(), db.addr(4, "front"), "tcp", 5432)
    ask_spy = Ask(spy.at(), db.addr(4, "front"), "tcp", 5432)
    hold([ask_side], [ask_spy, to_db(worker, db)])
    assert "spy" in q.verb("status") and "sidecar" in q.verb("status")


def test_host_network_is_reported(running: tuple[Bed, Quaywall]) -> None:
    bed, q = running
    bed.engine.run("on-the-host", "host", ["tcp:9555"], service="shop/web")
    box(bed, "shop-db-1", "shop/db")
    assert "on-the-host" in q.verb("status")


def test_labels_of_the_image_are_no_identity(running: tuple[Bed, Quaywall]) -> None:
    """Whoever builds an image could call it another project's web server."""
    bed, q = running
    db = box(bed, "shop-db-1", "shop/db")
    claims = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    bed.engine.load_image("claims", claims)
    fake = bed.engine.run("fake", "front", image="claims")
    web = box(bed, "shop-web-1", "shop/web")
    eventually(to_db(web, db), "ok")
    stays(to_db(fake, db), "no")
    assert "fake" in q.verb("status")


def test_no_window_at_start(running: tuple[Bed, Quaywall]) -> None:
    """The first packet of a process that starts at the address of one that was allowed."""
    bed, _ = running
    db = box(bed, "shop-db-1", "shop/db")
    addr = db.addr(4, "front")
    for _ in range(4):
        web = box(bed, "shop-web-1", "shop/web", "--ip", "172.30.1.66")
        eventually(to_db(web, db), "ok")
        web.remove()
        argv = ["run", "--name", "thief", "--network", "front", "--ip", "172.30.1.66"]
        argv += ["-l", "com.docker.compose.project=shop", "-l", "com.docker.compose.service=thief"]
        argv += ["--security-opt", "apparmor=unconfined", "-d", "--log-driver", "json-file"]
        argv += ["quaywall-probe", "/probe", "reach", "-t", "400", "tcp", addr, "5432"]
        bed.engine.docker(*argv)
        code = bed.engine.docker("wait", "thief")
        said = bed.engine.docker("logs", "thief")
        bed.engine.docker("rm", "-f", "thief")
        assert code in ("1", "2"), f"exit {code}: {said}"


@families
def test_unknown_address(clean: Bed, quaywall: Make, family: int) -> None:
    """Rule 8: what no endpoint holds is refused both ways, but for the host's own packets."""
    front(clean)
    db = box(clean, "shop-db-1", "shop/db")
    web = box(clean, "shop-web-1", "shop/web")
    extra = "172.30.1.200" if family == 4 else "fd00:1::200"
    nodad = [] if family == 4 else ["nodad"]
    web.ip("addr", "add", f"{extra}/{24 if family == 4 else 64}", "dev", "eth0", *nodad)
    target = db.addr(family, "front")
    known = Ask(web.at(), target, "tcp", 5432, source=web.addr(family, "front"))
    from_extra = Ask(web.at(), target, "tcp", 5432, source=extra)
    to_extra = Ask(db.at(), extra, "tcp", 80)
    from_host = Ask(clean.engine, extra, "tcp", 80)
    out = Ask(web.at(), clean.lan.addr4 if family == 4 else clean.lan.addr6, "tcp", 80, source=extra)
    arrive(known, from_extra, to_extra, from_host, out)
    q = quaywall(clean)
    q.policy(
        "shop",
        """
policy: shop
for: {project: shop}
allow:
  - {from: any, to: any}
""",
    )
    q.start()
    # What the host sends passes, but the container may not answer from there.
    hold([known], [from_extra, to_extra, out, from_host])
    q.configure({"antispoof": False})
    q.stop()
    q.start()
    hold([known, from_host], [from_extra, to_extra])
    q.configure({"defaults": {"unknown": "allow"}})
    q.stop()
    q.start()
    hold([known, from_host, from_extra, to_extra, out])


def test_given_addresses(clean: Bed, quaywall: Make) -> None:
    """`addresses:` makes an address that the engine does not know an end of the container."""
    front(clean)
    db = box(clean, "shop-db-1", "shop/db")
    web = box(clean, "shop-web-1", "shop/web")
    web.ip("addr", "add", "172.30.1.200/24", "dev", "eth0")
    target = db.addr(4, "front")
    allowed = Ask(web.at(), target, "tcp", 5432, source="172.30.1.200")
    refused = Ask(web.at(), target, "tcp", 80, source="172.30.1.200")
    arrive(allowed, refused)
    q = quaywall(clean)
    q.policy("shop", SHOP)
    q.policy(
        "vip",
        "policy: vip\nfor: {project: shop, service: web}\nisolate: []\naddresses: [172.30.1.200/32]\n",
    )
    q.start()
    hold([allowed], [refused])
