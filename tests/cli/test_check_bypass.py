"""The group `bypass`: a recorded posture without a finding, and what each change of it has for a consequence."""

import copy
from typing import Any

import pytest

from check_world import answer, host, recorded
from program import Program

ENFORCED = "policy: web\nfor: {name: web}\nisolate: [ingress]\n"
AUDITED = ENFORCED + "mode: audit\n"
OTHERS = {"id": "c2", "name": "vpn", "image": "vpn", "network_mode": "container:web"}
OF_CONTAINERS = "how these were started was not read: web"


def world(**changes: Any) -> Any:
    """A host with the recorded posture; CHANGES are of its one container."""
    snapshot = host([])
    snapshot["posture"] = recorded()
    snapshot["posture"]["containers"][0] |= changes
    return snapshot


def of_host(**changes: Any) -> Any:
    snapshot = world()
    snapshot["posture"]["host"] |= changes
    return snapshot


def switched(name: str, value: Any) -> Any:
    snapshot = world()
    if value is None:
        del snapshot["posture"]["host"]["sysctl"][name]
    else:
        snapshot["posture"]["host"]["sysctl"][name] = value
    return snapshot


def found(program: Program, snapshot: Any, policy: str = "", settings: str = "{}\n", gaps: int = 0) -> dict[str, str]:
    said = answer(program, "bypass", snapshot, policy, settings)
    assert len(said["not_checked"]) == gaps, said["not_checked"]
    subjects = {f["subject"] for f in said["findings"]}
    assert len({(f["id"], f["subject"]) for f in said["findings"]}) == len(said["findings"]), subjects
    return {f"{f['id']}: {f['subject']}": f["severity"] for f in said["findings"]}


def test_clean(program: Program) -> None:
    assert found(program, world()) == {}


# ---- containers


def device(path: str, rights: str = "rwm") -> list[dict[str, str]]:
    return [{"host": path, "container": path, "rights": rights}]


def mount(source: str, rw: bool = True, kind: str = "bind") -> list[dict[str, Any]]:
    return [{"type": kind, "source": source, "destination": "/x", "rw": rw}]


