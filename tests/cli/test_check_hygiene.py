"""Hygiene: rules that nothing uses, and rules for `any` that few use, from what a daemon has kept."""

import datetime
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


UNKNOWN = "rules without a hit: it was not recorded when they were hit"


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
    fine = {"version": 1, "hits": {"rules": []}, "flows": {"followed": 0}}
    assert gaps(program, fine) == []
    assert gaps(program, None) == [UNKNOWN, "rules for any that few use: no flows were recorded"]
    assert gaps(program, {"version": 1, "flows": {}}) == [UNKNOWN]
    unread = {"version": 1, "hits": {"rules": None, "why": "/x/hits: gone"}, "flows": {"why": "/x/learned: gone"}}
    assert gaps(program, unread) == [
        "rules without a hit: /x/hits: gone",
        "rules for any that few use: /x/learned: gone",
    ]
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


# ---- rules for `any`

WEB = {"kind": "container", "name": "web"}
SHOP = {"kind": "container", "project": "shop", "service": "api"}
WIDE = """policy: front
for: {name: web}
allow:
  - {from: any, to: {name: web}, ports: [80], name: pages}
  - {from: {name: web}, to: any, ports: [443, 53/udp]}
publish:
  - {from: any, to: {}, port: 8080}
"""
INGRESS = "policy front: allow {from: any, to: {name: web}, ports: [80/tcp]}"
EGRESS = "policy front: allow {from: {name: web}, to: any, ports: [443/tcp, 53/udp]}"
PUBLISH = "policy front: publish {from: any, to: {}, port: [8080/tcp]}"


def outside(address: str) -> dict[str, str]:
    return {"kind": "outside", "address": address}


def pair(source: Any, to: Any, port: int, flows: int = 100, first: int = 31, last: int = 0, **more: Any) -> Any:
    """FIRST and LAST: days ago."""
    now = datetime.datetime.now(datetime.timezone.utc)
    first_text, last_text = (f"{now - datetime.timedelta(days=d):%Y-%m-%dT%H:%M:%SZ}" for d in (first, last))
    counts = {"allowed": flows, "audited": 0, "refused": 0, "unanswered": 0}
    times = {"first": first_text, "last": last_text}
    return {"from": source, "to": to, "protocol": "tcp", "port": port, **counts, **times, **more}


