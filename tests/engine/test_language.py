"""What the language says, in packets: one engine's world of containers, one policy a test."""

import time
from typing import Callable

import pytest

from bed import Ask, Held, Quaywall, eventually, reach, reach_all, stays
from checks import PATIENT, World, arrive, hold, judge

Make = Callable[..., Quaywall]
families = pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])


def out(world: World, family: int, other: bool = False) -> str:
    return str(getattr(world.lan, f"{'other' if other else 'addr'}{family}"))


def host(world: World, family: int) -> str:
    return str(getattr(world.lan, f"host{family}"))


@families
def test_deny_beats_allow(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed)
    q.policy(
        "deny",
        """
policy: deny
for: {project: shop}
isolate: []
allow: [{from: any, to: any}]
deny:
  - {from: {service: worker}, to: {service: db}, ports: [5432]}
  - {from: any, to: [192.0.2.3, "2001:db8:1::3"]}
""",
    )
    db, worker = world.db.addr(family), world.worker.place
    judge(
        q,
        [
            Ask(world.web.place, db, "tcp", 5432),
            Ask(worker, db, "tcp", 80),
            Ask(worker, out(world, family), "tcp", 80),
            Ask(world.other.place, out(world, family, True), "tcp", 80),
        ],
        [
            Ask(worker, db, "tcp", 5432),
            Ask(worker, out(world, family, True), "tcp", 80),
            Ask(world.web.place, out(world, family, True), "icmp"),
        ],
    )


@families
def test_both_ends_must_consent(world: World, quaywall: Make, family: int) -> None:
    """Two documents, one for each end; blog's has no word in the shop."""
    q = quaywall(world.bed)
    q.policy(
        "two",
        """
policy: shop
for: {project: shop}
allow:
  - {from: {project: blog}, to: {service: web}, ports: [80]}
  - {from: {project: blog}, to: {service: db}, ports: [80]}
---
policy: blog
for: {project: blog}
allow:
  - {from: {service: other}, to: {project: shop, service: web}, ports: [80, 443]}
""",
    )
    other = world.other.place
    judge(
        q,
        [Ask(other, world.web.addr(family), "tcp", 80)],
        [
            Ask(other, world.web.addr(family), "tcp", 443),
            Ask(other, world.db.addr(family), "tcp", 80),
        ],
    )


@families
def test_template_of_projects(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed)
    q.policy("each", 'policy: each\nfor: {project: "*"}\nallow: [{from: {}, to: {}}]\n')
    judge(
        q,
        [
            Ask(world.worker.place, world.db.addr(family), "tcp", 5432),
            Ask(world.cache.place, world.multi.addr(family, "back"), "tcp", 80),
        ],
        [
            Ask(world.other.place, world.db.addr(family), "tcp", 5432),
            Ask(world.db.place, world.other.addr(family), "tcp", 80),
        ],
    )


@families
def test_interface(world: World, quaywall: Make, family: int) -> None:
    lan = world.lan
    vpn_host = lan.vpn_host4 if family == 4 else lan.vpn_host6
    vpn = lan.vpn4 if family == 4 else lan.vpn6
    q = quaywall(world.bed)
    q.policy(
        "vpn",
        """
policy: vpn
for: {project: shop, service: web}
allow:
  - {from: {service: web}, to: {interface: "lan*"}, ports: [80]}
publish:
  - {to: {service: web}, port: 8080, from: {interface: vpn0}}
""",
    )
    judge(
        q,
        [
            Ask(lan, vpn_host, "tcp", 8080, source=vpn),
            Ask(world.web.place, out(world, family), "tcp", 80),
        ],
        [
            Ask(lan, host(world, family), "tcp", 8080),
            Ask(lan, vpn_host, "tcp", 8443, source=vpn),
            Ask(world.web.place, vpn, "tcp", 80),
            Ask(world.web.place, out(world, family), "tcp", 443),
        ],
    )


@families
def test_except(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed)
    q.policy(
        "except",
        """
policy: except
for: {project: shop, service: web}
isolate: [egress]
allow:
  - {from: {service: web}, to: {cidr: 192.0.2.0/24, except: [192.0.2.3/32]}}
  - {from: {service: web}, to: {cidr: "2001:db8:1::/64", except: ["2001:db8:1::3/128"]}}
publish:
  - {to: {service: web}, port: 8080, from: [{cidr: 0.0.0.0/0, except: [192.0.2.3]},
     {cidr: "::/0", except: ["2001:db8:1::3"]}]}
""",
    )
    lan = world.lan
    judge(
        q,
        [
            Ask(world.web.place, out(world, family), "tcp", 80),
            Ask(world.web.place, out(world, family), "icmp"),
            Ask(lan, host(world, family), "tcp", 8080, source=out(world, family)),
        ],
        [
            Ask(world.web.place, out(world, family, True), "tcp", 80),
            Ask(lan, host(world, family), "tcp", 8080, source=out(world, family, True)),
        ],
    )


