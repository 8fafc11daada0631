"""`watch`: what the rules log, told with names, while packets flow."""

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from frames import Node, Pen, packet_socket  # noqa: E402
from place import DIES_WITH_US, Daemon, Namespace, attach, eventually  # noqa: E402

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432], log: true, name: sql}
deny:
  - {from: {service: web}, to: {service: db}, ports: [81], log: true}
"""
WEB = Node("02:42:ac:12:00:03", "172.18.0.3", "fd00:18::3")
DB = Node("02:42:ac:12:00:02", "172.18.0.2", "fd00:18::2")
NEIGHBOUR = ("172.18.0.99", "02:42:ac:12:00:63")
KEYS = """decided_by egress fragment from icmp in ingress length logged_by mac out passed port ports published
          quoted state time to verdict why""".split()
FLOW_KEYS = """answered decided_by egress from id ingress passed ports published sent state time to verdict why""".split()

Record = dict[str, Any]


class Bridge:
    """web, db and one whom nobody knows, on one bridge."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.places: list[Namespace] = []
        daemon.policy(POLICY)
        self.db = self._attach(f"{DB.ip4}/16", DB.mac)
        self.web = self._attach(f"{WEB.ip4}/16", WEB.mac)
        self.stranger = self._attach(f"{NEIGHBOUR[0]}/16", NEIGHBOUR[1])

    def _attach(self, addr: str, mac: str) -> Namespace:
        self.places.append(attach(self.daemon, addr, mac))
        return self.places[-1]

    @staticmethod
    def send(place: Namespace, to: str, port: int, times: int = 1) -> None:
        code = (
            "import socket, sys\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "for i in range(int(sys.argv[3])):\n"
            "    try:\n"
            "        s.sendto(b'x', (sys.argv[1], int(sys.argv[2])))\n"
            "    except OSError:\n"
            "        pass  # what an earlier one was answered with\n"
        )
        place.run("/usr/bin/python3", "-c", code, to, str(port), str(times))

    @staticmethod
    def connect(place: Namespace, to: str, port: int) -> None:
        code = f"import socket; s = socket.socket(); s.settimeout(1); s.connect_ex(('{to}', {port}))"
        place.run("/usr/bin/python3", "-c", code)

    def settings(self, text: str) -> None:
        path = self.daemon.folder / "settings.yaml"
        path.write_text(text + "\n", encoding="utf-8")
        if "--config" not in self.daemon.options:
            self.daemon.options += ["--config", str(path)]

    def records(self, *options: str) -> list[Record]:
        text = self.daemon.verb("watch", "--last", "200", "--json", *options)
        return [json.loads(line) for line in text.splitlines()]

    def soon(self, *options: str, count: int = 1) -> list[Record]:
        assert eventually(lambda: len(self.records(*options)) >= count), self.daemon.log_text()
        return self.records(*options)

    def close(self) -> None:
        for place in self.places:
            place.close()


@pytest.fixture
def bridge(daemon: Daemon) -> Iterator[Bridge]:
    made = Bridge(daemon)
    try:
        yield made
    finally:
        made.close()


def test_a_refused_packet(bridge: Bridge) -> None:
    """Both names, the port, and the line that decided; every documented key."""
    bridge.daemon.start()
    bridge.connect(bridge.web, DB.ip4, 22)
    found = bridge.soon("--refused")[0]
    assert sorted(found) == KEYS
    assert (found["verdict"], found["passed"], found["ports"]) == ("refused", False, "22/tcp")
    assert found["from"]["container"] == "shop-web-1" and found["from"]["address"] == WEB.ip4
    assert found["to"]["identity"] == "shop/db" and found["to"]["port"] == 22
    assert found[found["decided_by"]]["where"] == "shop.yaml:1"
    assert found["in"] == found["out"] == "br-shopfront" and found["port"].startswith("veth")
    text = bridge.daemon.verb("watch", "--last", "1")
    assert "refused" in text and "shop/web (shop-web-1) 172.18.0.3 -> shop/db (shop-db-1) 172.18.0.2  22/tcp" in text


