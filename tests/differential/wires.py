"""A snapshot's host built of namespaces: the host with its bridges, a namespace for each container, one
for all that is outside, and one on each bridge for a stranger whom the snapshot does not know.

Containers and the outside send frames with addresses of their own choice; the host sends by its own
stack. Whoever receives listens to what arrives, not for replies.
"""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import time
from dataclasses import dataclass
from typing import Iterable, Iterator, Optional

import naive
import packet
from generate import OUTSIDE, Case, Json, gateway_endpoint, is_v6
from netspace import Namespace

ETH_P_ALL = 3
PACKET_HOST = 0
FIRST_NUMBER = 40000  # above every port that is asked for, so that no reply looks like a first packet
QUIET = 0.25  # seconds without a packet after which none is waited for
NETWORK_SYSCTLS = {
    "ipv4__ip_forward": 1,
    "ipv6__conf__all__forwarding": 1,
    "ipv4__conf__all__rp_filter": 0,
    "ipv4__conf__default__rp_filter": 0,
    "ipv4__conf__all__send_redirects": 0,
    "ipv6__conf__all__accept_dad": 0,
    "ipv6__conf__default__accept_dad": 0,
    "bridge__bridge-nf-call-iptables": 1,
    "bridge__bridge-nf-call-ip6tables": 1,
}


@dataclass
class Port:
    """Where someone is attached: his namespace and interface there, and who is at the other side."""

    namespace: str
    interface: str
    mac: str
    gateway_mac: str
    network: Optional[Json] = None  # of a bridge


@dataclass
class Probe:
    """A flow whose first packet is sent."""

    flow: Json
    number: int
    sender: str  # a namespace's name
    receiver: str
    payload: bytes
    sent_to: str
    port: Optional[Port] = None  # to send a frame by; None: the host's stack sends
    next_mac: str = ""