@pytest.mark.parametrize(
    "changes, wanted",
    [
        ({"privileged": True}, {"container-privileged": "high"}),
        ({"privileged": True, "cap_add": ["ALL"], "devices": device("/dev/sda")}, {"container-privileged": "high"}),
        ({"cap_add": ["NET_ADMIN"]}, {"capability-net-admin": "medium"}),
        ({"cap_add": ["CAP_NET_ADMIN"]}, {"capability-net-admin": "medium"}),
        ({"cap_add": ["SYS_ADMIN", "SYS_MODULE"]}, {"capability-host": "high"}),
        ({"cap_add": ["sys_module", "net_admin"]}, {"capability-host": "high", "capability-net-admin": "medium"}),
        ({"cap_add": ["ALL"]}, {"capability-host": "high"}),
        ({"cap_add": ["ALL"], "cap_drop": ["SYS_ADMIN"]}, {"capability-host": "high"}),
        ({"cap_add": ["SYS_ADMIN"], "userns_mode": "host"}, {"capability-host": "high"}),
        ({"cap_add": ["NET_BIND_SERVICE", "SYS_TIME"], "cap_drop": ["ALL"]}, {}),
        ({"pid_mode": "host"}, {"host-pid": "high"}),
        ({"pid_mode": "container:c1"}, {}),
        ({"ipc_mode": "host"}, {}),
        ({"mounts": mount("/var/run/docker.sock")}, {"engine-socket": "high"}),
        ({"mounts": mount("/run/docker.sock", rw=False)}, {"engine-socket": "high"}),
        ({"mounts": mount("/run/containerd/containerd.sock")}, {"engine-socket": "high"}),
        ({"mounts": mount("/home/ops/podman.sock")}, {"engine-socket": "high"}),
        ({"mounts": mount("/run")}, {"engine-socket": "high"}),
        ({"mounts": mount("/var/run")}, {"engine-socket": "high"}),
        ({"mounts": mount("/")}, {"engine-socket": "high"}),
        ({"mounts": mount("/run/containerd") + mount("/run")}, {"engine-socket": "high"}),
        ({"mounts": mount("/proc/1/root/var/run")}, {"engine-socket": "high"}),
        ({"mounts": mount("/proc/self/root")}, {"engine-socket": "high"}),
        ({"mounts": mount("/proc/1/rootless")}, {}),
        ({"mounts": mount("/run/docker")}, {}),
        ({"mounts": mount("/var")}, {}),
        ({"mounts": mount("/srv/docker.sock.d")}, {}),
        ({"mounts": mount("/run/docker.sock", kind="volume")}, {}),
        ({"devices": device("/dev/sda1")}, {"device-host": "high"}),
        ({"devices": device("/dev/nvme0n1", "r")}, {"device-host": "high"}),
        ({"devices": device("/dev")}, {"device-host": "high"}),
        ({"devices": device("//dev/./sda")}, {"device-host": "high"}),
        ({"devices": device("/srv/../dev/snd/../sda")}, {"device-host": "high"}),
        ({"devices": device("/dev/")}, {"device-host": "high"}),
        ({"devices": device("/../..")}, {}),
        ({"devices": device("/dev/net/../net//tun")}, {"device-tunnel": "low"}),
        ({"devices": device("/dev/sda1", "m")}, {}),
        ({"devices": device("/dev/mem")}, {}),
        ({"devices": device("/dev/mem"), "cap_add": ["SYS_RAWIO"]}, {"device-host": "high"}),
        ({"devices": device("/dev/snd") + device("/dev/fuse")}, {}),
        ({"devices": device("/dev/net/tun")}, {"device-tunnel": "low"}),
        ({"devices": device("/dev/net/tun"), "cap_add": ["NET_ADMIN"]},
         {"device-tunnel": "medium", "capability-net-admin": "medium"}),
        ({"device_rules": ["b 8:* rmw"]}, {"device-host": "high"}),
        ({"device_rules": ["a *:* rwm"]}, {"device-host": "high"}),
        ({"device_rules": ["b 8:* rmw"], "cap_drop": ["MKNOD"]}, {}),
        ({"device_rules": ["b 8:* m", "c 189:* rwm"]}, {}),
    ],
)  # fmt: skip
def test_containers(program: Program, changes: dict[str, Any], wanted: dict[str, str]) -> None:
    assert found(program, world(**changes)) == {f"{name}: web": severity for name, severity in wanted.items()}


def test_what_does_not_run(program: Program) -> None:
    snapshot = world(privileged=True, pid_mode="host")
    snapshot["containers"][0] |= {"running": False, "network_mode": "host"}
    assert found(program, snapshot) == {}


def test_user_namespace(program: Program) -> None:
    """Its root is nobody on the host."""
    snapshot = world(cap_add=["SYS_ADMIN"], mounts=mount("/run/docker.sock"))
    snapshot["posture"]["engine"]["security_options"].append("name=userns")
    assert found(program, snapshot) == {"capability-host: web": "medium", "engine-socket: web": "medium"}
    snapshot["posture"]["containers"][0]["userns_mode"] = "host"
    assert found(program, snapshot) == {"capability-host: web": "high", "engine-socket: web": "high"}


def test_evidence(program: Program) -> None:
    snapshot = world(mounts=mount("/", rw=False), cap_add=["CAP_SYS_ADMIN"])
    findings = {f["id"]: f for f in answer(program, "bypass", snapshot)["findings"]}
    assert findings["engine-socket"]["evidence"] == (
        "mount of /, which holds /run/docker.sock (read-only, which keeps nobody from connecting)"
    )
    assert findings["capability-host"]["evidence"] == "HostConfig.CapAdd has SYS_ADMIN"


def shared() -> Any:
    """`vpn` is in the namespace of `web`."""
    snapshot = world()
    snapshot["containers"].append(dict(OTHERS))
    snapshot["posture"]["containers"].append(copy.deepcopy(snapshot["posture"]["containers"][0]) | {"id": "c2"})
    return snapshot


def test_host_network(program: Program) -> None:
    snapshot = shared()
    assert found(program, snapshot) == {}
    snapshot["containers"][0]["network_mode"] = "host"
    both = {"host-network: web": "high", "host-network: vpn": "high"}
    assert found(program, snapshot) == both
    snapshot["posture"]["containers"][1]["cap_add"] = ["NET_ADMIN"]
    assert found(program, snapshot) == both | {"capability-net-admin: vpn": "high"}


