"""VXLAN of overlay networks, by their identifiers and peers, in and out, over IPv4 and IPv6."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from place import POLICY, Daemon, Namespace, eventually  # noqa: E402
from test_metrics import WHERE, scrape, settings  # noqa: E402

PLAIN, SECRET, NOBODYS = 4097, 4098, 5000
HOST, PEER, OTHER = {4: "192.0.2.1", 6: "fd00:99::1"}, {4: "192.0.2.2", 6: "fd00:99::2"}, {4: "192.0.2.3", 6: "fd00:99::3"}

# Sends a datagram for each line "SOURCE TARGET VNI PORT"; waits for what comes, and prints the data of each.
SEND = """
import socket, sys
for line in sys.stdin:
    source, target, vni, port = line.split()
    s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, 0))
    try:
        s.sendto(bytes([8, 0, 0, 0]) + (int(vni) << 8).to_bytes(4, "big") + line.encode(), (target, int(port)))
    except PermissionError:
        pass  # dropped on its way out
"""
HEAR = """
import select, socket, sys
ears = []
for port in (4789, 4790):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    ears.append(s)
print("ready", flush=True)
while True:
    s = select.select(ears, [], [])[0][0]  # the second one where the first has nothing
    print(s.recv(1000)[8:].decode().strip(), flush=True)
"""


class Wire:
    """The host and its neighbourhood, with ears at both ends."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.host, self.outside = daemon.space, Namespace()
        self.host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(self.outside.pid))
        for place, ends in ((self.host, (HOST,)), (self.outside, (PEER, OTHER))):
            for end in ends:
                place.run("ip", "addr", "add", f"{end[4]}/24", "dev", "eth0")
                place.run("ip", "addr", "add", f"{end[6]}/64", "dev", "eth0", "nodad")
            place.run("ip", "link", "set", "eth0", "up")
        self.ears = [self._ear(self.host), self._ear(self.outside)]
        networks = [
            {"id": "o1", "name": "plain", "driver": "overlay", "vnis": [PLAIN]},
            {"id": "o2", "name": "secret", "driver": "overlay", "vnis": [SECRET], "encrypted": True},
        ]
        model: dict[str, Any] = json.loads(daemon.snapshot.read_text(encoding="utf-8"))
        peers = [end[f] for end in (HOST, PEER) for f in (4, 6)]
        model["networks"] += [network | {"peers": peers} for network in networks]
        daemon.snapshot.write_text(json.dumps(model), encoding="utf-8")

    @staticmethod
    def _ear(place: Namespace) -> "subprocess.Popen[str]":
        argv = place.argv("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-c", HEAR)
        ear = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert ear.stdout and ear.stdout.readline() == "ready\n"
        return ear

    def enforce(self, **settings: str) -> None:
        config = self.daemon.folder / "quaywall.yaml"
        text = ", ".join(f"{key}: {value}" for key, value in settings.items())
        config.write_text(f"overlay: {{{text}}}\n", encoding="utf-8")
        self.daemon.options = ["--config", str(config)]
        self.daemon.offline("run", "--once")

    def arrive(self, inwards: bool) -> set[tuple[str, int]]:
        """(WHO, VNI) of what comes through, in or out; over both families alike. At the port behind, everything does."""
        place, ear = (self.outside, self.ears[0]) if inwards else (self.host, self.ears[1])
        lines = []
        for f in (4, 6):
            for other in (PEER, OTHER):
                ends = (other[f], HOST[f]) if inwards else (HOST[f], other[f])
                lines += [f"{ends[0]} {ends[1]} {vni} 4789" for vni in (PLAIN, SECRET, NOBODYS)]
        last = f"{lines[-1].rsplit(' ', 1)[0]} 4790"  # behind all others: when it is heard, so are they
        argv = place.argv(sys.executable, "-c", SEND)
        subprocess.run(argv, input="\n".join([*lines, last]), text=True, check=True)
        heard = []
        assert ear.stdout
        while not heard or heard[-1] != last:
            heard.append(ear.stdout.readline().strip())
        names = {end[f]: name for name, end in (("peer", PEER), ("other", OTHER)) for f in (4, 6)}
        by_family: dict[bool, set[tuple[str, int]]] = {False: set(), True: set()}
        for line in heard[:-1]:
            source, target, vni, _ = line.split()
            by_family[":" in source].add((names[source if inwards else target], int(vni)))
        assert by_family[False] == by_family[True]
        return by_family[False]

    def counted(self, name: str) -> dict[tuple[int, str], int]:
        text = self.host.run("nft", "list", "set", "inet", "quaywall", name)
        found = re.findall(r"(0x[0-9a-f]+) \. (\S+) counter packets (\d+)", text)
        return {(int(vni, 16), peer): int(packets) for vni, peer, packets in found}

    def close(self) -> None:
        for ear in self.ears:
            ear.kill()
            ear.wait()
            if ear.stdout:
                ear.stdout.close()
        self.outside.close()


