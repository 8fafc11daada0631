"""Hosts for packets to go through: a namespace each, with a container at a port of one bridge; another bridge, and one that
stands for the way outside, have no ports, so that what is sent there was forwarded and costs nothing more.

    veth0 -> br-front 172.18.0.1    br-back 172.19.0.1 -> db 172.19.0.2
             web 172.18.0.3         eth0    192.0.2.1  -> outside 192.0.2.9
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterable, Iterator, TypeVar

from place import DIES_WITH_US, Daemon, Namespace, eventually
from programs import program

HERE = Path(__file__).resolve().parent
WEB, DB, OUTSIDE, HOST = "172.18.0.3", "172.19.0.2", "192.0.2.9", "192.0.2.1"
BESIDE = "172.18.0.4"
OUTSIDE_MAC = "02:00:00:00:00:09"
OPTIONS = {"sink": "-d", "firewall": "-f"}  # of bench_inject
PORT = 5432  # of db, and outside
SPORT = 1024
BRIDGES = {"br-front": ("172.18.0.1/16", 0x0A), "br-back": ("172.19.0.1/16", 0x0B), "eth0": (f"{HOST}/24", 0x0C)}
# Conntrack works, as it does wherever an engine is, and no rule is in the way of any packet.
TRACK = "table inet track {\n chain unused {\n  ct state new\n }\n}\n"
SYSCTLS = [
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
    "net.netfilter.nf_conntrack_udp_timeout=600",
    "net.netfilter.nf_conntrack_udp_timeout_stream=600",
]


def mac(address: str) -> str:
    return "02:42:" + ":".join(f"{int(n):02x}" for n in address.split("."))


def bridge_mac(name: str) -> str:
    return f"02:00:00:00:00:{BRIDGES[name][1]:02x}"


def bridge_to(address: str) -> str:
    return "br-back" if address == DB else "eth0"


def cpu() -> str:
    """Packets are sent on the last one; what else there is to do may be done on the others."""
    return str(sorted(os.sched_getaffinity(0))[-1])


class Host:
    """Without rules, until some are given."""

    def __init__(self, stack: contextlib.ExitStack, filter_bridged: bool = True) -> None:
        self.space = Namespace()
        stack.callback(self.space.close)
        self.inside = Namespace()
        stack.callback(self.inside.close)
        self.stack = stack
        for setting in [*SYSCTLS, f"net.bridge.bridge-nf-call-iptables={int(filter_bridged)}"]:
            self.space.run("sysctl", "-qw", setting)
        self.ip(
            *self.bridges(),
            f"link add veth0 type veth peer name eth0 netns {self.inside.pid}",
            "link set veth0 master br-front up",
            f"neigh add {DB} lladdr {mac(DB)} nud permanent dev br-back",
            f"neigh add {OUTSIDE} lladdr {OUTSIDE_MAC} nud permanent dev eth0",
            "route add default via 192.0.2.9",
        )
        self.inside.run("ip", "link", "set", "eth0", "address", mac(WEB), "up")
        self.wait_forwarding("veth0")
        self.nft(TRACK)

    @staticmethod
    def bridges() -> Iterator[str]:
        for name, (address, _) in BRIDGES.items():
            yield f"link add {name} address {bridge_mac(name)} type bridge mcast_snooping 0"
            yield f"addr add {address} dev {name}"
            yield f"link set {name} up"

    def wait_forwarding(self, port: str) -> None:
        """A port forwards once the kernel has seen that its link is up, which may take a second."""
        forwards = lambda: "state forwarding" in self.space.run("bridge", "link", "show", "dev", port)  # noqa: E731
        assert eventually(forwards, 30), f"{port} does not forward"

    def ip(self, *commands: str) -> None:
        self.feed("".join(f"{c}\n" for c in commands), "ip", "-batch", "-")

    def nft(self, text: str) -> None:
        self.feed(text, "nft", "-f", "-")

    def feed(self, text: str, *argv: str) -> None:
        done = subprocess.run(self.space.argv(*argv), input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr[:2000]}"

    def beside(self) -> str:
        """Another container, at a port of web's bridge, that throws away what it gets. Its address."""
        self.ip(
            f"link add veth1 type veth peer name sink address {mac(BESIDE)}",
            "link set veth1 master br-front up",
            "link set sink up",
        )
        self.wait_forwarding("veth1")
        self.space.run("bridge", "fdb", "replace", mac(BESIDE), "dev", "veth1", "master", "static")
        return BESIDE

    # ---- quaywall ----

    def enforce(self, policy: str, snapshot: dict[str, Any], settings: str = "") -> Daemon:
        """What the program makes of it, and leaves behind."""
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="quaywall-bench.")))
        daemon = Daemon(self.space, folder)
        daemon.policy(policy)
        daemon.snapshot.write_text(json.dumps(snapshot), encoding="utf-8")
        (folder / "settings.yaml").write_text(settings, encoding="utf-8")
        files = ["--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
        daemon.verb("run", "--once", "--config", str(folder / "settings.yaml"), *files)
        return daemon

    def engine_rules(self, generation: str) -> None:
        """Those of an engine with our two bridges, a port that web publishes, and the default bridge: of a real one."""
        self.feed((HERE / f"engine-{generation}.rules").read_text(encoding="utf-8"), "iptables-nft-restore")

    # ---- packets ----

    def sent_to(self, device: str) -> int:
        """Packets that were forwarded there: the bridge, as it has no port, counts them as dropped."""
        found = json.loads(self.space.run("ip", "-j", "-s", "link", "show", device))[0]["stats64"]["tx"]
        return int(found["packets"]) + int(found["dropped"])

    def stream(self, to: str = DB, arrives_at: str | None = None, **traffic: Any) -> Stream:
        """ARRIVES_AT "": nothing is to arrive."""
        arrives_at = bridge_to(to) if arrives_at is None else arrives_at
        return self.stack.enter_context(Stream(self, to, traffic, arrives_at))

    def neighbour(self) -> Namespace:
        """Someone at OUTSIDE, and web as one who can speak: for what takes more than packets one way."""
        found = Namespace()
        self.stack.callback(found.close)
        self.ip(
            f"link add up0 type veth peer name eth0 netns {found.pid}",
            "link set up0 master eth0 up",
        )
        found.run("ip", "link", "set", "eth0", "address", OUTSIDE_MAC, "up")
        found.run("ip", "addr", "add", f"{OUTSIDE}/24", "dev", "eth0")
        self.inside.run("ip", "addr", "add", f"{WEB}/16", "dev", "eth0")
        self.inside.run("ip", "route", "add", "default", "via", "172.18.0.1")
        return found

    def establish(self, to: str = DB, answers_to: str = WEB) -> None:
        """One flow, with a packet there and three back, from a port of the other bridge, which then goes."""
        device = bridge_to(to)
        with Stream(self, to, {}, device) as first:
            first.burst(1)
        self.ip(
            "link add behind type veth peer name behind1",
            f"link set behind master {device} up",
            "link set behind1 up",
        )
        self.wait_forwarding("behind")
        back = {"smac": mac(DB) if to == DB else OUTSIDE_MAC, "dmac": bridge_mac(device)}
        back |= {"saddr": to, "sport": PORT, "dport": SPORT}
        with Stream(self, answers_to, back, "", "behind") as answers:
            assert eventually(lambda: answers.burst(3) > 0 and self.is_answered()), "no answer came"
        self.ip("link del behind")

    def is_answered(self) -> bool:
        found = self.space.run("conntrack", "-L", "-p", "udp")
        return "src=" in found and "UNREPLIED" not in found


class Answering:
    """A program that is asked for so many at a time, and tells what each took, in nanoseconds. It has a CPU of its own."""

    def __init__(self, space: Namespace, name: str, *argv: str) -> None:
        own = space.argv("taskset", "--cpu-list", cpu(), program(name), *argv)
        self.asked = 0
        self.process = subprocess.Popen(
            [*DIES_WITH_US, *own], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def burst(self, number: int) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"it ended: {self.process.wait()}"
        self.asked += number
        return float(line)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


Self = TypeVar("Self", bound=Answering)


class Stream(Answering):
    """Packets from web. All must have arrived when it ends, unless none may."""

    def __init__(self, host: Host, to: str, traffic: dict[str, Any], arrives_at: str, device: str = "veth0") -> None:
        keys = {"dmac": bridge_mac("br-front"), "saddr": WEB, "daddr": to, "sport": SPORT, "dport": PORT} | traffic
        options = [x for key, flag in OPTIONS.items() if key in keys for x in (flag, str(keys.pop(key)))]
        self.host = host
        self.arrives_at = arrives_at
        self.before = host.sent_to(arrives_at) if arrives_at else 0
        super().__init__(host.space, "bench_inject", *options, device, *(f"{k}={v}" for k, v in keys.items()))

    def __exit__(self, kind: object, *_: object) -> None:
        super().__exit__(kind)
        if self.arrives_at and not kind:
            arrived = self.host.sent_to(self.arrives_at) - self.before
            assert arrived >= self.asked, f"of {self.asked} packets {arrived} were forwarded"


# ---- what stands where quaywall would ----


def many_containers(number: int) -> dict[str, Any]:
    """A snapshot: web and NUMBER - 1 more of its kind in front, db behind."""
    first = ipaddress.IPv4Address(WEB)
    networks = [
        {"id": "n1", "name": "shop_front", "driver": "bridge", "bridge": "br-front", "subnets": ["172.18.0.0/16"]},
        {"id": "n2", "name": "shop_back", "driver": "bridge", "bridge": "br-back", "subnets": ["172.19.0.0/16"]},
    ]
    containers, endpoints = [], []

    def add(name: str, service: str, network: str, address: str) -> None:
        labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": service}
        containers.append({"id": f"c-{name}", "name": name, "image": "busybox", "labels": labels})
        endpoints.append(
            {
                "id": f"e-{name}",
                "network": network,
                "container": f"c-{name}",
                "name": name,
                "addr4": address,
                "mac": mac(address),
            }
        )

    add("shop-db-1", "db", "n2", DB)
    for i in range(number):
        add(f"shop-web-{i + 1}", "web", "n1", str(first + i))
    return {
        "quaywall_snapshot": 1,
        "engine": {"id": "", "name": "Docker Engine", "version": "20.10.24", "api_version": "1.41"},
        "networks": networks,
        "containers": containers,
        "endpoints": endpoints,
        "interfaces": [{"name": "eth0", "index": 2, "addrs": [f"{HOST}/24"]}],
    }


def policy(ports: Iterable[str], to: str = "{service: db}") -> str:
    """Each port is an element for each container that may use it."""
    return (
        "policy: shop\nfor: {project: shop}\n"
        f"allow: [{{from: {{service: web}}, to: {to}, ports: [{', '.join(ports)}]}}]\n"
    )


def udp_ports(number: int) -> list[str]:
    return [f"{PORT + i}/udp" for i in range(number)]


def chain(*rules: str, before: str = "") -> str:
    body = "".join(f"  {r}\n" for r in ("type filter hook forward priority -10; policy drop;", *rules))
    return f"table inet peer {{\n{before} chain forward {{\n{body} }}\n}}\n"


def others(number: int) -> list[tuple[str, int]]:
    """Who may send, and to which port, one to a rule: web last."""
    first = ipaddress.IPv4Address("172.18.100.0")
    return [(str(first + i), PORT) for i in range(number - 1)] + [(WEB, PORT)]


BRIDGED = f"""table bridge peer {{
 chain forward {{
  type filter hook forward priority -10; policy drop;
  ip saddr . ip daddr . meta l4proto . th dport vmap {{ {WEB} . {BESIDE} . udp . {PORT} : accept }}
 }}
}}
"""


def linear(number: int, to: str = DB, protocol: str = "udp") -> str:
    return chain(
        "ct state established,related accept",
        *(f"ip saddr {a} ip daddr {to} {protocol} dport {p} counter accept" for a, p in others(number)),
    )


def map_and_linear(number: int) -> str:
    """A map that leads to a chain for each container, and its rules there one after the other."""
    rules = "".join(f"  ip saddr {a} udp dport {p} counter accept\n" for a, p in others(number))
    before = f" chain to_db {{\n{rules}  drop\n }}\n"
    return chain("ct state established,related accept", f"ip daddr vmap {{ {DB} : jump to_db }}", before=before)


def one_map(sources: int, ports: int) -> str:
    """The least that judges by both ends and the port: each combination is an element with its verdict."""
    first = ipaddress.IPv4Address(WEB)
    items = (f"{first + i} . {DB} . udp . {PORT + p} : accept" for i in range(sources) for p in range(ports))
    before = (
        " map flows {\n  type ipv4_addr . ipv4_addr . inet_proto . inet_service : verdict\n"
        f"  elements = {{ {', '.join(items)} }}\n }}\n"
    )
    return chain(
        "ct state established,related accept",
        "ip saddr . ip daddr . meta l4proto . th dport vmap @flows",
        before=before,
    )


def interval_set(sources: int, ports: int) -> str:
    """The same by ranges of ports: an element for each source, in one set."""
    first = ipaddress.IPv4Address(WEB)
    items = (f"{first + i} . {DB} . udp . {PORT}-{PORT + ports}" for i in range(sources))
    before = (
        " set flows {\n  type ipv4_addr . ipv4_addr . inet_proto . inet_service\n  flags interval\n"
        f"  elements = {{ {', '.join(items)} }}\n }}\n"
    )
    rule = "ip saddr . ip daddr . meta l4proto . th dport @flows accept"
    return chain("ct state established,related accept", rule, before=before)


def iptables(number: int) -> str:
    rules = "".join(f"-A FORWARD -s {a} -d {DB} -p udp --dport {p} -j ACCEPT\n" for a, p in others(number))
    established = "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    return f"*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n{established}{rules}COMMIT\n"


def docker_user(number: int, protocol: str = "udp") -> str:
    """The chain that the engine leaves to its user: for iptables-restore -n."""
    rules = "".join(
        f"-A DOCKER-USER -s {a} -d {OUTSIDE} -p {protocol} --dport {p} -j RETURN\n" for a, p in others(number)
    )
    established = "-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n"
    return f"*filter\n-F DOCKER-USER\n{established}{rules}-A DOCKER-USER -j DROP\nCOMMIT\n"
