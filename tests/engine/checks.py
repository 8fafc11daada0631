"""What the engine tests share: a bed with its LAN, a world of containers, and judging packets."""

from dataclasses import dataclass, replace
from typing import Any, Callable, Sequence

from bed import Ask, Container, Lan, PrivateEngine, Quaywall, reach_all, serve
from bed.engine import FixedPlace
from bed.space import Space

# Every container of the world answers on these.
PORTS = ("tcp:80", "tcp:443", "tcp:5432", "tcp:8000-8010", "udp:53", "udp:123", "sctp:9999", "sctp:9998")
PATIENT = 3.0  # seconds for a packet that must pass: it costs nothing, and the machine may be busy


class Bed:
    """An engine, the LAN around it, and services of the host itself."""

    def __init__(self, engine: PrivateEngine) -> None:
        self.engine = engine
        self.host = engine
        self._servers: list[Any] = []
        try:
            self._outside = Space(engine.state.probe)
            assert engine.space
            self.lan = Lan(engine.space, self._outside)
            self._servers.append(serve(engine, "host", "tcp:9100", "tcp:9101", "udp:9102"))
            self._servers.append(serve(self.lan, "outside", *PORTS))
        except BaseException:
            self.close()
            raise

    def clear(self) -> None:
        self.engine.remove_all()
        self.bridge_filter(0)

    def bridge_filter(self, value: int) -> None:
        for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
            assert self.engine.space
            self.engine.space.sysctl(**{f"net__bridge__{name}": value})

    def close(self) -> None:
        for server in self._servers:
            server.kill()
            server.wait()
        if hasattr(self, "_outside"):
            self._outside.close()
        self.engine.close()

    def __enter__(self) -> "Bed":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Box:
    """A container that stays: its place and addresses are asked once."""

    container: Container
    place: FixedPlace
    addrs: dict[tuple[str, int], str]

    def addr(self, family: int, network: str = "front") -> str:
        return self.addrs[network, family]


class World:
    """Project shop: web, db, worker and loop on `front`; cache on `back`; multi on both; legacy on
    `old`, which has IPv4 alone. Project blog: other, on front."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.engine = bed.engine
        self.lan = bed.lan
        bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")
        named = {"com.docker.network.bridge.name": "qwback0"}
        bed.engine.network("back", "172.30.2.0/24", "fd00:2::/64", named)
        bed.engine.network("old", "172.30.3.0/24")
        published = ("8080:80", "8443:443", "8053:53/udp", "8123:123/udp", "8600:600", "8601:8601/udp")
        published += ("192.0.2.1:8085:80", "192.0.2.1:8086:443")
        self.web = self._box("shop-web-1", "front", "shop/web", published)
        self.db = self._box("shop-db-1", "front", "shop/db")
        self.worker = self._box("shop-worker-1", "front", "shop/worker")
        self.loop = self._box("shop-loop-1", "front", "shop/loop", ("127.0.0.1:8070:80",))
        self.other = self._box("blog-other-1", "front", "blog/other")
        self.cache = self._box("shop-cache-1", "back", "shop/cache")
        self.legacy = self._box("shop-legacy-1", "old", "shop/legacy", ("8090:80", "8093:443"))
        self.multi = self._box("shop-multi-1", "front", "shop/multi", ("8097:80",), also=("back",))
        self.bed.bridge_filter(0)

    def _box(
        self,
        name: str,
        network: str,
        service: str,
        publish: Sequence[str] = (),
        also: Sequence[str] = (),
    ) -> Box:
        c = self.engine.run(name, network, PORTS, publish, service=service)
        for more in also:
            self.engine.docker("network", "connect", more, name)
        return box_of(c)

    def bridge(self, network: str) -> str:
        return "br-" + self.engine.docker("network", "inspect", "-f", "{{.Id}}", network)[:12]


def box_of(c: Container) -> Box:
    addrs = {}
    for network, found in c.inspect()["NetworkSettings"]["Networks"].items():
        addrs[network, 4] = found["IPAddress"]
        addrs[network, 6] = found["GlobalIPv6Address"]
    return Box(c, c.at(), addrs)


def judge(
    quaywall: Quaywall | Callable[[], Quaywall],
    passes: Sequence[Ask] = (),
    refused: Sequence[Ask] = (),
    baseline: bool = True,
) -> Quaywall:
    """Shows first that all these packets arrive without quaywall, so that those it refuses are refused
    by it; then starts it and holds each against what must be."""
    if baseline:
        arrive(*passes, *refused)
    running = quaywall if isinstance(quaywall, Quaywall) else quaywall()
    running.start()
    hold(passes, refused)
    return running


def arrive(*asks: Ask) -> None:
    answers = reach_all([replace(a, timeout=PATIENT) for a in asks])
    failed = [f"{a}: {b}" for a, b in zip(asks, answers) if b.word != "ok"]
    assert not failed, "do not pass without quaywall either:\n" + "\n".join(failed)


def hold(passes: Sequence[Ask] = (), refused: Sequence[Ask] = ()) -> None:
    asks = [replace(a, timeout=PATIENT) for a in passes] + list(refused)
    answers = reach_all(asks)
    wrong = []
    for i, (a, b) in enumerate(zip(asks, answers)):
        if (b.word == "ok") != (i < len(passes)):
            wrong.append(f"{a}: {b}, wanted {'ok' if i < len(passes) else 'refused'}")
    assert not wrong, "\n".join(wrong)