@families
def test_ports(world: World, quaywall: Make, family: int) -> None:
    """Ranges, protocols, and ICMP as a port."""
    q = quaywall(world.bed)
    q.policy(
        "ports",
        """
policy: ports
for: {project: shop, service: db}
isolate: [ingress]
allow:
  - {from: {service: web}, to: {service: db}, ports: [8001-8005, 53/udp, 9999/sctp]}
  - {from: {service: worker}, to: {service: db}, ports: [icmp, udp]}
  - {from: {service: loop}, to: {service: db}, ports: [5000-65535/tcp]}
""",
    )
    db = world.db.addr(family)
    web, worker, loop = world.web.place, world.worker.place, world.loop.place
    judge(
        q,
        [
            Ask(web, db, "tcp", 8001),
            Ask(web, db, "tcp", 8005),
            Ask(web, db, "udp", 53),
            Ask(web, db, "sctp", 9999),
            Ask(worker, db, "icmp"),
            Ask(worker, db, "udp", 123),
            Ask(loop, db, "tcp", 5432),
            Ask(loop, db, "tcp", 8010),
        ],
        [
            Ask(web, db, "tcp", 8000),
            Ask(web, db, "tcp", 8006),
            Ask(web, db, "udp", 123),
            Ask(web, db, "sctp", 9998),
            Ask(web, db, "icmp"),
            Ask(worker, db, "tcp", 80),
            Ask(loop, db, "tcp", 80),
            Ask(loop, db, "icmp"),
        ],
    )


@families
def test_words(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed)
    q.policy(
        "words",
        """
policy: words
for: {project: shop}
isolate: [egress]
allow:
  - {from: {service: web}, to: containers}
  - {from: {service: worker}, to: world}
  - {from: {service: db}, to: host}
  - {from: {service: loop}, to: any}
""",
    )
    places = {"containers": world.web, "world": world.worker, "host": world.db, "any": world.loop}
    targets = {
        "containers": (world.other.addr(family), 80),
        "world": (out(world, family), 80),
        "host": (host(world, family), 9100),
    }
    passes, refused = [], []
    for word, box in places.items():
        for kind, (addr, port) in targets.items():
            (passes if word in (kind, "any") else refused).append(Ask(box.place, addr, "tcp", port))
    judge(q, passes, refused)


@families
def test_defaults_deny_containers(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed, defaults={"containers": "deny"})
    q.policy(
        "shop",
        "policy: shop\nfor: {project: shop}\nisolate: []\n"
        "allow: [{from: {service: web}, to: {service: db}, ports: [5432]}]\n",
    )
    judge(
        q,
        [
            Ask(world.web.place, world.db.addr(family), "tcp", 5432),
            Ask(world.engine, world.db.addr(family), "tcp", 80),
            # containers_to_host is a default of its own
        ],
        [
            Ask(world.worker.place, world.db.addr(family), "tcp", 5432),
            Ask(world.other.place, world.web.addr(family), "tcp", 80),
            Ask(world.other.place, out(world, family), "tcp", 80),
        ],
    )


@families
def test_defaults_publish(world: World, quaywall: Make, family: int) -> None:
    """deny refuses what no rule names; local lets private sources alone, which the LAN's are not."""
    lan = world.lan
    q = quaywall(world.bed, defaults={"publish": "deny"})
    q.policy(
        "edge",
        "policy: edge\nfor: {project: shop}\nisolate: []\n"
        "publish: [{to: {service: legacy}, port: 8090, from: any}]\n",
    )
    judge(
        q,
        [Ask(lan, host(world, family), "tcp", 8090)],
        [Ask(lan, host(world, family), "tcp", 8080), Ask(lan, host(world, family), "tcp", 8093)],
    )
    q.stop()
    q.configure({"defaults": {"publish": "local"}})
    private = "10.66.0.2" if family == 4 else "fd66::2"
    add_source(world, private, family)
    q.start()
    hold(
        [
            Ask(lan, host(world, family), "tcp", 8080, source=private),
            Ask(lan, host(world, family), "tcp", 8090),
        ],
        [Ask(lan, host(world, family), "tcp", 8080)],
    )


def add_source(world: World, addr: str, family: int) -> None:
    """A further address outside, with the host's way back to it."""
    length = 32 if family == 4 else 128
    version = f"-{family}"
    device = ["dev", "lan0"]
    nodad = [] if family == 4 else ["nodad"]
    world.lan.outside.net("ip", version, "addr", "replace", f"{addr}/{length}", *device, *nodad)
    world.lan.host.net("ip", version, "route", "replace", f"{addr}/{length}", *device)
    eventually(Ask(world.lan, host(world, family), "tcp", 9100, source=addr), "ok")


