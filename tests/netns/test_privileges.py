"""What the daemon may still do once it runs, and what others may do to it."""

import os
import re
import socket
import time
from pathlib import Path

from place import NOBODY, POLICY, Daemon, eventually

NET_ADMIN = 1 << 12


def status_of(pid: int, task: str) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/task/{task}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def tasks(pid: int) -> list[dict[str, str]]:
    return [status_of(pid, task) for task in os.listdir(f"/proc/{pid}/task")]


def is_sanitized(binary: Path) -> bool:
    return b"__asan_init" in binary.read_bytes()


def test_every_thread_keeps_one_capability(daemon: Daemon) -> None:
    """Without a snapshot, the engine has a thread of its own."""
    daemon.start(snapshot=False, wait_for="skeleton")
    pid = int(daemon.status()["pid"])
    assert eventually(lambda: len(tasks(pid)) > 1)
    for task in tasks(pid):
        for name in ("CapEff", "CapPrm", "CapBnd"):
            assert int(task[name], 16) == NET_ADMIN, (name, task[name])
        for name in ("CapInh", "CapAmb"):
            assert int(task[name], 16) == 0, (name, task[name])
        assert task["NoNewPrivs"] == "1"
        assert task["Seccomp"] == ("0" if is_sanitized(daemon.binary) else "2")


def test_status_tells_of_it(daemon: Daemon) -> None:
    daemon.start()
    sandbox = daemon.status()["sandbox"]
    assert sandbox["capabilities"] and sandbox["no_new_privs"]
    missing = {m["part"]: m["why"] for m in sandbox["missing"]}
    assert {p for p in ("capabilities", "no_new_privs", "files", "syscalls") if not sandbox[p]} == set(
        missing
    )
    text = daemon.verb("status")
    assert "\nconfined    capabilities, " in text
    if is_sanitized(daemon.binary):
        assert missing["syscalls"] == "built with sanitizers"
        assert "NOT in force: syscalls: built with sanitizers\n" in text
        assert "less confined than it should be" in daemon.log_text()
    else:
        assert sandbox["syscalls"]


def test_it_works_afterwards(daemon: Daemon) -> None:
    """What it opens, writes and asks for only later."""
    daemon.start()
    for name in ("iptables", "ip6tables"):
        daemon.space.run("sysctl", "-q", f"net.bridge.bridge-nf-call-{name}=0")
    assert daemon.status()["bridge_filter"]["ipv4"] == "on"
    assert daemon.space.sysctl("bridge/bridge-nf-call-ip6tables") == "1"
    daemon.policy(POLICY.replace("5432, 5433", "5433"))
    assert eventually(lambda: not daemon.allows("shop/web", "shop/db", "5432"))
    daemon.space.bridge("br-late", "172.30.0.1/16")
    daemon.verb("flush")
    assert daemon.table() == ""
    daemon.verb("reload")
    assert "chain forward" in daemon.table()
    assert daemon.stop(daemon.processes[0]) == 0
    assert not daemon.control.exists()


def test_what_only_its_owner_may_read(daemon: Daemon) -> None:
    """Root's capabilities would read it; the daemon refuses it at the start as it would at each reload."""
    file = daemon.policies / "shop.yaml"
    os.chown(file, 65534, 65534)
    file.chmod(0o600)
    process = daemon.start(wait_for="")
    assert process.wait(timeout=20) == 2
    assert "shop.yaml" in daemon.log_text() and "Permission denied" in daemon.log_text()


# ---- the control socket ----


def dial(daemon: Daemon) -> socket.socket:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(str(daemon.control))
    return s


def resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found
    return int(found.group(1))


def answers_promptly(daemon: Daemon) -> bool:
    began = time.monotonic()
    done = daemon.call("status", "--json")
    return done.returncode in (0, 1) and time.monotonic() - began < 5


def test_half_a_request(daemon: Daemon) -> None:
    daemon.start()
    clients = [dial(daemon) for _ in range(4)]
    for s in clients:
        s.sendall(b'{"verb": "sta')
    assert answers_promptly(daemon)
    for s in clients:
        s.settimeout(20)
        assert s.recv(10) == b""  # time is up
        s.close()


def test_megabytes_of_request(daemon: Daemon) -> None:
    daemon.start()
    pid = int(daemon.status()["pid"])
    before = resident(pid)
    for _ in range(10):
        s = dial(daemon)
        try:
            for _ in range(64):
                s.sendall(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError):
            pass
        s.close()
    assert answers_promptly(daemon)
    assert resident(pid) - before < 16 << 10


def test_who_never_reads(daemon: Daemon) -> None:
    daemon.start()
    clients = [dial(daemon) for _ in range(8)]
    for s in clients:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.sendall(b'{"verb": "status"}\n')
    assert answers_promptly(daemon)
    for s in clients:
        s.close()


def test_a_thousand_connections(daemon: Daemon) -> None:
    daemon.start()
    pid = int(daemon.status()["pid"])
    before = len(os.listdir(f"/proc/{pid}/fd"))
    clients = [socket.socket(socket.AF_UNIX) for _ in range(1000)]
    for s in clients:
        s.setblocking(False)
        assert eventually(lambda s=s: s.connect_ex(str(daemon.control)) == 0)  # the queue may be full
    # Sixteen, and the one that is turned away in this moment: it is accepted, and closed.
    assert len(os.listdir(f"/proc/{pid}/fd")) <= before + 17
    for s in clients:
        s.close()
    assert eventually(lambda: daemon.call("status").returncode in (0, 1))
    assert eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before)


def test_what_others_send(daemon: Daemon) -> None:
    """A file descriptor that comes along is nobody's."""
    daemon.start()
    pid = int(daemon.status()["pid"])
    before = len(os.listdir(f"/proc/{pid}/fd"))
    with dial(daemon) as s, open("/dev/null", "rb") as file:
        socket.send_fds(s, [b'{"verb": "status"}\n'], [file.fileno()] * 100)
        while s.recv(65536):
            pass
    assert eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) == before)


def test_an_unknown_user_may_not_connect(daemon: Daemon) -> None:
    daemon.start()
    daemon.open_to_others()
    done = daemon.call("status", enter=NOBODY)
    assert done.returncode == 3 and "Permission denied" in done.stderr
    os.chown(daemon.control, 0, 65534)  # as the group `quaywall` has it
    assert daemon.call("status", enter=NOBODY).returncode in (0, 1)
    done = daemon.call("reload", enter=NOBODY)
    assert (done.returncode, done.stderr) == (3, "quaywall: only root may do that\n")


def test_root_of_a_namespace_is_not_root(daemon: Daemon) -> None:
    daemon.start()
    os.chmod(daemon.control, 0o666)
    daemon.open_to_others()
    done = daemon.call("flush", enter=(*NOBODY, "unshare", "--user", "--map-root-user", "--"))
    assert (done.returncode, done.stderr) == (3, "quaywall: only root may do that\n")
    assert "chain forward" in daemon.table()
