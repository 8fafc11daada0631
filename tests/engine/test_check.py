"""`quaywall check` of a daemon on real engines: what an engine publishes."""

import json
from typing import Any, Callable

from bed import Quaywall
from checks import Bed

Make = Callable[..., Quaywall]
SEVERITIES = ["info", "low", "medium", "high", "critical"]


def look(q: Quaywall) -> dict[tuple[str, str], Any]:
    """Of what there is now: the verb waits for the daemon to have looked."""
    found = json.loads(q.verb("check", "--json", "--fail-on", "never"))
    assert found["pending"] is False
    return {(f["id"], f["subject"]): f for f in found["findings"]}


def test_check(clean: Bed, quaywall: Make) -> None:
    engine = clean.engine
    q = quaywall(clean)
    q.start()
    # A clean engine of its defaults has nothing that is worse than medium.
    before = look(q)
    assert {f["id"] for f in before.values() if SEVERITIES.index(f["severity"]) > 2} == set()
    engine.run("db", flags=["-p", "5432:5432"])
    engine.run("web", flags=["-p", "8080:80"])
    found = look(q)
    assert found["published-sensitive", "db 5432/tcp"]["severity"] == "high"
    assert found["published-unnamed", "web 8080/tcp"]["severity"] == "medium"
    assert ("container-ungoverned", "db") in found