def test_shared_processes(program: Program) -> None:
    snapshot = shared()
    one, other = snapshot["posture"]["containers"]
    other["pid_mode"] = "container:c1"
    assert found(program, snapshot) == {}
    one["pid_mode"] = "host"
    assert found(program, snapshot) == {"host-pid: web": "high", "host-pid: vpn": "high"}


@pytest.mark.parametrize(
    "drop, settings, wanted",
    [
        ([], "antispoof: false\n", {"raw-sockets: host": "medium"}),
        (["NET_RAW"], "antispoof: false\n", {}),
        (["all"], "antispoof: false\n", {}),
        ([], "{}\n", {}),
    ],
)
def test_raw_sockets(program: Program, drop: list[str], settings: str, wanted: dict[str, str]) -> None:
    assert found(program, world(cap_drop=drop), ENFORCED, settings, gaps=0) == wanted | {"bridge-filter-off: host": "high"}


# ---- networks


@pytest.mark.parametrize(
    "driver, severity",
    [("macvlan", "medium"), ("ipvlan", "medium"), ("weave", "medium"), ("overlay", "low"), ("null", "")],
)
def test_networks(program: Program, driver: str, severity: str) -> None:
    snapshot = world()
    snapshot["networks"][0]["driver"] = driver
    wanted = {"network-ungoverned: network front": severity} if severity else {}
    assert found(program, snapshot) == wanted
    snapshot["containers"][0]["running"] = False
    assert found(program, snapshot) == {}


# ---- the kernel's switches

FILTER4, FILTER6 = "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"


@pytest.mark.parametrize(
    "four, six, addr6, policy, wanted",
    [
        ("1", "1", True, ENFORCED, ""),
        ("0", "0", True, "", ""),
        ("0", "1", True, ENFORCED, "high"),
        (None, None, False, ENFORCED, "high"),
        ("1", "0", True, ENFORCED, "high"),
        ("1", "0", False, ENFORCED, "medium"),
        ("0", "0", True, AUDITED, "medium"),
    ],
)
def test_bridge_filter(program: Program, four: Any, six: Any, addr6: bool, policy: str, wanted: str) -> None:
    snapshot = switched(FILTER4, four)
    snapshot["posture"]["host"]["sysctl"] = switched(FILTER6, six)["posture"]["host"]["sysctl"] | {FILTER4: four}
    if not addr6:
        del snapshot["endpoints"][0]["addr6"]
    assert found(program, snapshot, policy) == ({"bridge-filter-off: host": wanted} if wanted else {})


@pytest.mark.parametrize(
    "name, value, wanted",
    [
        ("net/ipv4/ip_forward", "0", {"forwarding-off: host": "low"}),
        ("net/ipv6/conf/all/forwarding", "0", {"forwarding-off: host": "low"}),
        ("net/ipv4/conf/eth0/route_localnet", "1", {"route-localnet: host": "high"}),
        ("net/ipv4/conf/all/route_localnet", "1", {"route-localnet: host": "high"}),
        ("net/ipv4/conf/docker0/route_localnet", "1", {"route-localnet: host": "medium"}),
        ("net/ipv4/conf/lo/route_localnet", "1", {}),
        ("net/ipv4/conf/eth0/rp_filter", "1", {}),
    ],
)
def test_switches(program: Program, name: str, value: str, wanted: dict[str, str]) -> None:
    assert found(program, switched(name, value)) == wanted


def test_nothing_to_forward(program: Program) -> None:
    snapshot = switched("net/ipv4/ip_forward", "0")
    snapshot["containers"][0]["running"] = False
    assert found(program, snapshot) == {}


def test_localnet_is_dropped_by_the_rules(program: Program) -> None:
    snapshot = switched("net/ipv4/conf/eth0/route_localnet", "1")
    snapshot["posture"]["host"]["sysctl"] |= {FILTER4: "1", FILTER6: "1"}
    assert found(program, snapshot, ENFORCED) == {}
    assert found(program, snapshot, AUDITED) == {"route-localnet: host": "high"}


# ---- the engine's firewall


def program_of(flags: dict[str, list[str]], config: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"program": "dockerd", "pid": 700, "uid": 0, "here": True, "flags": flags, "config": config}]


