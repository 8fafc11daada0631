"""`quaywall check`: its forms, what it leaves out, exit codes, suppressions, and the README's table."""

import datetime
import json
import os
import re
import xml.etree.ElementTree as xml
from pathlib import Path
from typing import Any

import jsonschema
import sarif_schema
from program import Program

VALIDATOR = jsonschema.Draft4Validator  # as the schema asks for
ROOT = Path(__file__).resolve().parents[2]
FINDING_KEYS = {"id", "group", "severity", "title", "subject", "evidence", "why", "remedy", "suppressed"}
SEVERITIES = ["info", "low", "medium", "high", "critical"]
ONLY = ["--only", "container-ungoverned"]


def hostile(program: Program) -> list[str]:
    """The little host, with a container called so that it would like to be markup, or another line."""
    snapshot = json.loads(program.snapshot.read_text(encoding="utf-8"))
    (lone,) = [c for c in snapshot["containers"] if c["name"] == "lone"]
    lone["name"] = "]]></failure><x a='&\"\n  critical  forged \ufffe\x1b[31m"
    path = program.folder / "hostile.json"
    path.write_text(json.dumps(snapshot), encoding="utf-8")
    return ["check", "--snapshot", str(path), "--policies", str(program.policies)]


def suppress(program: Program, *entries: str) -> list[str]:
    config = program.folder / "quaywall.yaml"
    config.write_text("check:\n  suppress:\n" + "".join(f"    - {{{e}}}\n" for e in entries), encoding="utf-8")
    return ["--config", str(config)]


def day(offset: int) -> str:
    return str(datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=offset))


# ---- text and JSON


def test_text(program: Program) -> None:
    text = program.offline("check", *ONLY, code=1)
    lines = text.splitlines()
    assert lines[0] == "hygiene"
    assert lines[1].startswith("  medium    container-ungoverned  lone: a container is free in both directions; write ")
    assert lines[2:] == ["", "1 medium"]
    assert "\033" not in text
    verbose = program.offline("check", "-v", *ONLY, code=1)
    for word in ("evidence", "why", "remedy"):
        assert re.search(rf"^ {{12}}{word} +\w", verbose, re.MULTILINE)


def test_nothing_to_find(program: Program) -> None:
    assert program.offline("check", "--only", "audit-mode") == "no findings\n"


def test_a_name_cannot_forge_a_line(program: Program) -> None:
    done = program.call(*hostile(program), *ONLY)
    assert not re.search(r"^ *critical", done.stdout, re.MULTILINE)
    assert "\033" not in done.stdout and done.returncode == 1


def test_json(program: Program) -> None:
    found = program.json("check", code=1)
    assert set(found) == {"version", "checked", "counts", "suppressed", "findings", "not_checked"}
    assert list(found["counts"]) == SEVERITIES[::-1]
    worst = [SEVERITIES.index(f["severity"]) for f in found["findings"]]
    assert worst and worst == sorted(worst, reverse=True)
    for finding in found["findings"]:
        assert set(finding) == FINDING_KEYS
        assert all(finding[key] for key in FINDING_KEYS - {"suppressed"})
    assert found["counts"] == {s: worst.count(SEVERITIES.index(s)) for s in SEVERITIES}
    assert program.offline("check", "--format", "json", code=1).startswith("{")


# ---- what is asked for


def test_only_and_skip(program: Program) -> None:
    groups = {f["group"] for f in program.json("check", "--skip", "hygiene", "--fail-on", "never")["findings"]}
    assert "hygiene" not in groups
    found = program.json("check", "--only", "hygiene", "--skip", "container-ungoverned")
    assert "container-ungoverned" not in {f["id"] for f in found["findings"]}
    assert {g["group"] for g in found["not_checked"]} <= {"hygiene"}
    assert {f["id"] for f in program.json("check", *ONLY, code=1)["findings"]} == {"container-ungoverned"}


