"""What an engine says is well-formed, but cannot be, or is not there any more when it is asked for."""

import re
from typing import Callable

import faults
from bed import Bed, Case, container, endpoint, eventually, side_by_side
from engine import Endpoint, Network, container_event, network_event


def net(name: str, subnet: str, bridge: str, **extra: object) -> Network:
    return Network(name.encode().hex().ljust(64, "0"), name, [subnet], bridge, extra=dict(extra))


def with_endpoint(**fields: str) -> Case:
    """db's own endpoint is odd."""

    def case(bed: Bed) -> None:
        good = bed.front.endpoints[bed.db.id]
        bed.front.endpoints[bed.db.id] = Endpoint(
            **({"id": good.id, "addr4": good.addr4, "addr6": "", "mac": good.mac} | fields)
        )
        bed.engine.emit(network_event("connect", bed.front, bed.db.id))

    return case


def with_network(**extra: object) -> Case:
    """A second network comes, which is odd."""

    def case(bed: Bed) -> None:
        n = bed.engine.add_network(net("odd", "172.19.0.0/16", "br-other", **extra))
        bed.engine.emit(network_event("create", n))

    return case


def with_container(**extra: object) -> Case:
    def case(bed: Bed) -> None:
        c = bed.add(container("shop", "odd", extra=dict(extra)), "172.18.0.7")
        bed.engine.emit(network_event("connect", bed.front, c.id), container_event("start", c))

    return case


def bridge(name: str) -> Case:
    return with_network(Options={"com.docker.network.bridge.name": name})


def the_same_endpoint_twice(bed: Bed) -> None:
    n = net("other", "172.19.0.0/16", "br-other")
    n.endpoints[bed.db.id] = bed.front.endpoints[bed.db.id]
    bed.engine.emit(network_event("create", bed.engine.add_network(n)))


def the_same_address_twice(bed: Bed) -> None:
    """Whose it is cannot be told: then it is nobody's, and refused."""
    thief = bed.engine.add(container("blog", "thief"), bed.front, None)
    bed.front.endpoints[thief.id] = endpoint(thief, "172.18.0.3")
    bed.engine.emit(network_event("connect", bed.front, thief.id))


def overlapping_subnets(bed: Bed) -> None:
    for i, subnet in enumerate(("172.18.0.0/16", "172.18.0.0/24", "172.16.0.0/12", "0.0.0.0/0")):
        n = bed.engine.add_network(net(f"n{i}", subnet, "br-other"))
        bed.engine.emit(network_event("create", n))


def a_network_twice_in_the_list(bed: Bed) -> None:
    bed.engine.misbehave("^/networks$", lambda c, r, good: c.answer(b"[" + good[1:-1] + b"," + good[1:]))
    bed.engine.end_streams()


def a_container_twice_in_the_list(bed: Bed) -> None:
    fault = lambda c, r, good: c.answer(b"[" + good[1:-1] + b"," + good[1:])
    bed.engine.misbehave("^/containers/json", fault)
    bed.engine.end_streams()


def a_circle(bed: Bed) -> None:
    a, b = container("shop", "a"), container("shop", "b")
    a.mode, b.mode = f"container:{b.id}", f"container:{a.id}"
    own = container("shop", "own")
    own.mode = f"container:{own.id}"
    for c in (a, b, own):
        bed.engine.add(c)
        bed.engine.emit(container_event("start", c))


def many_sharers(bed: Bed) -> None:
    """A chain of them."""
    last = bed.db
    for i in range(300):
        c = bed.engine.add(container("shop", "sharer", i))
        c.mode, last = f"container:{last.id}", c
    bed.engine.end_streams()


def vanishes_before_it_is_read(bed: Bed) -> None:
    n = bed.engine.add_network(net("brief", "172.19.0.0/16", "br-other"))
    bed.engine.misbehave("^/networks/" + n.id, faults.status("404 Not Found"))
    bed.engine.end_streams()