@pytest.mark.parametrize(
    "flags, config, version, addr6, wanted",
    [
        ({}, {"iptables": False}, "28.5.2", False, "high"),
        ({"iptables": ["false"]}, {}, "28.5.2", False, "high"),
        ({"iptables": ["true", "0"]}, {}, "28.5.2", False, "high"),
        ({"iptables": ["true"]}, {"ip6tables": True}, "20.10.24", True, ""),
        ({}, {"ip6tables": False}, "28.5.2", True, "high"),
        ({}, {"ip6tables": False}, "28.5.2", False, ""),
        ({}, {}, "26.1.5+dfsg1", True, "medium"),
        ({}, {}, "26.1.5+dfsg1", False, ""),
        ({}, {}, "27.0.0", True, ""),
        ({}, {"iptables": "no"}, "28.5.2", True, ""),
    ],
)
def test_engine_firewall(
    program: Program, flags: dict[str, list[str]], config: dict[str, Any], version: str, addr6: bool, wanted: str
) -> None:
    snapshot = of_host(programs=program_of(flags, config))
    snapshot["engine"]["version"] = version
    if not addr6:
        del snapshot["endpoints"][0]["addr6"]
    assert found(program, snapshot) == ({"engine-firewall-off: engine": wanted} if wanted else {})


def test_hidden_engine(program: Program) -> None:
    """Where its options are not seen, that there is no table it could have rules in."""
    off = {"engine-firewall-off: engine": "high"}
    snapshot = of_host(programs=[], nftables=[table("inet", "quaywall", "filter", "forward", -10)])
    assert found(program, snapshot) == off
    snapshot["posture"]["host"]["nftables"].append(table("ip6", "filter", "filter", "forward", 0))
    assert found(program, snapshot) == off
    for one in (table("ip", "nat", "nat", "postrouting", 100), table("ip", "docker-bridges", "filter", "forward", 0)):
        other = copy.deepcopy(snapshot)
        other["posture"]["host"]["nftables"].append(one)
        assert found(program, other, gaps=1) == {}
    other = copy.deepcopy(snapshot)
    other["posture"]["host"]["iptables_legacy"] = ["nat"]
    del other["posture"]["host"]["nftables"][1]
    assert found(program, other, gaps=1) == {}
    snapshot["posture"]["gaps"] = [{"part": "iptables", "why": "Permission denied"}]
    assert found(program, snapshot, gaps=2) == {}
    snapshot = of_host(programs=[], nftables=[])
    snapshot["containers"][0]["running"] = False
    assert found(program, snapshot, gaps=1) == {}


# ---- other tools, other engines


def table(family: str, name: str, kind: str, hook: str, priority: int, flowtables: Any = ()) -> Any:
    chain = {"name": "c", "type": kind, "hook": hook, "priority": priority, "policy": "accept"}
    return {"family": family, "name": name, "chains": [chain], "flowtables": list(flowtables)}


@pytest.mark.parametrize(
    "one, wanted",
    [
        (table("inet", "fw", "filter", "forward", -50), {}),
        (table("inet", "fw", "filter", "prerouting", -150), {}),
        (table("inet", "fw", "nat", "postrouting", 100), {}),
        (table("inet", "fw", "nat", "prerouting", -100), {"tool-rules: table inet fw": "low"}),
        (table("ip", "fw", "nat", "output", -100), {"tool-rules: table ip fw": "low"}),
        (table("inet", "fw", "filter", "prerouting", -300), {"tool-rules: table inet fw": "low"}),
        (table("netdev", "fw", "filter", "ingress", 0), {"tool-rules: table netdev fw": "low"}),
        (table("inet", "fw", "filter", "ingress", 0), {"tool-rules: table inet fw": "low"}),
        (table("inet", "firewalld", "nat", "prerouting", -90), {}),
        (table("ip", "docker-bridges", "filter", "prerouting", -300), {}),
        (table("ip", "mangle", "filter", "prerouting", -150), {}),
        (table("inet", "quaywall", "filter", "prerouting", -310), {}),
        (table("inet", "fw", "filter", "forward", 0, ["ft"]), {"tool-flowtable: table inet fw": "high"}),
        (table("inet", "firewalld", "nat", "prerouting", 0, ["ft", "x"]), {"tool-flowtable: table inet firewalld": "high"}),
        (table("inet", "fw", "nat", "prerouting", -100, ["ft"]),
         {"tool-flowtable: table inet fw": "high", "tool-rules: table inet fw": "low"}),
    ],
)  # fmt: skip
def test_tables(program: Program, one: Any, wanted: dict[str, str]) -> None:
    snapshot = world()
    snapshot["posture"]["host"]["nftables"].append(one)
    assert found(program, snapshot) == wanted


