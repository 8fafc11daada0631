#!/usr/bin/python3
"""A second evaluator of the policy language, written from the page of the language alone.

It is naive on purpose: each question walks over every policy, and a function follows a sentence of the
page where it can. Comments name the rule (1 to 11 of section 3). Places where the page leaves a choice
are marked "Taken:". It expects valid input and checks nothing.

Usage: naive.py --policies DIR --snapshot FILE [--settings FILE] < FLOWS
where FLOWS and the answers are one JSON object a line (see Flow.from_json).
"""

from __future__ import annotations

import argparse
import ctypes
import ipaddress
import json
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Union

import yaml

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
WORDS = ("any", "containers", "world", "host")
LOCAL_SOURCES = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
]
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]


# ---- YAML: every scalar is text, and knows its line ----


class Text(str):
    """A scalar; `plain` tells the plain `true` of a label from the quoted one."""

    plain: bool = False


class Mapping(dict):
    line: int = 0


class Sequence(list):
    line: int = 0


def construct(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        text = Text(node.value)
        text.plain = node.style is None
        return text
    if isinstance(node, yaml.SequenceNode):
        sequence = Sequence(construct(child) for child in node.value)
        sequence.line = node.start_mark.line + 1
        return sequence
    mapping = Mapping((construct(key), construct(value)) for key, value in node.value)
    mapping.line = node.start_mark.line + 1
    return mapping


def read_yaml(text: str) -> list[Any]:
    return [construct(node) for node in yaml.compose_all(text, yaml.BaseLoader) if node is not None]


# ---- globs ----

_libc = ctypes.CDLL("libc.so.6")


@lru_cache(maxsize=None)
def glob_matches(pattern: str, text: str) -> bool:
    """fnmatch(3) is how the page defines its globs; Python's fnmatch has no backslash."""
    return _libc.fnmatch(pattern.encode(), text.encode(), 0) == 0


def only_text(pattern: str) -> Optional[str]:
    """The one text that a pattern without wildcards matches."""
    bare = re.sub(r"\\.", "", pattern)
    return None if any(c in bare for c in "*?[") else re.sub(r"\\(.)", r"\1", pattern)


def full_image(reference: str) -> str:
    """The full form of an image reference: registry, path and tag."""
    name, at, digest = reference.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", name
    if first == "docker.io" and "/" not in rest:
        rest = "library/" + rest
    if at:
        return f"{first}/{rest}@{digest}"
    if ":" not in rest.rpartition("/")[2]:
        rest += ":latest"
    return f"{first}/{rest}"


# ---- the world ----


@dataclass(frozen=True, eq=False)
class Container:
    """A container as selectors see it: labels of Compose and Swarm that its image carries are gone."""

    id: str
    name: str
    image: str
    labels: dict[str, str]

    @property
    def project(self) -> Optional[str]:
        compose = self.labels.get("com.docker.compose.project")
        return compose if compose is not None else self.labels.get("com.docker.stack.namespace")

    @property
    def service(self) -> Optional[str]:
        compose = self.labels.get("com.docker.compose.service")
        if compose is not None:
            return compose
        swarm = self.labels.get("com.docker.swarm.service.name")
        stack = self.labels.get("com.docker.stack.namespace")
        if swarm is not None and stack is not None and swarm.startswith(stack + "_"):
            return swarm[len(stack) + 1 :]
        return swarm


@dataclass(frozen=True, eq=False)
class Endpoint:
    id: str
    network: str  # its name
    managed: bool
    container: Container
    addresses: tuple[Address, ...]


COMPOSE_LABELS = ("com.docker.compose.",)
SWARM_LABELS = ("com.docker.swarm.", "com.docker.stack.")
SET_BY_COMPOSE = ("com.docker.compose.container-number", "com.docker.compose.config-hash")


def make_container(doc: dict[str, Any]) -> Container:
    """Labels of Compose and Swarm that the image carries do not count. Taken: but Compose's, where
    it is seen to have started the container, for it writes them into the images that it builds."""
    labels: dict[str, str] = doc.get("labels") or {}
    from_image = doc.get("image_labels") or []
    by_compose = any(key in labels and key not in from_image for key in SET_BY_COMPOSE)
    doubted = SWARM_LABELS if by_compose else SWARM_LABELS + COMPOSE_LABELS
    counting = {
        key: value
        for key, value in labels.items()
        if key not in from_image or not key.startswith(doubted)
    }
    return Container(doc["id"], doc.get("name") or "", doc.get("image") or "", counting)


def link_local(mac: str) -> Address:
    b = bytes(int(part, 16) for part in mac.split(":"))
    eui = bytes([b[0] ^ 2, b[1], b[2], 0xFF, 0xFE, b[3], b[4], b[5]])
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + eui)


