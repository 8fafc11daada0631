"""The groups `exposure` and `hygiene`: each check with a host on which it finds something, and one on which it does not."""

from typing import Any

import pytest

from check_world import answer, host, look, severities
from program import Program

ANY4, ANY6 = "0.0.0.0", "::"
NAMES = "policy: web\nfor: {name: web}\nisolate: []\n"
EVERYBODY = NAMES + "publish: [{to: {name: web}, port: 8080, from: any}]\n"
NEAR = NAMES + "publish: [{to: {name: web}, port: 8080, from: 10.0.0.0/8}]\n"
HALF_NEAR = NAMES + "publish: [{to: {name: web}, port: 8080, from: 10.0.0.0/7}]\n"
PARTNER = NAMES + "publish: [{to: {name: web}, port: 8080, from: 203.0.113.0/24}]\n"
VPN = NAMES + "publish: [{to: {name: web}, port: 8080, from: {interface: wg0}}]\n"
WIDER6 = NAMES + 'publish: [{to: {name: web}, port: 8080, from: [10.0.0.0/8, "::/0"]}]\n'
ISOLATED = "policy: web\nfor: {name: web}\nisolate: [ingress]\n"


@pytest.mark.parametrize(
    "addrs, port, policy, wanted",
    [
        ([ANY4, ANY6], 80, "", {"published-unnamed": "medium"}),
        (["10.1.2.3"], 80, "", {"published-unnamed": "low"}),
        (["127.0.0.1"], 80, "", {}),
        ([], 80, "", {}),
        ([ANY4, ANY6], 80, EVERYBODY, {"published-world": "info"}),
        ([ANY4, ANY6], 80, NEAR, {}),
        ([ANY4, ANY6], 80, ISOLATED, {}),
        ([ANY4, ANY6], 80, WIDER6, {"published-world": "info", "published-ipv6-wider": "medium"}),
        ([ANY6], 80, WIDER6, {"published-world": "info"}),
        ([ANY4], 5432, "", {"published-sensitive": "high"}),
        ([ANY4], 5432, EVERYBODY, {"published-sensitive": "high"}),
        ([ANY4], 2375, EVERYBODY, {"published-sensitive": "critical"}),
        ([ANY4], 5432, PARTNER, {"published-sensitive": "medium"}),
        ([ANY4], 5432, HALF_NEAR, {"published-sensitive": "medium"}),
        (["192.168.1.9"], 5432, "", {"published-sensitive": "medium"}),
        ([ANY4], 5432, NEAR, {}),
        ([ANY4], 5432, VPN, {}),
        ([ANY4], 5432, ISOLATED, {}),
    ],
)  # fmt: skip
def test_published_ports(program: Program, addrs: list[str], port: int, policy: str, wanted: dict[str, str]) -> None:
    assert severities(look(program, "exposure", host(addrs, port), policy)) == wanted


def test_what_the_evaluator_says_is_evidence(program: Program) -> None:
    (found,) = look(program, "exposure", host([ANY4], 5432), PARTNER).values()
    assert found["subject"] == "web 8080/tcp"
    assert "5432/tcp is PostgreSQL's: a database (IANA: postgresql); published on 0.0.0.0" in found["evidence"]
    assert "reached from 203.0.113.0 and its like: " in found["evidence"] and "web.yaml:4" in found["evidence"]
    assert "port: 8080/tcp" in found["remedy"]


def test_by_audit_alone(program: Program) -> None:
    (found,) = look(program, "exposure", host([ANY4]), ISOLATED + "mode: audit\n").values()
    assert found["id"] == "published-unnamed" and "audit mode lets it pass" in found["evidence"]


def test_public_addresses_are_named(program: Program) -> None:
    snapshot = host([ANY4])
    snapshot["interfaces"] = [
        {"name": "eth0", "index": 2, "bridge": False, "addrs": ["203.0.113.9/24", "10.0.0.9/8"]}
    ]
    (found,) = look(program, "exposure", snapshot).values()
    assert "0.0.0.0, with the public address 203.0.113.9 of eth0, to the container's" in found["evidence"]


@pytest.mark.parametrize(
    "addrs, engine, policy, wanted",
    [
        (["127.0.0.1"], "20.10.24", "", {"published-loopback", "published-direct"}),
        (["127.0.0.1"], "20.10.24", ISOLATED, set()),
        (["127.0.0.1"], "27.5.1", NAMES, {"published-loopback", "published-direct"}),
        (["127.0.0.1"], "28.0.0", "", set()),
        ([ANY4], "20.10.24", NEAR, {"published-direct"}),
        ([ANY4], "28.5.2", NEAR, set()),
        ([ANY4], "20.10.24", NEAR.replace("isolate: []", "isolate: [ingress]"), set()),
    ],
)  # fmt: skip
def test_old_engines(program: Program, addrs: list[str], engine: str, policy: str, wanted: set[str]) -> None:
    assert set(look(program, "exposure", host(addrs, engine=engine), policy)) == wanted


def forward(policy: str, name: str = "filter") -> list[Any]:
    chain = {"name": "FORWARD", "type": "filter", "hook": "forward", "priority": 0, "policy": policy}
    return [{"family": "ip", "name": name, "chains": [chain], "flowtables": []}]


