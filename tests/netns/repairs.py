"""How long our tables are not what they should be, as a listener beside the daemon sees it."""

import json
import os
import statistics
import time
from dataclasses import dataclass, field

from place import Daemon, eventually
from flood import WATCH, Traffic, old_kernel, shop

FLUSHES = ("flush ruleset", "delete table inet quaywall", "flush chain inet quaywall forward")


@dataclass
class Repairs:
    containers: int
    times: list[float] = field(default_factory=list)  # ms from the kernel's message of it to that of its repair
    own: list[float] = field(default_factory=list)  # the daemon's own figures
    passed: int = 0  # packets that should have been refused
    forbidden: int = 0  # that were sent
    lost: int = 0  # permitted ones that did not arrive
    permitted: int = 0

    def text(self) -> str:
        def sums(ms: list[float]) -> str:
            late = sum(t > 50 for t in ms)
            return f"median {statistics.median(ms):.1f} ms, max {max(ms):.1f} ms, {late} above 50 ms"

        return (
            f"\n{len(self.times)} repairs, {self.containers} containers: {sums(self.times)}"
            f"\nby the daemon itself: {sums(self.own)}"
            f"\nforbidden packets that passed: {self.passed} of {self.forbidden};"
            f" permitted ones lost: {self.lost} of {self.permitted}; load {os.getloadavg()[0]:.1f}"
        )


def measure(daemon: Daemon, traffic: Traffic, count: int, containers: int) -> Repairs:
    shop(daemon, containers)
    daemon.start(env=old_kernel(daemon))
    found = Repairs(containers)
    traffic.send()
    watch = traffic.script(daemon.space, WATCH)
    for i in range(count):
        daemon.space.run("nft", *FLUSHES[i % len(FLUSHES)].split())
        assert eventually(lambda: daemon.status()["kernel"]["drift"] == i + 1)
        found.own.append(daemon.status()["kernel"]["last_drift"]["restored_ms"])
        time.sleep(0.3)
    found.permitted, found.forbidden = traffic.stop()
    eventually(lambda: traffic.arrived()[0] == found.permitted, 5)
    arrived, found.passed = traffic.arrived()
    found.lost = found.permitted - arrived
    pending = 0
    for line in watch.close().splitlines():
        at, name, _ = json.loads(line)
        if name == "quaywall" and pending:
            found.times.append((at - pending) / 1e6)
        pending = 0 if name == "quaywall" else at
    assert len(found.times) == count
    return found
