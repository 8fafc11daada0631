"""Hygiene: rules that nothing uses, from what a daemon has kept of their hits."""

import json
from typing import Any, Optional

from check_world import host, look
from program import Program

DAY = 86400
POLICY = """policy: front
for: {name: web}
allow:
  - {from: any, to: {}, ports: [80], name: pages}
  - {from: {}, to: world, ports: [443]}
deny:
  - {from: 10.0.0.0/8, to: {}}
publish:
  - {from: 192.168.0.0/16, to: {}, port: 8080}
"""


def key(action: str, text: str) -> str:
    """FNV-1a of what a rule says."""
    value = 14695981039346656037
    for byte in (action + text).encode():
        value = (value ^ byte) * 1099511628211 % 2**64
    return f"{value:016x}"


PAGES = key("allow", "{from: any, to: {}, ports: [80/tcp]}")
UPDATES = key("allow", "{from: {}, to: world, ports: [443/tcp]}")
GUARD = key("deny", "{from: 10.0.0.0/8, to: {}}")
OPEN = key("publish", "{from: 192.168.0.0/16, to: {}, port: [8080/tcp]}")


def entry(rule: str, watched: int, policy: str = "front", last: int = 0) -> dict[str, Any]:
    return {"policy": policy, "rule": rule, "since": 1000000000, "last": last, "watched": watched, "counted": 0}


def unused(program: Program, hits: Any, policy: str = POLICY, settings: str = "{}\n") -> list[Any]:
    snapshot = host(["0.0.0.0"])
    snapshot["posture"] = {"version": 1, "hits": hits}
    found = look(program, "hygiene", snapshot, policy, settings)
    return [f for f in found.values() if f["id"] == "rule-without-hit"]


def gaps(program: Program, posture: Optional[dict[str, Any]], settings: str = "{}\n") -> list[str]:
    snapshot = host(["0.0.0.0"])
    if posture is not None:
        snapshot["posture"] = posture
    look(program, "hygiene", snapshot, POLICY, settings)
    argv = ["--snapshot", "host.json", "--policies", "policies", "--config", "quaywall.yaml"]
    done = program.call("check", *argv, "--json", "--only", "hygiene", "--fail-on", "never")
    return [g["why"] for g in json.loads(done.stdout)["not_checked"]]


def test_a_rule_that_nothing_uses(program: Program) -> None:
    hits = {"rules": [entry(PAGES, 30 * DAY), entry(UPDATES, 30 * DAY - 1), entry(GUARD, 99 * DAY)]}
    (finding,) = unused(program, hits)
    assert finding["severity"] == "low"
    assert finding["subject"] == "policy front: allow {from: any, to: {}, ports: [80/tcp]}"
    assert finding["evidence"].startswith("web.yaml:4: not hit since it was first seen, 2001-09-09T01:46:40Z; ")
    assert "watched for 30 days" in finding["evidence"]


def test_one_that_was_hit_long_ago(program: Program) -> None:
    (finding,) = unused(program, {"rules": [entry(OPEN, 31 * DAY, last=1000000000), entry(PAGES, 0)]})
    assert finding["subject"] == "policy front: publish {from: 192.168.0.0/16, to: {}, port: [8080/tcp]}"
    assert finding["evidence"].startswith("web.yaml:9: hit last 2001-09-09T01:46:40Z; ")


def test_of_another_policy(program: Program) -> None:
    assert not unused(program, {"rules": [entry(PAGES, 99 * DAY, policy="back")]})


def test_the_same_rule_twice_is_told_once(program: Program) -> None:
    twice = POLICY + "  - {from: 192.168.0.0/16, to: {}, port: 8080, name: again}\n"
    (finding,) = unused(program, {"rules": [entry(OPEN, 31 * DAY)]}, twice)
    assert finding["evidence"].startswith("web.yaml:9: ")


def test_a_long_rule_is_called_by_its_name(program: Program) -> None:
    addrs = [f"198.51.100.{n}" for n in range(40)]
    text = f"{{from: [{', '.join(addrs)}], to: {{}}}}"
    for name, subject in ((", name: many", "policy front: allow 'many'"), ("", None)):
        policy = f"policy: front\nfor: {{name: web}}\nallow:\n  - {text[:-1]}{name}}}\n"
        (finding,) = unused(program, {"rules": [entry(key("allow", text), 31 * DAY)]}, policy)
        assert finding["subject"] == (subject or f"policy front: allow rule {key('allow', text)}")


def test_the_setting(program: Program) -> None:
    hits = {"rules": [entry(PAGES, 7 * DAY)]}
    assert not unused(program, hits)
    assert len(unused(program, hits, settings="check: {unused: 7d}\n")) == 1
    assert not unused(program, hits, settings="check: {unused: 8d}\n")
    assert not unused(program, hits, settings="check: {unused: never}\n")


def test_what_is_not_known_is_said(program: Program) -> None:
    fine = {"version": 1, "hits": {"rules": []}}
    assert gaps(program, fine) == []
    assert gaps(program, None) == ["rules without a hit: it was not recorded when they were hit"]
    assert gaps(program, {"version": 1}) == ["rules without a hit: it was not recorded when they were hit"]
    unread = {"version": 1, "hits": {"rules": None, "why": "/x/hits: gone"}}
    assert gaps(program, unread) == ["rules without a hit: /x/hits: gone"]
    assert gaps(program, fine, "counters: false\n") == ["rules without a hit: the settings' `counters` is false"]
    assert gaps(program, None, "check: {unused: never}\n") == []


def test_hostile_hits(program: Program) -> None:
    """Whatever stands there, it ends, and tells of no rule that nobody named."""
    wrong: list[Any] = [7, [], {"rules": [1, None, [], {}, {"policy": 1, "rule": []}]}, {"rules": {"policy": "front"}}]
    wrong.append({"rules": [{"policy": "front", "rule": PAGES, "watched": "long"}]})
    for hits in wrong:
        assert not unused(program, hits)
    (finding,) = unused(program, {"rules": [{"policy": "front", "rule": PAGES, "watched": 2**62, "last": 2**62}]})
    assert "hit last ;" in finding["evidence"]