# What is said, whether `status` finds fault with it, and whether db stays what it was.
STATES: dict[str, tuple[Case, str, bool]] = {
    "no address": (with_endpoint(addr4="nonsense"), "IPv4Address", True),
    "IPv6 for IPv4": (with_endpoint(addr4="fd00::2/64"), "IPv4Address", True),
    "an address for a number": (with_endpoint(addr4=7), "IPv4Address", True),  # type: ignore[arg-type]
    "no hardware address": (with_endpoint(mac="zz:zz"), "MacAddress", True),
    "an endless id": (with_endpoint(id="e" * 1000000), "", True),
    "no id": (with_endpoint(id=""), "EndpointID", True),
    "an address elsewhere": (with_endpoint(addr4="10.0.0.1/8"), "", False),
    "the host's address": (with_endpoint(addr4="172.18.0.1/16"), "", False),
    "no address at all": (with_endpoint(addr4=""), "", False),
    "a bridge of 16 bytes": (bridge("br-4567890123456"), "no interface's name", True),
    "a bridge with a quote": (bridge('x"; drop #'), "", True),
    "a bridge with a star": (bridge("br*"), "", True),
    "a bridge of braces": (bridge("{ }"), "no interface's name", True),
    "a bridge of dots": (bridge(".."), "", True),
    "labels of 2 MiB": (with_container(Labels={"a" * 999999: "b" * 999999}), "", True),
    "20,000 labels": (with_container(Labels={f"l{i}": "x" for i in range(20000)}), "", True),
    "a label that is none": (with_container(Labels={"a": {"b": 1}}), "Labels", True),
    "a name of 1 MiB": (with_container(Names=["/" + "n" * 1000000]), "", True),
    "a name for nft": (with_container(Names=['/x" } ; flush ruleset #\n\t\\']), "", True),
    "a name of all bytes": (with_container(Names=["/" + "".join(map(chr, range(256)))]), "", True),
    "a port of 70000": (
        with_container(Ports=[{"IP": "0.0.0.0", "PrivatePort": 1, "PublicPort": 70000, "Type": "tcp"}]),
        "PublicPort",
        True,
    ),
    "the same endpoint twice": (the_same_endpoint_twice, "", False),
    "the same address twice": (the_same_address_twice, "", False),
    "overlapping subnets": (overlapping_subnets, "", True),
    "a network twice": (a_network_twice_in_the_list, "", True),
    "a container twice": (a_container_twice_in_the_list, "", True),
    "a circle": (a_circle, "", True),
    "a chain": (many_sharers, "", True),
    "it vanishes": (vanishes_before_it_is_read, "", True),
}


def bear(bed: Bed, state: Case, says: str, stays: bool) -> None:
    """The daemon says what is wrong where something is, enforces the rest, and follows when it is well again."""
    bed.start()
    computed, connects = bed.cpu(), bed.engine_status()["connects"]
    state(bed)
    last = bed.add(container("shop", "db", 9), "172.18.0.20")
    bed.engine.emit(network_event("connect", bed.front, last.id), container_event("start", last))
    if says:
        assert eventually(lambda: says in bed.error()), bed.engine_status()
        assert len(bed.error()) < 2000
    else:
        assert eventually(lambda: " 172.18.0.20 " in bed.table()), bed.daemon.log_text()[-2000:]
    # Where it is another endpoint's by now, an address is nobody's for the moment in which its flows are ended.
    for addr in ("172.18.0.2", "172.18.0.3"):
        assert not stays or eventually(lambda a=addr: f'"br-shopfront" . {a} ' in bed.table()), bed.table()
    assert '"br-shopfront" comment "shop_front"' in bed.table()
    assert bed.cpu() - computed < 3
    text = bed.daemon.call("status").stdout
    assert re.search(r"enforcing", text)
    bed.reset()
    bed.engine.drop()
    bed.assert_right()
    assert connects < bed.engine_status()["connects"]
    bed.stop()


def test_a_new_network_that_cannot_be_inspected() -> None:
    """The list tells of it: what its bridge carries is unknown, and refused, until its containers are known."""
    with Bed(bridges={"br-shopfront": "172.18", "br-other": "172.19"}) as bed:
        bed.start()
        n = bed.engine.add_network(net("new", "172.19.0.0/16", "br-other"))
        bed.engine.misbehave("^/networks/" + n.id, faults.status("500 Oops"))
        c = container("shop", "db", 9)
        bed.engine.add(c, n, endpoint(c, "172.19.0.9"))
        bed.engine.emit(network_event("create", n), network_event("connect", n, c.id))
        assert eventually(lambda: '"br-other" comment "new"' in bed.table()), bed.daemon.log_text()[-2000:]
        assert "172.19.0.9" not in bed.table()
        assert "HTTP status 500" in bed.error()
        bed.engine.behave()
        assert eventually(lambda: '"br-other" . 172.19.0.9 ' in bed.table())
        bed.assert_right()
        bed.stop()


def test_states_that_cannot_be() -> None:
    def case(state: Case, says: str, stays: bool) -> Callable[[Bed], None]:
        return lambda bed: bear(bed, state, says, stays)

    bridges = {"br-shopfront": "172.18", "br-other": "172.19"}
    side_by_side(((name, case(*state)) for name, state in STATES.items()), bridges=bridges)
