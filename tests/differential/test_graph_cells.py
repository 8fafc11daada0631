"""`quaywall graph` against the naive evaluator: whoever a flow is from and to, the cell of the two says of its port
what the flow's verdict is. QUAYWALL_GRAPH_SEEDS asks more seeds than the usual 40."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Optional

import asking
import naive
from generate import Case, Json, make_case

SEEDS = int(os.environ.get("QUAYWALL_GRAPH_SEEDS", "40"))
NAMES = {"icmpv6": "icmp", 47: "other"}


def ask_graph(case: Case) -> Json:
    with tempfile.TemporaryDirectory() as folder:
        case.write(Path(folder))
        files = ["--config", "settings.yaml", "--policies", "policies", "--snapshot", "snapshot.json"]
        program = str(asking.build_path() / "quaywall")
        argv = [program, *files, "graph", "--json"]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"seed {case.seed}: {done.stderr}"
    return json.loads(done.stdout)


class Graph:
    def __init__(self, case: Case) -> None:
        self.answer = ask_graph(case)
        self.cells = {(c["row"], c["column"]): c for c in self.answer["cells"]}
        snapshot = case.snapshot
        self.names = {c["id"]: c["name"] for c in snapshot["containers"]}
        self.endpoints = {e["id"]: e for e in snapshot["endpoints"]}
        networks = [n for n in snapshot["networks"] if n["bridge"]]
        self.managed = {n["id"] for n in networks}
        addresses = [a for i in snapshot["interfaces"] for a in i["addrs"]]
        self.host = {a.split("/")[0] for a in addresses} | {g for n in networks for g in n["gateways"]}

    def word(self, kind: str) -> int:
        return next(i for i, e in enumerate(self.answer["ends"]) if e["kind"] == kind)

    def place(self, end: Json) -> Optional[int]:
        """The end of the graph that END of a flow is; None where its name does not tell."""
        if "endpoint" not in end:
            kind = "host" if end["addr"] in self.host else "world" if "interface" in end else None
            return self.word(kind) if kind else None
        endpoint = self.endpoints[end["endpoint"]]
        name = self.names.get(endpoint["container"])
        if endpoint["network"] not in self.managed or end["addr"].startswith("fe80"):
            return None
        found = [i for i, e in enumerate(self.answer["ends"]) if name in e["containers"]]
        return found[0] if len(found) == 1 else None

    def cell(self, flow: Json) -> Optional[Json]:
        if "through" in flow and "published_port" not in flow:
            return None  # a container's way through the host's port is `explain`'s: it can cross families
        row, column = self.place(flow["from"]), self.place(flow["to"])
        if row is None or column is None:
            return None
        if "published_port" in flow:
            # On a loopback address nobody outside gets there.
            return None if flow["through"]["addr"] == "127.0.0.1" else self.cells[self.word("published"), column]
        a, b = (self.endpoints.get(flow[k].get("endpoint"), {}) for k in ("from", "to"))
        cell = self.cells[row, column]
        apart = a and b and (a["container"] == b["container"] or a["network"] != b["network"])
        if apart and (cell["common_network"] or a["container"] == b["container"]):
            return None
        return cell


def covers(ports: list[str], protocol: str, port: int) -> bool:
    for text in ports:
        numbers, _, name = text.rpartition("/")
        if text in ("all", protocol):
            return True
        first, _, last = numbers.partition("-")
        if name == protocol and int(first) <= port <= int(last or first):
            return True
    return False


def part_of(cell: Json, protocol: str, port: int) -> Json:
    found = [p for p in cell["parts"] if covers(p["ports"], protocol, port)]
    assert len(found) == 1, f"{protocol} {port} is in {len(found)} parts of {cell}"
    return found[0]


def flows_of(case: Case) -> list[Json]:
    """Those of the case, and of each the ports beside its own, where rules begin and end."""
    found = []
    for flow in case.flows:
        found.append(flow)
        if flow["port"] > 1 and "published_port" not in flow:
            found.append({**flow, "port": flow["port"] - 1})
        if 0 < flow["port"] < 65535 and "published_port" not in flow:
            found.append({**flow, "port": flow["port"] + 1})
    return found


def check(case: Case, tally: Counter[str]) -> None:
    graph = Graph(case)
    evaluator = naive.make_evaluator(case.snapshot, case.policies, case.settings)
    for flow in flows_of(case):
        cell = graph.cell(flow)
        if cell is None:
            continue
        port = flow.get("published_port", flow["port"])
        part = part_of(cell, NAMES.get(flow["protocol"], flow["protocol"]), port)
        verdict = naive.verdict_to_json(evaluator.judge(evaluator.flow_from_json(flow)))["verdict"]
        tally[part["verdict"]] += 1
        tally["published" if "published_port" in flow else "direct"] += 1
        assert part["verdict"] in (verdict, "mixed"), f"seed {case.seed}: {flow} is {verdict}, not as in {cell}"
        if part["verdict"] == "mixed":
            tally[f"mixed {verdict}"] += 1


def test_cells_say_what_flows_get() -> None:
    tally: Counter[str] = Counter()
    for seed in range(SEEDS):
        check(make_case(seed), tally)
    for what in ("allow", "audit", "deny", "mixed allow", "mixed deny", "published", "direct"):
        assert tally[what] > 0, f"{what} was never asked: {tally}"
