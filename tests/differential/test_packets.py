"""Verdicts against packets that the kernel really passes, with the compiled ruleset loaded, in namespaces
that the test makes. Needs root.

QUAYWALL_PACKET_SEEDS=FIRST-LAST tries other seeds than the usual 40.
"""

from __future__ import annotations

import os

import pytest

import asking
from generate import Case, Json, make_case
from wires import Probe, Wires

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def seeds() -> range:
    first, _, last = os.environ.get("QUAYWALL_PACKET_SEEDS", "0-39").partition("-")
    return range(int(first), int(last or first) + 1)


def sendable(wires: Wires, flows: list[Json]) -> list[Json]:
    """Flows whose first packet has a way: both ends are in the namespaces, and not in the same one. Of
    protocols without ports one a pair: a second one would belong to the first one's connection."""
    host = {a.split("/")[0] for i in wires.case.snapshot["interfaces"] for a in i["addrs"]}
    containers = wires.case.snapshot["containers"]
    published = {(p["protocol"], p["host_port"]) for c in containers for p in c["ports"]}
    found, pairs = [], set()
    for flow in flows:
        ends = flow["from"], flow["to"]
        if not all(wires.port_of(end) or end["addr"] in host for end in ends):
            continue
        places = [port.namespace if port else "host" for port in map(wires.port_of, ends)]
        if places[0] == places[1]:
            continue
        if isinstance(flow["protocol"], int):
            pair = frozenset(end["addr"] for end in ends)
            if pair in pairs:
                continue
            pairs.add(pair)
        if not has_way(wires, flow, published):
            continue
        found.append(flow)
    return found


def has_way(wires: Wires, flow: Json, published: set[tuple[str, int]]) -> bool:
    """Link-local addresses reach no further than the bridge; the host's own packets to the engine's
    proxy pass by lo, where nothing tells them from any other."""
    ports = [wires.port_of(end) for end in (flow["from"], flow["to"])]
    if ports[0] is None and wires.is_proxied(flow):
        return False
    if ports[1] is None and (flow["protocol"], flow["port"]) in published:
        return False  # not the host's own service: see `through`
    if not flow["to"]["addr"].startswith("fe80"):
        return True
    return None not in ports and ports[0].network is ports[1].network


def expected(flow: Json, verdict: str, is_enforcing: bool) -> bool:
    """What the LAN sends to 127.0.0.1 is dropped whatever the policies say, once one can refuse."""
    through = flow.get("through", {})
    if through.get("addr") == "127.0.0.1" and (is_enforcing or through["proxy"]):
        return False  # without translation the kernel itself takes it for a martian
    return verdict != "deny"


def is_undecided(probe: Probe, answer: Json) -> bool:
    """Senders nobody knows, where rule 8 does not refuse them, are judged as one at the host's ports: a
    rule that opens a port to their CIDR does not open it there."""
    unknown = probe.sender.startswith("stranger")
    return unknown and answer["verdict"] != "deny" and "through" in probe.flow


def load(case: Case, wires: Wires) -> None:
    """By the text that is printed, by the program at once, or by the program in two steps, the first of
    a host that lacks a container."""
    if case.seed % 3 == 0:
        wires.spaces["host"].nft(asking.compiled_ruleset(case))
        return
    if case.seed % 3 == 1:
        asking.apply_once(smaller(case), wires.spaces["host"])
    asking.apply_once(case, wires.spaces["host"])


def smaller(case: Case) -> Case:
    needed = {endpoint["container"] for endpoint in case.extra_addresses.values()}
    gone = [c["id"] for c in case.snapshot["containers"] if c["id"] not in needed][-1]
    endpoints = [e for e in case.snapshot["endpoints"] if e["container"] != gone]
    containers = [c for c in case.snapshot["containers"] if c["id"] != gone]
    snapshot = {**case.snapshot, "containers": containers, "endpoints": endpoints}
    return Case(case.seed, snapshot, case.policies, case.settings)


@pytest.mark.parametrize("seed", seeds())
def test_packets(seed: int) -> None:
    case = make_case(seed)
    with Wires(case) as wires:
        flows = sendable(wires, case.flows)
        answers = asking.ask_naive(case, flows)
        wires.publish()
        load(case, wires)
        probes = wires.probes(flows)
        arrived = wires.send(probes)
    is_enforcing = asking.is_enforcing(case)
    wrong = [
        f"{probe.flow}\n  arrived: {probe.number in arrived}, but {answer}"
        for probe, answer in zip(probes, answers)
        if not is_undecided(probe, answer)
        and expected(probe.flow, answer["verdict"], is_enforcing) != (probe.number in arrived)
    ]
    assert not wrong, f"seed {seed}, {len(wrong)} of {len(probes)}:\n" + "\n".join(wrong[:5])


def test_without_rules_everything_arrives() -> None:
    """So that what does not arrive above was refused, and not sent amiss."""
    case = make_case(0)
    with Wires(case) as wires:
        wires.publish()
        probes = wires.probes(sendable(wires, case.flows))
        arrived = wires.send(probes)
    lost = [p.flow for p in probes if p.number not in arrived]
    assert len(probes) > 50 and not lost, lost[:5]
