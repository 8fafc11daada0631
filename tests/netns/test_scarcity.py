"""What the daemon needs runs short, the kernel refuses, others write at the same time, the clock jumps: the rules
stay what they were, the daemon says so, does not spin, and goes on when it can.

QUAYWALL_REFUSALS is how many messages of the first transaction are refused (8, and the last dozen; 0: each)."""

import errno
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from place import POLICY, Daemon, eventually
from shim import ALWAYS, BATCH, RECEIVED, Action, Shim

NETLINK_NETFILTER = 12
REFUSALS = int(os.environ.get("QUAYWALL_REFUSALS", "8"))
TIGHTER = POLICY.replace("5432, 5433", "5433")
WEB_TO_DB = ("shop/web", "shop/db", "5432")


@pytest.fixture
def shim(daemon: Daemon) -> Iterator[Shim]:
    made = Shim(daemon)
    try:
        yield made
    finally:
        daemon.close()
        made.close()


def limit(process: "subprocess.Popen[bytes]", what: str) -> None:
    subprocess.run(["prlimit", "--pid", str(process.pid), what], check=True)


def cpu(process: "subprocess.Popen[bytes]") -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- descriptors ----


def test_no_descriptors_at_the_start(daemon: Daemon) -> None:
    """It starts or says why not; the rules of the last run stay."""
    daemon.stop(daemon.start(), signal.SIGKILL)
    before = daemon.rules()
    started = 0
    for most in (4, 5, 6, 7, 8, 10, 12, 14, 16, 20):
        daemon.log.write_text("", encoding="utf-8")
        argv = ["run", "--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
        with open(daemon.log, "ab") as log:
            process = subprocess.Popen(
                daemon.argv(*argv, enter=("prlimit", f"--nofile={most}:1024", "--")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        daemon.processes.append(process)
        assert eventually(lambda: process.poll() is not None or daemon.state() == "enforcing", 20)
        if process.poll() is None:
            started += 1
        else:
            assert process.returncode in (2, 3, 127), most
            assert daemon.log_text(), most
        daemon.stop(process, signal.SIGKILL)
        assert daemon.rules() == before, most
    assert started


def test_no_descriptors_while_it_runs(daemon: Daemon) -> None:
    path = daemon.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        process = daemon.start(env={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"})
        before = daemon.rules()
        used_up = len(os.listdir(f"/proc/{process.pid}/fd"))
        limit(process, f"--nofile={used_up}:1024")
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(str(daemon.control))
            used = cpu(process)
            daemon.policy(TIGHTER)
            assert eventually(lambda: "Too many open files" in daemon.log_text())
            manager.setblocking(False)
            try:
                while manager.recv(500):
                    pass
            except BlockingIOError:
                manager.settimeout(20)
            while b"WATCHDOG=1" not in manager.recv(500):
                pass
            time.sleep(3)
            assert cpu(process) - used < 1
            assert daemon.rules() == before
        limit(process, "--nofile=1024:1024")
        assert eventually(lambda: not daemon.allows(*WEB_TO_DB), 20)
        assert daemon.call("status").returncode == 0


# ---- memory and disk ----


def unsanitized(daemon: Daemon) -> None:
    """A sanitizer takes terabytes of address space before anything begins."""
    daemon.binary = Path(os.environ.get("QUAYWALL_PLAIN", daemon.binary.parent)) / "quaywall"
    if b"__asan_init" in daemon.binary.read_bytes():
        pytest.skip("takes a build without sanitizers: QUAYWALL_PLAIN")


def test_no_memory(daemon: Daemon) -> None:
    """It aborts, wherever it is then; the next start takes over."""
    unsanitized(daemon)
    process = daemon.start()
    before = daemon.rules()
    size = int(re.findall(r"VmSize:\s*(\d+)", Path(f"/proc/{process.pid}/status").read_text())[0])
    limit(process, f"--as={(size + 200) * 1024}:unlimited")
    long = ", ".join(f"10.{i >> 8}.{i & 255}.0/25" for i in range(40000))
    daemon.policy(POLICY + f"  - {{from: {{cidr: [{long}]}}, to: {{service: db}}}}\n")
    assert process.wait(timeout=60) == -signal.SIGABRT
    daemon.processes.remove(process)
    assert daemon.rules() == before
    daemon.policy(TIGHTER)
    for more in (0, 500, 2000, 5000):
        argv = ["run", "--once", "--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
        done = daemon.call(*argv, enter=("prlimit", f"--as={(size // 4 + more) * 1024}", "--"))
        assert done.returncode == 0 or daemon.rules() == before
    daemon.start()
    assert not daemon.allows(*WEB_TO_DB)


def test_a_full_disk(daemon: Daemon) -> None:
    """What is logged is lost, nothing else is."""
    argv = ["run", "--debug", "--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(
            daemon.argv(*argv), stdin=subprocess.DEVNULL, stdout=full, stderr=full
        )
        daemon.processes.append(process)
        assert eventually(lambda: daemon.state() == "enforcing")
        daemon.policy(TIGHTER)
        assert eventually(lambda: not daemon.allows(*WEB_TO_DB))
        done = subprocess.run(daemon.argv("status"), stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 3 and b"No space left" in done.stderr
    before = daemon.rules()
    daemon.stop(process, signal.SIGKILL)
    fill = "mount -t tmpfs -o size=4k,nr_inodes=2 none $0 && : >$0/one; exec \"$@\""
    run = daemon.folder / "run"
    run.mkdir()
    daemon.control = run / "control"
    done = daemon.call(*argv, enter=("unshare", "--mount", "sh", "-c", fill, str(run)))
    assert done.returncode == 2 and "No space left on device" in done.stderr
    assert daemon.rules() == before


# ---- netlink ----


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EINTR, errno.EIO])
def test_a_transaction_that_cannot_be_sent(daemon: Daemon, shim: Shim, code: int) -> None:
    daemon.start(env=shim.env)
    before = daemon.rules()
    shim.arm(BATCH, 1, Action.FAIL, code, ALWAYS)
    daemon.policy(TIGHTER)
    assert eventually(lambda: shim.fired > 0)
    assert eventually(lambda: daemon.call("status").returncode == 1)
    assert daemon.rules() == before
    assert os.strerror(code) in daemon.log_text()
    shim.disarm()
    assert eventually(lambda: daemon.call("status").returncode == 0, 20)
    assert not daemon.allows(*WEB_TO_DB)


def test_answers_that_are_lost(daemon: Daemon, shim: Shim) -> None:
    """ENOBUFS, at each one of a change and at every so-manieth of a start. Whether a transaction was taken is not
    known then: it is not sent again as it is."""
    daemon.start(env=shim.env)
    loose = daemon.rules()
    for number in range(1, 8):
        shim.arm(RECEIVED, number, Action.FAIL)
        daemon.policy(TIGHTER if number % 2 else POLICY)
        daemon.call("reload")
        assert eventually(lambda: daemon.allows(*WEB_TO_DB) != number % 2, 20), number
        assert eventually(lambda: daemon.call("status").returncode == 0, 20), number
        assert (daemon.rules() == loose) != number % 2
    shim.disarm()
    tight = daemon.rules()
    assert "no-policies" not in daemon.log_text()
    for number in (1, 2, 4, 8, 20, 60, 120):
        daemon.stop(daemon.processes[0], signal.SIGKILL)
        shim.arm(RECEIVED, number, Action.FAIL)
        daemon.start(wait_for="", env=shim.env)
        if daemon.processes[0].poll() is None:
            eventually(lambda: daemon.state() == "enforcing", 3)
        assert daemon.rules() == tight, number
    shim.disarm()


def test_messages_that_are_refused_are_named(daemon: Daemon, shim: Shim) -> None:
    """Whichever the kernel refuses, nothing of the transaction is in force, and the policy's line is told."""
    argv = ["run", "--once", "--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
    enter = ("env", *(f"{k}={v}" for k, v in shim.env.items()))
    assert daemon.call(*argv, enter=enter).returncode == 0
    both = shim.messages
    daemon.verb("flush")
    # Where the bridge table is refused, the inet table is tried alone, and then it alone.
    shim.arm(BATCH, 1, Action.REFUSE, both - 2, times=2)
    assert daemon.call(*argv, enter=enter).returncode == 0
    messages = both - shim.messages
    daemon.verb("flush")
    step = max(1, messages // REFUSALS) if REFUSALS else 1
    numbers = [*range(1, messages - 12, step), *range(messages - 12, messages + 1)]
    said = []
    for number in numbers:
        shim.arm(BATCH, 1, Action.REFUSE, number, times=2)
        done = daemon.call(*argv, enter=enter)
        assert shim.fired == 2, number
        said.append(done.stderr)
        assert done.returncode == 3 and "the kernel refuses " in done.stderr, (number, done.stderr)
        assert daemon.table() + daemon.table("bridge") == "", number
    shim.disarm()
    lines = {n for text in said for n in re.findall(r"\(shop\.yaml:(\d+)", text)}
    print(f"{len(numbers)} of {messages} messages refused; lines named: {lines}")
    assert "4" in lines
    assert daemon.table() == ""


WRITER = """
while :; do
    nft add table inet other 2>/dev/null
    nft 'add chain inet other c; flush chain inet other c; add rule inet other c accept' 2>/dev/null
    $1
done
"""


def write(daemon: Daemon, what: str) -> "subprocess.Popen[bytes]":
    script = WRITER.replace("$1", what)
    return subprocess.Popen(
        daemon.space.argv("timeout", "60", "sh", "-c", script),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_others_write_all_the_while(daemon: Daemon, shim: Shim) -> None:
    """To the same table, too, where nobody owns it: on a kernel that knows no owners, which the shim plays."""
    shim.arm(BATCH, 1, Action.FAIL, errno.EOPNOTSUPP)
    daemon.start(env=shim.env)
    shim.disarm()
    assert daemon.status()["kernel"]["owner"] is False
    loose = daemon.rules()
    writer = write(
        daemon,
        """nft flush chain inet quaywall forward; nft add rule inet quaywall input accept
        nft delete table inet quaywall; nft delete table bridge quaywall""",
    )
    try:
        for number in range(20):
            daemon.policy(TIGHTER if number % 2 else POLICY)
            daemon.call("reload")
        daemon.stop(daemon.processes[0], signal.SIGKILL)
        daemon.start(wait_for="")
        time.sleep(1)
    finally:
        os.killpg(writer.pid, signal.SIGKILL)
        writer.wait()
    daemon.policy(POLICY)
    assert eventually(lambda: daemon.call("status").returncode == 0, 20), daemon.log_text()
    assert eventually(lambda: daemon.rules() == loose)
    assert daemon.offline("plan") == "nothing to change\n"


def flood(daemon: Daemon) -> set[int]:
    """More changes than its sockets have room for. Returns on which buses some were lost."""
    batch = daemon.folder / "batch"
    one = "addr add 198.18.0.1/32 dev lo\naddr del 198.18.0.1/32 dev lo\n"
    batch.write_text(one * 15000, encoding="ascii")
    daemon.space.run("ip", "-batch", str(batch))
    elements = ",".join(f"10.0.{i >> 8}.{i & 255}" for i in range(8000))
    text = f"table inet flood {{\nset s {{\ntype ipv4_addr\nelements = {{ {elements} }}\n}}\n}}\n"
    batch.write_text(text, encoding="ascii")
    for _ in range(5):
        daemon.space.run("nft", "-f", str(batch))
        daemon.space.run("nft", "delete", "table", "inet", "flood")
    lines = daemon.space.run("cat", "/proc/net/netlink").splitlines()[1:]
    return {int(line.split()[1]) for line in lines if line.split()[8] != "0"}


def test_stopped_for_a_while(daemon: Daemon) -> None:
    """More happens than its sockets have room for. It goes on where it is now."""
    process = daemon.start()
    process.send_signal(signal.SIGSTOP)
    try:
        lost = flood(daemon)
        daemon.policy(TIGHTER)
        time.sleep(1)
    finally:
        process.send_signal(signal.SIGCONT)
    assert lost >= {socket.NETLINK_ROUTE, NETLINK_NETFILTER}
    assert eventually(lambda: not daemon.allows(*WEB_TO_DB), 20)
    assert daemon.call("status").returncode == 0
    daemon.space.bridge("br-new", "172.29.0.1/16")
    files = ["--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
    assert eventually(lambda: daemon.call("plan", *files).returncode == 0)


# ---- the clock ----


def test_a_clock_that_jumps(daemon: Daemon, shim: Shim) -> None:
    """Nothing waits for it: neither for a time that is long over nor for one that never comes."""
    year = 365 * 86400
    shim.set_clock(1 - int(time.time()))
    process = daemon.start(env=shim.env)
    assert daemon.status()["started"].startswith("1970-01-01T00:00")
    for number, ahead in enumerate((0, 30 * year, -40 * year, 60)):
        shim.set_clock(ahead)
        used = cpu(process)
        daemon.policy(TIGHTER if number % 2 == 0 else POLICY)
        assert eventually(lambda: daemon.allows(*WEB_TO_DB) == (number % 2 != 0), 20)
        time.sleep(0.5)
        assert cpu(process) - used < 1
    assert daemon.call("status").returncode == 0
