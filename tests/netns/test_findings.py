"""The daemon's own checks: after a change, as a line of the log, an event and counts; confined, as it is."""

import json
import subprocess
from typing import Any

from place import POLICY, Daemon, eventually

LONE = "policy: lone\nfor: {name: lone}\n"


def findings(daemon: Daemon) -> set[tuple[str, str]]:
    """Waits for what changed to be looked at, as the verb does."""
    answers: list[Any] = []

    def settled() -> bool:
        answers.append(json.loads(daemon.call("check", "--json").stdout))
        return answers[-1]["pending"] is False

    assert eventually(settled, 60)
    return {(f["id"], f["subject"]) for f in answers[-1]["findings"]}


def logged(daemon: Daemon, event: str) -> bool:
    wanted = (f"event={event} ", "id=container-ungoverned subject=lone ")
    return any(all(w in line for w in wanted) for line in daemon.log.read_text("utf-8").splitlines())


def test_a_finding_comes_and_goes(daemon: Daemon) -> None:
    daemon.start()
    assert ("container-ungoverned", "lone") in findings(daemon)
    assert logged(daemon, "finding")
    status = daemon.status()["findings"]
    assert status["checked"] and status["error"] is None and not status["pending"]
    before = status["counts"]["medium"]
    daemon.policy(LONE, "lone")
    assert eventually(lambda: daemon.status()["findings"]["counts"]["medium"] == before - 1)
    assert ("container-ungoverned", "lone") not in findings(daemon)
    assert logged(daemon, '"finding gone"')
    (daemon.policies / "lone.yaml").unlink()
    daemon.verb("reload")
    assert ("container-ungoverned", "lone") in findings(daemon)


def test_who_watches_hears_of_it(daemon: Daemon) -> None:
    daemon.start()
    findings(daemon)
    watch = subprocess.Popen(
        daemon.argv("watch", "--json"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        assert watch.stdout
        assert json.loads(watch.stdout.readline())["event"] == "watching"
        daemon.policy(LONE, "lone")
        event = json.loads(watch.stdout.readline())
    finally:
        watch.kill()
        watch.communicate()
    keys = "event time state text severity id group title subject evidence remedy"
    assert set(event) == set(keys.split())
    assert (event["event"], event["state"], event["subject"]) == ("finding", "gone", "lone")
    assert event["text"] == "medium gone: lone: a container is free in both directions"


def test_the_verb_asks_the_daemon(daemon: Daemon) -> None:
    daemon.start()
    text = daemon.verb("check", "--only", "container-ungoverned", code=1)
    assert "lone: a container is free in both directions" in text and text.endswith("\n1 medium\n")
    assert json.loads(daemon.verb("check", "--only", "hygiene", "--format", "sarif", code=1))["version"] == "2.1.0"


def test_a_suppression_is_taken_up(daemon: Daemon) -> None:
    config = daemon.folder / "quaywall.yaml"
    config.write_text("{}\n", encoding="utf-8")
    daemon.options += ["--config", str(config)]
    daemon.start()
    daemon.verb("check", "--only", "container-ungoverned", code=1)
    config.write_text(
        "check: {suppress: [{id: container-ungoverned, reason: known, until: 2100-01-01}]}\n", encoding="utf-8"
    )
    daemon.verb("reload")
    assert daemon.verb("check", "--only", "container-ungoverned").endswith(
        "\nno findings; 1 suppressed by the settings\n"
    )


def test_it_ends_while_it_looks(daemon: Daemon) -> None:
    """The thread may be at work at any moment of the end."""
    for _ in range(3):
        process = daemon.start()
        daemon.policy(POLICY.replace("5433", "5434"))
        assert eventually(lambda: daemon.status()["findings"]["pending"])
        assert daemon.stop(process) == 0