@pytest.fixture
def wire(daemon: Daemon) -> Iterator[Wire]:
    made = Wire(daemon)
    yield made
    made.close()


def metrics(wire: Wire) -> dict[tuple[str, ...], list[float]]:
    """Datagrams, bytes and the last time by network, peer, direction and kind."""
    found: dict[tuple[str, ...], list[float]] = {}
    for line in scrape(wire.daemon).splitlines():
        if line.startswith("quaywall_overlay_"):
            labels = tuple(re.findall(r'="([^"]*)"', line))
            found.setdefault(labels, []).append(float(line.rpartition(" ")[2]))
    return found


def test_metrics(wire: Wire) -> None:
    """By the names of networks; hosts that are no peers are one, however many."""
    began = time.time()
    settings(wire.daemon, f'metrics: {{listen: "{WHERE}"}}')
    wire.daemon.start()
    assert wire.arrive(True) == ALL and wire.arrive(False) == ALL
    wanted: dict[tuple[str, ...], float] = {}
    for direction in ("in", "out"):
        wanted["", "", direction, "stranger"] = 4  # of both families, and both others
        for network in ("plain", "secret"):
            wanted[network, "", direction, "stranger"] = 2
            for f in (4, 6):
                wanted[network, PEER[f], direction, "clear"] = 1
    wire.daemon.policy(POLICY.replace("5433", "5434"))
    assert eventually(lambda: {key: value[0] for key, value in metrics(wire).items()} == wanted, 20), metrics(wire)
    for packets, size, last in metrics(wire).values():
        assert 50 * packets < size < 200 * packets and began - 2 < last < time.time() + 2


ALL = {(who, vni) for who in ("peer", "other") for vni in (PLAIN, SECRET, NOBODYS)}


def test_counts_and_lets_pass(wire: Wire) -> None:
    wire.enforce(plaintext="alert")
    assert wire.arrive(True) == ALL and wire.arrive(False) == ALL
    for f in (4, 6):
        for way in ("in", "out"):
            assert wire.counted(f"overlay_{way}_clear{f}") == {(PLAIN, PEER[f]): 1, (SECRET, PEER[f]): 1}
            others = {(vni, OTHER[f]): 1 for vni in (PLAIN, SECRET, NOBODYS)} | {(NOBODYS, PEER[f]): 1}
            assert wire.counted(f"overlay_{way}_others{f}") == others
            assert wire.counted(f"overlay_{way}_ipsec{f}") == {}


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        ({"plaintext": "deny-encrypted"}, ALL - {("peer", SECRET), ("other", SECRET)}),
        ({"plaintext": "deny"}, set()),
        ({"strangers": "deny"}, {("peer", PLAIN), ("peer", SECRET)}),
        ({"strangers": "deny", "plaintext": "deny-encrypted"}, {("peer", PLAIN)}),
    ],
)
def test_refuses(wire: Wire, settings: dict[str, str], passes: set[tuple[str, int]]) -> None:
    wire.enforce(**settings)
    assert wire.arrive(True) == passes
    assert wire.arrive(False) == passes
