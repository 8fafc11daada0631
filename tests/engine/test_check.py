"""`quaywall check` of a daemon on real engines: what an engine publishes."""

import json
from pathlib import Path
from typing import Any, Callable

from bed import Container, Quaywall
from checks import Bed

Make = Callable[..., Quaywall]
SEVERITIES = ["info", "low", "medium", "high", "critical"]


def look(q: Quaywall) -> dict[tuple[str, str], Any]:
    return {(f["id"], f["subject"]): f for f in q.checked()["findings"]}


def test_check(clean: Bed, quaywall: Make) -> None:
    engine = clean.engine
    q = quaywall(clean)
    q.start()
    # A clean engine of its defaults, with a container that is simply run, has nothing that is worse than medium.
    engine.run("plain")
    before = look(q)
    assert ("root-writable", "plain") in before
    assert {f["id"] for f in before.values() if SEVERITIES.index(f["severity"]) > 2} == set()
    db = engine.run("db", flags=["-p", "5432:5432"])
    web = engine.run("web", flags=["-p", "8080:80"])
    found = look(q)
    assert found["published-sensitive", "db 5432/tcp"]["severity"] == "high"
    assert found["published-unnamed", "web 8080/tcp"]["severity"] == "medium"
    assert ("container-ungoverned", "db") in found
    # Before 28 the engine leaves to the chain's policy what is not published.
    assert engine.space
    forward = "" if engine.generation == "28.5" else engine.space.net("nft", "list", "chain", "ip", "filter", "FORWARD")
    assert (("network-unprotected", "network bridge") in found) == ("policy accept" in forward)
    # All that was found of one that goes, goes with it, whatever else the daemon cannot see.
    for gone in (db, web):
        gone.remove()
    after = look(q)
    lost = {f for f in found if f not in after}
    assert {f for f in found if f[1].split()[0] in ("db", "web")} <= lost
    told = [line for line in q.log_text().splitlines() if 'event="finding gone"' in line]
    for (check, subject), finding in found.items():
        if (check, subject) in lost and finding["severity"] != "info":
            name = f'"{subject}"' if " " in subject else subject
            assert any(f" id={check} subject={name} " in line for line in told), (check, subject)


def has_own_group(c: Container) -> bool:
    """Of version 2: beside version 1 that is as the runtime likes."""
    groups = Path(c.netns.removesuffix("ns/net")) / "cgroup"
    return any(line.startswith("0::") and c.id in line for line in groups.read_text().splitlines())


def is_certain() -> bool:
    """Whether every process is in a group of version 2, so that those of none are known, too."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def test_what_host_network_containers_listen_on(clean: Bed, quaywall: Make) -> None:
    """The daemon, which may not look into other processes, and the program, which may."""
    engine = clean.engine
    q = quaywall(clean)
    engine.run("front", serve=["tcp:9300"])
    server = engine.run("open", "host", serve=["tcp:9200", "udp:5353"])
    q.start()
    wanted = {"open 9200/tcp": "high", "open 5353/udp": "medium"}
    groups = has_own_group(server)
    found, gaps = listens(q.checked("--only", "exposure"))
    assert found == (wanted if groups else {})
    # The probe of the tests listens beside them.
    assert gaps == (0 if is_certain() else 1)
    recorded = q.folder / "recorded.json"
    recorded.write_text(q.verb("snapshot"), encoding="utf-8")
    argv = ["check", "--json", "--snapshot", str(recorded), "--only", "exposure", "--fail-on", "never"]
    assert listens(json.loads(q.verb(*argv))) == (wanted, 0)


def listens(answer: dict[str, Any]) -> tuple[dict[str, str], int]:
    """Severities by subject, and the number of gaps."""
    found = [f for f in answer["findings"] if f["id"] == "host-network-listens"]
    return {f["subject"]: f["severity"] for f in found}, len(answer["not_checked"])
