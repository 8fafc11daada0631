#!/usr/bin/python3
"""Random small hosts, policies over the whole language, and the flows to ask. Always valid input.

make_case(SEED) gives the same case each time. Run by hand to write a case to a folder:
generate.py SEED DIR
"""

from __future__ import annotations

import ipaddress
import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import yaml

Json = dict[str, Any]

PROJECTS = ["shop", "blog", "shop-dev"]
SERVICES = ["web", "db", "worker", "we b", "we_b"]
IMAGES = [
    "nginx",
    "nginx:1.25",
    "postgres:15",
    "docker.io/library/nginx:latest",
    "ghcr.io/acme/worker:2",
    "localhost:5000/acme/web",
    "acme/web",
]
# Who is outside, and by which interface of the host; the last column: needs that interface to exist.
OUTSIDE = [
    ("203.0.113.9", "eth0"),
    ("192.0.2.77", "eth0"),
    ("169.254.169.254", "eth0"),
    ("198.51.100.20", "eth1"),
    ("192.168.7.7", "eth1"),
    ("10.66.0.9", "wg0"),
    ("10.20.9.5", "wg0"),
    ("2001:db8:1::77", "eth0"),
    ("2001:db8:ffff::9", "eth0"),
    ("2001:db8:2::20", "eth1"),
    ("fd66::9", "wg0"),
]
INTERFACES = {
    "eth0": ["192.0.2.1/24", "2001:db8:1::1/64"],
    "eth1": ["198.51.100.1/24", "2001:db8:2::1/64"],
    "wg0": ["10.66.0.1/24", "fd66::1/64"],
}
MULTICAST = ["224.0.0.251", "239.1.2.3", "255.255.255.255", "ff02::fb", "ff05::2"]


@dataclass
class Case:
    seed: int
    snapshot: Json
    policies: dict[str, str]  # text by the name of the file
    settings: str
    flows: list[Json] = field(default_factory=list)
    extra_addresses: dict[str, Json] = field(default_factory=dict)  # of `addresses:`; to its endpoint

    def write(self, folder: Path) -> None:
        (folder / "policies").mkdir(parents=True, exist_ok=True)
        (folder / "snapshot.json").write_text(json.dumps(self.snapshot, indent=1))
        (folder / "settings.yaml").write_text(self.settings)
        for name, text in self.policies.items():
            (folder / "policies" / name).write_text(text)
        (folder / "flows.jsonl").write_text("".join(json.dumps(f) + "\n" for f in self.flows))


class Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # the language has no anchors


def dump(tree: Any) -> str:
    return yaml.dump(tree, Dumper=Dumper, default_flow_style=None, sort_keys=False, width=10000)


def is_v6(address: str) -> bool:
    return ":" in address


def gateway_endpoint(snapshot: Json, container: str) -> Optional[Json]:
    """Where published ports lead: of a container's managed networks the one whose name comes first, as
    the engine chooses the gateway; an internal one is no way out, and publishes nothing."""
    managed = [n for n in snapshot["networks"] if n["bridge"] and not n["internal"]]
    networks = {n["id"]: n["name"] for n in managed}
    ends = [e for e in snapshot["endpoints"] if e["container"] == container and e["network"] in networks]
    return min(ends, key=lambda e: networks[e["network"]], default=None)


# ---- the host ----


