"""Whose SSH session would end: by SSH_CONNECTION, wherever it is to be found."""

import json

import pytest

from place import POLICY, Daemon

# The shell of a session with web, by the host's port 8080; no `publish` rule names it.
SESSION = "198.51.100.9 40000 172.18.0.3 80"
WARNING = (
    "your SSH session from 198.51.100.9:40000 to shop/web (shop-web-1), 80/tcp by the host's port 8080, "
    "does not survive these policies: "
)
PLAIN = ("env", "-u", "SSH_CONNECTION", "--")
SHELL = (*PLAIN, "env", f"SSH_CONNECTION={SESSION}", "sh", "-c")
WAYS = {
    "its own": (*PLAIN, "env", f"SSH_CONNECTION={SESSION}"),
    "sudo's": (*SHELL, 'env -u SSH_CONNECTION "$@"; exit $?', "sh"),
    "su's, and a shell": (*SHELL, 'env -i PATH="$PATH" sh -c \'"$@"; exit $?\' sh "$@"; exit $?', "sh"),
}


@pytest.mark.parametrize("way", WAYS)
def test_plan_warns(daemon: Daemon, way: str) -> None:
    files = ["--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
    done = daemon.call("plan", *files, enter=WAYS[way])
    assert done.returncode == 1
    assert done.stderr.startswith(f"warning: {WARNING}") and "(shop.yaml:1)" in done.stderr
    assert "warning" not in done.stdout
    found = json.loads(daemon.call("plan", "--json", *files, enter=WAYS[way]).stdout)
    assert found["warnings"][0].startswith(WARNING)
    daemon.policy(POLICY + "publish:\n  - {to: {service: web}, port: 8080, from: 198.51.100.9}\n")
    assert daemon.call("plan", *files, enter=WAYS[way]).stderr == ""


def test_without_a_session(daemon: Daemon) -> None:
    files = ["--policies", str(daemon.policies), "--snapshot", str(daemon.snapshot)]
    done = daemon.call("plan", *files, enter=("env", "SSH_CONNECTION=nonsense"))
    assert (done.returncode, done.stderr) == (1, "")


def test_the_daemon_warns(daemon: Daemon) -> None:
    """By `reload`, and by `plan` for those who may not read the kernel's tables."""
    daemon.start()
    done = daemon.call("reload", enter=WAYS["sudo's"])
    assert done.returncode == 0 and done.stderr.startswith(f"warning: {WARNING}")
    for verb in ("plan", "reload"):
        answer = json.loads(daemon.ask(json.dumps({"verb": verb, "session": SESSION}).encode() + b"\n"))
        assert answer["result"]["warnings"][0].startswith(WARNING)
        for other in (None, 7, "nonsense", "x" * 5000):
            asked = json.dumps({"verb": verb, "session": other}).encode()
            assert json.loads(daemon.ask(asked + b"\n"))["result"]["warnings"] == []
