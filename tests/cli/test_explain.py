"""explain, offline."""

from program import Program


def test_names_the_deciding_line_and_both_consents(program: Program) -> None:
    assert program.offline("explain", "shop/web", "shop/db", "5432") == (
        "shop/web (shop-web-1) 172.18.0.3 -> shop/db (shop-db-1) 172.18.0.2  5432/tcp: allow\n"
        "  egress   shop.yaml:7 allow: web -> db\n"
        "  ingress  shop.yaml:7 allow: web -> db\n"
        "  path     same bridge br-shopfront, hook forward\n"
    )


def test_every_way_to_name_an_end(program: Program) -> None:
    want = program.offline("explain", "shop/web", "shop/db", "5432")
    for web, db in (("shop-web-1", "shop-db-1"), ("c2", "c1"), ("172.18.0.3", "172.18.0.2")):
        assert program.offline("explain", web, db, "5432") == want


def test_a_range_is_split_where_the_verdict_changes(program: Program) -> None:
    flows = program.json("explain", "shop/web", "10.20.1.1", "7990-8110", code=1)["flows"]
    assert [(f["ports"], f["verdict"]) for f in flows] == [
        ("7990-7999/tcp", "deny"),
        ("8000-8100/tcp", "allow"),
        ("8101-8110/tcp", "deny"),
    ]
    assert flows[1]["egress"]["where"] == "shop.yaml:8 api"


def test_no_port_is_every_port(program: Program) -> None:
    found = program.json("explain", "shop/web", "shop/db", code=1)
    assert found["verdict"] == "deny"
    assert found["flows"][0]["ports"] == "every protocol and port"


def test_published_ports(program: Program) -> None:
    found = program.json("explain", "203.0.113.9", "publish:8080")
    (flow,) = found["flows"]
    assert (flow["published"], flow["ports"], flow["path"]["kind"]) == (8080, "80/tcp", "published")
    assert flow["ingress"]["where"] == "shop.yaml:10"
    assert flow["decided_by"] == "egress"
    (flow,) = program.json("explain", "198.51.100.9", "publish:8080", code=1)["flows"]
    assert (flow["ingress"]["reason"], flow["decided_by"]) == ("not-published", "ingress")
    (flow,) = program.json("explain", "198.51.100.9", "publish:8081", code=1)["flows"]
    assert "loopback" in flow["note"]


def test_a_range_of_published_ports(program: Program) -> None:
    flows = program.json("explain", "203.0.113.9", "publish:8000-8999", code=1)["flows"]
    assert [(f["published"], f["verdict"]) for f in flows] == [(8080, "allow"), (8081, "deny")]


def test_a_containers_way_through_the_hosts_port(program: Program) -> None:
    """Judged as a flow to the container behind it, however it is named."""
    for to in (["publish:8080"], ["host", "8080"], ["192.0.2.1", "8080"]):
        (flow,) = program.json("explain", "lone", *to, code=1)["flows"]
        assert flow["to"]["container"] == "shop-web-1"
        assert flow["published"] is None
        assert flow["ports"] == "80/tcp"
        assert flow["path"]["kind"] == "host-port"


def test_host_outside_and_unknown(program: Program) -> None:
    kinds = {
        ("host", "shop/web", "80"): ("from-host", 0),
        ("lone", "host", "22"): ("to-host", 0),
        ("lone", "198.51.100.1", "443"): ("to-outside", 0),
        ("198.51.100.1", "lone", "443"): ("direct", 0),
        ("lone", "172.19.0.99", "443"): ("to-outside", 1),
        ("172.19.0.99", "lone", "443"): ("direct", 1),
    }
    for argv, (kind, code) in kinds.items():
        (flow,) = program.json("explain", *argv, code=code)["flows"]
        assert flow["path"]["kind"] == kind, argv


def test_the_engine_may_refuse_what_policies_allow(program: Program) -> None:
    (flow,) = program.json("explain", "shop/web", "lone", "80", code=1)["flows"]
    assert "note" not in flow
    (flow,) = program.json("explain", "198.51.100.1", "lone", "443")["flows"]
    assert "from 28 on" in flow["note"]
