"""`expect:` against the naive evaluator, by brute force: which tests of a random document hold.

Every pair is judged one by one, and of a range every port near one that some rule names.
"""

from __future__ import annotations

import ipaddress
import json
import random
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

import asking
import naive
from generate import Case, Json, PolicyMaker, dump, make_case

CHUNK = 10
TESTS = 12  # of each case
OTHER = 47  # stands for the protocols without a name
OUTSIDE = ["203.0.113.9", "192.168.44.1", "10.66.0.9", "2001:db8:5::1"]


# ---- random tests ----


class ExpectMaker:
    def __init__(self, seed: int, case: Case) -> None:
        self.rng = random.Random(f"expect {seed}")
        self.case = case
        self.maker = PolicyMaker(self.rng, case.snapshot)
        names = {6: "tcp", 17: "udp", 132: "sctp"}
        documents = naive.load_documents(case.policies)
        ports = [p for d in documents for r in d.rules for p in r.ports or []]
        self.ranges = [(names[p[0]], *p[1:]) for p in ports if p[0] in names]

    def selector(self) -> Json:
        containers = self.case.snapshot["containers"]
        container = self.rng.choice(containers)
        labels = container.get("labels") or {}
        found: Json = {}
        if self.rng.random() < 0.5:
            found["name"] = container["name"] if self.rng.random() < 0.7 else "*"
        if "com.docker.compose.project" in labels and self.rng.random() < 0.6:
            found["project"] = labels["com.docker.compose.project"]
        if self.rng.random() < 0.2:
            found["network"] = self.rng.choice(self.case.snapshot["networks"])["name"]
        return {key: escape(value) if value != "*" else value for key, value in found.items()}

    def end(self) -> Any:
        kind = self.rng.random()
        if kind < 0.6:
            return self.selector()
        if kind < 0.7:
            return "host"
        if kind < 0.85:
            return self.rng.choice(OUTSIDE)
        return self.rng.choice(self.maker.all_addresses())

    def port(self) -> Optional[str]:
        """Often one that begins or ends beside those of a rule."""
        if self.ranges and self.rng.random() < 0.5:
            protocol, first, last = self.rng.choice(self.ranges)
            first = min(65535, max(1, first + self.rng.choice([-1, 0, 0, 1])))
            last = min(65535, max(first, last + self.rng.choice([-1, 0, 0, 1])))
            return f"{first}-{last}/{protocol}" if first < last else f"{first}/{protocol}"
        return self.rng.choice([None, "80", "1-65535", "udp", "53/tcp+udp", "8000-8100", "icmp", "443/sctp"])

    def published(self) -> Json:
        ports = [(p["host_port"], p["protocol"]) for c in self.case.snapshot["containers"] for p in c.get("ports") or []]
        port, protocol = self.rng.choice(ports or [(80, "tcp")])
        test = {"from": self.rng.choice([*OUTSIDE, self.selector()]), "publish": f"{port}/{protocol}"}
        return test if self.rng.random() < 0.5 else test | {"to": self.selector()}

    def make(self) -> Json:
        if self.rng.random() < 0.3:
            test = self.published()
        else:
            test = {"from": self.end(), "to": self.end()}
            port = self.port()
            test |= {"port": port} if port else {}
        return test | {"verdict": self.rng.choice(["allow", "deny"])}


def escape(text: str) -> str:
    return "".join("\\" + c if c in "*?[\\" else c for c in text)


def expecting_case(seed: int) -> Case:
    """The case with a document that only tests; sometimes one with a scope."""
    case = make_case(seed)
    maker = ExpectMaker(seed, case)
    projects = sorted(naive.World(case.snapshot).projects())
    scope = {"project": escape(maker.rng.choice(projects))} if projects and seed % 2 else {}
    if seed % 5 == 4:
        scope = {"project": "*"}
    tree = {
        "policy": "zz-tests",
        "for": scope or "all",
        "isolate": [],
        "expect": [maker.make() for _ in range(TESTS)],
    }
    return replace(case, policies=case.policies | {"zz-tests.yaml": dump(tree)})


# ---- by brute force ----