def test_legacy(program: Program) -> None:
    snapshot = of_host(ip6tables_legacy=["filter"])
    assert found(program, snapshot) == {"iptables-legacy: host": "low"}
    # All of it is of the old kind: nothing is hidden.
    snapshot["posture"]["host"]["nftables"] = [table("inet", "quaywall", "filter", "forward", -10)]
    assert found(program, snapshot) == {}


@pytest.mark.parametrize(
    "one, wanted",
    [
        ({"program": "dockerd"}, {"engine-other: dockerd": "medium"}),
        ({"program": "dockerd", "here": False}, {}),
        ({"program": "dockerd", "here": False, "uid": 1000}, {"engine-other: rootless dockerd": "low"}),
        ({"program": "podman"}, {"engine-other: podman": "medium"}),
        ({"program": "podman", "uid": 1000}, {"engine-other: rootless podman": "low"}),
        ({"program": "kubelet"}, {"engine-other: kubelet": "medium"}),
        ({"program": "k3s-server"}, {"engine-other: k3s-server": "medium"}),
        ({"program": "kubelet", "uid": 1000}, {}),
        ({"program": "firewalld"}, {}),
        ({"program": "fail2ban-server"}, {}),
    ],
)
def test_other_engines(program: Program, one: Any, wanted: dict[str, str]) -> None:
    snapshot = world()
    snapshot["posture"]["host"]["programs"].append({"pid": 9, "uid": 0, "here": True} | one)
    assert found(program, snapshot) == wanted


# ---- what is not known


def gaps(program: Program, snapshot: Any) -> list[str]:
    said = answer(program, "bypass", snapshot)
    assert said["findings"] == []
    return [g["why"] for g in said["not_checked"]]


def test_gaps(program: Program) -> None:
    switches = "the kernel's switches (/proc/sys/net) were not read"
    options = "the options that the engine was started with were not seen"
    snapshot = world()
    snapshot["posture"]["containers"] = []
    assert gaps(program, snapshot) == [OF_CONTAINERS]
    snapshot = world()
    snapshot["posture"]["host"] = None
    snapshot["posture"]["gaps"] = [{"part": "host", "why": "not asked"}, {"part": "socket", "why": "other group's"}]
    assert gaps(program, snapshot) == ["host: not asked", switches, options]
    del snapshot["posture"]
    why = "the snapshot holds no posture"
    assert gaps(program, snapshot) == [f"engine: {why}", f"host: {why}", OF_CONTAINERS, switches, options]
    snapshot = of_host(nftables=[])
    snapshot["posture"]["gaps"] = [{"part": "nftables", "why": "Operation not permitted"}] * 2000
    assert gaps(program, snapshot) == ["nftables: Operation not permitted, and 1999 more"]
    snapshot = of_host(programs=[{"program": "dockerd", "pid": 700, "uid": 0, "here": False}])
    assert gaps(program, snapshot) == [options]


WRONG = (None, 1, -1.5, "x", True, [], {}, [[]], [{}], [None], {"x": []}, ["b"], ["", " "])


def put(document: Any, path: list[Any], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def paths(document: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [p for key, value in items for p in [before + (key,), *paths(value, before + (key,))]]


def test_hostile(program: Program) -> None:
    """Every value of the posture of every wrong kind: all are answered."""
    places = [p for p in paths(recorded()) if p[0] != "images"]
    for number, value in enumerate(WRONG):
        snapshot = world()
        for place in places[number :: len(WRONG)]:
            try:
                put(snapshot["posture"], list(place), copy.deepcopy(value))
            except (TypeError, KeyError, IndexError):
                continue  # what held it was replaced before
        answer(program, "bypass,api", snapshot, ENFORCED)
    for place in (p for p in places if len(p) < 3):
        snapshot = world()
        put(snapshot["posture"], list(place), [{"x": 1}])
        answer(program, "bypass,api", snapshot, ENFORCED)
