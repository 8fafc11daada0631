"""The group `runtime`: how a container was started, one thing after the other, of a posture as an engine tells it."""

import datetime
from typing import Any

import pytest

from check_posture import Change, both, clean, container, dockerd, engine, found, image, judge, without
from program import Program

SECURE = ["name=seccomp,profile=builtin"]
ROOT: dict[str, Any] = {"user": "root"}


def options(*values: str) -> Change:
    return container(security_opt=["no-new-privileges", *values])


def secures(*values: str) -> Change:
    return engine(security_options=[*SECURE, *values])


def mount(source: str, **values: Any) -> Change:
    one = {"type": "bind", "source": source, "destination": "/x", "rw": True, "propagation": "rprivate"}
    return container(mounts=[one | values])


def ago(seconds: int) -> str:
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


def restarted(times: int, state: str, started: int, created: int) -> Change:
    return container(restart_count=times, state=state, started=ago(started), created=ago(created), restart="always")


EXITED = dict(state="exited", privileged=False, read_only=False, memory=0, user="root", mounts=[])
WEAK = dict(privileged=True, read_only=False, user="root", security_opt=["label=disable", "seccomp=unconfined"])

CASES: list[tuple[str, Change, set[tuple[str, str]]]] = [
    ("clean", container(), set()),
    ("exited", container(**EXITED), set()),
    ("paused", container(state="paused", memory=0), {("memory-unlimited", "low")}),
    ("root", container(**ROOT), {("root-user", "low")}),
    ("0:0", container(user="0:0"), {("root-user", "low")}),
    ("a sign", container(user="+0"), {("root-user", "low")}),
    ("two signs", container(user="+-0"), set()),
    ("no user", container(user=""), {("root-user", "low")}),
    ("rooted", container(user="rooted"), set()),
    ("group root", container(user="1000:0"), set()),
    ("root of the image", both(container(user=""), image(user="")), set()),
    ("root, mapped", both(container(**ROOT), secures("name=userns")), set()),
    ("root, rootless", both(container(**ROOT), secures("name=rootless")), set()),
    (
        "root, not mapped",
        both(container(user="root", userns_mode="host"), secures("name=userns")),
        {("root-user", "low"), ("userns-host", "medium")},
    ),
    ("userns alone", container(userns_mode="host"), set()),
    ("writable", container(read_only=False), {("root-writable", "info")}),
    ("privileges", container(security_opt=None), {("no-new-privileges-off", "info")}),
    ("privileges=true", container(security_opt=["no-new-privileges=true"]), set()),
    ("privileges:true", container(security_opt=["no-new-privileges:true"]), set()),
    ("engine's", both(container(security_opt=[]), secures("name=no-new-privileges")), set()),
    ("engine's file", both(container(security_opt=[]), dockerd(config={"no-new-privileges": True})), set()),
    ("engine's flag", both(container(security_opt=[]), dockerd(flags={"no-new-privileges": ["true"]})), set()),
    (
        "engine's flag, off",
        both(container(security_opt=[]), dockerd(flags={"no-new-privileges": ["false"]})),
        {("no-new-privileges-off", "info")},
    ),
    (
        "not as the engine",
        both(container(security_opt=["no-new-privileges=false"]), secures("name=no-new-privileges")),
        {("no-new-privileges-off", "info")},
    ),
    ("seccomp", options("seccomp=unconfined"), {("seccomp-off", "high")}),
    ("seccomp, old", options("seccomp:unconfined"), {("seccomp-off", "high")}),
    ("seccomp, own", options('seccomp={"defaultAction": "SCMP_ACT_ERRNO"}'), set()),
    ("apparmor", options("apparmor=unconfined"), {("apparmor-off", "medium")}),
    ("apparmor's profile", container(apparmor="unconfined"), {("apparmor-off", "medium")}),
    ("no apparmor", both(options("apparmor=unconfined"), secures("name=selinux")), set()),
    ("selinux", options("label=disable"), {("selinux-off", "medium")}),
    ("selinux's free type", options("label=type:spc_t"), {("selinux-off", "medium")}),
    ("no selinux", both(options("label=disable"), secures("name=apparmor")), set()),
    (
        "label of IPC",
        container(security_opt=["no-new-privileges", "label=disable"], ipc_mode="host"),
        {("ipc-host", "medium")},
    ),
    (
        "label of processes",
        container(security_opt=["no-new-privileges", "label=disable"], pid_mode="host"),
        set(),
    ),
    ("privileged", container(**WEAK, cap_add=["SYS_PTRACE"], masked_paths=[]), set()),
    ("usual", container(cap_add=["CAP_CHOWN", "net_bind_service"]), set()),
    ("of bypass", container(cap_add=["CAP_NET_ADMIN", "NET_RAW", "sys_admin", "SYS_MODULE"]), set()),
    ("all", container(cap_add=["ALL"]), set()),
    ("nice", container(cap_add=["CAP_SYS_NICE"]), {("capabilities-added", "low")}),
    ("ptrace", container(cap_add=["SYS_NICE", "cap_sys_ptrace"]), {("capabilities-added", "medium")}),
    ("handles", container(cap_add=["DAC_READ_SEARCH"]), {("capabilities-added", "high")}),
    ("of later", container(cap_add=["CAP_OF_LATER"]), {("capabilities-added", "low")}),
    ("memory", container(memory=0), {("memory-unlimited", "low")}),
    ("hangs", container(oom_kill_disable=True), {("oom-kill-off", "low")}),
    (
        "hangs with all",
        container(oom_kill_disable=True, memory=0),
        {("oom-kill-off", "medium"), ("memory-unlimited", "low")},
    ),
    ("cpu", container(nano_cpus=0), {("cpu-unlimited", "info")}),
    ("quota", container(nano_cpus=0, cpu_quota=50000), set()),
    ("no quota", container(nano_cpus=0, cpu_quota=-1), {("cpu-unlimited", "info")}),
    ("some CPUs", container(nano_cpus=0, cpuset="0-1"), set()),
    ("processes", without("containers", "pids_limit"), {("pids-unlimited", "info")}),
    ("any processes", container(pids_limit=-1), {("pids-unlimited", "info")}),
    ("ipc", container(ipc_mode="host"), {("ipc-host", "medium")}),
    ("ipc of another", container(ipc_mode="container:c2"), set()),
    ("uts", container(uts_mode="host"), {("uts-host", "low")}),
    ("cgroup", container(cgroupns_mode="host"), {("cgroup-host", "low")}),
    ("cgroup 1", both(container(cgroupns_mode="host"), engine(cgroup_version="1")), set()),
    ("open paths", container(masked_paths=[], readonly_paths=[]), {("system-paths-open", "high")}),
    ("open to read", container(masked_paths=[]), {("system-paths-open", "medium")}),
    ("waits", restarted(3, "restarting", 100000, 1000000), {("restart-storm", "low")}),
    ("waits once", restarted(1, "restarting", 5, 60), set()),
    ("comes and goes", restarted(4, "running", 20, 600), {("restart-storm", "low")}),
    ("many", restarted(12, "running", 20, 90 * 86400), {("restart-storm", "low")}),
    ("stays now", restarted(12, "running", 3600, 86400), set()),
    ("of long ago", restarted(4, "running", 20, 90 * 86400), set()),
    ("always", container(restart="always"), set()),
    ("volume", mount("/var/lib/docker/volumes/x/_data", type="volume"), set()),
    ("data", mount("/srv/data"), set()),
    ("etc of its own", mount("/etcetera"), set()),
    ("read-only", mount("/etc", rw=False), {("mount-secrets", "medium")}),
    ("root's keys", mount("/root/.ssh/id_ed25519", rw=False), {("mount-secrets", "medium")}),
    ("images, read-only", mount("/var/lib/docker", rw=False), {("mount-secrets", "medium")}),
    ("mapped, read-only", both(mount("/", rw=False), secures("name=userns")), {("mount-secrets", "info")}),
    ("programs, read-only", mount("/usr", rw=False), set()),
    ("one file of etc, read-only", mount("/etc/localtime", rw=False), set()),
    ("one file", mount("/etc/localtime"), set()),
    ("root", mount("/"), {("mount-sensitive", "high")}),
    ("etc", mount("/etc"), {("mount-sensitive", "high")}),
    ("cron", mount("/etc/cron.d/job"), {("mount-sensitive", "high")}),
    ("dev", mount("/dev"), {("mount-sensitive", "medium")}),
    ("dev's memory", mount("/dev/shm"), set()),
    ("modules", mount("/lib/modules"), {("mount-sensitive", "high")}),
    ("home", mount("/home/anna"), {("mount-sensitive", "medium")}),
    ("homes", mount("/home"), {("mount-sensitive", "high")}),
    ("home's project", mount("/home/anna/shop"), set()),
    ("images", mount("/var/lib/docker/overlay2"), {("mount-sensitive", "high")}),
    ("volume's folder", mount("/var/lib/docker/volumes/x/_data"), set()),
    (
        "images elsewhere",
        both(mount("/data/docker"), engine(root="/data/docker")),
        {("mount-sensitive", "high")},
    ),
    (
        "engine's root, read-only",
        both(mount("/data/docker", rw=False), engine(root="/data/docker")),
        {("mount-secrets", "medium")},
    ),
    ("no engine's root", both(mount("/data/docker"), without("engine", "root")), set()),
    ("mapped", both(mount("/etc"), secures("name=userns")), {("mount-sensitive", "low")}),
    ("shared", mount("/srv", propagation="rshared"), {("mount-shared", "low")}),
    (
        "shared, may mount",
        both(mount("/srv", propagation="shared"), lambda p: p["containers"][0].update(cap_add=["SYS_ADMIN"])),
        {("mount-shared", "medium")},
    ),
    ("slave", mount("/srv", propagation="rslave"), set()),
]  # fmt: skip