class World:
    """What the snapshot says: endpoints, the subnets that are managed, the host's addresses."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        documents = {c["id"]: c for c in snapshot.get("containers") or []}
        self.containers = {id: make_container(doc) for id, doc in documents.items()}
        networks = {n["id"]: n for n in snapshot.get("networks") or []}
        managed = [n for n in networks.values() if n["driver"] == "bridge" and n.get("bridge")]
        self.subnets = [ipaddress.ip_network(s) for n in managed for s in n.get("subnets") or []]
        # The host's addresses: all of its interfaces', the gateways of its bridges, and loopback.
        self.host = {ipaddress.ip_address(g) for n in managed for g in n.get("gateways") or []}
        for interface in snapshot.get("interfaces") or []:
            self.host |= {ipaddress.ip_interface(a).ip for a in interface.get("addrs") or []}
        self.endpoints: dict[str, Endpoint] = {}
        for doc in snapshot.get("endpoints") or []:
            if doc.get("container") is None:
                continue
            owner = self.namespace_owner(documents, doc["container"])
            texts = [doc.get("addr4"), doc.get("addr6")]
            addresses = [ipaddress.ip_address(text) for text in texts if text]
            # Rule 8: link-local addresses belong to the endpoint with that MAC.
            if doc.get("mac"):
                addresses.append(link_local(doc["mac"]))
            network = networks[doc["network"]]
            self.endpoints[doc["id"]] = Endpoint(
                doc["id"],
                network["name"],
                network in managed,
                self.containers[owner],
                tuple(addresses),
            )

    @staticmethod
    def namespace_owner(documents: dict[str, Any], id: str) -> str:
        """With `network_mode: container:X` only X's names and labels count."""
        mode = documents[id].get("network_mode") or ""
        if not mode.startswith("container:"):
            return id
        wanted = mode[len("container:") :]
        for other, doc in documents.items():
            if wanted in (other, doc.get("name")):
                return other
        return id

    def projects(self) -> set[str]:
        return {c.project for c in self.containers.values() if c.project is not None}


# ---- flows ----


@dataclass(frozen=True)
class End:
    kind: str  # "endpoint", "host", "outside" or "unknown" (rule 8)
    address: Address
    endpoint: Optional[Endpoint] = None
    interface: Optional[str] = None  # of an address from outside

    @property
    def is_judged(self) -> bool:
        """Taken: a container on a network that is not managed (macvlan) is a peer and no more."""
        return self.endpoint is not None and self.endpoint.managed


@dataclass(frozen=True)
class Flow:
    """The first packet of a flow. `port` is the destination's after translation."""

    source: End
    destination: End
    protocol: int
    port: int
    published_port: Optional[int] = None  # comes from outside through this port of the host


@dataclass(frozen=True)
class Consent:
    """What one end says, and why."""

    ok: bool
    reason: str
    where: str = ""


@dataclass(frozen=True)
class Verdict:
    verdict: str  # "allow", "audit" or "deny"
    egress: tuple[str, Consent]  # of the source: its own verdict, and the reason with all enforced
    ingress: tuple[str, Consent]


