"""The stream of events: cut, doubled, in another order, missing, and full of things that no engine says."""

import json
import random
import threading
import time

import faults
from bed import Bed, container, eventually
from engine import Connection, Json, Request, container_event, network_event

DEEP = b"[" * 3000 + b"]" * 3000
ODD_LINES = (
    b"{}",
    b"[]",
    b"null",
    b"7",
    b'"text"',
    b"<html>",
    b"\0\0\0",
    b'{"Type": "\xff"}',
    b'{"Type": null, "Action": "start"}',
    b'{"Type": "container", "Action": 7, "Actor": {"ID": "x"}}',
    b'{"Type": "container", "Action": "start"}',
    b'{"Type": "container", "Action": "start", "Actor": {"ID": null}}',
    b'{"Type": "container", "Action": "start", "Actor": {"ID": ""}}',
    b'{"Type": "container", "Action": "start", "Actor": {"ID": "../../info"}}',
    b'{"Type": "network", "Action": "connect", "Actor": {"ID": "n", "Attributes": 7}}',
    b'{"Type": "network", "Action": "connect", "Actor": {"ID": "n", "Attributes": {"container": []}}}',
    b'{"Type": "network", "Action": "connect", "Actor": {"ID": "a\\u0000b", "Attributes": {}}}',
    b'{"Type": "network", "Action": "connect", "Actor": ' + DEEP + b"}",
    b'{"Type": "plugin", "Action": "enable"}',
    b'{"Type": "container", "Action": "health_status: healthy", "Actor": {"ID": "%s"}}' % (b"y" * 100000),
)


def replace_db(bed: Bed, addr: str = "172.18.0.9", number: int = 2) -> list[Json]:
    """db goes, another one comes. Returns what the engine would say of it."""
    old = bed.db
    bed.engine.remove(old)
    bed.db = bed.add(container("shop", "db", number), addr)
    return [
        container_event("die", old),
        network_event("disconnect", bed.front, old.id),
        container_event("destroy", old),
        network_event("connect", bed.front, bed.db.id),
        container_event("start", bed.db),
    ]


def has(bed: Bed, addr: str, gone: str = "172.18.0.2") -> bool:
    table = bed.table()
    return f" {addr} " in table and f" {gone} " not in table