class HostMaker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.networks: list[Json] = []
        self.containers: list[Json] = []
        self.endpoints: list[Json] = []
        self.taken_ports: dict[tuple[str, int, bool], set[str]] = {}  # addresses that are taken

    def make(self) -> Json:
        names = ["eth0"] + [n for n in ("eth1", "wg0") if self.rng.random() < 0.7]
        self.host_addresses = [a.split("/")[0] for n in names for a in INTERFACES[n]]
        for i in range(self.rng.choice([1, 1, 2, 2, 3, 4])):
            self.add_network(i)
        for i in range(self.rng.randint(2, 8)):
            self.add_container(i)
        return {
            "quaywall_snapshot": 1,
            "engine": {"id": "e", "name": "Docker Engine", "version": "20.10.24", "api_version": "1.41"},
            "networks": self.networks,
            "containers": self.containers,
            "endpoints": self.endpoints,
            "interfaces": self.interfaces(names),
        }

    def interfaces(self, names: list[str]) -> list[Json]:
        found: list[Json] = [
            {"name": "lo", "index": 1, "bridge": False, "addrs": ["127.0.0.1/8", "::1/128"]}
        ]
        for i, name in enumerate(names):
            found.append({"name": name, "index": 2 + i, "bridge": False, "addrs": INTERFACES[name]})
        for i, n in enumerate(n for n in self.networks if n["bridge"]):
            pairs = zip(n["gateways"], n["subnets"])
            addrs = [f"{gateway}/{subnet.split('/')[1]}" for gateway, subnet in pairs]
            found.append({"name": n["bridge"], "index": 10 + i, "bridge": True, "addrs": addrs})
        return found

    def add_network(self, i: int) -> None:
        kind = self.rng.choice(["4", "4", "6", "46", "46"])
        project = self.rng.choice(PROJECTS[:2])
        short = self.rng.choice(["front", "back", "default"])
        name = f"{project}_{short}{i}" if self.rng.random() < 0.8 else f"net{i}"
        labels = {"com.docker.compose.project": project, "com.docker.compose.network": short}
        length = self.rng.choice([16, 24])
        subnets, gateways = [], []
        bridge = i == 0 or self.rng.random() < 0.93
        if "4" in kind:
            subnets.append(f"172.{18 + i}.0.0/{length}")
            gateways.append(f"172.{18 + i}.0.1")
        if "6" in kind:
            subnets.append(f"fd00:{18 + i}::/64")
            gateways.append(f"fd00:{18 + i}::1")
        self.networks.append(
            {
                "id": f"n{i}",
                "name": name,
                "driver": "bridge" if bridge else "macvlan",
                "scope": "local",
                "bridge": f"br-{i}{short}" if bridge else None,
                "internal": self.rng.random() < 0.1,
                "icc": self.rng.random() < 0.9,
                "encrypted": False,
                "gateway_mode4": None,
                "gateway_mode6": None,
                "subnets": subnets,
                "gateways": gateways,
                "labels": labels if name.startswith(project) else {},
            }
        )

    def add_container(self, i: int) -> None:
        rng = self.rng
        container: Json = {
            "id": f"c{i}",
            "image": rng.choice(IMAGES),
            "image_id": "sha256:00",
            "running": True,
            "labels": {},
            "image_labels": [],
            "ports": [],
        }
        self.add_labels(container, i)
        self.containers.append(container)
        owners = [c for c in self.containers[:-1] if c["network_mode"].startswith("n")]
        if i > 1 and rng.random() < 0.08:
            container["network_mode"] = "host"
            return
        if owners and rng.random() < 0.1:
            owner = rng.choice(owners)
            container["network_mode"] = "container:" + rng.choice([owner["id"], owner["name"]])
            return
        count = rng.choice([1, 1, 1, 1, 2, 2, 3])
        networks = rng.sample(self.networks, min(count, len(self.networks)))
        container["network_mode"] = networks[0]["id"]
        for network in networks:
            self.add_endpoint(container, network, i)
        if networks[0]["bridge"]:
            for _ in range(rng.choice([0, 0, 1, 1, 2])):
                self.add_port(container)

    def add_labels(self, container: Json, i: int) -> None:
        rng = self.rng
        labels = container["labels"]
        kind = rng.random()
        if kind < 0.65:
            project, service = rng.choice(PROJECTS), rng.choice(SERVICES)
            labels["com.docker.compose.project"] = project
            labels["com.docker.compose.service"] = service
            container["name"] = f"{project}-{service.replace(' ', '_')}-{i}"
            if rng.random() < 0.3:
                labels["com.docker.compose." + rng.choice(["container-number", "config-hash"])] = "1"
            if rng.random() < 0.15:  # claimed by the image, and so not always believed
                pair = ["com.docker.compose.project", "com.docker.compose.service"]
                container["image_labels"] = rng.choice([pair[:1], pair[1:], pair, list(labels)])
        elif kind < 0.8:
            stack, service = rng.choice(PROJECTS), rng.choice(SERVICES[:3])
            labels["com.docker.swarm.service.name"] = f"{stack}_{service}"
            if rng.random() < 0.8:
                labels["com.docker.stack.namespace"] = stack
            container["name"] = f"{stack}_{service}.{i}.x"
        else:
            container["name"] = rng.choice(["loner", "web", "tool", "Web"]) + f"-{i}"
        if rng.random() < 0.6:
            labels["env"] = rng.choice(["prod", "test", "true", ""])
        if rng.random() < 0.4:
            labels["com.example/tier"] = rng.choice(["1", "1.10", "a*b"])
            if rng.random() < 0.3:
                container["image_labels"] = container["image_labels"] + ["com.example/tier"]
        container["labels"] = labels

    def add_endpoint(self, container: Json, network: Json, i: int) -> None:
        addresses: dict[str, Optional[str]] = {"addr4": None, "addr6": None}
        for subnet in network["subnets"]:
            key = "addr6" if is_v6(subnet) else "addr4"
            addresses[key] = str(ipaddress.ip_network(subnet)[2 + i])
        n = int(network["id"][1:])
        self.endpoints.append(
            {
                "id": f"e{len(self.endpoints)}",
                "network": network["id"],
                "container": container["id"],
                "name": container["name"],
                **addresses,
                "mac": f"02:42:ac:{18 + n:02x}:00:{2 + i:02x}",
            }
        )

    def add_port(self, container: Json) -> None:
        rng = self.rng
        protocol = rng.choice(["tcp", "tcp", "tcp", "udp", "sctp"])
        host_port = rng.choice([80, 443, 8080, 8081, 8443, 9000, 9001])
        addresses = ["127.0.0.1", *rng.choices(self.host_addresses, k=4)]
        addresses += ["0.0.0.0", "0.0.0.0", "::"] * 3
        port = {
            "protocol": protocol,
            "container_port": rng.choice([80, 443, 5432, 8080, 9090]),
            "host_port": host_port,
            "host_addr": rng.choice(addresses),
        }
        self.publish_at(container, port)
        if port["host_addr"] == "0.0.0.0" and rng.random() < 0.5:
            self.publish_at(container, {**port, "host_addr": "::"})

    def publish_at(self, container: Json, port: Json) -> None:
        """One port may be published twice, at different addresses."""
        wildcard = "::" if is_v6(port["host_addr"]) else "0.0.0.0"
        key = (port["protocol"], port["host_port"], is_v6(port["host_addr"]))
        taken = self.taken_ports.setdefault(key, set())
        if port["host_addr"] in taken or wildcard in taken or (taken and port["host_addr"] == wildcard):
            return
        taken.add(port["host_addr"])
        container["ports"].append(port)


