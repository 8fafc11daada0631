"""One container as engine 28.5 tells of it, started so that no check of its set-up finds anything, and what is found once
something of that is otherwise."""

import copy
from typing import Any, Callable

from check_world import answer, host
from program import Program

IMAGE_ID = "sha256:" + "d99c7b08" * 8
MASKED = ["/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

CONTAINER = {
    "id": "c1", "name": "/web", "created": "2026-11-30T07:47:33.637489103Z", "state": "running",
    "started": "2026-11-30T07:47:33.663970334Z", "finished": "0001-01-01T00:00:00Z", "exit_code": 0,
    "oom_killed": False, "restart_count": 0, "image": "docker.io/library/web:1.2@sha256:" + "ab" * 32,
    "image_id": IMAGE_ID, "user": "1000", "env": ["PATH"], "apparmor": "docker-default", "privileged": False,
    "security_opt": ["no-new-privileges"], "read_only": True, "network_mode": "bridge", "pid_mode": "",
    "ipc_mode": "private", "uts_mode": "", "userns_mode": "", "cgroupns_mode": "private", "memory": 67108864,
    "nano_cpus": 500000000, "cpu_quota": 0, "cpuset": "", "pids_limit": 50, "oom_kill_disable": False,
    "restart": "no", "restart_max": 0, "log_driver": "json-file", "log_max_size": "10m", "publish_all": False,
    "runtime": "runc", "masked_paths": MASKED, "readonly_paths": READONLY, "mounts": [], "devices": [],
}  # fmt: skip

IMAGE = {
    "id": IMAGE_ID, "tags": ["web:1.2"], "digests": ["web@sha256:" + "ab" * 32],
    "created": "2026-11-20T10:00:00Z", "user": "1000", "env": ["PATH"],
}  # fmt: skip

ENGINE = {
    "version": "28.5.2+dfsg4", "root": "/var/lib/docker", "logging_driver": "json-file", "cgroup_version": "2",
    "security_options": ["name=apparmor", "name=seccomp,profile=builtin", "name=selinux", "name=cgroupns"],
}  # fmt: skip

DOCKERD = {
    "program": "dockerd", "pid": 7, "uid": 0, "here": True, "flags": {}, "config": {"log-max-size": "10m"},
}  # fmt: skip

Change = Callable[[Any], None]


def clean() -> Any:
    posture = {
        "version": 1, "engine": ENGINE, "containers": [CONTAINER], "images": [IMAGE], "swarm": None,
        "host": {"gaps": [], "programs": [DOCKERD]}, "gaps": [],
    }  # fmt: skip
    return copy.deepcopy(posture)


def judge(program: Program, group: str, change: Change, settings: str = "{}\n") -> Any:
    posture = clean()
    change(posture)
    return answer(program, group, host([]) | {"posture": posture}, settings=settings)


def found(program: Program, group: str, change: Change, settings: str = "{}\n") -> set[tuple[str, str, str]]:
    """Which check, about whom, how severe; nothing may be left unlooked at, and nothing told twice."""
    report = judge(program, group, change, settings)
    assert report["not_checked"] == []
    told = [(f["id"], f["subject"], f["severity"]) for f in report["findings"]]
    assert len(told) == len(set(told))
    return set(told)


def container(**values: Any) -> Change:
    return lambda posture: posture["containers"][0].update(values)


def without(part: str, *keys: str) -> Change:
    def change(posture: Any) -> None:
        one = posture[part][0] if isinstance(posture[part], list) else posture[part]
        for key in keys:
            del one[key]

    return change


def image(**values: Any) -> Change:
    return lambda posture: posture["images"][0].update(values)


def engine(**values: Any) -> Change:
    return lambda posture: posture["engine"].update(values)


def dockerd(**values: Any) -> Change:
    return lambda posture: posture["host"]["programs"][0].update(values)


def both(*changes: Change) -> Change:
    def change(posture: Any) -> None:
        for one in changes:
            one(posture)

    return change
