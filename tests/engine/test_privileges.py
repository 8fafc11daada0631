"""The daemon on a real engine with what is left to it: one capability, few system calls, no files. With a build
that has no sanitizers, since these keep the filter of system calls away."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from bed import Ask, Container, Quaywall, eventually, stays
from checks import Bed, hold

NET_ADMIN = 1 << 12
SHOP = """
policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
"""


def ask(source: Container, db: Container, family: int = 4) -> Ask:
    return Ask(source.at(), db.addr(family, "front"), "tcp", 5432)


def expect_confined(pid: int, threads: int) -> None:
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    assert len(tasks) >= threads
    for task in tasks:
        lines = (task / "status").read_text(encoding="utf-8").splitlines()
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        for name in ("CapEff", "CapPrm", "CapBnd"):
            assert int(status[name], 16) == NET_ADMIN, (task, name)
        assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), task


def listen_with_tls(bed: Bed) -> dict[str, Any]:
    """Has the engine listen on TCP, too, and tells the settings to reach it there: with one certificate, which is
    the engine's, the client's and the authority's."""
    cert, key = bed.engine.path / "cert.pem", bed.engine.path / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    argv += ["-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]
    subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    files = {"tlscacert": str(cert), "tlscert": str(cert), "tlskey": str(key)}
    hosts = [bed.engine.url, "tcp://127.0.0.1:2376"]
    bed.engine.options |= {"hosts": hosts, "tlsverify": True} | files
    own = {"ca": str(cert), "cert": str(cert), "key": str(key)}
    return {"docker": hosts[1], "tls": own}


@pytest.mark.parametrize("transport", ["unix", "tls"])
def test_it_works_confined(
    make_bed: Callable[..., Bed],
    quaywall: Callable[..., Quaywall],
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    plain = os.environ.get("QUAYWALL_PLAIN", os.environ["QUAYWALL_BUILD"])
    if b"__asan_init" in (Path(plain) / "quaywall").read_bytes():
        pytest.skip("takes a build without sanitizers: QUAYWALL_PLAIN")
    monkeypatch.setenv("QUAYWALL_BUILD", plain)
    bed = make_bed(start=False)
    settings = listen_with_tls(bed) if transport == "tls" else {}
    bed.engine.start()
    bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")
    bed.bridge_filter(0)
    keep = ["--restart", "always"]
    db, web, worker = (
        bed.engine.run(f"shop-{s}-1", "front", service=f"shop/{s}", flags=keep)
        for s in ("db", "web", "worker")
    )
    q = quaywall(bed, **settings)
    q.policy("shop", SHOP)
    q.start()
    status = q.status()
    assert status["sandbox"]["missing"] == []
    expect_confined(status["pid"], 2)

    # br_netfilter was off; now, and again when somebody switches it off
    hold([ask(web, db), ask(web, db, 6)], [ask(worker, db), ask(worker, db, 6)])
    bed.bridge_filter(0)
    q.status()
    hold([ask(web, db)], [ask(worker, db)])

    # the engine's events: a container that comes, one that goes
    late = bed.engine.run("shop-web-2", "front", service="shop/web")
    eventually(ask(late, db), "ok")
    late.remove()

    # files, the socket
    q.policy("shop", SHOP.replace("5432", "5433"))
    eventually(ask(web, db), "no")
    q.policy("shop", SHOP)
    eventually(ask(web, db), "ok")
    q.verb("flush")
    eventually(ask(worker, db), "ok")
    q.verb("reload")
    eventually(ask(worker, db), "no")
    q.verb("reload", "--confirm", "60s")
    q.verb("confirm", code=0)

    # a new connection to the engine's socket, which is root's and the group docker's
    bed.engine.restart(signal.SIGTERM)
    eventually(ask(web, db), "ok", within=30)
    stays(ask(worker, db), "no")
    q.wait_in_force()
    expect_confined(q.status()["pid"], 2)
    assert q.status()["pid"] == status["pid"]
