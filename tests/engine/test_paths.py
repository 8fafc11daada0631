"""Every path a packet can take on a host with bridge networks: one that must pass, one that must not.

The rows are those of the table in section 4 of the design. `judge` shows each packet to arrive before
quaywall is started, so a refusal is quaywall's own.
"""

from typing import Callable, Iterator

import pytest

from bed import Ask, Quaywall, reach
from checks import PATIENT, World, arrive, hold, judge

Make = Callable[..., Quaywall]
families = pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])

WEB_TO_DB = """
policy: shop
for: {project: shop}
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
"""


@families
def test_same_bridge(world: World, quaywall: Make, family: int) -> None:
    """The hook sees such packets only with br_netfilter on: quaywall has to see to it."""
    q = quaywall(world.bed)
    q.policy("shop", WEB_TO_DB)
    db = world.db.addr(family)
    judge(
        q,
        [Ask(world.web.place, db, "tcp", 5432)],
        [
            Ask(world.web.place, db, "tcp", 80),
            Ask(world.web.place, db, "udp", 53),
            Ask(world.web.place, db, "sctp", 9999),
            Ask(world.web.place, db, "icmp"),
            Ask(world.worker.place, db, "tcp", 5432),
            Ask(world.other.place, db, "tcp", 5432),
            Ask(world.db.place, world.web.addr(family), "tcp", 80),
        ],
    )
    name = "iptables" if family == 4 else "ip6tables"
    assert world.engine.host("cat", f"/proc/sys/net/bridge/bridge-nf-call-{name}").strip() == "1"


@families
def test_not_isolated_stays_open(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed)
    q.policy("db", "policy: db\nfor: {service: db}\nisolate: [ingress]\n")
    judge(
        q,
        [
            Ask(world.worker.place, world.web.addr(family), "tcp", 80),
            Ask(world.db.place, world.web.addr(family), "udp", 53),
            Ask(world.db.place, getattr(world.lan, f"addr{family}"), "tcp", 80),
        ],
        [Ask(world.worker.place, world.db.addr(family), "tcp", 80)],
    )


@families
def test_container_to_outside(world: World, quaywall: Make, family: int) -> None:
    lan = world.lan
    good = lan.addr4 if family == 4 else lan.addr6
    bad = lan.other4 if family == 4 else lan.other6
    q = quaywall(world.bed)
    q.policy(
        "out",
        f"""
policy: out
for: {{project: shop, service: web}}
isolate: [egress]
allow:
  - {{from: {{service: web}}, to: [{lan.addr4}, "{lan.addr6}"], ports: [80, 53/udp, 9999/sctp, icmp]}}
""",
    )
    web = world.web.place
    passes = [
        Ask(web, good, "tcp", 80),
        Ask(web, good, "udp", 53),
        Ask(web, good, "icmp"),
        Ask(world.worker.place, bad, "tcp", 443),
    ]
    refused = [
        Ask(web, bad, "tcp", 80),
        Ask(web, good, "tcp", 443),
        Ask(web, good, "udp", 123),
        Ask(web, bad, "icmp"),
    ]
    if family == 4:  # the engine of 28 masquerades IPv6 too, and SCTP does not survive that
        passes.append(Ask(web, good, "sctp", 9999))
        refused.append(Ask(web, good, "sctp", 9998))
    judge(q, passes, refused)


PUBLISH = """
policy: edge
for: {project: shop}
isolate: []
publish:
  - {to: {service: web}, port: [8080/tcp, 8053/udp, 9999/sctp], from: [192.0.2.2, "2001:db8:1::2"]}
  - {to: {service: legacy}, port: 8090, from: [192.0.2.2, "2001:db8:1::2"]}
"""


@families
def test_outside_to_published_port(world: World, quaywall: Make, family: int) -> None:
    """IPv4 by DNAT. IPv6 by docker-proxy where the engine leaves ip6tables alone (20.10), else DNAT."""
    lan = world.lan
    host = lan.host4 if family == 4 else lan.host6
    good = lan.addr4 if family == 4 else lan.addr6
    bad = lan.other4 if family == 4 else lan.other6
    q = quaywall(world.bed)
    q.policy("edge", PUBLISH)
    judge(
        q,
        [
            Ask(lan, host, "tcp", 8080, source=good),
            Ask(lan, host, "udp", 8053, source=good),
            Ask(lan, host, "tcp", 9100, source=bad),  # the host's own ports are none of its business
        ],
        [
            Ask(lan, host, "tcp", 8080, source=bad),
            Ask(lan, host, "udp", 8053, source=bad),
            Ask(lan, host, "tcp", 8443, source=good),  # of the same container, and named by no rule
            Ask(lan, host, "udp", 8123, source=good),
        ],
    )


