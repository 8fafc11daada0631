"""An engine that takes its time, goes away, or is too much."""

import re
import time

import faults
import pytest
from bed import Bed, container, eventually, side_by_side
from engine import Fault

SLOW: dict[str, tuple[str, Fault]] = {
    "accepts only": ("^/version", faults.silent),
    "no answer": ("^/networks/.", faults.silent),
    "no stream": ("^/events", faults.silent),
    "a byte a second": ("^/networks$", faults.trickling(1)),
    "a stream of a byte a second": ("^/events", faults.trickling(1)),
    "headers without end": ("^/info", faults.many_headers),
    "interim answers without end": ("^/info", faults.many_interim_answers),
    "a document without end": ("^/networks$", faults.huge(300)),
    "a version without end": ("^/version$", faults.huge(300, b'{"Version": "')),
    "labels of 200 MiB": ("^/containers/json", faults.huge(200)),
    "a message of 200 MiB": ("^/info", faults.huge(200, b'{"message": "')),
}
SAYS = {
    "headers without end": "header is larger than 1 MiB|[Hh]eader",
    "interim answers without end": "header is larger than 1 MiB|[Hh]eader",
    "a document without end": "the answer is larger than 64 MiB",
    "a version without end": "the answer is larger than 64 MiB",
    "labels of 200 MiB": "the answer is larger than 64 MiB",
    "a message of 200 MiB": "the answer is larger than 64 MiB",
}


def wait_it_out(bed: Bed, name: str) -> None:
    """It costs neither rules nor time nor memory, and the daemon still answers, and ends when it is told to."""
    pattern, fault = SLOW[name]
    bed.start()
    before, computed, asked = bed.table(), bed.cpu(), bed.engine.asked()
    memory = bed.memory()
    bed.engine.misbehave(pattern, fault)
    bed.engine.end_streams()
    if name in SAYS:
        said = lambda: re.search(SAYS[name], bed.error()) is not None
        assert eventually(said), bed.engine_status()
    time.sleep(3)
    assert bed.table() == before
    assert bed.cpu() - computed < (8 if bed.sanitized else 4)
    assert bed.engine.asked() - asked < 100
    assert bed.memory("VmHWM") - memory < (700 if bed.sanitized else 300)
    bed.stop()


def test_it_takes_its_time_or_is_too_much() -> None:
    side_by_side((name, lambda bed, name=name: wait_it_out(bed, name)) for name in SLOW)


@pytest.mark.parametrize("how", ["away", "refusing", "resetting", "silent"])
def test_it_comes_back_with_others(bed: Bed, how: str) -> None:
    """Another engine, with another version, other containers, and one of the old addresses."""
    bed.attach()
    bed.start()
    before, computed = bed.table(), bed.cpu()
    if how == "away":
        bed.engine.close()
    elif how == "refusing":
        bed.engine.close()
        bed.engine.path.write_text("no socket")
    else:
        bed.engine.misbehave("", faults.reset if how == "resetting" else faults.silent)
        bed.engine.drop()
    assert how == "silent" or eventually(lambda: bed.engine_status()["state"] == "lost")
    time.sleep(3)
    assert bed.table() == before
    bed.assert_enforced()
    assert bed.cpu() - computed < 2
    bed.engine.behave()
    bed.engine.id = "ENGINE:2"
    bed.engine.version |= {"Version": "28.5.2", "ApiVersion": "1.51", "MinAPIVersion": "1.24"}
    bed.engine.remove(bed.db)
    bed.add(container("thief", "db"), "172.18.0.2")
    if how in ("away", "refusing"):
        bed.engine.open()
    else:
        bed.engine.drop()
    bed.assert_right()
    assert not bed.reaches(5432)
    status = bed.engine_status()
    assert (status["version"], status["api_version"]) == ("28.5.2", "1.47")
    bed.stop()


VERSIONS = {
    "is too old": {"ApiVersion": "1.40"},
    "is too new": {"ApiVersion": "1.60", "MinAPIVersion": "1.48"},
    "this is Podman": {"Components": [{"Name": "Podman Engine"}]},
    "is no version": {"ApiVersion": "x" * 1000000},
}


def test_another_engine_that_cannot_be_governed(bed: Bed) -> None:
    bed.start()
    before, good = bed.table(), bed.engine.version
    for says, version in VERSIONS.items():
        bed.engine.version = good | version
        bed.engine.end_streams()
        assert eventually(lambda: says in bed.error()), (says, bed.error())
        assert len(bed.error()) < 1000
        assert bed.table() == before
    bed.engine.version = good
    bed.assert_right()
    bed.stop()


ODD_BUT_RIGHT = {
    "trailers": faults.with_trailers,
    "closes each time": faults.then_closes,
    "no length": faults.until_closed,
    "interim answers": faults.after_interim,
}


@pytest.mark.parametrize("how", ODD_BUT_RIGHT)
def test_odd_but_right(bed: Bed, how: str) -> None:
    bed.engine.misbehave("^/(?!events)", ODD_BUT_RIGHT[how])
    bed.start()
    bed.assert_right()
    bed.stop()


def test_an_engine_that_never_was_well(bed: Bed) -> None:
    """Without an answer there is nothing to enforce, but nothing is open either."""
    bed.space.bridge("docker0", "172.17.0.1/16")
    bed.engine.misbehave("^/networks", faults.status("500 Oops"))
    bed.start(wait_for="skeleton")
    assert '"docker0"' in bed.table()
    assert "HTTP status 500" in bed.error()
    bed.engine.behave()
    assert eventually(lambda: bed.daemon.state() == "enforcing")
    bed.assert_right()
    bed.stop()
    bed.engine.misbehave("^/networks", faults.status("500 Oops"))
    before = bed.table()
    bed.start(wait_for="kept")
    assert bed.table().replace('"docker0"', "") == before.replace('"docker0"', "")
    bed.engine.behave()
    bed.assert_right()
    bed.stop()