# ---- settings ----


class Settings:
    def __init__(self, text: str = "") -> None:
        documents = read_yaml(text)
        document = documents[0] if documents and isinstance(documents[0], dict) else {}
        strict = document.get("preset") == "strict"
        usual = "deny" if strict else "allow"
        defaults = document.get("defaults") or {}
        self.mode = defaults.get("mode", "enforce")
        self.unknown = defaults.get("unknown", "deny")
        self.containers = defaults.get("containers", usual)
        self.publish = defaults.get("publish", usual)
        self.containers_to_host = defaults.get("containers_to_host", usual)
        self.host_to_containers = defaults.get("host_to_containers", usual)

    def refuses_something(self) -> bool:
        others = (self.containers, self.containers_to_host, self.host_to_containers)
        return "deny" in others or self.publish in ("deny", "local")


# ---- documents ----


def items_of(peers: Any) -> list[Any]:
    return list(peers) if isinstance(peers, list) else [peers]


def as_network(text: str) -> Optional[Network]:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def ports_of(value: Any) -> Optional[list[tuple[int, int, int]]]:
    """(protocol, first, last) for each alternative; None for a missing `ports`: all."""
    if value is None:
        return None
    found = []
    for text in items_of(value):
        numbers, slash, protocols = text.partition("/")
        if not slash and numbers in PROTOCOLS:
            numbers, protocols = "0-65535", numbers
        first, _, last = numbers.partition("-")
        for protocol in (protocols or "tcp").split("+"):
            found.append((PROTOCOLS[protocol], int(first), int(last or first)))
    return found


def ports_match(ports: Optional[list[tuple[int, int, int]]], protocol: int, port: int) -> bool:
    if ports is None:
        return True
    if protocol == PROTOCOLS["icmpv6"]:
        protocol = PROTOCOLS["icmp"]  # `icmp` is both
    if protocol == PROTOCOLS["icmp"]:
        return any(p == protocol for p, _, _ in ports)
    return any(p == protocol and first <= port <= last for p, first, last in ports)


@dataclass(frozen=True)
class Rule:
    action: str
    source: Any
    destination: Any
    ports: Optional[list[tuple[int, int, int]]]
    where: str


class Document:
    def __init__(self, tree: Mapping, file: str) -> None:
        self.name: str = tree["policy"]
        self.where = f"{file}:{tree.line}"
        self.governs: Any = tree["for"]
        self.isolate: list[str] = tree.get("isolate", ["ingress", "egress"])
        if isinstance(self.isolate, str):
            self.isolate = [self.isolate]
        self.mode: str = tree.get("mode", "")  # "": defaults.mode
        self.groups: dict[str, Any] = tree.get("groups") or {}
        self.addresses = [ipaddress.ip_network(a) for a in items_of(tree.get("addresses") or [])]
        self.rules = []
        for action in ("allow", "deny", "publish"):
            for rule in tree.get(action) or []:
                ports = rule.get("port") if action == "publish" else rule.get("ports")
                self.rules.append(
                    Rule(action, rule["from"], rule["to"], ports_of(ports), f"{file}:{rule.line}")
                )
        # Scope: "if the top of `for` names a project". Taken: its own key `project`, nothing deeper.
        top = self.governs.get("project") if isinstance(self.governs, dict) else None
        self.is_template = top is not None and only_text(top) is None
        self.scope: Optional[str] = top if top is None or self.is_template else only_text(top)

    def speaks_for(self, direction: str) -> bool:
        """A policy speaks for the directions that it isolates, one with `isolate: []` for both."""
        return not self.isolate or direction in self.isolate

    def refuses_something(self) -> bool:
        return bool(self.isolate) or any(rule.action in ("deny", "publish") for rule in self.rules)


