"""Other programs that change the kernel's rules, beside a real engine and its own reaction to them."""

from typing import Callable, Iterator

import pytest

from bed import Firewalld, Quaywall, eventually, stays
from bed.daemon import binary
from checks import Bed, hold
from test_restarts import SHOP, ask, shop

Make = Callable[..., Quaywall]
MakeBed = Callable[..., Bed]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[[Quaywall], None]:
    """On a kernel that seems to know nothing of tables that are owned."""

    def start_it(q: Quaywall) -> None:
        library = binary().parent / "tests" / "netns" / "libold_kernel.so"
        with monkeypatch.context() as inside:
            inside.setenv("LD_PRELOAD", str(library))
            inside.setenv("ASAN_OPTIONS", "verify_asan_link_order=0", prepend=":")
            q.start()
        assert not q.status()["kernel"]["owner"]

    return start_it


@pytest.fixture
def firewalld(make_bed: MakeBed, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Bed, Firewalld]]:
    """It stands before the engine, which looks for it when it starts."""
    if not Firewalld.installed():
        pytest.skip("firewalld is not installed (tests/run does it)")
    bed = make_bed(start=False)
    assert bed.engine.space
    made = Firewalld(bed.engine.space, bed.engine.path)
    try:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
        bed.engine.start()
        yield bed, made
    finally:
        made.close()


def test_firewalld_reloads(
    firewalld: tuple[Bed, Firewalld], quaywall: Make, start: Callable[[Quaywall], None]
) -> None:
    """The engine writes its own rules anew each time. None of it concerns ours."""
    bed, tool = firewalld
    db, web, worker = shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    start(q)
    good = [ask(web, db), ask(web, db, 6)]
    bad = [ask(worker, db), ask(worker, db, 6)]
    hold(good, bad)
    for options in ((), ("--complete-reload",), ()):
        tool.reload(*options)
        hold([], bad)
        eventually(good[0], "ok", within=20)
    stays(bad[0], "no")
    hold(good, bad)
    assert q.status()["kernel"]["drift"] == 0
    late = bed.engine.run("shop-web-2", "front", service="shop/web")
    eventually(ask(late, db), "ok", within=20)


def test_everything_is_flushed(
    make_bed: MakeBed, quaywall: Make, start: Callable[[Quaywall], None]
) -> None:
    """By nft, which takes the engine's rules, too, where it keeps them there."""
    bed = make_bed()
    db, web, worker = shop(bed)
    q = quaywall(bed)
    q.policy("shop", SHOP)
    start(q)
    hold([ask(web, db)], [ask(worker, db)])
    bed.engine.host("nft", "flush", "ruleset")
    eventually(ask(worker, db), "no", within=3)
    stays(ask(worker, db), "no")
    hold([ask(web, db)], [ask(worker, db)])
    found = q.status()["kernel"]
    assert found["drift"] == 1
    assert found["last_drift"]["process"] == "nft"