# ---- policies ----


class PolicyMaker:
    def __init__(self, rng: random.Random, snapshot: Json) -> None:
        self.rng = rng
        self.snapshot = snapshot
        # A third of the hosts asks for scopes alone: nested selectors, and little else that decides.
        self.is_about_scope = self.chance(0.33)
        self.nesting = 0.65 if self.is_about_scope else 0.3
        self.groups: list[str] = []
        self.extra_addresses: dict[str, Json] = {}

    def pick(self, values: list[Any]) -> Any:
        return self.rng.choice(values)

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    # -- selectors --

    def container_value(self, key: str) -> Optional[str]:
        container = self.pick(self.snapshot["containers"])
        return container[key] if key in container else container["labels"].get(key)

    def blurred(self, value: str) -> str:
        """A glob that matches VALUE, most of the time VALUE itself."""
        plain = "".join("\\" + c if c in "*?[\\" else c for c in value)
        if self.chance(0.65) or len(value) < 2 or plain != value:
            return plain
        cut = self.rng.randrange(1, len(value))
        globs = [value[:cut] + "*", "*" + value[cut:], value[:cut] + "?" + value[cut + 1 :]]
        globs.append(f"{value[:cut]}[!~]{value[cut + 1:]}")
        globs.append(f"{value[: cut - 1]}[{value[cut - 1]}xyz]{value[cut:]}")
        globs.append(f"{value[:cut - 1]}\\{value[cut - 1:]}")
        return self.pick(globs)

    def project(self) -> str:
        if self.chance(0.15):
            return "*"
        if self.chance(0.1):
            return self.pick(["**", "none", "s*"])
        return self.blurred(self.pick(PROJECTS))

    def label(self) -> Json:
        key = self.pick(["env", "env", "com.example/tier", "com.docker.compose.service", "nope"])
        value = self.container_value(key)
        if self.chance(0.4) or value is None:
            return {key: self.pick([True, True, "true", "*", "1.10"])}
        return {key: self.blurred(value)}

    def mapping(self, depth: int, groups: list[str], named: bool = True) -> Json:
        """A selector's mapping. NAMED: it may name a project."""
        simple = ["service"] * 5 + ["name", "name"]
        simple += [] if self.is_about_scope else ["image", "label", "label", "network", "network"]
        if named:
            simple += ["project", "project"]
        keys = self.rng.sample(simple, self.pick([1, 1, 1, 1, 2]))
        if depth > 0 and self.chance(self.nesting):
            keys[0] = self.pick(["not", "any", "any", "all", "all" if self.is_about_scope else "not"])
        if self.chance(0.06):
            keys = []
        return {key: self.value(key, depth, groups) for key in dict.fromkeys(keys)}

    def value(self, key: str, depth: int, groups: list[str]) -> Any:
        if key == "not":
            return self.selector(depth - 1, groups)
        if key in ("any", "all"):
            return [self.selector(depth - 1, groups) for _ in range(self.pick([1, 2, 2, 3]))]
        if key == "label":
            return self.label()
        if key == "project":
            return self.project()
        if key == "service":
            service = self.container_value("com.docker.compose.service")
            return self.blurred(service or self.pick(SERVICES))
        if key == "network":
            return self.blurred(self.pick(self.snapshot["networks"])["name"])
        value = self.container_value(key) or "x"
        if key == "name" and self.is_about_scope:
            return value[: self.rng.randrange(3)] + "*"
        return self.blurred(value)

    def selector(self, depth: int, groups: list[str]) -> Any:
        if groups and self.chance(0.25):
            return self.pick(groups)
        if depth > 0 and self.chance(0.12):
            return [self.selector(depth - 1, groups) for _ in range(self.pick([1, 2, 2]))]
        return self.mapping(depth, groups)

    # -- ends of rules --

    def container_addresses(self) -> list[str]:
        ends = self.snapshot["endpoints"]
        found = [e[key] for e in ends for key in ("addr4", "addr6") if e[key]]
        return found + list(self.extra_addresses)

    def all_addresses(self) -> list[str]:
        hosts = [a.split("/")[0] for i in self.snapshot["interfaces"] for a in i["addrs"]]
        return [a for a, _ in OUTSIDE] + self.container_addresses() + hosts

    def subnets(self) -> list[str]:
        return [s for n in self.snapshot["networks"] for s in n["subnets"]]

    def block_around(self, address: str) -> str:
        lengths = [0, 32, 48, 64, 96, 126, 128] if is_v6(address) else [0, 8, 12, 16, 24, 29, 31, 32]
        return str(ipaddress.ip_network(f"{address}/{self.pick(lengths)}", strict=False))

    def cidr(self, outside: bool) -> Any:
        pool = [a for a, _ in OUTSIDE] * 2 + ([] if outside else self.all_addresses())
        address = self.pick(pool)
        if self.chance(0.25):
            return address
        block = self.pick(self.subnets()) if not outside and self.chance(0.3) else self.block_around(address)
        if self.chance(0.5) or block.endswith(("/32", "/128")):
            return block
        inside = [a for a in self.all_addresses() if ipaddress.ip_address(a) in ipaddress.ip_network(block)]
        excepted = [self.except_inside(block, a) for a in self.rng.sample(inside, min(2, len(inside)))]
        return {"cidr": block, "except": excepted} if excepted else {"cidr": block}

    def except_inside(self, block: str, address: str) -> str:
        outer = ipaddress.ip_network(block)
        length = self.rng.randint(outer.prefixlen + 1, outer.max_prefixlen)
        if self.chance(0.5):
            length = outer.max_prefixlen
        return str(ipaddress.ip_network(f"{address}/{length}", strict=False))

    def interface(self) -> Json:
        return {"interface": self.pick(["eth0", "eth1", "wg0", "eth*", "wg?", "eth[!0]", "*", "ppp0"])}

    def peer(self) -> Any:
        kind = self.rng.random()
        if kind < 0.5 or self.is_about_scope:
            return self.selector(3 if self.is_about_scope else 2, self.groups)
        if kind < 0.75:
            return self.pick(["any", "containers", "world", "host"])
        if kind < 0.93:
            return self.cidr(False)
        return self.interface()

    def peers(self) -> Any:
        if self.chance(0.7):
            return self.peer()
        # an item of the list may be no list itself where words stand beside it
        items = [self.peer() for _ in range(self.pick([1, 2, 3]))]
        return [item for item in items if not isinstance(item, list)] or ["any"]

    # -- ports --

    def port(self) -> Any:
        kind = self.rng.random()
        number = self.pick([80, 443, 5432, 8080, 9090, 53, 1, 65535])
        if kind < 0.45:
            return number
        if kind < 0.7:
            return f"{number}/{self.pick(['tcp', 'udp', 'sctp', 'tcp+udp', 'udp+sctp'])}"
        if kind < 0.85:
            first = self.pick([80, 1, 5000, 8000])
            last = first + self.pick([0, 1, 5, 500, 5000])
            return f"{first}-{last}" + self.pick(["", "/udp", "/tcp+udp", "/tcp+sctp"])
        return self.pick(["tcp", "udp", "sctp", "icmp", "icmp"])

    def ports(self) -> list[Any]:
        return [self.port() for _ in range(self.pick([1, 1, 2, 3]))]

    def publish_port(self) -> Any:
        numbers = [p["host_port"] for c in self.snapshot["containers"] for p in c["ports"]] or [443]
        number = self.pick(numbers)
        forms = [number, number, f"{number}/tcp", f"{number}/tcp+udp", f"{number}/udp", "8000-9000"]
        return self.pick(forms + [f"{number}/sctp", "1-500/tcp+sctp"])

    # -- rules and documents --

    def rule(self, action: str) -> Json:
        rule = {"from": self.peers(), "to": self.peers()}
        if self.is_about_scope:
            rule["to"] = self.pick([{}, "any", rule["to"]])
        elif self.chance(0.7 if action == "allow" else 0.85):
            rule["ports"] = self.ports()
        if self.chance(0.1):
            rule["name"] = "a name"
        if self.chance(0.1):
            rule["log"] = self.pick([True, False])
        if action == "allow" and self.chance(0.05):
            rule["limit"] = {"new": "50000/second", "burst": 50000, "per": "source"}
        return rule

    def publish_rule(self) -> Json:
        sources = ["any", "world", self.cidr(True), self.cidr(True), self.interface()]
        source = self.pick(sources)
        if self.chance(0.3):
            source = [source, self.pick(sources)]
        to = self.pick([{}, self.selector(1, self.groups), self.mapping(1, self.groups)])
        rule = {"to": to, "port": self.publish_port(), "from": source}
        if self.chance(0.1):
            rule["limit"] = {"connections": 50000}
        return rule

    def governs(self) -> Any:
        kind = self.rng.random()
        if self.is_about_scope:
            return {"project": self.pick([self.pick(PROJECTS), self.pick(PROJECTS), "*", "s*"])}
        if kind < 0.15:
            return "all"
        if kind < 0.45:
            return {"project": self.blurred(self.pick(PROJECTS))}
        if kind < 0.6:
            return {"project": self.pick(["*", "shop*", "s*", "[sb]*"])}
        if kind < 0.75:
            return {"project": self.project(), **self.mapping(1, [], named=False)}
        if kind < 0.85:
            return [self.mapping(1, []) for _ in range(self.pick([1, 2]))]
        return self.mapping(2, [])

    def make_groups(self) -> Json:
        groups: Json = {}
        for name in self.rng.sample(["g1", "web", "db", "every.one"], self.pick([0, 0, 1, 2, 3])):
            groups[name] = self.selector(3 if self.is_about_scope else 2, list(groups))  # only those before it: no circle
        self.groups = list(groups)
        return groups

    def document(self, name: str) -> Json:
        document: Json = {"policy": name, "for": self.governs()}
        isolations = [["ingress"], ["egress"], ["ingress", "egress"], ["ingress", "egress"], []]
        if self.is_about_scope:
            document["isolate"] = ["ingress"]
        elif self.chance(0.6):
            document["isolate"] = self.pick(isolations)
        if self.chance(0.4) and not self.is_about_scope:
            document["mode"] = self.pick(["enforce", "audit"])
        groups = self.make_groups()
        if groups:
            document["groups"] = groups
        document["allow"] = [self.rule("allow") for _ in range(self.pick([1, 2, 2, 3, 4]))]
        if self.chance(0.4):
            document["deny"] = [self.rule("deny") for _ in range(self.pick([1, 1, 2]))]
        if self.chance(0.5):
            document["publish"] = [self.publish_rule() for _ in range(self.pick([1, 1, 2]))]
        return document

    def addresses_document(self) -> Optional[Json]:
        """`addresses:` takes a document that governs one identity: a container on one network."""
        ends = self.snapshot["endpoints"]
        counts = {c["id"]: 0 for c in self.snapshot["containers"]}
        for end in ends:
            counts[end["container"]] += 1
        managed = {n["id"] for n in self.snapshot["networks"] if n["bridge"]}
        alone = [e for e in ends if counts[e["container"]] == 1 and e["network"] in managed]
        if not alone:
            return None
        end = self.pick(alone)
        blocks = []
        if end["addr4"]:
            in_subnet = end["addr4"].rsplit(".", 1)[0] + ".99"
            blocks += [in_subnet, "10.99.0.4/30"]
        if end["addr6"]:
            blocks.append("fd99::5")
        block = self.pick(blocks)
        self.extra_addresses = {str(ipaddress.ip_network(block)[0]): end}
        document = {"policy": "vip", "for": {"name": end["name"]}, "isolate": [], "addresses": [block]}
        if self.chance(0.5):
            document["isolate"] = ["ingress"]
            document["allow"] = [self.rule("allow")]
        return document

    def files(self) -> dict[str, str]:
        vip = self.addresses_document() if self.chance(0.15) else None
        documents = [self.document(f"p{i}") for i in range(self.pick([1, 1, 2, 2, 3, 4]))]
        if vip:
            documents.append(vip)
        self.rng.shuffle(documents)
        cut = self.rng.randint(0, len(documents))
        parts = {"a.yaml": documents[:cut], "b.yml": documents[cut:]}
        return {name: "---\n".join(dump(d) for d in docs) for name, docs in parts.items() if docs}

    def settings(self) -> str:
        if self.chance(0.4) or self.is_about_scope:
            return "{}\n"
        if self.chance(0.1):
            return dump({"preset": "strict"})
        choices = {
            "mode": ["enforce", "audit"],
            "containers": ["allow", "deny"],
            "unknown": ["deny", "audit", "allow"],
            "publish": ["allow", "deny", "local"],
            "containers_to_host": ["allow", "deny"],
            "host_to_containers": ["allow", "deny"],
        }
        defaults = {key: self.pick(values) for key, values in choices.items() if self.chance(0.35)}
        settings: Json = {"preset": "strict"} if self.chance(0.1) else {}
        return dump({**settings, "defaults": defaults}) if defaults else "{}\n"