def test_any_order_and_number(bed: Bed) -> None:
    bed.start()
    rng = random.Random(8)
    for i in range(20):
        addr, gone = f"172.18.1.{i + 1}", f"172.18.1.{i}" if i else "172.18.0.2"
        events = replace_db(bed, addr, i + 2) * rng.randint(1, 3)
        rng.shuffle(events)
        bed.engine.emit(*events[: rng.randint(len(events) // 2, len(events))])
        # Any one of them tells enough of its own part; a half that tells nothing of the other is for the listing.
        bed.engine.emit(network_event("update", bed.front))
        assert eventually(lambda: has(bed, addr, gone))
    bed.assert_right()
    bed.stop()


def test_missing_events(bed: Bed) -> None:
    """The next listing finds what nothing announced: that of each minute, or of `reload`."""
    bed.start()
    replace_db(bed)
    bed.daemon.verb("reload")
    assert eventually(lambda: has(bed, "172.18.0.9"))
    assert bed.engine_status()["repaired"] == 1
    bed.assert_right()
    bed.stop()


def test_cut_in_the_middle(bed: Bed) -> None:
    """Of an event, and of a chunk: within its length, its content, and behind it."""
    bed.start()
    event = json.dumps(network_event("connect", bed.front, "0" * 64)).encode() + b"\n"
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    for i, cut in enumerate((1, 3, 30, len(chunk) - 4, len(chunk) - 1)):
        replace_db(bed, f"172.18.0.{10 + i}", i + 2)
        bed.engine.end_streams(chunk[:cut])
        gone = f"172.18.0.{9 + i}" if i else "172.18.0.2"
        assert eventually(lambda: has(bed, f"172.18.0.{10 + i}", gone)), cut
    bed.assert_right()
    assert bed.engine_status()["lost"] == 5
    bed.stop()


def test_in_pieces(bed: Bed) -> None:
    """A byte in each chunk."""
    bed.start()
    for byte in b"".join(json.dumps(e).encode() + b"\n" for e in replace_db(bed)):
        bed.engine.emit_raw(bytes([byte]))
    assert eventually(lambda: has(bed, "172.18.0.9"))
    bed.stop()


def test_odd_lines(bed: Bed) -> None:
    """They are no reason to give up the stream, and the daemon does not list at each of them."""
    bed.attach()
    bed.start()
    before = bed.engine.asked()
    for line in ODD_LINES:
        bed.engine.emit_raw(line + b"\n")
    assert eventually(lambda: "GET /events" in bed.error()), bed.engine_status()
    for _ in range(500):
        for line in ODD_LINES:
            bed.engine.emit_raw(line + b"\n")
    bed.engine.emit(*replace_db(bed))
    assert eventually(lambda: has(bed, "172.18.0.9"))
    assert not bed.reaches(5433)
    bed.assert_right()
    assert bed.engine.asked("/events") == 1
    assert bed.engine.asked() - before < 1500, "as often as lines"
    bed.stop()


def test_of_what_does_not_exist(bed: Bed) -> None:
    bed.start()
    nobody = container("no", "body")
    before = bed.table()
    for _ in range(50):
        bed.engine.emit(
            container_event("start", nobody),
            network_event("connect", bed.front, nobody.id),
            network_event("connect", type(bed.front)("f" * 64, "gone", []), nobody.id),
        )
    time.sleep(1)
    assert bed.table() == before
    bed.assert_right()
    bed.stop()


def test_a_million_events(bed: Bed) -> None:
    """Of as many containers as there are events: none is asked for by itself."""
    bed.start()
    computed, asked, memory = bed.cpu(), bed.engine.asked(), bed.memory()
    event = json.dumps(container_event("start", container("crowd", "one")))
    template = event.replace(container("crowd", "one").id, "%064x").encode() + b"\n"
    count = 1000000 if not bed.sanitized else 200000
    for i in range(0, count, 1000):
        bed.engine.emit_raw(b"".join(template % (j, j) for j in range(i, i + 1000)))
    bed.engine.emit(*replace_db(bed))
    assert eventually(lambda: has(bed, "172.18.0.9"))
    assert bed.engine_status()["events"] >= count
    assert bed.cpu() - computed < 120
    assert bed.engine.asked() - asked < 20000
    assert bed.memory("VmHWM") - memory < 200
    bed.assert_right()
    bed.stop()


def test_a_line_of_ten_megabytes(bed: Bed) -> None:
    """More than is kept: what it said is found by a listing."""
    bed.start()
    memory = bed.memory()
    events = replace_db(bed)
    for event in events:
        event["Actor"]["Attributes"]["padding"] = "x" * (10 << 20)
    bed.engine.emit(events[0])
    assert eventually(lambda: has(bed, "172.18.0.9"))
    bed.assert_right()
    assert bed.memory("VmHWM") - memory < 100
    bed.stop()


def test_a_line_that_never_ends(bed: Bed) -> None:
    bed.start()
    memory = bed.memory()
    for _ in range(300):
        bed.engine.emit_raw(b"x" * (1 << 20))
    replace_db(bed)
    bed.engine.emit_raw(b"\n")
    bed.engine.emit(network_event("update", bed.front))
    assert eventually(lambda: has(bed, "172.18.0.9"))
    assert bed.memory("VmHWM") - memory < 100
    bed.stop()


def test_a_broken_object_does_not_hold_up_events(bed: Bed) -> None:
    """One network is not told of any more, in whichever way: the events of another one are followed."""
    other = bed.engine.add_network(
        type(bed.front)("a" * 64, "other", ["172.19.0.0/16"], "br-other")
    )
    bed.space.bridge("br-other", "172.19.0.1/16")
    bed.start()
    for i, fault in enumerate((faults.status("500 Oops"), faults.silent, faults.trickling(1))):
        ended = threading.Event()

        def held(c: Connection, r: Request, good: bytes, fault=fault, ended=ended) -> None:  # type: ignore
            try:
                fault(c, r, good)
            finally:
                ended.set()

        bed.engine.misbehave("^/networks/" + other.id, held, 1)
        bed.engine.emit(network_event("update", other))
        bed.engine.emit(*replace_db(bed, f"172.18.0.{10 + i}", i + 2))
        gone = f"172.18.0.{9 + i}" if i else "172.18.0.2"
        assert eventually(lambda: has(bed, f"172.18.0.{10 + i}", gone))
        assert i == 0 or not ended.is_set(), "the broken request was waited for"
        assert "br-other" in bed.table()
        bed.engine.behave()
    bed.engine.drop()
    bed.assert_right()
    bed.stop()