class Instance:
    """A document as it holds: a template holds once for each project, with that as its scope."""

    def __init__(self, document: Document, project: Optional[str]) -> None:
        self.document = document
        self.project = project if document.is_template else None

    def in_scope(self, container: Container) -> bool:
        if self.project is not None:
            return container.project == self.project
        if self.document.scope is None:
            return True
        return container.project == self.document.scope

    def governs(self, endpoint: Endpoint) -> bool:
        governs = self.document.governs
        if governs == "all":
            return True
        if not isinstance(governs, dict) or "project" not in governs:
            return self.selects_unscoped(governs, endpoint)
        rest = {key: value for key, value in governs.items() if key != "project"}
        return self.in_scope(endpoint.container) and self.selects_unscoped(rest, endpoint)

    def selects(self, selector: Any, endpoint: Endpoint) -> bool:
        """Alternatives that name no project get the scope's. Taken: an alternative is one way through
        all lists and `any`s, so in an `all` a project that one item names counts for the others."""
        named, nameless = self.alternatives(selector, endpoint)
        return named or (nameless and self.in_scope(endpoint.container))

    def selects_unscoped(self, selector: Any, endpoint: Endpoint) -> bool:
        return any(self.alternatives(selector, endpoint))

    def alternatives(self, selector: Any, endpoint: Endpoint) -> tuple[bool, bool]:
        """Whether an alternative that names a project matches, and whether one that names none does."""
        if isinstance(selector, str):  # a group gets the scope where it is defined
            return self.selects(self.document.groups[selector], endpoint), False
        if isinstance(selector, list):
            found = [self.alternatives(item, endpoint) for item in selector]
            return any(named for named, _ in found), any(nameless for _, nameless in found)
        parts = [p for key, value in selector.items() for p in self.parts(key, value, endpoint)]
        together = all(any(part) for part in parts)
        named = together and any(named for named, _ in parts)
        return named, all(nameless for _, nameless in parts)

    def parts(self, key: str, value: Any, endpoint: Endpoint) -> list[tuple[bool, bool]]:
        """What must all match, of a mapping's key; each as alternatives()."""
        if key == "any":
            return [self.alternatives(value, endpoint)]
        if key == "all":
            return [self.alternatives(item, endpoint) for item in value]
        if key == "project":
            return [(self.project_matches(value, endpoint.container), False)]
        return [(False, self.key_matches(key, value, endpoint))]

    @staticmethod
    def project_matches(pattern: str, container: Container) -> bool:
        if pattern == "*":  # no condition, also for containers without a project
            return True
        return container.project is not None and glob_matches(pattern, container.project)

    def key_matches(self, key: str, value: Any, endpoint: Endpoint) -> bool:
        container = endpoint.container
        if key == "not":  # what stands in `not` gets no scope
            return not self.selects_unscoped(value, endpoint)
        if key == "name":
            return glob_matches(value, container.name)
        if key == "network":
            return glob_matches(value, endpoint.network)
        if key == "service":
            return container.service is not None and glob_matches(value, container.service)
        if key == "image":
            return self.image_matches(value, container.image)
        if key == "label":
            return all(self.label_matches(k, v, container) for k, v in value.items())
        raise ValueError(f"selector key {key}")

    @staticmethod
    def image_matches(pattern: str, image: str) -> bool:
        """Taken: a pattern without wildcards is also held in its own full form."""
        full = full_image(image)
        text = only_text(pattern)
        if text is not None and full_image(text) == full:
            return True
        return glob_matches(pattern, image) or glob_matches(pattern, full)

    @staticmethod
    def label_matches(key: str, value: Text, container: Container) -> bool:
        if key not in container.labels:
            return False
        has_it = value == "true" and value.plain
        return has_it or glob_matches(value, container.labels[key])

    def peer_matches(self, peers: Any, end: End) -> bool:
        return any(self.item_matches(peer, end) for peer in items_of(peers))

    def item_matches(self, peer: Any, end: End) -> bool:
        if isinstance(peer, str) and peer in WORDS:
            return word_matches(peer, end)
        if isinstance(peer, str) and as_network(peer) is not None:
            return end.address in as_network(peer)
        if isinstance(peer, dict) and "cidr" in peer:
            excepted = [ipaddress.ip_network(e) for e in items_of(peer.get("except") or [])]
            block = ipaddress.ip_network(peer["cidr"])
            return end.address in block and not any(end.address in e for e in excepted)
        if isinstance(peer, dict) and "interface" in peer:
            # What comes in from outside by, or goes outside by, that interface.
            by = end.interface if end.kind == "outside" else None
            return by is not None and glob_matches(peer["interface"], by)
        # A selector matches containers only, also with `not`.
        return end.endpoint is not None and self.selects(peer, end.endpoint)

    def rule_matches(self, rule: Rule, flow: Flow) -> bool:
        return (
            ports_match(rule.ports, flow.protocol, flow.port)
            and self.peer_matches(rule.source, flow.source)
            and self.peer_matches(rule.destination, flow.destination)
        )