def test_rules_with_a_log_of_their_own(bridge: Bridge) -> None:
    bridge.daemon.start()
    bridge.connect(bridge.web, DB.ip4, 5432)
    bridge.connect(bridge.web, DB.ip4, 81)
    accepted = bridge.soon("--port", "5432")[0]
    assert (accepted["verdict"], accepted["passed"], accepted["why"]) == ("accepted", True, None)
    assert accepted["logged_by"] == "shop.yaml:4 sql"
    refused = bridge.soon("--port", "81")[0]
    assert (refused["verdict"], refused["logged_by"]) == ("refused", "shop.yaml:6")
    assert refused[refused["decided_by"]]["reason"] == "deny-rule"


def test_unknown_and_audit(bridge: Bridge) -> None:
    """Whom nobody knows is told as that; audit mode lets pass and tells."""
    bridge.settings("antispoof: false")
    bridge.daemon.start()
    bridge.send(bridge.stranger, DB.ip4, 9)
    unknown = bridge.soon("--from", "172.18.0.0/24", "--port", "9/udp")[0]
    assert (unknown["verdict"], unknown["from"]["kind"]) == ("unknown", "unknown")
    bridge.daemon.policy(POLICY.replace("policy: shop\n", "policy: shop\nmode: audit\n"))
    assert eventually(lambda: bridge.daemon.allows("shop/web", "shop/db", "23"))
    bridge.connect(bridge.web, DB.ip4, 23)
    audit = bridge.soon("--port", "23")[0]
    assert (audit["verdict"], audit["passed"]) == ("audit", True)
    assert not bridge.records("--port", "23", "--refused")


def test_a_spoofed_frame(bridge: Bridge) -> None:
    """Told by the port that it came by, not by what it claims."""
    bridge.daemon.start()
    gateway = Node("02:42:00:00:00:01", "172.18.0.1", "fd00:18::1")
    mouth = packet_socket(f"/proc/{bridge.web.pid}/ns/net", "eth0")
    with mouth:
        mouth.send(Pen(WEB, DB, gateway).arp(2, DB.ip4, to=gateway.mac))
    found = [r for r in bridge.soon("--refused") if r["verdict"] == "spoofed"]
    assert found and found[0]["ports"] == "arp" and found[0]["decided_by"] == "antispoof"
    assert found[0]["from"]["container"] == "shop-web-1" and found[0]["from"]["address"] == DB.ip4


def test_filters(bridge: Bridge) -> None:
    bridge.daemon.start()
    bridge.connect(bridge.web, DB.ip4, 22)
    bridge.connect(bridge.db, WEB.ip4, 25)
    bridge.soon(count=2)
    ports = lambda *options: {r["ports"] for r in bridge.records(*options)}  # noqa: E731
    assert ports("--from", "shop/web") == ports("--to", "shop-db-?") == {"22/tcp"}
    assert ports("--from", "shop/*") == ports("--policy", "shop") == {"22/tcp", "25/tcp"}
    assert ports("--to", WEB.ip4) == ports("--port", "25") == {"25/tcp"}
    assert ports("--from", "world") == ports("--policy", "blog") == ports("--port", "25/udp") == set()
    assert len(bridge.daemon.verb("watch", "--last", "1").splitlines()) == 1
    for wrong in (["--last", "0"], ["--last", "x"], ["--follow"]):
        bridge.daemon.verb("watch", *wrong, code=2)


