"""A host of any size for the graph: projects of five services that are governed alike."""

import json
from pathlib import Path
from typing import Any

SERVICES = ["web", "api", "db", "cache", "worker"]
POLICY = """\
policy: {project}
for: {{project: {project}}}
allow:
  - {{from: {{service: web}}, to: {{service: api}}, ports: [8080]}}
  - {{from: {{service: "[aw]*"}}, to: {{service: db}}, ports: [5432]}}
  - {{from: {{service: "[aw]*"}}, to: {{service: cache}}, ports: [6379, 6380/udp, 7000-7100]}}
  - {{from: {{service: worker}}, to: {{cidr: 10.0.0.0/8, except: [10.9.0.0/16]}}, ports: [443]}}
  - {{from: {{}}, to: host, ports: [53/tcp+udp]}}
publish:
  - {{to: {{service: web}}, port: {port}, from: any, limit: {{new: 50/second}}}}
"""


def services_of(n: int) -> list[str]:
    return SERVICES[:n] if n < len(SERVICES) else SERVICES


def make_world(folder: Path, identities: int, replicas: int = 1, policies: bool = True) -> list[str]:
    """Writes snapshot and policies; the arguments that name them."""
    networks: list[Any] = []
    containers: list[Any] = []
    endpoints: list[Any] = []
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    for p in range((identities + 4) // 5):
        project = f"project-{p:03}" if identities > 5 else "shop"
        subnet = f"172.{20 + p // 250}.{p % 250}"
        networks.append(
            {"id": f"n{p:04}", "name": f"{project}_default", "driver": "bridge", "bridge": f"br-{p:04}",
             "subnets": [f"{subnet}.0/24"], "gateways": [f"{subnet}.1"]}
        )  # fmt: skip
        for s, service in enumerate(services_of(identities - 5 * p)):
            for r in range(replicas):
                name = f"{project}-{service}-{r + 1}"
                ports = []
                if service == "web" and r == 0:
                    ports = [{"protocol": "tcp", "container_port": 80, "host_port": 8000 + p, "host_addr": "0.0.0.0"}]
                containers.append(
                    {"id": f"c-{name}", "name": name, "image": service, "network_mode": f"{project}_default",
                     "ports": ports,
                     "labels": {"com.docker.compose.project": project, "com.docker.compose.service": service}}
                )  # fmt: skip
                endpoints.append(
                    {"id": f"e-{name}", "network": f"n{p:04}", "container": f"c-{name}", "name": name,
                     "addr4": f"{subnet}.{2 + s * replicas + r}"}
                )  # fmt: skip
        if policies:
            text = POLICY.format(project=project, port=8000 + p)
            (folder / "policies" / f"{project}.yaml").write_text(text, encoding="utf-8")
    snapshot = {
        "quaywall_snapshot": 1,
        "engine": {"id": "", "name": "Docker Engine", "version": "28.5.2", "api_version": "1.47"},
        "networks": networks,
        "containers": containers,
        "endpoints": endpoints,
        "interfaces": [{"name": "eth0", "index": 2, "bridge": False, "addrs": ["192.0.2.1/24"]}],
    }
    (folder / "snapshot.json").write_text(json.dumps(snapshot), encoding="utf-8")
    return ["--snapshot", str(folder / "snapshot.json"), "--policies", str(folder / "policies")]


def pair(source: Any, target: Any, port: int, **counts: Any) -> Any:
    none = {"allowed": 0, "audited": 0, "refused": 0, "first": "2026-11-30T09:00:00Z", "last": "2026-11-30T09:00:01Z"}
    return {"from": source, "to": target, "protocol": "tcp", "port": port} | none | counts


def add_traffic(folder: Path, args: list[str], project: str) -> list[str]:
    """What `learn --json` would have written: the web server talks to the API, and tried the database in vain."""
    of = lambda service, p=project: {"kind": "container", "project": p, "service": service}  # noqa: E731
    outside = {"kind": "outside", "address": "203.0.113.9"}
    pairs = [
        pair(of("web"), of("api"), 8080, allowed=7, last="2026-11-30T09:12:08Z"),
        pair(of("web"), of("db"), 22, refused=2),
        pair(outside, of("web"), 80, published=8000, allowed=3),
        pair(of("worker"), {"kind": "host"}, 53, audited=1),
        pair(of("web", "gone"), of("api", "gone"), 8080, allowed=1),
    ]
    (folder / "traffic.json").write_text(json.dumps({"pairs": pairs, "left_out": 0}), encoding="utf-8")
    return [*args, "--traffic", str(folder / "traffic.json")]
