"""Packets while the rules change as fast as an engine can tell: none of those that are allowed may be lost, and none of
those that are refused may pass. Each is the first of a flow of its own, so that each is judged by the rules."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from typing import Callable

from bed import endpoint
from crowd import Crowd
from engine import container_event, network_event
from figures import Figure, Size
from place import Namespace
from programs import offer, refused, sent_by

POLICY = """policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [udp]}
  - {from: {service: worker}, to: {service: db}, ports: [5432]}
"""
DB, WEB = "172.18.0.2", "172.18.0.3"
PLACES = 40
# Taken before any socket, and unanswered.
COUNTS = """table inet arrived {
 chain input {
  type filter hook input priority 0
  meta l4proto udp counter drop
 }
}
"""


def arrived(place: Namespace) -> int:
    found = re.search(r"counter packets (\d+)", place.run("nft", "list", "table", "inet", "arrived"))
    assert found
    return int(found[1])


class Churn:
    """Containers at places whose veths stay. The engine does not wait for anybody."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.addresses = [f"172.18.9.{1 + i}" for i in range(PLACES)]
        self.events = 0
        self._end = threading.Event()
        self._broke: Exception | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Churn":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if self._broke:
            raise self._broke

    def _run(self) -> None:
        try:
            self._work()
        except Exception as e:  # pylint: disable=broad-except
            self._broke = e

    def _work(self) -> None:
        crowd, engine = self.crowd, self.crowd.engine
        while not self._end.is_set():
            address = self.addresses[self.events % PLACES]
            c = crowd.new("worker", 10_000 + self.events)
            engine.add(c, crowd.front, endpoint(c, address))
            engine.emit(network_event("connect", crowd.front, c.id), container_event("start", c))
            time.sleep(0.004)  # in which the daemon may have put it in force
            with engine.lock:
                engine.remove(c)
            engine.emit(network_event("disconnect", crowd.front, c.id), container_event("die", c))
            time.sleep(0.004)
            self.events += 1


def lossless(size: Size) -> list[Figure]:
    rate, seconds = (500, 2.0) if size.smoke else (5_000, size.seconds)
    lost: list[float] = []
    passed: list[float] = []
    sent = events = transactions = 0
    with Crowd(10, POLICY, attached=True) as crowd:
        crowd.plug([f"172.18.9.{1 + i}" for i in range(PLACES)])
        crowd.space.run("sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=3")
        crowd.start()
        crowd.assert_known(DB)
        db, web = crowd.places
        for place in crowd.places:
            subprocess.run(place.argv("nft", "-f", "-"), input=COUNTS, text=True, check=True)
        time.sleep(3)
        for r in range(2 * size.rounds):
            before, at_db, at_web = transactions_of(crowd), arrived(db), arrived(web)
            refused_before = refused(crowd.space)
            ways = [offer(a, str(rate), str(seconds), to, "1024", "flows") for a, to in ((web, DB), (db, WEB))]
            if r % 2:
                with Churn(crowd) as churn:
                    counts = [sent_by(p) for p in ways]
                events += churn.events
                transactions += transactions_of(crowd) - before
            else:
                counts = [sent_by(p) for p in ways]
            time.sleep(0.5)
            assert min(counts) > 0.5 * rate * seconds, counts
            sent += sum(counts)
            lost.append(max(0, counts[0] - (arrived(db) - at_db)))
            passed.append(arrived(web) - at_web)
            judged = refused(crowd.space) - refused_before + passed[-1]
            assert judged >= counts[1], f"of {counts[1]} packets that are refused the rules saw {judged}"
    assert sum(passed) == 0, passed
    assert transactions >= (4 if size.smoke else 20) * size.rounds, f"the rules changed {transactions} times"
    calm = {"without changes": sum(lost[::2]), "packets sent": sent}
    how = {"transactions": transactions, "containers": events}
    return [
        Figure("allowed packets that were lost while rules change", "", [sum(lost[1::2])], 0, calm | how),
        Figure("refused packets that passed while rules change", "", [sum(passed)], 0),
    ]


def transactions_of(crowd: Crowd) -> int:
    return int(crowd.daemon.status()["kernel"]["transactions"])


BENCHMARKS: dict[str, Callable[[Size], list[Figure]]] = {"churn": lossless}