@pytest.fixture
def sctp_published(world: World) -> Iterator[None]:
    """What the engine programs for `-p 9999:9999/sctp`, by hand: it also wants an SCTP socket of the
    kernel to reserve the port, which kernels without SCTP cannot give it."""
    to = f"{world.web.addr(4)}:9999"
    rules = [
        ["-t", "nat", "-I", "PREROUTING", "-p", "sctp", "-d", world.lan.host4, "--dport", "9999"]
        + ["-j", "DNAT", "--to-destination", to],
        ["-I", "DOCKER-USER", "-p", "sctp", "-j", "ACCEPT"],
    ]
    assert world.engine.space
    for rule in rules:
        world.engine.space.inside("iptables", *rule)
    yield
    for rule in rules:
        world.engine.space.inside("iptables", *("-D" if word == "-I" else word for word in rule))


@pytest.mark.usefixtures("sctp_published")
def test_outside_to_published_sctp(world: World, quaywall: Make) -> None:
    lan = world.lan
    q = quaywall(world.bed)
    q.policy("edge", PUBLISH)
    judge(
        q,
        [Ask(lan, lan.host4, "sctp", 9999, source=lan.addr4)],
        [Ask(lan, lan.host4, "sctp", 9999, source=lan.other4)],
    )


def test_ipv6_client_to_ipv4_container(world: World, quaywall: Make) -> None:
    """docker-proxy takes it on the host, so only the input hook can judge it."""
    lan = world.lan
    q = quaywall(world.bed)
    q.policy("edge", PUBLISH)
    judge(
        q,
        [
            Ask(lan, lan.host6, "tcp", 8090, source=lan.addr6),
            Ask(lan, lan.host4, "tcp", 8090, source=lan.addr4),
        ],
        [
            Ask(lan, lan.host6, "tcp", 8090, source=lan.other6),
            Ask(lan, lan.host6, "tcp", 8093, source=lan.addr6),
            Ask(lan, lan.host4, "tcp", 8090, source=lan.other4),
        ],
    )


@families
def test_hairpin(world: World, quaywall: Make, family: int) -> None:
    """A container that asks the host for a published port talks to the container behind it."""
    lan = world.lan
    host = lan.host4 if family == 4 else lan.host6
    gateway = "172.30.1.1" if family == 4 else "fd00:1::1"
    q = quaywall(world.bed)
    q.policy(
        "shop",
        """
policy: shop
for: {project: shop, service: web}
isolate: [ingress]
allow:
  - {from: {service: worker}, to: {service: web}, ports: [80]}
""",
    )
    judge(
        q,
        [
            Ask(world.worker.place, host, "tcp", 8080),
            Ask(world.worker.place, gateway, "tcp", 8080),
            Ask(world.worker.place, world.web.addr(family), "tcp", 80),
        ],
        [
            Ask(world.other.place, host, "tcp", 8080),
            Ask(world.other.place, gateway, "tcp", 8080),
            Ask(world.worker.place, host, "tcp", 8443),
            # docker-proxy answers UDP from the gateway's address, whatever address was asked
            Ask(world.worker.place, gateway, "udp", 8053),
        ],
    )


@families
def test_hairpin_from_another_bridge(world: World, quaywall: Make, family: int) -> None:
    """By docker-proxy up to 28: seen on input. The engine's isolation of bridges does not stop it."""
    host = world.lan.host4 if family == 4 else world.lan.host6
    q = quaywall(world.bed)
    q.policy(
        "shop",
        """
policy: shop
for: {project: shop, service: web}
isolate: [ingress]
allow:
  - {from: {service: cache}, to: {service: web}, ports: [80]}
""",
    )
    judge(
        q,
        [Ask(world.cache.place, host, "tcp", 8080)],
        [
            Ask(world.cache.place, host, "tcp", 8443),
            Ask(world.legacy.place, world.lan.host4, "tcp", 8080),
        ],
    )