@pytest.mark.parametrize("change, wanted", [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_container(program: Program, change: Change, wanted: set[tuple[str, str]]) -> None:
    assert found(program, "runtime", change) == {(check, "web", severity) for check, severity in wanted}


@pytest.mark.parametrize("secure", [[], ["name=seccomp,profile=unconfined"], ["name=seccompx"]])
def test_the_engine_without_seccomp(program: Program, secure: list[str]) -> None:
    """Once, and not for each container."""
    change = both(options("seccomp=unconfined"), engine(security_options=secure))
    assert found(program, "runtime", change) == {("seccomp-off", "host", "high")}


def test_every_check_has_a_case(program: Program) -> None:
    told = {check for _, _, wanted in CASES for check, _ in wanted} | {"seccomp-off"}
    listed = program.out("check", "--list", "--only", "runtime").splitlines()
    assert {line.split()[0] for line in listed} == told


def test_mounts_are_one_finding(program: Program) -> None:
    one = {"type": "bind", "destination": "/x", "rw": True, "propagation": ""}
    places = ["/usr", "/home/anna", "/srv"]
    (finding,) = judge(program, "runtime", container(mounts=[one | {"source": s} for s in places]))["findings"]
    assert finding["evidence"].startswith("mounted writable: /usr (") and "/home/anna (" in finding["evidence"]
    assert "/srv" not in finding["evidence"] and finding["severity"] == "high"


# ---- what is not there, and what makes no sense


def gaps(report: Any) -> list[str]:
    return [g["why"] for g in report["not_checked"]]


@pytest.mark.parametrize("key", ["read_only", "memory", "nano_cpus", "user", "restart_count", "ipc_mode", "mounts"])
@pytest.mark.parametrize("value", [None, {"a": 1}])
def test_a_missing_value_is_a_gap(program: Program, key: str, value: Any) -> None:
    report = judge(program, "runtime", container(**{key: value}))
    assert report["findings"] == []
    assert gaps(report) == [f"containers: 1 values are not in the posture, {key} among them"]


def test_without_privileged(program: Program) -> None:
    """Whether it is privileged decides what else is told."""
    report = judge(program, "runtime", both(container(read_only=False), without("containers", "privileged")))
    assert report["findings"] == [] and len(gaps(report)) == 1


def test_no_containers(program: Program) -> None:
    def change(posture: Any) -> None:
        posture["containers"] = None

    assert gaps(judge(program, "runtime", change)) == ["containers: the posture has none"]

    def refused(posture: Any) -> None:
        change(posture)
        posture["gaps"] = [{"part": "engine", "why": "refused"}]

    assert gaps(judge(program, "runtime", refused)) == ["engine: refused"]


def test_some_containers(program: Program) -> None:
    def change(posture: Any) -> None:
        posture["gaps"] = [{"part": "containers", "why": f"too slow {i}"} for i in range(3)]
        posture["containers"][0]["memory"] = 0

    report = judge(program, "runtime", change)
    assert [f["id"] for f in report["findings"]] == ["memory-unlimited"]
    assert gaps(report) == ["containers: too slow 0, and 2 more"]


def test_no_engine(program: Program) -> None:
    def change(posture: Any) -> None:
        posture["engine"] = None
        posture["containers"][0]["security_opt"] = []

    report = judge(program, "runtime", change)
    assert report["findings"] == [] and len(gaps(report)) == 1


@pytest.mark.parametrize("value", [7, "x", [], [[]], {}, {"a": [None]}, None, True, -(1 << 63)])
def test_hostile(program: Program, value: Any) -> None:
    """Wrong types in every place are no crash: each container and image has one of them."""

    def change(posture: Any) -> None:
        for part in ("containers", "images"):
            (one,) = posture[part]
            posture[part] = [one | {key: value} for key in one] + [value]
        posture["engine"] = {key: value for key in posture["engine"]}
        posture["gaps"] = value

    def whole(posture: Any) -> None:
        posture.update({part: value for part in posture})

    for one in (change, whole):
        judge(program, "runtime,image,secret,logging", one)
    for part in clean():
        judge(program, "runtime,image,secret,logging", lambda p, part=part: p.update({part: value}))
        judge(program, "runtime,image,secret,logging", lambda p, part=part: p.update({part: [value, {}]}))
