"""`limit` of rules, counted by packets: how many of several flows arrive. Needs root."""

from __future__ import annotations

import copy
import os

import pytest

import asking
from generate import Case
from test_sentences import SNAPSHOT, flow
from wires import Wires

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

DB = "policy: p\nfor: {name: db}\nisolate: [ingress]\n"
WEB = "policy: p\nfor: {name: web}\nisolate: [ingress]\n"
SHOP = "policy: p\nfor: {project: shop}\n"
TO_DB = "allow: [{from: {project: shop}, to: {}, ports: [5432], limit: {%s}}]\n"
TO_8443 = "publish: [{from: any, to: {}, port: 8443, limit: {%s}}]\n"
# Flows at one time are counted over UDP: a refused TCP connection ends at once, and makes room.
TO_DB_UDP = TO_DB.replace("5432", "5432/udp")
BOTH_SHOPS_UDP = ["web > db 5432/udp", "worker > db 5432/udp"]
BOTH_SHOPS = ["web > db 5432", "worker > db 5432"]
OUTSIDERS = ["out > web 443 as 8443", "vpn > web 443 as 8443"]
SIX = ["web/6 > db/6 5432", "web > db 5432"]

# what is said; the policy; flows of each of which 6 are tried; how many arrive of all
CASES = [
    ("all sources together", DB + TO_DB % "new: 2/hour, burst: 3", BOTH_SHOPS, 3),
    ("each source", DB + TO_DB % "new: 2/hour, burst: 3, per: source", BOTH_SHOPS, 6),
    ("flows at one time", DB + TO_DB_UDP % "connections: 2", BOTH_SHOPS_UDP, 2),
    ("of each source", DB + TO_DB_UDP % "connections: 2, per: source", BOTH_SHOPS_UDP, 4),
    (
        "both limits",
        DB + TO_DB_UDP % "new: 2/hour, burst: 5, connections: 2, per: source",
        BOTH_SHOPS_UDP,
        4,
    ),
    ("publish", WEB + TO_8443 % "new: 2/hour, burst: 3", OUTSIDERS, 3),
    ("publish, each source", WEB + TO_8443 % "new: 2/hour, burst: 2, per: source", OUTSIDERS, 4),
    ("a burst of 5 where none is stated", DB + TO_DB % "new: 2/hour", ["web > db 5432"], 5),
    ("both families, each source", DB + TO_DB % "new: 2/hour, burst: 3, per: source", SIX, 6),
    (
        "a rule that gives both consents counts once",
        SHOP + "allow: [{from: {service: web}, to: {service: db}, limit: {new: 2/hour, burst: 4}}]\n",
        ["web > db 5432"],
        4,
    ),
    (
        "a rule to two containers is one limit",
        SHOP + "allow: [{from: {service: web}, to: {}, limit: {new: 2/hour, burst: 3}}]\n",
        ["web > db 5432", "web > worker 5432"],
        3,
    ),
    (
        "a second rule without a limit",
        DB
        + "allow:\n- {from: {project: shop}, to: {}, limit: {new: 2/hour, burst: 3}}\n"
        + "- {from: {name: web}, to: {}}\n",
        BOTH_SHOPS,
        9,
    ),
]


def sent(text: str) -> dict:
    found = flow(text)
    if "published_port" in found:
        to = {"eth0": "192.0.2.1", "wg0": "10.66.0.1"}[found["from"]["interface"]]
        found["through"] = {"addr": to, "port": found["published_port"], "proxy": False}
    return found


@pytest.mark.parametrize("says, policies, flows, count", CASES, ids=lambda x: str(x)[:40])
def test_limit(says: str, policies: str, flows: list[str], count: int) -> None:
    case = Case(0, copy.deepcopy(SNAPSHOT), {"p.yaml": policies}, "{}\n")
    with Wires(case) as wires:
        wires.publish()
        wires.spaces["host"].nft(asking.compiled_ruleset(case))
        arrived = wires.send(wires.probes([sent(text) for text in flows for _ in range(6)]))
    assert len(arrived) == count, says
