"""The groups `bypass` and `api` of `quaywall check`: what real engines let a container have, and what they serve."""

import json
import os
from typing import Any, Callable

from bed import Quaywall
from bed.engine import Engine
from bed.space import CommandError
from checks import Bed

Make = Callable[..., Quaywall]

NO_PLUGIN = {"api-no-authorization: engine": "info"}
POLICY = "policy: plain\nfor: {name: plain}\nisolate: [ingress]\n"
LACKS = ("operation not permitted", "operation not supported", "not supported by the kernel", "no such file or directory")


def rows(said: str) -> dict[str, str]:
    findings = json.loads(said)["findings"]
    found = {f"{f['id']}: {f['subject']}": f["severity"] for f in findings}
    assert len(found) == len(findings)
    return found


def look(q: Quaywall) -> dict[str, str]:
    """As an administrator sees it who asks without a daemon: nothing is hidden, so there is no gap."""
    said = q.verb("check", "--policies", str(q.policies), "--only", "bypass,api", "--json", "--fail-on", "never")
    assert json.loads(said)["not_checked"] == []
    return rows(said)


def look_by_daemon(q: Quaywall) -> dict[str, str]:
    return rows(json.dumps(q.checked("--only", "bypass,api")))


def take_socket(engine: Any, mode: int = 0o660) -> None:
    """Whom the machine has in its group is not the test's."""
    os.chown(engine.socket, 0, 0)
    engine.socket.chmod(mode)


def possible(engine: Engine, name: str, network: str | None = None, flags: tuple[str, ...] = ()) -> bool:
    """Whether the machine of the tests has all that it takes; else the container is there, and does not run."""
    try:
        engine.run(name, network, flags=flags)
    except CommandError as error:
        assert any(word in str(error) for word in LACKS), error
        return False
    return True


def dangerous(bed: Bed) -> dict[str, str]:
    """One container for each way; returns what is to be found of them."""
    engine = bed.engine
    engine.run("netadmin", flags=["--cap-add", "NET_ADMIN", "--cap-drop", "NET_RAW"])
    engine.run("open", "host", serve=["tcp:9200"])
    engine.run("beside", "container:open", serve=["tcp:9201"])
    engine.run("pids", flags=["--pid", "host"])
    engine.run("pids2", flags=["--pid", "container:pids"])
    engine.run("socket", flags=["-v", f"{engine.socket}:/run/engine.sock:ro"])
    engine.run("folder", flags=["-v", f"{engine.path}:/engine"])
    engine.run("disks", flags=["--device-cgroup-rule", "b 8:* rwm"])
    engine.docker("create", "--name", "asleep", "--privileged", "--pid", "host", "--network", "host", "quaywall-probe", "/probe")
    wanted = {
        "capability-net-admin: netadmin": "medium",
        "host-network: open": "high",
        "host-network: beside": "high",
        "host-pid: pids": "high",
        "host-pid: pids2": "high",
        "engine-socket: socket": "high",
        "engine-socket: folder": "high",
        "device-host: disks": "high",
    }
    engine.docker("network", "create", "-d", "macvlan", "-o", "parent=lan0", "--subnet", "192.0.2.0/24", "--ip-range", "192.0.2.128/25", "mac")
    if possible(engine, "mighty", flags=("--privileged",)):
        wanted["container-privileged: mighty"] = "high"
    if possible(engine, "admin", flags=("--cap-add", "SYS_ADMIN")):
        wanted["capability-host: admin"] = "high"
    if possible(engine, "all", flags=("--cap-add", "ALL")):
        wanted["capability-host: all"] = "high"
    if possible(engine, "tun", flags=("--device", "/dev/net/tun")):
        wanted["device-tunnel: tun"] = "low"
    if possible(engine, "onlan", "mac"):
        wanted["network-ungoverned: network mac"] = "medium"
    return wanted


def test_bypass(clean: Bed, quaywall: Make) -> None:
    engine = clean.engine
    take_socket(engine)
    engine.run("plain")
    q = quaywall(clean)
    # A clean engine with a plain container lacks what every one lacks.
    assert look(q) == NO_PLUGIN
    wanted = NO_PLUGIN | dangerous(clean)
    assert look(q) == wanted
    engine.host("nft", "add table inet other")
    try:
        engine.host("nft", "add chain inet other pre { type nat hook prerouting priority -100 ; }")
        engine.host("nft", "add chain inet other early { type filter hook forward priority -50 ; }")
        wanted["tool-rules: table inet other"] = "low"
        q.policy("plain", POLICY)
        # Nobody has switched it on yet; the daemon does.
        assert look(q) == wanted | {"bridge-filter-off: host": "high"}
        (q.policies / "plain.yaml").unlink()
        q.start()
        assert look_by_daemon(q) == wanted
        q.policy("plain", POLICY)
        q.verb("reload")
        assert look_by_daemon(q) == wanted
        assert "bridge-filter-off" not in q.log_text()
    finally:
        engine.host("nft", "delete table inet other")


def test_raw_sockets(clean: Bed, quaywall: Make) -> None:
    take_socket(clean.engine)
    clean.engine.run("plain")
    clean.engine.run("bound", flags=["--cap-drop", "NET_RAW"])
    found = look(quaywall(clean, antispoof=False))
    assert found == NO_PLUGIN | {"raw-sockets: host": "medium"}


def test_engine(make_bed: Callable[..., Bed], quaywall: Make) -> None:
    """Without its own rules and proxy, by TCP, its socket open to everybody."""
    bed = make_bed(start=False, iptables=False, userland_proxy=False, insecure_registries=["registry.example:5000", "10.1.0.0/16"])
    engine = bed.engine
    # At another address than the loopback one newer engines wait a quarter of a minute.
    engine.options["hosts"] = [engine.url, "tcp://127.0.0.1:2375"]
    engine.start()
    take_socket(engine, 0o666)
    engine.run("plain")
    q = quaywall(bed)
    wanted = NO_PLUGIN | {
        "engine-firewall-off: engine": "high",
        "route-localnet: host": "medium",  # by `userland-proxy: false`
        "api-tcp-open: tcp://127.0.0.1:2375": "high",
        f"api-socket-open: {engine.socket}": "critical",
        "registry-insecure: registry registry.example:5000": "medium",
        "registry-insecure: registries in 10.1.0.0/16": "low",
    }
    assert look(q) == wanted
    # A daemon does not see the engine's options: the engine and the kernel tell as much.
    q.start()
    assert look_by_daemon(q) == wanted