def test_fail_on(program: Program) -> None:
    program.offline("check", *ONLY, "--fail-on", "medium", code=1)
    program.offline("check", *ONLY, "--fail-on", "high", code=0)
    program.offline("check", *ONLY, "--fail-on", "never", code=0)
    assert "medium (the default)" in program.out("check", "--help")
    program.offline("check", *ONLY, code=1)
    program.offline("check", "--only", "memory-unlimited,image-root,rule-without-hit", code=0)


def test_to_a_file(program: Program) -> None:
    file = program.folder / "findings"
    assert program.offline("check", *ONLY, "-o", str(file), code=1) == ""
    assert "lone" in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o600


# ---- suppressions


def test_suppressed(program: Program) -> None:
    config = suppress(program, f"id: container-ungoverned, subject: 'l?ne', reason: 'by design', until: {day(0)}")
    found = program.json("check", *ONLY, *config)
    assert [f["suppressed"] for f in found["findings"]] == ["by design"]
    assert found["counts"]["medium"] == 0 and found["suppressed"] == 1
    text = program.offline("check", *ONLY, *config)
    assert "  quiet     container-ungoverned  lone: a container is free in both directions; by design\n" in text
    assert text.endswith("\nno findings; 1 suppressed by the settings\n")
    sarif = json.loads(program.offline("check", *ONLY, *config, "--format", "sarif"))
    check_sarif(sarif)
    (result,) = sarif["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "by design"}]
    assert "<skipped" in program.offline("check", *ONLY, *config, "--format", "junit")


def test_suppressed_of_another_subject(program: Program) -> None:
    config = suppress(program, f"id: container-ungoverned, subject: 'x*', reason: r, until: {day(9)}")
    assert [f["suppressed"] for f in program.json("check", *ONLY, *config, code=1)["findings"]] == [None]


def test_expired_and_unknown(program: Program) -> None:
    config = suppress(
        program,
        f"id: container-ungoverned, reason: 'until it moves', until: {day(-1)}",
        f"id: no-such-check, reason: r, until: {day(9)}",
        f"id: suppression-expired, reason: quiet, until: {day(9)}",
    )
    found = program.json("check", "--only", "hygiene", *config, code=1)["findings"]
    by_id = {f["id"]: f for f in found}
    assert by_id["container-ungoverned"]["suppressed"] is None
    assert by_id["suppression-expired"]["suppressed"] is None
    assert f"quaywall.yaml:3: until: {day(-1)}, reason: until it moves" in by_id["suppression-expired"]["evidence"]
    assert by_id["suppression-unknown"]["subject"] == "no-such-check"


# ---- SARIF: by its schema, and by what section 3 of the standard requires besides


def require(value: Any, *keys: str) -> None:
    assert isinstance(value, dict)
    for key in keys:
        assert value.get(key) not in (None, ""), f"{key} of {value}"


def check_rule(rule: Any) -> None:
    require(rule, "id")  # 3.49.3
    for key in ("shortDescription", "fullDescription"):  # 3.49.9: a multiformatMessageString
        require(rule[key], "text")
    assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    assert len(set(rule["properties"]["tags"])) == len(rule["properties"]["tags"])
    assert 0 <= float(rule["properties"]["security-severity"]) <= 10


def check_result(result: Any, rules: Any) -> None:
    require(result, "message", "ruleId")  # 3.27.11
    require(result["message"], "text")
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]  # 3.27.6
    assert result["kind"] in ("fail", "informational")
    # 3.27.10: a level other than none is for failures alone
    assert (result["level"] == "none") == (result["kind"] == "informational")
    assert result["level"] in ("none", "note", "warning", "error")
    (location,) = result["locations"]
    for logical in location["logicalLocations"]:
        require(logical, "fullyQualifiedName", "kind")
    assert all(isinstance(value, str) for value in result["partialFingerprints"].values())