class Wires:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.spaces: dict[str, Namespace] = {}
        self.ports: dict[str, Port] = {}  # by endpoint, stranger's address or outside interface
        self.stack = contextlib.ExitStack()
        self.networks = {n["id"]: n for n in case.snapshot["networks"] if n["bridge"]}
        self.managed = [e for e in case.snapshot["endpoints"] if e["network"] in self.networks]

    def __enter__(self) -> "Wires":
        try:
            self.build()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    # ---- building ----

    def space(self, name: str) -> Namespace:
        if name not in self.spaces:
            self.spaces[name] = Namespace()
            self.stack.callback(self.spaces[name].close)
        return self.spaces[name]

    def build(self) -> None:
        self.space("host").sysctl(**NETWORK_SYSCTLS)
        self.host_commands = ["link set lo up"]
        self.inner_commands: dict[str, list[str]] = {}
        for i, network in enumerate(self.networks.values()):
            self.add_bridge(i, network)
        for endpoint in self.managed:
            addresses = [endpoint["addr4"], endpoint["addr6"]]
            network = self.networks[endpoint["network"]]
            port = self.add_container(endpoint["container"], network, endpoint["mac"], addresses)
            self.ports[endpoint["id"]] = port
        for network in self.networks.values():
            self.add_stranger(network)
        for interface in self.case.snapshot["interfaces"]:
            if not interface["bridge"] and interface["name"] != "lo":
                self.add_outside(interface)
        self.add_extra_addresses()
        self.space("host").ip(self.host_commands)
        for name, commands in self.inner_commands.items():
            self.space(name).sysctl(ipv6__conf__default__accept_dad=0, ipv6__conf__all__accept_dad=0)
            self.space(name).ip(commands)

    def add_bridge(self, i: int, network: Json) -> None:
        name = network["bridge"]
        self.host_commands += [
            f"link add {name} address 02:00:00:00:01:{i:02x} type bridge mcast_snooping 0",
            f"link set {name} up",
        ]
        network["mac"] = f"02:00:00:00:01:{i:02x}"
        for interface in self.case.snapshot["interfaces"]:
            if interface["name"] == name:
                self.add_host_addresses(interface)

    def add_host_addresses(self, interface: Json) -> None:
        for address in interface["addrs"]:
            nodad = " nodad" if is_v6(address) else ""
            self.host_commands.append(f"addr add {address} dev {interface['name']}{nodad}")

    def add_inner(self, space: str, interface: str, addresses: Iterable[str]) -> None:
        commands = self.inner_commands.setdefault(space, ["link set lo up"])
        commands.append(f"link set {interface} up")
        for address in addresses:
            nodad = " nodad" if is_v6(address) else ""
            commands.append(f"addr add {address} dev {interface}{nodad}")

    def add_container(
        self, space: str, network: Json, mac: str, addresses: Iterable[Optional[str]]
    ) -> Port:
        n = len(self.ports)
        interface, peer = f"eth{n}", self.space(space).path
        self.host_commands += [
            f"link add v{n} type veth peer name {interface} address {mac} netns {peer}",
            f"link set v{n} master {network['bridge']} up",
        ]
        lengths = {is_v6(s): s.split("/")[1] for s in network["subnets"]}
        self.add_inner(space, interface, [f"{a}/{lengths[is_v6(a)]}" for a in addresses if a])
        return Port(space, interface, mac, network["mac"], network)

    def add_stranger(self, network: Json) -> None:
        held = [str(ipaddress.ip_network(subnet)[200]) for subnet in network["subnets"]]
        mac = network["mac"].replace("02:00:00:00:01", "02:00:00:00:02")
        port = self.add_container(f"stranger-{network['id']}", network, mac, held)
        for address in held:
            self.ports[address] = port

    def add_outside(self, interface: Json) -> None:
        name, n = interface["name"], len(self.ports)
        mac, outer = f"02:00:00:00:03:{n:02x}", f"02:00:00:00:04:{n:02x}"
        peer = self.space("outside").path
        self.host_commands += [
            f"link add {name} address {mac} type veth peer name {name} address {outer} netns {peer}",
            f"link set {name} up",
        ]
        self.add_host_addresses(interface)
        held = [a for a, i in OUTSIDE if self.interface_of(i) == name]
        self.add_inner("outside", name, [f"{a}/{128 if is_v6(a) else 32}" for a in held])
        for address in held:
            self.host_commands.append(f"route add {address} dev {name}")
        self.ports[name] = Port("outside", name, outer, mac)

    def interface_of(self, wanted: str) -> str:
        """As the generator has it: who is behind an interface that is not there is behind eth0."""
        names = {i["name"] for i in self.case.snapshot["interfaces"]}
        return wanted if wanted in names else "eth0"

    def add_extra_addresses(self) -> None:
        """Those of `addresses:`: the container holds them, and the host has a route where it takes one."""
        for address, endpoint in self.case.extra_addresses.items():
            port = self.ports[endpoint["id"]]
            length = 128 if is_v6(address) else 32
            nodad = " nodad" if is_v6(address) else ""
            self.inner_commands[port.namespace].append(
                f"addr add {address}/{length} dev {port.interface}{nodad}"
            )
            if not any(self.holds(s, address) for s in port.network["subnets"]):
                via = endpoint["addr6" if is_v6(address) else "addr4"]
                self.host_commands.append(f"route add {address} via {via} dev {port.network['bridge']}")
            self.ports[address] = port

    @staticmethod
    def holds(subnet: str, address: str) -> bool:
        return ipaddress.ip_address(address) in ipaddress.ip_network(subnet)

    # ---- what the engine does ----

    def publish(self) -> None:
        """DNAT as the engine makes it: 20.10 leaves what comes from any of its bridges to its proxy, 29
        only what comes from the container's own. Every other seed is of the one kind."""
        rules = []
        for container in self.case.snapshot["containers"]:
            for port in container["ports"]:
                endpoint = gateway_endpoint(self.case.snapshot, container["id"])
                v6 = is_v6(port["host_addr"])
                if endpoint and endpoint["addr6" if v6 else "addr4"]:
                    rules.append(self.translation(port, endpoint, v6))
        table = ["table inet engine {"]
        for hook, match in (("prerouting", "iifname != {{ {} }}"), ("output", "")):
            table += [f"chain {hook} {{", f"type nat hook {hook} priority -100;"]
            table += [match.format(bridges) + " " + rule for bridges, rule in rules]
            table.append("}")
        self.space("host").nft("\n".join(table + ["}"]) + "\n")

    def translation(self, port: Json, endpoint: Json, v6: bool) -> tuple[str, str]:
        """The bridges that it does not hold for, and the rest of the rule."""
        bridges = [n["bridge"] for n in self.networks.values()]
        if self.is_engine29:
            bridges = [self.networks[endpoint["network"]]["bridge"]]
        family = "ip6" if v6 else "ip"
        anywhere = port["host_addr"] in ("0.0.0.0", "::")
        at = "fib daddr type local" if anywhere else f"{family} daddr {port['host_addr']}"
        target = f"[{endpoint['addr6']}]" if v6 else endpoint["addr4"]
        return ", ".join(f'"{b}"' for b in bridges), (
            f"meta nfproto ipv{6 if v6 else 4} {at} {port['protocol']} dport {port['host_port']} "
            f"dnat {family} to {target}:{port['container_port']}"
        )

    @property
    def is_engine29(self) -> bool:
        return self.case.seed % 2 == 1

    def is_proxied(self, flow: Json) -> bool:
        """Whether the packet stays on the host, for the engine's proxy."""
        source, destination = self.port_of(flow["from"]), self.port_of(flow["to"])
        if "through" not in flow:
            return False
        if flow["through"]["proxy"]:
            return True
        if source is None or source.network is None:  # the host's, or from outside
            return False
        return not self.is_engine29 or source.network is destination.network

    # ---- sending ----

    def port_of(self, end: Json) -> Optional[Port]:
        """None for the host."""
        for key in ("endpoint", "addr", "interface"):
            if end.get(key) in self.ports:
                return self.ports[end[key]]
        return None

    def probe(self, flow: Json, number: int) -> Probe:
        source, destination = self.port_of(flow["from"]), self.port_of(flow["to"])
        sent_to = flow.get("through", {"addr": flow["to"]["addr"], "port": flow["port"]})
        protocol = naive.PROTOCOLS.get(flow["protocol"], flow["protocol"])
        payload = packet.packet(
            flow["from"]["addr"], sent_to["addr"], protocol, number, sent_to["port"]
        )
        names = [p.namespace if p else "host" for p in (source, destination)]
        if self.is_proxied(flow):
            names[1] = "host"
        probe = Probe(flow, number, names[0], names[1], payload, sent_to["addr"], source)
        if source:
            direct = destination and "through" not in flow and self.on_link(source, flow["to"])
            probe.next_mac = destination.mac if destination and direct else source.gateway_mac
        return probe

    def on_link(self, source: Port, end: Json) -> bool:
        """Whether the sender reaches END without the host as its router."""
        destination = self.port_of(end)
        if source.network is None or destination is None or destination.network is not source.network:
            return False
        return any(self.holds(s, end["addr"]) for s in source.network["subnets"] + ["fe80::/10"])

    def open_listeners(self) -> dict[socket.socket, str]:
        listeners: dict[socket.socket, str] = {}

        def add(name: str, family: int, kind: int, protocol: int) -> None:
            s = self.spaces[name].socket(family, kind, protocol)
            self.stack.callback(s.close)
            s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
            s.setblocking(False)
            listeners[s] = name

        for name in self.spaces:
            if name != "host":
                add(name, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        # The host's must come behind its firewall, where a packet socket is not.
        for protocol in (packet.TCP, packet.UDP, packet.SCTP, 47):
            add("host", socket.AF_INET, socket.SOCK_RAW, protocol)
            add("host", socket.AF_INET6, socket.SOCK_RAW, protocol)
        add("host", socket.AF_INET, socket.SOCK_RAW, packet.ICMP)
        add("host", socket.AF_INET6, socket.SOCK_RAW, packet.ICMPV6)
        return listeners

    @staticmethod
    def number_from(s: socket.socket) -> Optional[int]:
        data, address = s.recvfrom(2048)
        if s.family == socket.AF_PACKET:
            return packet.number_in_packet(data) if address[2] == PACKET_HOST else None
        if s.family == socket.AF_INET:
            return packet.number_in_packet(data)
        return packet.number_of(s.getsockopt(socket.SOL_SOCKET, 38), data)  # SO_PROTOCOL

    def send(self, probes: list[Probe]) -> set[int]:
        """The numbers of those that arrived where they were to."""
        wanted = {(p.receiver, p.number) for p in probes}
        listeners = self.open_listeners()
        poll = select.poll()
        by_fd = {s.fileno(): s for s in listeners}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        with contextlib.closing(Senders(self.spaces)) as senders:
            for probe in probes:
                senders.send(probe)
        seen: set[int] = set()
        deadline = time.monotonic() + QUIET
        while time.monotonic() < deadline:
            for fd, _ in poll.poll(50):
                with contextlib.suppress(BlockingIOError):
                    while True:
                        number = self.number_from(by_fd[fd])
                        if (listeners[by_fd[fd]], number) in wanted and number not in seen:
                            seen.add(number)
                            deadline = time.monotonic() + QUIET
        return seen

    def probes(self, flows: list[Json]) -> list[Probe]:
        return [self.probe(flow, FIRST_NUMBER + i) for i, flow in enumerate(flows)]


class Senders:
    """Sockets to send by, made once each."""

    def __init__(self, spaces: dict[str, Namespace]) -> None:
        self.spaces = spaces
        self.sockets: dict[tuple[str, str], socket.socket] = {}

    def close(self) -> None:
        for s in self.sockets.values():
            s.close()

    def send(self, probe: Probe) -> None:
        if probe.port is None:
            self.send_from_host(probe)
            return
        key = (probe.port.namespace, probe.port.interface)
        if key not in self.sockets:
            s = self.spaces[key[0]].socket(socket.AF_PACKET, socket.SOCK_RAW)
            s.bind((key[1], 0))
            self.sockets[key] = s
        self.sockets[key].send(packet.frame(probe.port.mac, probe.next_mac, probe.payload))

    def send_from_host(self, probe: Probe) -> None:
        family = socket.AF_INET6 if is_v6(probe.sent_to) else socket.AF_INET
        key = ("host", str(family))
        if key not in self.sockets:
            self.sockets[key] = self.spaces["host"].socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with contextlib.suppress(PermissionError):  # refused at once, in the output hook
            self.sockets[key].sendto(probe.payload, (probe.sent_to, 0))