def test_audit_passes_everything(world: World, quaywall: Make) -> None:
    q = quaywall(world.bed, defaults={"mode": "audit", "containers": "deny", "publish": "deny"})
    q.policy("shop", "policy: shop\nfor: {project: shop}\ndeny: [{from: any, to: any}]\n")
    lan = world.lan
    judge(
        q,
        [
            Ask(world.worker.place, world.db.addr(4), "tcp", 5432),
            Ask(world.worker.place, world.db.addr(6), "udp", 53),
            Ask(world.worker.place, lan.addr4, "tcp", 80),
            Ask(world.worker.place, lan.host4, "tcp", 9100),
            Ask(lan, lan.host4, "tcp", 8080),
            Ask(lan, lan.host6, "tcp", 8090),
            Ask(world.engine, world.db.addr(4), "tcp", 80),
        ],
    )


def test_audit_document_beside_an_enforcing_one(world: World, quaywall: Make) -> None:
    """The one in audit refuses nothing, and its allow rules count for the other."""
    q = quaywall(world.bed)
    q.policy(
        "both",
        """
policy: strict
for: {project: shop, service: db}
isolate: [ingress]
---
policy: trial
for: {project: shop}
mode: audit
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
deny:
  - {from: {service: web}, to: {service: multi}}
""",
    )
    judge(
        q,
        [
            Ask(world.web.place, world.db.addr(4), "tcp", 5432),
            Ask(world.web.place, world.multi.addr(4), "tcp", 80),
            Ask(world.other.place, world.web.addr(4), "tcp", 80),
        ],
        [Ask(world.worker.place, world.db.addr(4), "tcp", 5432)],
    )


@families
def test_limit_of_new_flows(world: World, quaywall: Make, family: int) -> None:
    """Three at once from each source, then one a minute."""
    lan = world.lan
    q = quaywall(world.bed)
    q.policy(
        "limit",
        """
policy: limit
for: {project: shop, service: web}
isolate: []
publish:
  - {to: {service: web}, port: 8080, from: any, limit: {new: 1/minute, burst: 3, per: source}}
""",
    )
    good, other = out(world, family), out(world, family, True)
    arrive(Ask(lan, host(world, family), "tcp", 8080, source=good))
    q.start()
    for source in (good, other):
        asks = [Ask(lan, host(world, family), "tcp", 8080, source=source)] * 8
        through = [a.word for a in reach_all(asks)].count("ok")
        assert 3 <= through <= 4, f"{through} of 8 flows from {source} passed a burst of 3"


def test_limit_of_connections(world: World, quaywall: Make) -> None:
    lan = world.lan
    q = quaywall(world.bed)
    q.policy(
        "limit",
        """
policy: limit
for: {project: shop, service: web}
isolate: []
publish:
  - {to: {service: web}, port: 8080, from: any, limit: {connections: 2, per: source}}
""",
    )
    q.start()
    held = [Held(lan, lan.host4, 8080, lan.addr4) for _ in range(2)]
    try:
        assert all(h.up for h in held), [h.first for h in held]
        ask = Ask(lan, lan.host4, "tcp", 8080, source=lan.addr4)
        hold([Ask(lan, lan.host4, "tcp", 8080, source=lan.other4)], [ask])
        assert all(h.up for h in held)
    finally:
        for one in held:
            one.close()


@families
def test_limit_between_containers(world: World, quaywall: Make, family: int) -> None:
    q = quaywall(world.bed)
    q.policy(
        "limit",
        """
policy: limit
for: {project: shop, service: db}
isolate: [ingress]
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432], limit: {new: 1/minute, burst: 2}}
""",
    )
    ask = Ask(world.web.place, world.db.addr(family), "tcp", 5432)
    arrive(ask)
    q.start()
    through = [a.word for a in reach_all([ask] * 6)].count("ok")
    assert 2 <= through <= 3, f"{through} of 6 flows passed a burst of 2"


# ---- a set that changes under a running daemon ----

WEB = """
policy: shop
for: {project: shop, service: db}
isolate: [ingress]
allow:
  - {from: {service: web}, to: {service: db}, ports: [5432]}
"""


def test_changed_file_is_noticed(world: World, quaywall: Make) -> None:
    q = quaywall(world.bed)
    path = q.policy("shop", WEB)
    web = Ask(world.web.place, world.db.addr(4), "tcp", 5432)
    worker = Ask(world.worker.place, world.db.addr(4), "tcp", 5432)
    judge(q, [web], [worker])
    q.policy("shop", WEB.replace("service: web", "service: worker"))
    eventually(worker, "ok")
    hold([worker], [web])
    path.unlink()
    eventually(web, "ok")
    hold([web, worker])