def wide(
    program: Program, *pairs: Any, policy: str = WIDE, days: int = 30, left_out: int = 0, settings: str = "{}\n"
) -> dict[str, tuple[str, str, str]]:
    snapshot = host(["0.0.0.0"])
    flows = {"followed": days * DAY, "since": 0, "left_out": left_out, "pairs": list(pairs)}
    snapshot["posture"] = {"version": 1, "hits": {"rules": []}, "flows": flows}
    look(program, "hygiene", snapshot, policy, settings)
    argv = ["--snapshot", "host.json", "--policies", "policies", "--config", "quaywall.yaml"]
    done = program.call("check", *argv, "--json", "--only", "any-wider-than-seen", "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    gone = ["rules for any that few use: some flows found no place in what was learned"]
    assert [g["why"] for g in answer["not_checked"]] == (gone if left_out else [])
    return {f["subject"]: (f["severity"], f["evidence"], f["remedy"]) for f in answer["findings"]}


def test_few_peers(program: Program) -> None:
    found = wide(
        program,
        pair(SHOP, WEB, 80, 60),
        pair({"kind": "container", "name": "a b"}, WEB, 80, 40),
        pair({"kind": "host"}, WEB, 80),  # needs no rule
        pair(WEB, outside("2001:db8::1"), 53, protocol="udp"),
        pair(outside("198.51.100.7"), WEB, 80, published=8080),
        pair(WEB, outside("198.51.100.9"), 22),  # by no rule
        pair(SHOP, {"kind": "container", "name": "other"}, 80, 100, allowed=0, refused=9),  # never passed
    )
    assert set(found) == {INGRESS, EGRESS, PUBLISH}
    severity, evidence, remedy = found[INGRESS]
    peers = '[{name: "a b"}, {project: shop, service: api}]'
    assert severity == "low" and remedy == f"in web.yaml: {{from: {peers}, to: {{name: web}}, ports: [80/tcp]}}"
    assert evidence == f"web.yaml:4: in 30 days in which flows were followed all its 100 flows were from {peers}"
    assert found[EGRESS][2] == 'in web.yaml: {from: {name: web}, to: "2001:db8::1", ports: [443/tcp, 53/udp]}'
    assert found[PUBLISH][0] == "info"
    assert found[PUBLISH][2] == "in web.yaml: {from: 198.51.100.7, to: {}, port: [8080/tcp]}"


def test_too_little_to_say(program: Program) -> None:
    """Each lacks one thing that test_few_peers() has."""
    few = [pair({"kind": "container", "name": f"c{n}"}, WEB, 80) for n in range(4)]
    assert set(wide(program, *few[:3])) == {INGRESS}
    assert not wide(program, *few)
    assert not wide(program, pair(SHOP, WEB, 80), days=29)
    assert not wide(program, pair(SHOP, WEB, 80, 99))
    assert not wide(program, pair(SHOP, WEB, 80, 150, unanswered=51))
    assert not wide(program, pair(SHOP, WEB, 80, first=29))
    assert not wide(program, pair(SHOP, WEB, 80, first=99, last=31))
    assert not wide(program, pair(SHOP, WEB, 80), left_out=1)
    assert not wide(program, pair({"kind": "outside"}, WEB, 80))
    assert not wide(program, pair({"kind": "outside", "address": "10.0.0.0/8"}, WEB, 80))
    # To one that is gone, which the rule may have been for.
    gone = {"kind": "container", "name": "old"}
    assert not wide(program, pair(SHOP, WEB, 80), pair(outside("198.51.100.7"), gone, 80))


def test_what_is_not_wide(program: Program) -> None:
    for rule in ("{from: world, to: {}, ports: [80]}", "{from: any, to: any, ports: [80]}", "{from: {}, to: host}"):
        policy = f"policy: front\nfor: {{name: web}}\nallow:\n  - {rule}\n"
        assert not wide(program, pair(SHOP, WEB, 80), policy=policy)
    denied = WIDE.replace("allow:", "deny:")
    assert not wide(program, pair(SHOP, WEB, 80), policy=denied)


def test_days_of_the_setting(program: Program) -> None:
    one = pair(SHOP, WEB, 80, first=8)
    assert set(wide(program, one, days=7, settings="check: {unused: 7d}\n")) == {INGRESS}
    assert not wide(program, one, days=7, settings="check: {unused: 9d}\n")
    assert not wide(program, one, days=99, settings="check: {unused: never}\n")


def test_in_a_project_a_stranger_needs_its_own(program: Program) -> None:
    """Selectors get the document's project: one without any is found by `*`."""
    policy = 'policy: front\nfor: {project: "*"}\n---\npolicy: shop\nfor: {project: shop}\nallow:\n  - {from: any, to: {}}\n'
    snapshot = host(["0.0.0.0"])
    snapshot["containers"][0]["labels"] = {"com.docker.compose.project": "shop", "com.docker.compose.service": "api"}
    lone = {"kind": "container", "name": "lone"}
    flows = {"followed": 30 * DAY, "left_out": 0, "pairs": [pair(lone, SHOP, 80)]}
    snapshot["posture"] = {"version": 1, "hits": {"rules": []}, "flows": flows}
    found = look(program, "any-wider-than-seen", snapshot, policy)
    assert found["any-wider-than-seen"]["remedy"] == 'in web.yaml: {from: {project: "*", name: lone}, to: {}}'


# ---- modes, and what does nothing


def told(
    program: Program, policy: str, settings: str = "check: {unused: never}\n", *hits: dict[str, Any]
) -> set[tuple[str, str, str]]:
    """(check, subject, evidence) of the group, all of it."""
    snapshot = host(["0.0.0.0"])
    if hits:
        snapshot["posture"] = {"version": 1, "hits": {"rules": list(hits)}}
    look(program, "hygiene", snapshot, policy, settings)
    argv = ["--snapshot", "host.json", "--policies", "policies", "--config", "quaywall.yaml"]
    done = program.call("check", *argv, "--json", "--only", "hygiene", "--fail-on", "never")
    answer = json.loads(done.stdout)
    assert answer["not_checked"] == []
    return {(f["id"], f["subject"], f["evidence"]) for f in answer["findings"]}


def test_nothing_to_say(program: Program) -> None:
    policy = """policy: front
for: {name: web}
allow:
  - {from: {cidr: 10.0.0.0/8, except: [10.0.0.0/9]}, to: {}, ports: [80]}
publish:
  - {from: any, to: {}, port: 8080}
"""
    assert told(program, policy) == set()


def test_audit_is_left_on(program: Program) -> None:
    policy = "policy: front\nfor: {name: web}\nmode: audit\n"
    assert told(program, policy) == {("audit-mode", "policy front", "web.yaml:1: mode: audit")}
    settings = "check: {unused: never}\ndefaults: {mode: audit}\n"
    assert told(program, policy.replace("audit", "enforce"), settings) == {
        ("audit-mode", "defaults", "the settings' defaults.mode is audit")
    }
    both = [entry(16 * "0", 0), entry(16 * "0", 0, policy=""), entry(PAGES, 0, policy="other")]
    assert told(program, policy, settings, *both) == {
        ("audit-mode", "policy front", "web.yaml:1: mode: audit, since 2001-09-09T01:46:40Z at least"),
        ("audit-mode", "defaults", "the settings' defaults.mode is audit, since 2001-09-09T01:46:40Z at least"),
    }


def test_a_container_is_free(program: Program) -> None:
    free = ("container-ungoverned", "web")
    assert {t[:2] for t in told(program, "policy: front\nfor: {name: web}\nisolate: []\n")} == {free}
    assert told(program, "policy: front\nfor: {name: web}\nisolate: [egress]\n") == set()
    settings = "check: {unused: never}\ndefaults: {containers: deny}\n"
    assert told(program, "", settings) == set()


def test_what_does_nothing(program: Program) -> None:
    """An `except` that leaves nothing, who is not there, a port that nobody publishes, what was said before."""
    policy = """policy: front
for: {name: web}
allow:
  - {from: {cidr: 10.0.0.0/8, except: [10.0.0.0/9, 10.128.0.0/9]}, to: {}, ports: [80]}
  - {from: {name: gone}, to: {}, ports: [80]}
  - {from: 192.168.0.0/16, to: {}, ports: [80]}
  - {from: 192.168.1.0/24, to: {}, ports: [80]}
publish:
  - {from: any, to: {}, port: 9090}
---
policy: back
for: {name: nobody}
"""
    wanted = [
        (4, "`except` leaves nothing of the block"),
        (5, "{name: gone} selects no running container"),
        (7, "the rule says nothing new: the one in line 6 covers it"),
        (9, "no container of this rule's `to` publishes 9090/tcp"),
        (12, "back governs no running container"),
    ]
    assert told(program, policy) == {("policy-without-effect", f"web.yaml:{line}", text) for line, text in wanted}