class Brute:
    def __init__(self, case: Case) -> None:
        self.evaluator = naive.make_evaluator(case.snapshot, case.policies, case.settings)
        self.world = self.evaluator.world
        self.ports = {c["id"]: c.get("ports") or [] for c in case.snapshot["containers"]}
        self.gateways = self.find_gateways(case.snapshot)
        rules = [r for d in self.evaluator.documents for r in d.rules]
        self.edges = {0, 1, 65535}
        for rule in rules:
            for _, first, last in rule.ports or []:
                self.edges |= {first, max(first - 1, 0), last, min(last + 1, 65535)}
        self.document = next(d for d in self.evaluator.documents if d.name == "zz-tests")

    def find_gateways(self, snapshot: Json) -> dict[str, naive.Endpoint]:
        """The endpoint that a container's published ports lead to: the first by its network's name."""
        internal = {n["name"] for n in snapshot["networks"] if n.get("internal")}
        found: dict[str, naive.Endpoint] = {}
        for endpoint in sorted(self.world.endpoints.values(), key=lambda e: (e.network.encode(), e.id)):
            if endpoint.managed and endpoint.network not in internal:
                found.setdefault(endpoint.container.id, endpoint)
        return found

    # -- ends: (endpoint or None, [End, one for each address]) --

    def members(self, instance: naive.Instance, selector: Any) -> list[naive.Endpoint]:
        return [
            e
            for e in self.world.endpoints.values()
            if e.managed and (instance.governs(e) if selector is None else instance.selects(selector, e))
        ]

    def ends_of(self, instance: naive.Instance, text: Any, interface: Optional[str]) -> list[list[naive.End]]:
        if text == "host":
            return [[naive.End("host", a)] for a in self.world.host if not a.is_loopback]
        if isinstance(text, str):
            end = self.evaluator.end_of_address(ipaddress.ip_address(text))
            return [[replace(end, interface=interface) if end.kind == "outside" else end]]
        return [
            [naive.End("endpoint", a, e) for a in e.addresses if not a.is_link_local]
            for e in self.members(instance, text)
        ]

    # -- pairs --

    def pairs(self, sources: list[list[naive.End]], destinations: list[list[naive.End]]) -> Iterator[Any]:
        for source in sources:
            for destination in destinations:
                if not source or not destination:
                    continue
                a, b = source[0].endpoint, destination[0].endpoint
                if a and b:
                    if a.container is b.container:
                        continue
                    if a.network != b.network and self.have_common(sources, destinations, a, b):
                        continue
                yield source, destination

    @staticmethod
    def have_common(sources: Any, destinations: Any, a: naive.Endpoint, b: naive.Endpoint) -> bool:
        def networks(ends: Any, container: naive.Container) -> set[str]:
            found = [e[0].endpoint for e in ends if e and e[0].endpoint]
            return {e.network for e in found if e.container is container}

        return bool(networks(sources, a.container) & networks(destinations, b.container))

    # -- flows --

    def traffic(self, port: Optional[str], v6: bool) -> Iterator[tuple[int, int]]:
        icmp = 58 if v6 else 1
        if port is None:
            ranges = [(6, 0, 65535), (17, 0, 65535), (132, 0, 65535), (icmp, 0, 0), (OTHER, 0, 0)]
        elif port == "icmp":
            ranges = [(icmp, 0, 0)]
        else:
            ranges = naive.ports_of([port]) or []
        for protocol, first, last in ranges:
            for number in {first, last} | {e for e in self.edges if first <= e <= last}:
                yield protocol, number

    def holds(self, wanted: str, flow: naive.Flow) -> bool:
        return (self.evaluator.judge(flow).verdict == "allow") == (wanted == "allow")

    def plain(self, test: Json, instance: naive.Instance) -> Iterator[bool]:
        sources = self.ends_of(instance, test["from"], None)
        for source, destination in self.pairs(sources, self.ends_of(instance, test["to"], None)):
            for a in source:
                for b in destination:
                    if a.address.version != b.address.version:
                        continue
                    for protocol, port in self.traffic(test.get("port"), a.address.version == 6):
                        yield self.holds(test["verdict"], naive.Flow(a, b, protocol, port))

    def ways(self, container: str, source: naive.End, port: int, protocol: str) -> Iterator[int]:
        for way in self.ports[container]:
            address = ipaddress.ip_address(way["host_addr"])
            if (way["host_port"], way["protocol"]) != (port, protocol):
                continue
            if address.version == source.address.version and (source.kind == "host" or not address.is_loopback):
                yield way["container_port"]

    def through_port(self, test: Json, instance: naive.Instance) -> Iterator[bool]:
        number, _, protocol = test["publish"].partition("/")
        members = self.members(instance, test.get("to"))
        containers = {e.container.id: e for e in members}
        for source in self.ends_of(instance, test["from"], None):
            for id, member in containers.items():
                published = self.ports[id] if id in self.gateways else []
                if "to" not in test and (int(number), protocol) not in [(p["host_port"], p["protocol"]) for p in published]:
                    continue
                endpoint = self.gateways[id] if published else member
                if source and source[0].endpoint and source[0].endpoint.container.id == id:
                    continue
                yield from self.by_address(test, source, endpoint, int(number), protocol, bool(published))

    def by_address(
        self, test: Json, source: list[naive.End], endpoint: naive.Endpoint, number: int, protocol: str, published: bool
    ) -> Iterator[bool]:
        addresses = [a for a in endpoint.addresses if not a.is_link_local]
        for end in source:
            # docker-proxy takes a client of the other family to the container, too.
            same = [a for a in addresses if a.version == end.address.version] or addresses
            for address in same[:1]:
                ports = list(self.ways(endpoint.container.id, end, number, protocol)) if published else []
                if not ports:
                    yield test["verdict"] == "deny"
                for port in ports:
                    outside = end.kind == "outside"
                    target = naive.End("endpoint", address, endpoint)
                    flow = naive.Flow(end, target, naive.PROTOCOLS[protocol], port, number if outside else None)
                    yield self.holds(test["verdict"], flow)

    def test(self, test: Json) -> bool:
        judge = self.through_port if "publish" in test else self.plain
        instances = [i for i in self.evaluator.instances if i.document is self.document]
        results = [result for instance in instances for result in judge(test, instance)]
        return bool(results) and all(results)


# ---- the program ----


def failing_lines(case: Case) -> set[int]:
    with tempfile.TemporaryDirectory() as folder:
        case.write(Path(folder))
        run = subprocess.run(
            [asking.build_path() / "quaywall", "--json", "--config", "settings.yaml", "--policies", "policies"]
            + ["validate", "--snapshot", "snapshot.json"],
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=120,
            check=False,
        )
    answer = json.loads(run.stdout)
    assert answer["expectations"]["held"] + answer["expectations"]["failed"] == TESTS, run.stdout
    return {p["line"] for p in answer["problems"] if p["severity"] == "error"}


def check(seed: int) -> None:
    case = expecting_case(seed)
    tree = naive.read_yaml(case.policies["zz-tests.yaml"])[0]
    brute = Brute(case)
    wrong = [test for test in tree["expect"] if not brute.test(test)]
    assert failing_lines(case) == {test.line for test in wrong}, f"seed {seed}"


@pytest.mark.parametrize("first", range(0, 60, CHUNK))
def test_expectations(first: int) -> None:
    for seed in range(first, first + CHUNK):
        check(seed)