def word_matches(word: str, end: End) -> bool:
    """Taken: an address that nobody holds (rule 8) is no `world`, not even where the rule is lifted: a
    container that just started must not get the world's rights."""
    return {
        "any": True,
        "containers": end.kind == "endpoint",
        "world": end.kind == "outside",
        "host": end.kind == "host",
    }[word]


# ---- the evaluator ----

Counts = Callable[[str], bool]  # whether what has this mode refuses


class Evaluator:
    def __init__(self, world: World, documents: list[Document], settings: Settings) -> None:
        self.world = world
        self.settings = settings
        self.documents = documents
        self.instances = [i for d in documents for i in self.instances_of(d)]

    def instances_of(self, document: Document) -> Iterator[Instance]:
        if not document.is_template:
            yield Instance(document, None)
            return
        for project in sorted(self.world.projects()):
            if glob_matches(document.scope or "", project):
                yield Instance(document, project)

    # -- whose address --

    def end_of_address(self, address: Address, interface: Optional[str] = None) -> End:
        """Containers first, by their own addresses and those given by `addresses:`; then the host."""
        for endpoint in self.world.endpoints.values():
            if address in endpoint.addresses:
                return End("endpoint", address, endpoint)
        for instance in self.instances:
            if any(address in block for block in instance.document.addresses):
                for endpoint in self.world.endpoints.values():
                    if instance.governs(endpoint):
                        return End("endpoint", address, endpoint)
        if address in self.world.host or any(address in block for block in LOOPBACK):
            return End("host", address)
        if not address.is_multicast and any(address in s for s in self.world.subnets):
            return End("unknown", address, None, interface)
        return End("outside", address, None, interface)

    # -- which policies --

    def mode_of(self, document: Document) -> str:
        return document.mode or self.settings.mode

    def governing(self, end: End) -> list[Instance]:
        if end.endpoint is None:
            return []
        return [i for i in self.instances if i.governs(end.endpoint)]

    def find_rule(
        self, action: str, governing: list[Instance], flow: Flow, direction: Optional[str] = None
    ) -> Optional[Rule]:
        for instance in governing:
            if direction is not None and not instance.document.speaks_for(direction):
                continue
            for rule in instance.document.rules:
                if rule.action == action and instance.rule_matches(rule, flow):
                    return rule
        return None

    def denied(self, governing: list[Instance], flow: Flow, counts: Counts) -> Optional[Consent]:
        """Rule 2: counts whatever the policy isolates, but only from one that governs the end."""
        counting = [i for i in governing if counts(self.mode_of(i.document))]
        rule = self.find_rule("deny", counting, flow)
        return Consent(False, "deny_rule", rule.where) if rule else None

    def isolation(
        self, governing: list[Instance], direction: str, counts: Counts
    ) -> Optional[Consent]:
        """Rule 1. Taken: defaults.containers isolates whatever an audit document isolates besides."""
        for instance in governing:
            document = instance.document
            if direction in document.isolate and counts(self.mode_of(document)):
                return Consent(False, "isolated", document.where)
        if self.settings.containers == "deny" and counts(self.settings.mode):
            return Consent(False, "default", "defaults.containers")
        return None

    # -- the two ends --

    def egress(self, flow: Flow, counts: Counts) -> Consent:
        if flow.source.kind == "unknown" and self.unknown_refused(counts):
            return Consent(False, "unknown")
        if not flow.source.is_judged:
            return Consent(True, "not_judged")
        governing = self.governing(flow.source)
        denied = self.denied(governing, flow, counts)
        if denied:
            return denied
        rule = self.find_rule("allow", governing, flow, "egress")
        if rule:
            return Consent(True, "allow_rule", rule.where)
        isolated = self.isolation(governing, "egress", counts)
        if isolated:
            return isolated
        # Rule 6: a container that is not egress-isolated follows defaults.containers_to_host.
        if flow.destination.kind == "host":
            if self.settings.containers_to_host == "deny" and counts(self.settings.mode):
                return Consent(False, "default", "defaults.containers_to_host")
        return Consent(True, "not_isolated")

    def ingress(self, flow: Flow, counts: Counts) -> Consent:
        if flow.destination.kind == "unknown" and flow.source.kind != "host":
            if self.unknown_refused(counts):
                return Consent(False, "unknown")
        if not flow.destination.is_judged:
            return Consent(True, "not_judged")
        governing = self.governing(flow.destination)
        denied = self.denied(governing, flow, counts)
        if denied:
            return denied
        if flow.source.kind == "outside" and flow.published_port is not None:
            return self.publish(governing, flow, counts)
        rule = self.find_rule("allow", governing, flow, "ingress")
        if rule:
            return Consent(True, "allow_rule", rule.where)
        if flow.source.kind == "host":
            return self.from_host(counts)
        isolated = self.isolation(governing, "ingress", counts)
        return isolated or Consent(True, "not_isolated")

    def from_host(self, counts: Counts) -> Consent:
        """Rule 6: the host reaches its containers, isolated ones too, unless the default says no."""
        if self.settings.host_to_containers == "deny" and counts(self.settings.mode):
            return Consent(False, "default", "defaults.host_to_containers")
        return Consent(True, "host")

    def publish(self, governing: list[Instance], flow: Flow, counts: Counts) -> Consent:
        """Rule 4: no allow rule opens a published port to the outside."""
        restricted: Optional[Consent] = None
        for instance in governing:
            for rule in instance.document.rules:
                if rule.action != "publish":
                    continue
                if not instance.peer_matches(rule.destination, flow.destination):
                    continue
                if ports_match(rule.ports, flow.protocol, flow.published_port or 0):
                    if instance.peer_matches(rule.source, flow.source):
                        return Consent(True, "publish_rule", rule.where)
                if counts(self.mode_of(instance.document)):
                    restricted = Consent(False, "not_published", rule.where)
        isolated = self.isolation(governing, "ingress", counts)
        if restricted or isolated:
            return restricted or isolated
        if counts(self.settings.mode):
            local = any(flow.source.address in block for block in LOCAL_SOURCES)
            if self.settings.publish == "deny" or (self.settings.publish == "local" and not local):
                return Consent(False, "default", "defaults.publish")
        return Consent(True, "not_isolated")

    # -- rule 8 --

    def unknown_refused(self, counts: Counts) -> bool:
        """Taken: by the text of the set, whether or not its policies govern anybody yet."""
        if self.settings.unknown == "allow":
            return False
        if not counts(self.settings.mode) or not counts(
            "audit" if self.settings.unknown == "audit" else "enforce"
        ):
            return False
        return self.can_refuse(counts)

    def can_refuse(self, counts: Counts) -> bool:
        modes = [self.mode_of(d) for d in self.documents if d.refuses_something()]
        if self.settings.refuses_something():
            modes.append(self.settings.mode)
        return any(counts(mode) for mode in modes)

    # -- the verdict --

    def judge(self, flow: Flow) -> Verdict:
        if self.is_self(flow):
            none = ("allow", Consent(True, "not_judged"))
            return Verdict("allow", none, none)
        egress = self.judge_end(self.egress, flow)
        ingress = self.judge_end(self.ingress, flow)
        worst = max(egress[0], ingress[0], key=["allow", "audit", "deny"].index)
        return Verdict(worst, egress, ingress)

    @staticmethod
    def is_self(flow: Flow) -> bool:
        """A container talking to itself, by any of its own addresses, is never judged."""
        source, destination = flow.source.endpoint, flow.destination.endpoint
        if source is None or destination is None:
            return False
        return source.container is destination.container

    @staticmethod
    def judge_end(end: Callable[[Flow, Counts], Consent], flow: Flow) -> tuple[str, Consent]:
        """Rule 9: refused if what enforces refuses; audit if it would be were everything enforced."""
        enforced = end(flow, lambda mode: mode == "enforce")
        strict = end(flow, lambda mode: True)
        if not enforced.ok:
            return "deny", enforced
        return ("allow" if strict.ok else "audit"), strict

    def flow_from_json(self, doc: dict[str, Any]) -> Flow:
        """{"from": END, "to": END, "protocol": "tcp", "port": 80, "published_port": 8080 or absent};
        END: {"addr": ADDRESS, "endpoint": ID or absent, "interface": NAME or absent}."""
        protocol = doc["protocol"]
        return Flow(
            self.end_from_json(doc["from"]),
            self.end_from_json(doc["to"]),
            PROTOCOLS[protocol] if isinstance(protocol, str) else protocol,
            doc.get("port", 0),
            doc.get("published_port"),
        )

    def end_from_json(self, doc: dict[str, Any]) -> End:
        address = ipaddress.ip_address(doc["addr"])
        if "endpoint" in doc:
            return End("endpoint", address, self.world.endpoints[doc["endpoint"]])
        return self.end_of_address(address, doc.get("interface"))