# ---- flows ----


class FlowMaker:
    """Ends are {"addr", "endpoint" or "interface"}; see naive.Evaluator.flow_from_json()."""

    def __init__(self, rng: random.Random, maker: PolicyMaker) -> None:
        self.rng = rng
        self.snapshot = maker.snapshot
        self.maker = maker
        self.ports = [80, 443, 5432, 8080, 9090, 53, 1, 65535, 79, 81, 85, 86, 8500, 8501, 33333]

    def endpoint_ends(self) -> list[Json]:
        ends = []
        for e in self.snapshot["endpoints"]:
            ends += [{"endpoint": e["id"], "addr": e[k]} for k in ("addr4", "addr6") if e[k]]
        return ends + [{"addr": a} for a in self.maker.extra_addresses]

    def link_local_ends(self) -> list[Json]:
        ends = []
        for e in self.snapshot["endpoints"]:
            b = [int(part, 16) for part in e["mac"].split(":")]
            text = f"fe80::{b[0] ^ 2:02x}{b[1]:02x}:{b[2]:02x}ff:fe{b[3]:02x}:{b[4]:02x}{b[5]:02x}"
            ends.append({"endpoint": e["id"], "addr": str(ipaddress.ip_address(text))})
        return ends

    def host_ends(self) -> list[Json]:
        found = [a for i in self.snapshot["interfaces"] if i["name"] != "lo" for a in i["addrs"]]
        return [{"addr": a.split("/")[0]} for a in found]

    def outside_ends(self) -> list[Json]:
        names = {i["name"] for i in self.snapshot["interfaces"]}
        return [{"addr": a, "interface": i if i in names else "eth0"} for a, i in OUTSIDE]

    def unknown_ends(self) -> list[Json]:
        managed = [n for n in self.snapshot["networks"] if n["bridge"]]
        blocks = [ipaddress.ip_network(s) for n in managed for s in n["subnets"]]
        return [{"addr": str(block[200])} for block in blocks]

    def traffic(self, v6: bool) -> Json:
        if self.rng.random() < 0.15:
            return {"protocol": "icmpv6" if v6 else "icmp", "port": 0}
        if self.rng.random() < 0.03:
            return {"protocol": 47, "port": 0}
        protocol = self.rng.choice(["tcp", "tcp", "tcp", "udp", "udp", "sctp"])
        return {"protocol": protocol, "port": self.rng.choice(self.ports)}

    def pairs(self, sources: list[Json], destinations: list[Json], count: int) -> list[Json]:
        """COUNT flows of one family between the two, from each pair at most a few."""
        fitting = [
            (s, d)
            for s in sources
            for d in destinations
            if s != d and is_v6(s["addr"]) == is_v6(d["addr"])
        ]
        if not fitting:
            return []
        picked = self.rng.sample(fitting, min(count, len(fitting)))
        picked += self.rng.choices(fitting, k=count - len(picked))
        return [{"from": s, "to": d, **self.traffic(is_v6(s["addr"]))} for s, d in picked]

    def published_ports(self) -> list[tuple[Json, Json]]:
        """Each published port with the endpoint that it leads to."""
        found = []
        for container in self.snapshot["containers"]:
            end = gateway_endpoint(self.snapshot, container["id"])
            found += [(port, end) for port in container["ports"] if end]
        return found

    def through(self, source: Json, port: Json, end: Json) -> Optional[Json]:
        """A flow to END by its published PORT. `through` is where the client sends to; `proxy`: not
        translated, but accepted on the host by the engine's proxy, for want of one family."""
        v6 = is_v6(source["addr"])
        if is_v6(port["host_addr"]) != v6:
            return None
        address, other = (end["addr6"], end["addr4"]) if v6 else (end["addr4"], end["addr6"])
        hosts = [h["addr"] for h in self.host_ends() if is_v6(h["addr"]) == v6]
        anywhere = port["host_addr"] in ("0.0.0.0", "::")
        to = self.rng.choice(hosts) if anywhere else port["host_addr"]
        return {
            "from": source,
            "to": {"endpoint": end["id"], "addr": address or other},
            "protocol": port["protocol"],
            "port": port["container_port"],
            "through": {"addr": to, "port": port["host_port"], "proxy": address is None},
        }

    def all_through(self, sources: list[Json], count: int) -> list[Json]:
        made = [self.through(s, p, e) for s in sources for p, e in self.published_ports()]
        found = [flow for flow in made if flow]
        return self.rng.sample(found, min(count, len(found)))

    def published(self, count: int) -> list[Json]:
        flows = self.all_through(self.outside_ends(), count)
        return [{**flow, "published_port": flow["through"]["port"]} for flow in flows]

    def hairpins(self, count: int) -> list[Json]:
        """From containers and the host: only another road to the container's own port."""
        sources = self.endpoint_ends() + self.host_ends() + self.unknown_ends()
        flows = self.all_through(sources, 3 * count)
        return [f for f in flows if f["through"]["addr"] != "127.0.0.1"][:count]

    def make(self) -> list[Json]:
        ends, host, outside = self.endpoint_ends(), self.host_ends(), self.outside_ends()
        unknown = self.unknown_ends()
        nameless = [{"addr": o["addr"]} for o in outside]  # by an interface that is not known
        multicast = [{"addr": a} for a in MULTICAST]
        return (
            self.pairs(ends, ends, 120 if self.maker.is_about_scope else 60)
            + self.pairs(ends, outside, 20)
            + self.pairs(outside, ends, 20)
            + self.pairs(ends, host, 15)
            + self.pairs(host, ends, 12)
            + self.pairs(unknown, ends + host + outside, 5)
            + self.pairs(ends + host + outside, unknown, 6)
            + self.pairs(nameless, ends, 4)
            + self.pairs(ends, nameless + multicast, 6)
            + self.pairs(self.link_local_ends(), self.link_local_ends(), 4)
            + self.published(30)
            + self.hairpins(20)
        )


def make_case(seed: int) -> Case:
    rng = random.Random(seed)
    snapshot = HostMaker(rng).make()
    maker = PolicyMaker(rng, snapshot)
    case = Case(seed, snapshot, maker.files(), maker.settings())
    case.extra_addresses = maker.extra_addresses
    case.flows = FlowMaker(rng, maker).make()
    return case


def main() -> int:
    make_case(int(sys.argv[1])).write(Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
