"""What is left in conntrack of a container that goes, and that no other flow is touched."""

from bed import Bed, container, eventually
from engine import container_event, network_event

OTHER = "172.18.0.4"
LINK_LOCAL, WEBS = "fe80::42:acff:fe12:2", "fe80::42:acff:fe12:3"  # of the MACs that db and web have
# Original source and destination, reply source and destination.
OF_DB = [
    ("172.18.0.3", "172.18.0.2", "172.18.0.2", "172.18.0.3"),
    ("172.18.0.2", "172.18.0.3", "172.18.0.3", "172.18.0.2"),
    ("203.0.113.9", "192.0.2.1", "172.18.0.2", "203.0.113.9"),  # published
    ("203.0.113.9", "172.18.0.2", "172.18.0.3", "203.0.113.9"),
    ("172.18.0.2", "203.0.113.9", "203.0.113.9", "192.0.2.1"),  # masqueraded
    ("172.18.0.3", "203.0.113.9", "203.0.113.9", "172.18.0.2"),
    (WEBS, LINK_LOCAL, LINK_LOCAL, WEBS),
]
KEPT = ("172.18.0.3", OTHER, OTHER, "172.18.0.3")


def put(bed: Bed, n: int, flow: tuple[str, str, str, str]) -> None:
    names = ("--orig-src", "--orig-dst", "--reply-src", "--reply-dst")
    ends = [word for pair in zip(names, flow) for word in pair]
    ports = ("--sport", str(40000 + n), "--dport", "5432", "--reply-port-src", "5432")
    ports += ("--reply-port-dst", str(40000 + n))
    bed.space.run("conntrack", "-I", "-p", "tcp", "--state", "ESTABLISHED", "-u", "ASSURED", "-t", "600", *ends, *ports)


def ports(bed: Bed) -> set[int]:
    """Of the flows that are left."""
    listed = "".join(bed.space.run("conntrack", "-L", "-f", f) for f in ("ipv4", "ipv6"))
    return {n for n in range(len(OF_DB) + 1) if f"sport={40000 + n} " in listed}


def are_put(bed: Bed) -> bool:
    """Those that are refused are ended as long as the daemon looks through what was there at its start."""
    missing = set(range(len(OF_DB) + 1)) - ports(bed)
    for n in missing:
        put(bed, n, (KEPT, *OF_DB)[n])
    return not missing


def go(bed: Bed) -> None:
    db = bed.db
    bed.engine.remove(db)
    bed.engine.emit(
        container_event("die", db), network_event("disconnect", bed.front, db.id), container_event("destroy", db)
    )


def test_its_flows_end_and_no_other(bed: Bed) -> None:
    bed.add(container("shop", "db", 2), OTHER)
    bed.start()
    assert eventually(lambda: are_put(bed))
    go(bed)
    assert eventually(lambda: ports(bed) == {0}), ports(bed)
    bed.assert_right()
    bed.stop()

