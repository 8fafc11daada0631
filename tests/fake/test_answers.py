"""Each answer of the engine goes wrong in each way, while the daemon follows and while it starts."""

import re
import time

import faults
import pytest
from bed import Bed, Case, container, eventually, side_by_side
from engine import Fault, container_event

# What is asked, and what of it `status` names.
STAGES = {
    "version": r"^/version$",
    "info": r"^/info$",
    "events": r"^/events",
    "containers": r"^/containers/json\?all=1$",
    "networks": r"^/networks$",
    "network": r"^/networks/.",
    "image": r"^/images/",
}
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
BROKEN = r"transfer closed|reset|Empty reply|partial|broke|ended|failure|Failure"
NO_JSON = "not valid JSON"

# name: what happens, and what `status` says
FAULTS: dict[str, tuple[Fault, str]] = {
    "500": (faults.status("500 Internal Server Error"), "HTTP status 500: the engine is not well"),
    "html": (faults.says(HTML), NO_JSON),
    "empty": (faults.says(b""), NO_JSON),
    "wrong type": (faults.says(b"[7]"), "is a|is missing|an object"),
    "an error's body": (faults.says(b'{"message": "No such thing"}'), "is missing|is an object"),
    "half": (faults.truncated, NO_JSON),
    "reset within": (faults.reset_within, BROKEN),
    "longer than said": (faults.longer_than_said, BROKEN),
    "cut in a chunk": (faults.cut_in_chunk, BROKEN),
}
# What does not depend on the document.
MORE_FAULTS: dict[str, tuple[Fault, str]] = {
    "400": (faults.status("400 Bad Request", HTML), "HTTP status 400"),
    "403": (faults.status("403 Forbidden", b""), "HTTP status 403"),
    "204": (faults.status("204 No Content", b""), "HTTP status 204"),
    "301": (faults.status("301 Moved Permanently\r\nLocation: /version", b""), "HTTP status 301"),
    "null": (faults.says(b"null"), "null|not valid JSON"),
    "wrong types": (faults.says(b'{"Id": [], "Name": {}}'), "is "),
    "nothing there": (faults.says(b"[]"), "no network|is a list|GET /events"),
    "deep": (faults.says(b"[" * 100000), NO_JSON),
    "invalid utf-8": (faults.says(b'[{"Id": "\xff\xfe"}]'), NO_JSON),
    "NUL": (faults.says(b"[\0]"), NO_JSON),
    "compressed": (faults.compressed, NO_JSON),
    "reset": (faults.reset, BROKEN),
    "broken chunk": (faults.broken_chunk, "chunk|hexadecimal|broke|Failure|failure"),
    "no HTTP": (faults.no_http, "HTTP/0.9|Weird|broke|Failure|failure"),
}
# Where the answer is read as another one is, a few faults will do.
FEW = {
    "version": ("500", "html", "wrong type"),
    "info": ("500", "empty", "half"),
    "containers": ("500", "html", "wrong type", "half", "cut in a chunk"),
    "image": ("500", "empty", "wrong type", "an error's body", "half", "reset within"),
}
STREAM_ENDS = "the event stream broke|the engine ended the event stream|GET /events"


def survive(bed: Bed, stage: str, fault: Fault, says: str) -> None:
    """FAULT comes while the daemon follows. It keeps the rules, says why, does not hurry, and recovers."""
    bed.start()
    before, computed, asked = bed.table(), bed.cpu(), bed.engine.asked()
    bed.engine.misbehave(STAGES[stage], fault)
    bed.engine.remove(bed.db)
    moved = bed.add(container("shop", "db", 2, image_id="sha256:02"), "172.18.0.9")
    bed.engine.images["sha256:02"] = {}
    bed.engine.end_streams()
    assert eventually(lambda: re.search(says, bed.error()) is not None), bed.engine_status()
    time.sleep(0.5)
    if stage == "image":  # whose containers cannot be told: the rest is followed
        assert "172.18.0.2 " not in bed.table() and "172.18.0.9" not in bed.table()
    else:
        assert bed.table() == before
    assert bed.cpu() - computed < 1.5, f"computed for {bed.cpu() - computed} s"
    assert bed.engine.asked() - asked < 120, f"asked {bed.engine.asked() - asked} times"
    bed.engine.behave()
    bed.assert_right()
    assert "172.18.0.9" in bed.table() and "172.18.0.2 " not in bed.table()
    bed.stop()


@pytest.mark.parametrize("stage", STAGES)
def test_an_answer_goes_wrong(stage: str) -> None:
    def case(fault: Fault, says: str) -> Case:
        return lambda bed: survive(bed, stage, fault, STREAM_ENDS if stage == "events" else says)

    kinds = {name: fault for name, fault in FAULTS.items() if stage not in FEW or name in FEW[stage]}
    if stage == "networks":
        kinds |= MORE_FAULTS
    side_by_side((name, case(*fault)) for name, fault in kinds.items())
