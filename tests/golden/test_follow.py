"""A compiled set follows its model: the same, step by step, as one made anew, over the policies of each golden case.

Its snapshot's containers, and copies of them, come, go and change in an order drawn by a fixed seed; by as many as
QUAYWALL_SEEDS says.
"""

import copy
import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from test_golden import CASES

STEPS = 60
COPIES = 3
# Names of interfaces that are bare, as the two ends of a container's pair while it starts; some are named by rules, of some cases.
PASSING = ["veth1a2b", "veth3c4d", "vethcafe", "eth0", "eth7", "wg3"]


def program() -> Path:
    return Path(os.environ["QUAYWALL_BUILD"]) / "tests/golden/follow"


class World:
    """What could run: the snapshot's containers and their copies; and what does."""

    def __init__(self, case: Path, seed: int) -> None:
        self.random = random.Random(f"{case.name} {seed}")
        self.snapshot = json.loads((case / "snapshot.json").read_text())
        self.containers: dict[str, dict[str, Any]] = {c["id"]: c for c in self.snapshot.get("containers", [])}
        self.endpoints: dict[str, dict[str, Any]] = {e["id"]: e for e in self.snapshot.get("endpoints", [])}
        for n in range(1, COPIES + 1):
            self.add_copies(n)
        self.add_twin_of_a_bridge()
        self.absent = {c for c in self.containers if self.random.random() < 0.3}
        self.apart: set[str] = set()
        self.passing: list[str] = []
        self.aside = random.Random(f"passing {case.name} {seed}")

    def add_copies(self, n: int) -> None:
        """Of containers that publish a port half do so again; others may begin to."""
        for old in [c for c in self.containers.values() if "/" not in c["id"]]:
            new = copy.deepcopy(old) | {"id": f"{old['id']}/{n}", "name": f"{old['name']}-copy{n}"}
            if self.random.random() < 0.5:
                new.pop("ports", None)
            for port in new.get("ports", []):
                port["host_port"] = port["host_port"] % 60000 + 10 * n
            if self.random.random() < 0.2:
                new["ports"] = self.any_ports(1)
            self.containers[new["id"]] = new
            for endpoint in [e for e in self.endpoints.values() if e.get("container") == old["id"]]:
                self.add_copy(endpoint, new, n)

    def add_copy(self, old: dict[str, Any], container: dict[str, Any], n: int) -> None:
        new = copy.deepcopy(old) | {"id": f"{old['id']}/{n}", "container": container["id"]}
        if "name" in new:
            new["name"] = container["name"]
        if new.get("addr4"):
            new["addr4"] = self.moved4(new["addr4"], 20 * n)
        if new.get("addr6"):
            new["addr6"] += f"{n:x}"
        if new.get("mac"):
            new["mac"] = new["mac"][:-2] + f"{int(new['mac'][-2:], 16) + 20 * n & 255:02x}"
        self.endpoints[new["id"]] = new

    def add_twin_of_a_bridge(self) -> None:
        """The link-local address that one's MAC gives is a bridge's own, too."""
        if not (macs := sorted(e["mac"] for e in self.endpoints.values() if e.get("mac"))):
            return
        mac = bytes.fromhex(macs[-1].replace(":", ""))
        half = bytes([mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:]]).hex(":", 2)
        bridge = {"name": "br-twin", "index": 4000, "bridge": True, "addrs": [f"fe80::{half}/64"]}
        self.snapshot["interfaces"] = [*self.snapshot.get("interfaces", []), bridge]

    def any_ports(self, n: int) -> list[dict[str, Any]]:
        """Now and then one that another container has, too."""
        taken = [p["host_port"] for c in self.containers.values() for p in c.get("ports") or []]
        return [
            {
                "protocol": "tcp",
                "container_port": port,
                "host_port": self.random.choice([*taken[:1], *range(port, port + 9)]),
                "host_addr": self.random.choice(["0.0.0.0", "::", "192.0.2.1"]),
            }
            for port in self.random.sample([80, 443, 5432, 8443], n)
        ]

    @staticmethod
    def moved4(addr: str, by: int) -> str:
        head, _, last = addr.rpartition(".")
        return f"{head}.{(int(last) + by) % 254 + 1}"

    def change(self) -> None:
        """Mostly one container comes or goes; sometimes what else can happen, some of it never meant to. Always what passes does."""
        self.passing = self.aside.sample(PASSING[: 3 if self.aside.random() < 0.8 else None], 2)
        what = self.random.random()
        container = self.random.choice(sorted(self.containers))
        endpoint = self.endpoints[self.random.choice(sorted(self.endpoints))] if self.endpoints else {}
        if what < 0.7:
            self.absent ^= {container}
        elif what < 0.78 and endpoint:
            self.apart ^= {endpoint["id"]}
        elif what < 0.84 and endpoint.get("addr4"):
            gateways = [g for n in self.snapshot["networks"] for g in n.get("gateways", []) if "." in g]
            there = [self.moved4(endpoint["addr4"], by) for by in (1, 20, 200)]
            endpoint["addr4"] = self.random.choice(there + gateways[:1])
        elif what < 0.88 and endpoint.get("mac"):
            endpoint["mac"] = self.random.choice([e for e in self.endpoints.values() if e.get("mac")])["mac"]
        elif what < 0.9:
            self.containers[container]["ports"] = self.any_ports(self.random.randrange(3))
        elif what < 0.93 and endpoint:
            endpoint["port"] = f"veth{self.random.randrange(100)}"
        elif what < 0.96:
            self.containers[container]["name"] += "x"
        else:
            other = copy.deepcopy(self.random.choice(list(self.containers.values())))
            for key in ("labels", "image_labels"):
                self.containers[container][key] = other.get(key, [] if key == "image_labels" else {})

    def now(self) -> str:
        """A container that is absent leaves none of its endpoints; one whose endpoints are apart has none there."""
        containers = [c for i, c in self.containers.items() if i not in self.absent]
        endpoints = [
            e
            for i, e in self.endpoints.items()
            if i not in self.apart and e.get("container") not in self.absent
        ]
        passing = [{"name": n, "index": 5000 + PASSING.index(n), "bridge": False, "addrs": []} for n in self.passing]
        there = {i["name"] for i in self.snapshot.get("interfaces", [])}
        interfaces = self.snapshot.get("interfaces", []) + [i for i in passing if i["name"] not in there]
        return json.dumps(
            self.snapshot | {"containers": containers, "endpoints": endpoints, "interfaces": interfaces}
        )


# What a container contributes there mostly depends on others: on whose address lies in which block.
HARDLY_FOLLOWED = {"cidr-except", "extra-addresses", "lint"}
WITH_CONTAINERS = [case for case in CASES if case.name != "no-containers"]


@pytest.mark.parametrize("seed", range(int(os.environ.get("QUAYWALL_SEEDS", "1"))))
@pytest.mark.parametrize("case", WITH_CONTAINERS, ids=lambda path: path.name)
def test_as_if_made_anew(case: Path, seed: int, tmp_path: Path) -> None:
    world = World(case, seed)
    paths = []
    for n in range(STEPS):
        paths.append(tmp_path / f"{n:03}.json")
        paths[-1].write_text(world.now())
        world.change()
    done = subprocess.run([program(), case, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout[-8000:]
    steps = Counter(done.stdout.split())
    assert steps.total() == STEPS - 1
    assert steps["followed"] > STEPS / 8 or case.name in HARDLY_FOLLOWED, steps