@families
def test_host_to_container(world: World, quaywall: Make, family: int) -> None:
    """The host reaches isolated containers, straight and by published ports, unless told otherwise."""
    q = quaywall(world.bed)
    q.policy("all", "policy: all\nfor: all\n")
    local = "127.0.0.1" if family == 4 else "::1"
    host = world.lan.host4 if family == 4 else world.lan.host6
    judge(
        q,
        [
            Ask(world.engine, world.db.addr(family), "tcp", 5432),
            Ask(world.engine, world.db.addr(family), "icmp"),
            Ask(world.engine, local, "tcp", 8080),
            Ask(world.engine, host, "tcp", 8080),
        ],
    )


@families
def test_host_to_container_denied(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed, defaults={"host_to_containers": "deny"})
    q.policy(
        "web",
        """
policy: web
for: {service: web}
isolate: []
allow:
  - {from: host, to: {service: web}, ports: [80]}
""",
    )
    local = "127.0.0.1" if family == 4 else "::1"
    host = world.lan.host4 if family == 4 else world.lan.host6
    judge(
        q,
        [
            Ask(world.engine, world.web.addr(family), "tcp", 80),
            Ask(world.engine, local, "tcp", 8080),
            Ask(world.engine, host, "tcp", 8080),
        ],
        [
            Ask(world.engine, world.web.addr(family), "tcp", 443),
            Ask(world.engine, world.db.addr(family), "tcp", 5432),
            Ask(world.engine, local, "tcp", 8443),
            Ask(world.engine, host, "tcp", 8443),
            Ask(world.engine, world.db.addr(family), "icmp"),
        ],
    )


@families
def test_lan_straight_to_container(world: World, quaywall: Make, family: int) -> None:
    """A route through the host: judged as an allow flow from that address, not by publish rules."""
    lan = world.lan
    good = lan.addr4 if family == 4 else lan.addr6
    bad = lan.other4 if family == 4 else lan.other6
    web = world.web.addr(family)
    q = quaywall(world.bed)
    q.policy(
        "web",
        """
policy: web
for: {project: shop, service: web}
isolate: [ingress]
allow:
  - {from: [192.0.2.2, "2001:db8:1::2"], to: {service: web}, ports: [80]}
publish:
  - {to: {service: web}, port: 8443, from: any}
""",
    )
    host = lan.host4 if family == 4 else lan.host6
    judge(
        q,
        [
            Ask(lan, web, "tcp", 80, source=good),
            Ask(lan, host, "tcp", 8443, source=bad),
        ],
        [
            Ask(lan, web, "tcp", 80, source=bad),
            Ask(lan, web, "tcp", 443, source=good),  # 8443 is published to all, its own port is not
            Ask(lan, host, "tcp", 8080, source=good),  # no allow rule opens a published port
        ],
    )


def test_loopback_port_from_lan(world: World, quaywall: Make, generation: str) -> None:
    """A neighbour can send to 127.0.0.1: before 28 the engine translates it like any other."""
    neighbour = Ask(world.lan, world.lan.loopback_route(), "tcp", 8070)
    local = Ask(world.engine, "127.0.0.1", "tcp", 8070)
    if generation != "28.5":
        arrive(neighbour)
    arrive(local)
    q = quaywall(world.bed)
    q.policy("all", "policy: all\nfor: all\nisolate: [egress]\nallow: [{from: {}, to: any}]\n")
    q.start()
    hold([local], [neighbour])


@families
def test_container_to_host_service(world: World, quaywall: Make, family: int) -> None:
    """Every address of the host is the host: gateways, the LAN's, another interface's."""
    lan = world.lan
    gateway = "172.30.1.1" if family == 4 else "fd00:1::1"
    back = "172.30.2.1" if family == 4 else "fd00:2::1"
    host = lan.host4 if family == 4 else lan.host6
    vpn = lan.vpn_host4 if family == 4 else lan.vpn_host6
    q = quaywall(world.bed)
    q.policy(
        "web",
        """
policy: web
for: {project: shop, service: web}
isolate: [egress]
allow:
  - {from: {service: web}, to: host, ports: [9100]}
""",
    )
    web = world.web.place
    addrs = (gateway, back, host, vpn)
    judge(
        q,
        [Ask(web, a, "tcp", 9100) for a in addrs] + [Ask(world.worker.place, host, "tcp", 9101)],
        [Ask(web, a, "tcp", 9101) for a in addrs] + [Ask(web, a, "udp", 9102) for a in addrs],
    )