def check_sarif(log: Any) -> None:
    faults = [f"{list(e.absolute_path)}: {e.message}" for e in VALIDATOR(sarif_schema.schema()).iter_errors(log)]
    assert not faults, faults
    require(log, "$schema", "version", "runs")  # 3.13
    assert set(log) == {"$schema", "version", "runs"} and log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert set(run) == {"tool", "invocations", "results"}
    require(run["tool"]["driver"], "name", "version")  # 3.19.8
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        check_rule(rule)
    for invocation in run["invocations"]:
        assert isinstance(invocation["executionSuccessful"], bool)  # 3.20.14
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", invocation["endTimeUtc"])
        for notification in invocation["toolExecutionNotifications"]:
            require(notification, "message", "level")
            require(notification["message"], "text")
    for result in run["results"]:
        check_result(result, rules)
    prints = [json.dumps(result["partialFingerprints"]) for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif(program: Program) -> None:
    log = json.loads(program.offline("check", "--format", "sarif", code=1))
    check_sarif(log)
    assert len(log["runs"][0]["results"]) == len(program.json("check", code=1)["findings"])
    done = program.call(*hostile(program), "--format", "sarif")
    check_sarif(json.loads(done.stdout))


def test_the_schema_tells_what_is_wrong(program: Program) -> None:
    log = json.loads(program.offline("check", "--format", "sarif", code=1))
    validator = VALIDATOR(sarif_schema.schema())
    for key, value in (("level", "fatal"), ("ruleId", 7), ("kind", "finding"), ("unheard", 1), ("message", {})):
        broken = json.loads(json.dumps(log))
        broken["runs"][0]["results"][0][key] = value
        assert list(validator.iter_errors(broken)), key
    assert list(validator.iter_errors({"version": "2.1.0"}))


# ---- JUnit


def check_suite(suite: xml.Element) -> None:
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases) > 0
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    assert all(case.attrib["classname"] == f"quaywall.{suite.attrib['name']}" for case in cases)


def test_junit(program: Program) -> None:
    root = xml.fromstring(program.offline("check", "--format", "junit", code=1))
    assert root.tag == "testsuites"
    for suite in root:
        check_suite(suite)
    names = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert names["container-ungoverned: lone"].find("failure") is not None
    assert len(names["audit-mode"]) == 0
    lenient = xml.fromstring(program.offline("check", *ONLY, "--fail-on", "high", "--format", "junit"))
    (case,) = lenient.iter("testcase")
    assert case.find("failure") is None and case.find("system-out") is not None


def test_junit_of_hostile_names(program: Program) -> None:
    done = program.call(*hostile(program), *ONLY, "--format", "junit")
    (case,) = xml.fromstring(done.stdout).iter("testcase")
    assert case.attrib["name"].startswith("container-ungoverned: ]]></failure><x a='&\"?")


# ---- the catalogue


def table(program: Program) -> str:
    checks = json.loads(program.out("check", "--list", "--json"))
    assert all(set(c) == {"id", "group", "severity", "title", "why", "source"} for c in checks)
    return "".join(f"| `{c['id']}` | {c['group']} | {c['severity']} | {c['title']} |\n" for c in checks)


def test_the_readme_has_the_catalogue(program: Program) -> None:
    """QUAYWALL_UPDATE=1 writes it there."""
    head = "| check | group | severity | finds |\n|---|---|---|---|\n"
    readme = ROOT / "README.md"
    before, found, after = readme.read_text(encoding="utf-8").partition(head)
    assert found
    rows = re.match(r"(\|.*\n)*", after)
    assert rows
    wanted = table(program)
    if os.environ.get("QUAYWALL_UPDATE"):
        readme.write_text(before + head + wanted + after[rows.end() :], encoding="utf-8")
        return
    assert rows[0] == wanted


def test_list(program: Program) -> None:
    text = program.out("check", "--list", "--only", "hygiene", "--skip", "audit-mode")
    assert "  container-ungoverned " in text and "audit-mode" not in text
    assert all(line.split()[1] == "hygiene" for line in text.splitlines())