def test_several_watch_live_and_a_slow_one_is_no_hindrance(bridge: Bridge) -> None:
    """One that never reads loses lines and is told so; the others and the daemon go on."""
    bridge.settings("log: {rate: 5000/second, burst: 5000}")
    bridge.daemon.start()
    live = [
        subprocess.Popen(
            [*DIES_WITH_US, *bridge.daemon.argv("watch", "--json")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    slow = socket.socket(socket.AF_UNIX)
    try:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(str(bridge.daemon.control))
        slow.sendall(b'{"verb": "watch"}\n')
        time.sleep(0.5)
        for _ in range(3):
            bridge.send(bridge.web, DB.ip4, 99, 1500)
        for process in live:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(1000)]
            flows = [record for record in map(json.loads, lines) if "event" not in record]
            assert len(flows) >= 990 and all(record["ports"] == "99/udp" for record in flows)
        assert bridge.daemon.state() == "enforcing"
        slow.settimeout(20)
        text = b""
        while b'"event":"skipped"' not in text:
            got = slow.recv(1 << 20)
            assert got, "the daemon closed the connection"
            text += got
            if len(text) > 1 << 19:
                bridge.send(bridge.web, DB.ip4, 99)
    finally:
        slow.close()
        for process in live:
            process.kill()
            process.communicate()


# ---- flows that pass ----


class Watch:
    """`watch --all`, live: its lines come as they are printed."""

    def __init__(self, daemon: Daemon, *options: str) -> None:
        argv = daemon.argv("watch", "--all", "--json", *options)
        self.process = subprocess.Popen([*DIES_WITH_US, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.records: list[Record] = []
        self.errors = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert eventually(lambda: bool(daemon.status()["flows"]["followed"])), daemon.log_text()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.records.append(json.loads(line))

    def soon(self, port: str, state: str) -> Record:
        found = lambda: [r for r in self.records if (r.get("ports"), r.get("state")) == (port, state)]  # noqa: E731
        assert eventually(lambda: bool(found())), self.records
        return found()[0]

    def close(self) -> str:
        """What it printed besides."""
        if self.process.returncode is None:
            self.process.kill()
            self._reader.join()
            assert self.process.stdout and self.process.stderr
            self.errors = self.process.stderr.read().decode()
            self.process.stdout.close()
            self.process.stderr.close()
            self.process.wait()
        return self.errors


@pytest.fixture
def watch(bridge: Bridge) -> Iterator[Callable[..., Watch]]:
    made: list[Watch] = []

    def begin(*options: str) -> Watch:
        made.append(Watch(bridge.daemon, *options))
        return made[-1]

    try:
        yield begin
    finally:
        for w in made:
            w.close()


def test_a_flow_that_passes(bridge: Bridge, watch: Callable[..., Watch]) -> None:
    """As it begins, with the rule that let it; as it ends, with what it carried; and once followed no longer."""
    bridge.daemon.start()
    bridge.daemon.space.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1")
    seen = watch("--port", "5432")
    bridge.connect(bridge.web, DB.ip4, 5432)
    bridge.connect(bridge.web, DB.ip4, 22)
    begun = seen.soon("5432/tcp", "begins")
    assert (begun["verdict"], begun["passed"], begun["why"]) == ("accepted", True, None)
    assert begun["from"]["container"] == "shop-web-1" and begun["to"]["identity"] == "shop/db"
    assert begun["egress"]["where"] == begun["ingress"]["where"] == "shop.yaml:4 sql"
    assert sorted(begun) == FLOW_KEYS
    bridge.daemon.space.run("conntrack", "-F")
    ended = seen.soon("5432/tcp", "ends")
    assert ended["id"] == begun["id"] and ended["from"]["port"] == begun["from"]["port"]
    assert ended["sent"]["packets"] >= 1 and ended["sent"]["bytes"] >= 40
    seen.close()
    # The daemon sees that nobody watches when something comes.
    assert eventually(
        lambda: bridge.connect(bridge.web, DB.ip4, 5432) or not bridge.daemon.status()["flows"]["followed"]
    )
    text = bridge.daemon.verb("watch", "--all", "--last", "20")
    assert "begins  shop.yaml:4 sql allow: " in text and " ends  sent " in text


def test_the_graph_shows_what_was_seen(bridge: Bridge, watch: Callable[..., Watch]) -> None:
    bridge.daemon.start()
    seen = watch()
    bridge.connect(bridge.web, DB.ip4, 5432)
    bridge.connect(bridge.web, DB.ip4, 22)
    seen.soon("5432/tcp", "begins")
    seen.soon("22/tcp", "packet")
    cells = json.loads(bridge.daemon.verb("graph", "--json", "--from", "shop/web", "--to", "shop/db"))["cells"]
    (found,) = cells
    assert found["seen"]["ports"] == ["5432/tcp"] and found["seen"]["refused_ports"] == ["22/tcp"]
    assert "5432+!" in bridge.daemon.verb("graph")
    kept = bridge.daemon.folder / "seen.json"
    kept.write_text(bridge.daemon.verb("learn", "--json"), encoding="utf-8")
    assert "5432+!" in bridge.daemon.offline("graph", "--traffic", str(kept))


def test_flows_that_were_there(bridge: Bridge, watch: Callable[..., Watch]) -> None:
    """Told when somebody begins to watch, once."""
    bridge.daemon.policy(POLICY.replace("ports: [5432]", "ports: [53/udp]"))
    bridge.daemon.start()
    bridge.send(bridge.web, DB.ip4, 53)
    seen = watch("--policy", "shop")
    found = seen.soon("53/udp", "found")
    assert found["verdict"] == "accepted" and found["to"]["container"] == "shop-db-1"
    bridge.send(bridge.web, DB.ip4, 53)
    begun = seen.soon("53/udp", "begins")
    assert begun["id"] != found["id"]
    flows = bridge.daemon.status()["flows"]
    assert (flows["found"], flows["losses"]) == (1, 0)


def test_flows_that_audit_lets_pass(bridge: Bridge, watch: Callable[..., Watch]) -> None:
    bridge.daemon.policy(POLICY.replace("policy: shop\n", "policy: shop\nmode: audit\n"))
    bridge.daemon.start()
    seen = watch()
    bridge.connect(bridge.web, DB.ip4, 23)
    begun = seen.soon("23/tcp", "begins")
    assert (begun["verdict"], begun["passed"]) == ("audit", True)
    assert "shop isolates" in begun["why"]
    assert seen.soon("23/tcp", "packet")["verdict"] == "audit"


def test_flows_that_nobody_follows(bridge: Bridge) -> None:
    """By the settings never, or always; `watch` says why it hears of none."""
    bridge.settings("flows: never")
    bridge.daemon.start()
    assert "flows: never" in bridge.daemon.call("watch", "--all", "--last", "1").stderr
    assert bridge.daemon.status()["flows"]["followed"] is False
    bridge.settings("flows: always")
    bridge.daemon.verb("reload")
    assert bridge.daemon.status()["flows"]["followed"] is True
    bridge.connect(bridge.web, DB.ip4, 5432)
    assert eventually(lambda: bridge.daemon.status()["flows"]["begun"] >= 1)
    bridge.settings("flows: auto")
    bridge.daemon.verb("reload")
    assert bridge.daemon.status()["flows"]["followed"] is False
    bridge.daemon.call("watch", "--all", "--refused", "--last", "1")


def test_flows_that_are_forbidden_meanwhile(bridge: Bridge, watch: Callable[..., Watch]) -> None:
    """Who watches would wait for what does not come: he is told, and told when it comes again."""
    bridge.settings("flows: auto")
    bridge.daemon.start()
    seen = watch()
    told = lambda: [bool(r["flows"]["error"]) for r in seen.records if r.get("event") == "watching"]  # noqa: E731
    bridge.connect(bridge.web, DB.ip4, 5432)
    seen.soon("5432/tcp", "begins")
    argv = [*DIES_WITH_US, *bridge.daemon.argv("watch", "--all", "--last", "1", "--follow")]
    text = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert text.stdout and b"5432/tcp" in text.stdout.readline()  # what is kept is printed once it is live
        bridge.settings("flows: never")
        bridge.daemon.verb("reload")
        assert bridge.daemon.status()["flows"]["followed"] is False
        assert eventually(lambda: told() == [False, True]), seen.records
        for settings in ("always", "auto"):
            bridge.settings(f"flows: {settings}")
            bridge.daemon.verb("reload")
            assert bridge.daemon.status()["flows"]["followed"] is True
        bridge.connect(bridge.web, DB.ip4, 81)
        seen.soon("81/tcp", "packet")
        assert told() == [False, True, False]
    finally:
        text.kill()
        errors = text.communicate()[1]
    assert errors.splitlines().count(b"quaywall: flows: never, as the settings say") == 1, errors


def test_flows_where_the_kernel_makes_no_events(bridge: Bridge) -> None:
    """Nothing would come, and nobody would know: it is said."""
    bridge.daemon.space.run("sysctl", "-qw", "net.netfilter.nf_conntrack_events=0")
    bridge.settings("flows: always")
    bridge.daemon.start()
    flows = bridge.daemon.status()["flows"]
    assert not flows["followed"] and "nf_conntrack_events is 0" in flows["error"]
    assert "nf_conntrack_events is 0" in bridge.daemon.call("watch", "--all", "--last", "1").stderr
    assert bridge.daemon.log_text().count("nf_conntrack_events is 0") == 1


FLOOD = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[2])):
    try:
        s.sendto(b"x", (sys.argv[1], 1024 + i))
    except OSError:
        pass
"""


def test_more_flows_than_can_be_told(bridge: Bridge, watch: Callable[..., Watch]) -> None:
    """Each is told, or counted, or found by the dump behind a loss; and the daemon serves everybody meanwhile."""
    flows = 20000
    bridge.daemon.policy("policy: shop\nfor: {project: shop}\nallow: [{from: {}, to: {}, ports: [udp]}]\n")
    bridge.daemon.start()
    seen = watch()
    bridge.web.run("/usr/bin/python3", "-c", FLOOD, DB.ip4, str(flows))
    told = lambda: len({r["ports"] for r in seen.records if r.get("state") in ("begins", "found")})  # noqa: E731

    def known() -> int:
        status = bridge.daemon.status()["flows"]
        return max(status["begun"], told()) + status["not_judged"]

    assert eventually(lambda: known() >= flows, 40), bridge.daemon.status()["flows"]
    status = bridge.daemon.status()["flows"]
    assert status["not_told"] + status["not_judged"] > 0
    assert eventually(lambda: any(r.get("event") == "counted" for r in seen.records))
    assert bridge.daemon.state() == "enforcing"


HOLD = """
import socket, struct, sys, time
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
config, bind = 4 << 8 | 1, struct.pack("=HHBxxx", 5, 1, 1)  # NFULNL_MSG_CONFIG, NFULA_CFG_CMD: NFULNL_CFG_CMD_BIND
s.send(struct.pack("=LHHLLBBH", 20 + len(bind), config, 5, 1, 0, 0, 0, socket.htons(int(sys.argv[1]))) + bind)
assert struct.unpack_from("=i", s.recv(4096), 16)[0] == 0
print("held", flush=True)
time.sleep(60)
"""


def test_another_has_the_group(bridge: Bridge) -> None:
    """Said by `status` and `watch`, the rules are in force; once it is free, it is read."""
    holder = subprocess.Popen(
        [*DIES_WITH_US, *bridge.daemon.space.argv("/usr/bin/python3", "-c", HOLD, "86")], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        bridge.daemon.start()
        log = bridge.daemon.status()["log"]
        assert log["group"] is None and "86" in log["error"]
        assert "86" in bridge.daemon.call("watch", "--last", "1").stderr
        bridge.connect(bridge.web, DB.ip4, 22)
        assert not bridge.records()
    finally:
        holder.kill()
        holder.communicate()
    assert eventually(lambda: bridge.daemon.status()["log"]["group"] == 86, 20)
    bridge.connect(bridge.web, DB.ip4, 22)
    bridge.soon("--port", "22")


def test_another_group_by_the_settings(bridge: Bridge) -> None:
    bridge.settings("log: {group: 87}")
    bridge.daemon.start()
    assert bridge.daemon.status()["log"]["group"] == 87
    bridge.settings("log: {rate: 0}")
    bridge.daemon.verb("reload")
    assert bridge.daemon.status()["log"]["group"] is None
    bridge.settings("log: {group: 88}")
    bridge.daemon.verb("reload")
    bridge.connect(bridge.web, DB.ip4, 22)
    bridge.soon("--port", "22")


def test_too_many_watch(bridge: Bridge) -> None:
    bridge.daemon.start()
    held = []
    try:
        for _ in range(8):
            held.append(socket.socket(socket.AF_UNIX))
            held[-1].connect(str(bridge.daemon.control))
            held[-1].sendall(b'{"verb": "watch"}\n')
            held[-1].settimeout(20)
            assert b'"event":"watching"' in held[-1].recv(65536)
        done = bridge.daemon.call("watch", "--last", "1")
        assert done.returncode == 3 and "too many watch" in done.stderr
        assert bridge.daemon.state() == "enforcing"
        held.pop().close()
        assert eventually(lambda: bridge.daemon.call("watch", "--last", "1").returncode == 0)
    finally:
        for s in held:
            s.close()


def test_the_daemon_ends(bridge: Bridge) -> None:
    process = bridge.daemon.start()
    watch = subprocess.Popen(
        [*DIES_WITH_US, *bridge.daemon.argv("watch")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        time.sleep(0.5)
        bridge.daemon.stop(process)
        _, errors = watch.communicate(timeout=20)
        assert watch.returncode == 3 and b"the daemon has ended" in errors
    finally:
        watch.kill()
        watch.communicate()


def refused(daemon: Daemon) -> int:
    """As the kernel counts them."""
    text = daemon.space.run("nft", "list", "chain", "inet", "quaywall", "refuse")
    return int(text.split("counter packets ")[1].split()[0])


def test_what_the_rate_left_out(bridge: Bridge) -> None:
    """Every packet is told or counted, none is both; also where the rules are set anew in between."""
    bridge.settings("log: {rate: 5/second, burst: 10}")
    bridge.daemon.start()
    log = lambda: bridge.daemon.status()["log"]  # noqa: E731
    whole = lambda: log()["packets"] + log()["left_out"]  # noqa: E731
    watch = subprocess.Popen(
        [*DIES_WITH_US, *bridge.daemon.argv("watch")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        bridge.connect(bridge.web, DB.ip4, 22)
        assert watch.stdout and watch.stderr and watch.stdout.readline()
        before = whole()
        assert log()["left_out"] == 0
        bridge.send(bridge.web, DB.ip4, 99, 400)
        counted = refused(bridge.daemon)
        assert counted > 300
        assert eventually(lambda: whole() >= counted)
        assert whole() == counted and log()["left_out"] > 200 and before <= log()["packets"]
        line = next(line for line in watch.stderr if "finding:" not in line)
        assert "log.rate left out" in line and 0 < int(line.split()[-3]) <= log()["left_out"]
    finally:
        watch.kill()
        watch.communicate()
    bridge.settings("log: {rate: 6/second, burst: 10}")
    bridge.daemon.verb("reload")
    assert refused(bridge.daemon) == 0
    bridge.send(bridge.web, DB.ip4, 99, 200)
    more = refused(bridge.daemon)
    assert 100 < more <= 200
    assert eventually(lambda: whole() >= counted + more)
    assert whole() == counted + more