def test_reload(world: World, quaywall: Make) -> None:
    """`reload` answers once the new set is in the kernel."""
    q = quaywall(world.bed)
    q.policy("shop", WEB)
    web = Ask(world.web.place, world.db.addr(4), "tcp", 5432)
    worker = Ask(world.worker.place, world.db.addr(4), "tcp", 5432)
    judge(q, [web], [worker])
    for allowed, refused, name in ((worker, web, "worker"), (web, worker, "web")):
        q.policy("shop", WEB.replace("service: web", f"service: {name}"))
        q.verb("reload")
        hold([allowed], [refused])


@pytest.mark.parametrize(
    "text",
    [
        "policy: shop\nfor: {project: shop}\nalow: []\n",
        "policy: shop\nfor: {project: shop\n",
        "policy: shop\nfor: all\nallow: [{from: any, to: any, ports: [70000]}]\n",
    ],
    ids=["unknown-key", "not-yaml", "bad-port"],
)
def test_broken_set_never_replaces_the_one_in_force(
    world: World, quaywall: Make, text: str
) -> None:
    q = quaywall(world.bed)
    q.policy("shop", WEB)
    q.policy("more", "policy: more\nfor: {service: multi}\nisolate: [ingress]\n")
    web = Ask(world.web.place, world.db.addr(4), "tcp", 5432)
    worker = Ask(world.worker.place, world.db.addr(4), "tcp", 5432)
    multi = Ask(world.worker.place, world.multi.addr(4), "tcp", 80)
    judge(q, [web], [worker, multi])
    q.policy("shop", text)
    done = q.call("reload")
    assert done.returncode in (1, 2), done
    assert "shop.yaml:" in done.stdout + done.stderr
    hold([web], [worker, multi])
    assert q.call("status").returncode != 0 and "shop.yaml" in q.call("status").stdout
    (q.policies / "more.yaml").unlink()  # a good change beside a broken one changes nothing either
    stays(multi, "no")
    q.policy("shop", WEB)
    eventually(multi, "ok")
    assert q.call("status").returncode == 0


@families
def test_changed_policy_cuts_flows(world: World, quaywall: Make, family: int) -> None:
    """Rule 10: those that the new set refuses, and no other."""
    q = quaywall(world.bed)
    q.policy("shop", WEB.replace("{service: web}, to", "[{service: web}, {service: worker}], to"))
    q.start()
    db = world.db.addr(family)
    keeps = Held(world.web.place, db, 5432)
    loses = Held(world.worker.place, db, 5432)
    try:
        assert keeps.up and loses.up, (keeps.first, loses.first)
        q.policy("shop", WEB)
        assert loses.breaks(within=8), "a flow that the new set refuses lives on"
        time.sleep(1.6)  # longer than one that was cut would take to notice
        assert keeps.up, "a flow that the new set allows was cut"
    finally:
        keeps.close()
        loses.close()


def test_flush(world: World, quaywall: Make) -> None:
    q = quaywall(world.bed)
    q.policy("shop", WEB)
    worker = Ask(world.worker.place, world.db.addr(4), "tcp", 5432)
    judge(q, [], [worker])
    q.stop()
    assert q.table()
    hold([], [worker])
    q.verb("flush")
    assert q.table() == ""
    hold([worker])


def test_killed_daemon_leaves_the_rules(world: World, quaywall: Make) -> None:
    import signal

    q = quaywall(world.bed)
    q.policy("shop", WEB)
    web = Ask(world.web.place, world.db.addr(4), "tcp", 5432)
    worker = Ask(world.worker.place, world.db.addr(4), "tcp", 5432)
    judge(q, [web], [worker])
    before = q.table()
    assert before
    q.stop(signal.SIGKILL)
    hold([web], [worker])
    q.start()  # takes the table over, and never opens it
    hold([web], [worker])


def test_once(world: World, quaywall: Make) -> None:
    """Applies and leaves. The table belongs to nobody, so anybody may delete it."""
    q = quaywall(world.bed)
    q.policy("shop", WEB)
    web = Ask(world.web.place, world.db.addr(4), "tcp", 5432)
    worker = Ask(world.worker.place, world.db.addr(4), "tcp", 5432)
    arrive(web, worker)
    q.verb("run", "--once")
    hold([web], [worker])
    assert "owner" not in q.table().split("\n", 2)[1]


def test_refused_now_and_allowed_then(world: World, quaywall: Make) -> None:
    """The answer to a refused TCP connection is a reset, so that programs try again at once."""
    q = quaywall(world.bed)
    q.policy("shop", WEB)
    q.start()
    answer = reach(world.worker.place, world.db.addr(4), "tcp", 5432, timeout=PATIENT)
    assert answer.detail.startswith("reset"), str(answer)
