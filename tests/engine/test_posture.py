"""What `snapshot` records of an engine's and its host's set-up for the checks, from real engines."""

import json
from pathlib import Path
from typing import Any, Callable

from bed import Quaywall
from bed.engine import IMAGE
from checks import Bed

Make = Callable[..., Quaywall]


def posture_of(q: Quaywall) -> tuple[str, dict[str, Any]]:
    file = q.folder / "snapshot.json"
    q.verb("snapshot", "-o", str(file))
    text = file.read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)["posture"]
    return text, found


def containers_of(posture: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {c["name"].removeprefix("/"): c for c in posture["containers"]}


def test_containers(clean: Bed, quaywall: Make, tmp_path: Path) -> None:
    """Each way of being dangerous is told, and no value of a variable."""
    engine = clean.engine
    engine.run("plain", flags=["-e", "TOKEN=hunter2", "-e", "EMPTY="])
    # Only made: the machine of the tests may itself not have all that it gives.
    engine.docker("create", "--name", "mighty", "--privileged", "--pid", "host", IMAGE, "/probe")
    engine.run("netadmin", flags=["--cap-add", "NET_ADMIN", "--cap-drop", "NET_RAW"])
    engine.run("open", "host", serve=["tcp:9200"])
    engine.run("socket", flags=["-v", f"{engine.socket}:/var/run/docker.sock:ro"])
    strict = ["--read-only", "-u", "1000", "--memory", "64m", "--pids-limit", "50"]
    strict += ["--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined"]
    engine.run("strict", flags=[*strict, "--log-driver", "json-file", "--log-opt", "max-size=1m"])
    text, posture = posture_of(quaywall(clean))
    assert "hunter2" not in text
    assert posture["version"] == 1 and posture["engine"]["version"]
    found = containers_of(posture)
    assert "TOKEN" in found["plain"]["env"] and "EMPTY" not in found["plain"]["env"]
    assert found["plain"]["privileged"] is False and found["plain"]["user"] == ""
    assert found["mighty"]["privileged"] is True and found["mighty"]["pid_mode"] == "host"
    assert [c.removeprefix("CAP_") for c in found["netadmin"]["cap_add"]] == ["NET_ADMIN"]
    assert found["open"]["network_mode"] == "host"
    mounts = {m["destination"]: m for m in found["socket"]["mounts"]}
    assert mounts["/var/run/docker.sock"]["source"] == str(engine.socket)
    assert mounts["/var/run/docker.sock"]["rw"] is False
    one = found["strict"]
    assert (one["read_only"], one["user"], one["memory"], one["pids_limit"]) == (True, "1000", 64 << 20, 50)
    assert one["log_driver"] == "json-file" and one["log_max_size"] == "1m"
    assert "seccomp=unconfined" in one["security_opt"]
    assert {i["id"] for i in posture["images"]} == {c["image_id"] for c in posture["containers"]}
    # What listens on the host, and whose it is.
    ports = {s["port"]: s for s in posture["host"]["listening"] if s["protocol"] == "tcp"}
    assert ports[9200]["process"] == "probe" and ports[9200]["container"] == found["open"]["id"]
    assert ports[9100]["process"] == "probe" and ports[9100]["container"] is None


def test_host(clean: Bed, quaywall: Make) -> None:
    engine = clean.engine
    bridge = "br-" + engine.docker("network", "create", "seen")[:12]
    engine.host("nft", "add table inet other")
    try:
        engine.host("nft", "add chain inet other early { type filter hook forward priority -50 ; policy drop ; }")
        engine.host("nft", "add chain inet other sub")
        host = posture_of(quaywall(clean))[1]["host"]
    finally:
        engine.host("nft", "delete table inet other")
    assert host["sysctl"]["net/ipv4/ip_forward"] == "1"
    assert host["sysctl"]["net/bridge/bridge-nf-call-iptables"] == "0"
    assert f"net/ipv4/conf/{bridge}/route_localnet" in host["sysctl"]
    kinds = {i["name"]: i["kind"] for i in host["interfaces"]}
    assert kinds["docker0"] == "bridge" and kinds[bridge] == "bridge"
    tables = {(t["family"], t["name"]): t for t in host["nftables"]}
    early = {"name": "early", "type": "filter", "hook": "forward", "priority": -50, "policy": "drop"}
    assert tables["inet", "other"]["chains"] == [early]
    assert host["socket"]["path"] == str(engine.socket) and host["socket"]["mode"] & 0o600 == 0o600
    here = [p for p in host["programs"] if p["program"] == "dockerd" and p["here"]]
    assert len(here) == 1 and here[0]["config"]["hosts"] == [engine.url]
    assert host["gaps"] == []


def test_swarm(make_bed: Callable[..., Bed], quaywall: Make) -> None:
    """A manager tells of its swarm; no token and no key is recorded."""
    bed = make_bed()
    bed.engine.docker("swarm", "init", "--advertise-addr", "192.0.2.1", "--autolock")
    token = bed.engine.docker("swarm", "join-token", "-q", "manager")
    key = bed.engine.docker("swarm", "unlock-key", "-q")
    text, posture = posture_of(quaywall(bed))
    assert token not in text and key not in text
    swarm = posture["swarm"]
    assert swarm["autolock"] is True and [n["role"] for n in swarm["nodes"]] == ["manager"]
    assert swarm["root_expires"] > posture["host"]["swarm_certificate_expires"] > 0