@pytest.mark.parametrize(
    "engine, seen, policy, wanted, gaps",
    [
        ("20.10.24", {"nftables": forward("accept")}, "", {"network-unprotected": "medium"}, 0),
        ("27.5.1", {"nftables": forward("accept")}, NAMES, {"network-unprotected": "medium"}, 0),
        ("20.10.24", {"nftables": forward("accept")}, ISOLATED, {}, 0),
        ("20.10.24", {"nftables": forward("accept"), "sysctl": {"net/ipv4/ip_forward": "0"}}, "", {}, 0),
        ("20.10.24", {"nftables": forward("drop")}, "", {}, 0),
        ("20.10.24", {"nftables": forward("accept", "mine")}, "", {}, 0),
        ("28.0.0", {"nftables": forward("accept")}, "", {}, 0),
        ("20.10.24", {"nftables": [], "iptables_legacy": ["nat", "filter"]}, "", {}, 1),
        ("20.10.24", {"nftables": forward("drop"), "iptables_legacy": ["filter"]}, "", {}, 0),
        ("20.10.24", {}, "", {}, 1),
        ("28.0.0", {}, "", {}, 0),
    ],
)  # fmt: skip
def test_what_forward_accepts(
    program: Program, engine: str, seen: dict[str, Any], policy: str, wanted: dict[str, str], gaps: int
) -> None:
    snapshot = host([], engine=engine)
    parts = {"version": 1, "engine": {}, "containers": [], "images": [], "swarm": None, "gaps": []}
    snapshot["posture"] = parts | {"host": {"sysctl": {"net/ipv4/ip_forward": "1"}, "listening": []} | seen}
    told = answer(program, "network-unprotected", snapshot, policy)
    assert severities({f["id"]: f for f in told["findings"]}) == wanted
    assert len(told["not_checked"]) == gaps


def test_unprotected_networks(program: Program) -> None:
    found = look(program, "exposure", host([], gateway="nat-unprotected"))
    assert severities(found) == {"network-unprotected": "medium"}
    assert "1 of its containers are not isolated for ingress, web among them" in found["network-unprotected"]["evidence"]
    assert look(program, "exposure", host([], gateway="nat-unprotected"), ISOLATED) == {}
    assert look(program, "exposure", host([], gateway="nat")) == {}


@pytest.mark.parametrize(
    "policy, settings, wanted",
    [
        ("", "{}\n", {"container-ungoverned"}),
        (ISOLATED, "{}\n", set()),
        ("", "defaults: {containers: deny}\n", set()),
        (ISOLATED + "mode: audit\n", "{}\n", {"audit-mode"}),
        (ISOLATED, "defaults: {mode: audit}\n", {"audit-mode"}),
        (ISOLATED + "allow: [{from: {name: gone}, to: {name: web}}]\n", "{}\n", {"policy-without-effect"}),
        (ISOLATED + "allow: [{from: {cidr: 10.0.0.0/24, except: [10.0.0.0/25, 10.0.0.128/25]}, to: {name: web}}]\n",
         "{}\n", {"policy-without-effect"}),
        (ISOLATED + "allow: [{from: 10.0.0.0/24, to: {name: web}}]\n", "{}\n", set()),
    ],
)  # fmt: skip
def test_hygiene(program: Program, policy: str, settings: str, wanted: set[str]) -> None:
    assert set(look(program, "hygiene", host([]), policy, settings)) == wanted


def test_low_findings_do_not_fail(program: Program) -> None:
    assert severities(look(program, "audit-mode", host([ANY4]), ISOLATED + "mode: audit\n")) == {"audit-mode": "low"}
    argv = ["check", "--snapshot", "host.json", "--policies", "policies", "--config", "quaywall.yaml", "--only", "audit-mode"]
    assert program.call(*argv).returncode == 0
    assert program.call(*argv, "--fail-on", "low").returncode == 1


def test_what_is_low_shares_a_line(program: Program) -> None:
    other = "policy: other\nfor: {name: web}\nmode: audit\n"
    (program.folder / "policies").mkdir()
    (program.folder / "policies" / "other.yaml").write_text(other, encoding="utf-8")
    snapshot, audit = host([ANY4]), "defaults: {mode: audit}\n"
    assert len(look(program, "audit-mode", snapshot, ISOLATED + "mode: audit\n", audit)) == 1  # by id
    argv = ["check", "--snapshot", "host.json", "--policies", "policies", "--config", "quaywall.yaml"]
    together = program.call(*argv, "--only", "audit-mode").stdout
    assert together.count("audit-mode") == 1
    assert "  audit-mode  defaults, policy other and 1 more: audit mode refuses nothing; " in together
    assert together.endswith("\n3 low\n")
    apart = program.call(*argv, "--only", "audit-mode", "-v").stdout
    assert apart.count("  low       audit-mode  ") == 3
    # What is worse is told one by one.
    snapshot["containers"].append(snapshot["containers"][0] | {"id": "c2", "name": "lone", "ports": []})
    snapshot["endpoints"].append(
        snapshot["endpoints"][0] | {"id": "e2", "container": "c2", "addr4": "172.18.0.3", "addr6": "", "mac": "02:42:ac:12:00:03"}
    )
    look(program, "container-ungoverned", snapshot)
    (program.folder / "policies" / "other.yaml").unlink()
    assert program.call(*argv, "--only", "container-ungoverned").stdout.count("container-ungoverned  ") == 2