# ---- loading ----


def load_documents(files: dict[str, str]) -> list[Document]:
    """FILES: text by name, in byte order of the names."""
    names = sorted(files, key=str.encode)
    return [Document(tree, name) for name in names for tree in read_yaml(files[name])]


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    answer: dict[str, Any] = {"verdict": verdict.verdict}
    for name, (own, consent) in (("egress", verdict.egress), ("ingress", verdict.ingress)):
        answer[name] = {"verdict": own, "reason": consent.reason, "where": consent.where}
    return answer


def make_evaluator(
    snapshot: dict[str, Any], policies: dict[str, str], settings: str = ""
) -> Evaluator:
    return Evaluator(World(snapshot), load_documents(policies), Settings(settings))


def read_policy_directory(path: Path) -> dict[str, str]:
    files = [p for p in path.iterdir() if p.suffix in (".yaml", ".yml") and p.name[0] != "."]
    return {p.name: p.read_text() for p in files}


def main() -> int:
    parser = argparse.ArgumentParser(description="judge flows by the naive evaluator")
    parser.add_argument("--policies", type=Path, required=True)
    parser.add_argument("--snapshot", type=Path, required=True)
    parser.add_argument("--settings", type=Path)
    arguments = parser.parse_args()
    evaluator = make_evaluator(
        json.loads(arguments.snapshot.read_text()),
        read_policy_directory(arguments.policies),
        arguments.settings.read_text() if arguments.settings else "",
    )
    for line in sys.stdin:
        verdict = evaluator.judge(evaluator.flow_from_json(json.loads(line)))
        print(json.dumps(verdict_to_json(verdict)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
