"""`learn` beside a real engine: an application of several services is watched in audit mode; the policy that is written
is valid, and enforced it refuses nothing of what was seen, and what was not seen."""

import json
import re
import time
from typing import Any, Callable

import yaml

from bed import Ask, Held, Quaywall
from checks import Bed, Box, arrive, box_of, hold

Make = Callable[..., Quaywall]

# Everything that no rule names would be refused, what docker-proxy relays from the host to a container, too.
AUDIT = {"preset": "strict", "defaults": {"mode": "audit"}}
SERVES = ("tcp:80", "tcp:5432", "tcp:6379", "tcp:8080", "tcp:9090", "udp:53", "udp:8125")


class Shop:
    """proxy before web before api, which uses db and cache; worker goes outside; another project scrapes."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        bed.engine.network("edge", "172.30.7.0/24", "fd00:7::/64")
        bed.engine.network("inner", "172.30.8.0/24", "fd00:8::/64")
        bed.engine.network("old", "172.30.9.0/24")
        self.legacy = self._box("shop-legacy-1", "old", "shop/legacy", "8090:80")
        self.proxy = self._box("shop-proxy-1", "edge", "shop/proxy", "8080:80", "8443:8080")
        self.web = self._box("shop-web-1", "edge", "shop/web")
        self.api = self._box("shop-api-1", "edge", "shop/api", also="inner")
        self.db = self._box("shop-db-1", "inner", "shop/db")
        self.cache = self._box("shop-cache-1", "inner", "shop/cache")
        self.worker = self._box("shop-worker-1", "inner", "shop/worker")
        self.scraper = self._box("watch-scraper-1", "inner", "watch/scraper")
        self.alone = self._box("alone", "edge", None)

    def _box(self, name: str, network: str, service: str | None, *publish: str, also: str = "") -> Box:
        c = self.bed.engine.run(name, network, SERVES, publish, service=service)
        if also:
            self.bed.engine.docker("network", "connect", also, name)
        return box_of(c)

    def traffic(self) -> list[Ask]:
        lan = self.bed.lan
        asks = [
            Ask(lan, lan.host4, "tcp", 8080, source=lan.addr4),
            Ask(lan, lan.host6, "tcp", 8080, source=lan.addr6),
            Ask(lan, lan.host6, "tcp", 8090, source=lan.addr6),  # docker-proxy relays it: from the host
            Ask(self.worker.place, lan.addr4, "tcp", 443),
            Ask(self.worker.place, lan.addr4, "udp", 53),
            Ask(self.web.place, lan.host4, "tcp", 9100),
            Ask(self.alone.place, self.web.addr(4, "edge"), "tcp", 8080),
        ]
        for family in (4, 6):
            asks += [
                Ask(self.proxy.place, self.web.addr(family, "edge"), "tcp", 80),
                Ask(self.web.place, self.api.addr(family, "edge"), "tcp", 8080),
                Ask(self.api.place, self.db.addr(family, "inner"), "tcp", 5432),
                Ask(self.api.place, self.cache.addr(family, "inner"), "tcp", 6379),
                Ask(self.worker.place, self.db.addr(family, "inner"), "tcp", 5432),
                Ask(self.scraper.place, self.api.addr(family, "inner"), "tcp", 9090),
                Ask(self.api.place, self.scraper.addr(family, "inner"), "udp", 8125),
            ]
        return asks

    def unseen(self) -> list[Ask]:
        lan = self.bed.lan
        return [
            Ask(self.worker.place, self.cache.addr(4, "inner"), "tcp", 6379),
            Ask(self.db.place, self.api.addr(6, "inner"), "tcp", 8080),
            Ask(self.scraper.place, self.db.addr(4, "inner"), "tcp", 5432),
            Ask(self.worker.place, lan.addr4, "tcp", 80),
            Ask(lan, lan.host4, "tcp", 8080, source=lan.other4),
            Ask(lan, lan.host4, "tcp", 8443, source=lan.addr4),
            Ask(self.alone.place, self.web.addr(4, "edge"), "tcp", 80),
        ]


def forget_flows(bed: Bed) -> None:
    """Of those before; the daemon looks at the flows that exist, too."""
    assert bed.engine.space
    bed.engine.space.net("conntrack", "-F")


def learned(q: Quaywall) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(q.verb("learn", "--json"))
    return found


def wait_for_flows(q: Quaywall, count: int) -> list[dict[str, Any]]:
    """Conntrack's events are read in batches."""
    for _ in range(100):
        pairs = [p for p in learned(q)["pairs"] if p["from"]["kind"] != "host"]
        if sum(p["allowed"] + p["audited"] for p in pairs) >= count:
            return pairs
        time.sleep(0.1)
    raise AssertionError(f"wanted {count} flows: {pairs}")


def test_what_was_seen_passes_and_nothing_else(clean: Bed, quaywall: Make) -> None:
    shop = Shop(clean)
    traffic, unseen = shop.traffic(), shop.unseen()
    arrive(*unseen)
    forget_flows(clean)
    q = quaywall(clean, **AUDIT)
    q.start()
    arrive(*traffic)
    pairs = wait_for_flows(q, len(traffic))
    assert not [p for p in pairs if p["from"]["kind"] == "container" and not p["audited"]]
    q.stop()
    q.start()
    assert len(learned(q)["pairs"]) >= len(pairs), "forgotten by a restart"

    text = q.verb("learn")
    documents = {d["policy"]: d for d in yaml.safe_load_all(text)}
    assert set(documents) == {"shop", "watch", "no-project"}
    assert set(documents["shop"]["groups"]) == {"proxy", "web", "api", "db", "cache", "worker", "legacy"}
    rules = {(str(r["from"]), str(r["to"])): r["ports"] for r in documents["shop"]["allow"]}
    assert rules["api", "db"] == [5432] and rules["worker", "db"] == [5432]
    assert rules["web", "host"] == [9100]
    assert rules["worker", clean.lan.addr4] == [443, "53/udp"]
    assert rules["host", "legacy"] == [80]
    published = {(r["to"], str(r["port"])) for r in documents["shop"]["publish"]}
    assert published == {("proxy", "[8080]"), ("legacy", "[8090]")}
    for line in text.splitlines():
        if re.match(r"  - {.*ports?: .*} ", line) and "verdict" not in line:
            assert re.search(r" # \d+ flows?, last 2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line), line

    q.policy("learned", text)
    q.verb("validate")
    q.configure({"preset": "strict"})
    q.verb("reload")
    hold(traffic, unseen)
    q.verb("validate")


def test_flows_that_exist(clean: Bed, quaywall: Make) -> None:
    """Those that began before the daemon did are seen, once it knows whose they are."""
    clean.engine.network("inner", "172.30.8.0/24")
    worker = clean.engine.run("shop-worker-1", "inner", SERVES, service="shop/worker")
    forget_flows(clean)
    held = Held(worker.at(), clean.lan.addr4, 443)
    try:
        assert held.up
        q = quaywall(clean, **AUDIT)
        q.start()
        (pair,) = [p for p in wait_for_flows(q, 1) if p["port"] == 443]
        assert pair["from"]["service"] == "worker" and pair["audited"] == 1
    finally:
        held.close()
