"""A host as a snapshot, and what `quaywall check` finds on it."""

import json
from pathlib import Path
from typing import Any, Optional

from program import Program

POSTURE = Path(__file__).resolve().parent / "posture.json"


def host(addrs: list[str], port: int = 80, engine: str = "28.5.2", gateway: Optional[str] = None) -> Any:
    """One container, which publishes PORT as 8080/tcp on ADDRS."""
    network = {
        "id": "n1", "name": "front", "driver": "bridge", "bridge": "br-front",
        "subnets": ["172.18.0.0/16", "fd00:18::/64"], "gateways": ["172.18.0.1"],
    }  # fmt: skip
    if gateway:
        network["gateway_mode4"] = gateway
    ports = [{"protocol": "tcp", "container_port": port, "host_port": 8080, "host_addr": a} for a in addrs]
    return {
        "quaywall_snapshot": 1,
        "engine": {"id": "", "name": "Docker Engine", "version": engine, "api_version": "1.41"},
        "networks": [network],
        "containers": [{"id": "c1", "name": "web", "image": "nginx", "network_mode": "front", "ports": ports}],
        "endpoints": [
            {"id": "e1", "network": "n1", "container": "c1", "name": "web", "addr4": "172.18.0.2",
             "addr6": "fd00:18::2", "mac": "02:42:ac:12:00:02"}
        ],
    }  # fmt: skip


def recorded() -> Any:
    """The posture of an engine 28.5 of its defaults with that container, recorded on Debian."""
    return json.loads(POSTURE.read_text(encoding="utf-8"))


def answer(program: Program, group: str, snapshot: Any, policy: str = "", settings: str = "{}\n") -> dict[str, Any]:
    """What `check --json` prints of one group."""
    folder = program.folder / "policies"
    folder.mkdir(exist_ok=True)
    (folder / "web.yaml").write_text(policy, encoding="utf-8")
    (program.folder / "host.json").write_text(json.dumps(snapshot), encoding="utf-8")
    (program.folder / "quaywall.yaml").write_text(settings, encoding="utf-8")
    argv = ["--snapshot", "host.json", "--policies", "policies", "--config", "quaywall.yaml"]
    done = program.call("check", *argv, "--json", "--only", group, "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def look(program: Program, group: str, snapshot: Any, policy: str = "", settings: str = "{}\n") -> dict[str, Any]:
    return {f["id"]: f for f in answer(program, group, snapshot, policy, settings)["findings"]}


def severities(found: dict[str, Any]) -> dict[str, str]:
    return {name: finding["severity"] for name, finding in found.items()}