@families
def test_containers_to_host_denied(world: World, quaywall: Make, family: int) -> None:
    host = world.lan.host4 if family == 4 else world.lan.host6
    q = quaywall(world.bed, defaults={"containers_to_host": "deny"})
    q.policy(
        "web",
        """
policy: web
for: {project: shop, service: web}
isolate: []
allow:
  - {from: {service: web}, to: host, ports: [9100]}
""",
    )
    judge(
        q,
        [
            Ask(world.web.place, host, "tcp", 9100),
            Ask(world.worker.place, world.db.addr(family), "tcp", 5432),
            Ask(world.worker.place, getattr(world.lan, f"addr{family}"), "tcp", 80),
        ],
        [
            Ask(world.web.place, host, "tcp", 9101),
            Ask(world.worker.place, host, "tcp", 9100),
            Ask(world.worker.place, "172.30.1.1" if family == 4 else "fd00:1::1", "icmp"),
        ],
    )


@families
def test_container_on_several_networks(world: World, quaywall: Make, family: int) -> None:
    """One identity, an endpoint on each: the policy holds on both."""
    q = quaywall(world.bed)
    q.policy(
        "multi",
        """
policy: multi
for: {project: shop, service: multi}
isolate: [ingress]
allow:
  - {from: [{service: web}, {service: cache}], to: {service: multi}, ports: [80]}
""",
    )
    front, back = world.multi.addr(family, "front"), world.multi.addr(family, "back")
    judge(
        q,
        [
            Ask(world.web.place, front, "tcp", 80),
            Ask(world.cache.place, back, "tcp", 80),
            Ask(world.multi.place, world.cache.addr(family, "back"), "tcp", 443),
        ],
        [
            Ask(world.worker.place, front, "tcp", 80),
            Ask(world.web.place, front, "tcp", 443),
            Ask(world.cache.place, back, "tcp", 443),
        ],
    )


@families
def test_network_selects_one_endpoint(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed)
    q.policy("back", "policy: back\nfor: {network: back}\nisolate: [ingress]\n")
    judge(
        q,
        [Ask(world.web.place, world.multi.addr(family, "front"), "tcp", 80)],
        [Ask(world.cache.place, world.multi.addr(family, "back"), "tcp", 80)],
    )


def test_link_local(world: World, quaywall: Make) -> None:
    """fe80:: addresses are the endpoint's with that MAC, and judged like its others."""
    q = quaywall(world.bed)
    q.policy("shop", WEB_TO_DB)
    inside = world.db.container.ip("-6", "-o", "addr", "show", "dev", "eth0", "scope", "link")
    addr = inside.split("inet6 ")[1].split("/")[0] + "%eth0"
    judge(
        q,
        [Ask(world.web.place, addr, "tcp", 5432)],
        [
            Ask(world.web.place, addr, "tcp", 80),
            Ask(world.worker.place, addr, "tcp", 5432),
        ],
    )


def test_neighbour_discovery_is_never_refused(world: World, quaywall: Make) -> None:
    """With an empty cache on both sides, under a policy that allows one port alone."""
    q = quaywall(world.bed, preset="strict")
    q.policy("shop", WEB_TO_DB)
    arrive(Ask(world.web.place, world.db.addr(6), "tcp", 5432))
    q.start()
    for box in (world.web, world.db):
        box.container.ip("neigh", "flush", "dev", "eth0")
    hold(
        [
            Ask(world.web.place, world.db.addr(6), "tcp", 5432),
            Ask(world.web.place, world.db.addr(4), "tcp", 5432),
        ]
    )


@families
def test_refusals_answer_containers_at_once(world: World, quaywall: Make, family: int) -> None:
    """`refuse` is reject for containers and drop for the world, as it comes."""
    q = quaywall(world.bed)
    q.policy("shop", "policy: shop\nfor: {project: shop}\n")
    q.start()
    db = world.db.addr(family)
    for proto, port in (("tcp", 5432), ("udp", 53), ("icmp", 0)):
        answer = reach(world.web.place, db, proto, port, timeout=PATIENT)
        assert answer.word == "refused", f"{proto}: {answer}"
    host = world.lan.host4 if family == 4 else world.lan.host6
    answer = reach(world.lan, host, "tcp", 8080)
    assert answer.word == "timeout", str(answer)
