"""What an administrator who comes by a container would lose: he is told, and gets it back."""

import json
import signal
from typing import Callable

import pytest

from bed import Ask, Container, Quaywall, eventually
from bed.probe import Held
from checks import Bed, arrive, hold

Make = Callable[..., Quaywall]

EDGE = """policy: edge
for: {service: jump}
isolate: []
publish:
  - {to: {service: jump}, port: 2222, from: FROM}
"""
OPEN, NARROW = EDGE.replace("FROM", "any"), EDGE.replace("FROM", "198.51.100.0/24")
REFUSED = "no publish rule names it (edge.yaml:1)"


def jump_host(bed: Bed) -> Container:
    """Port 22 of a container, by the host's port 2222."""
    bed.engine.network("front", "172.30.1.0/24", "fd00:1::/64")
    return bed.engine.run("shop-jump-1", "front", ["tcp:22"], ["2222:22"], service="shop/jump")


def test_administrators_session(
    clean: Bed, quaywall: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    jump = jump_host(clean)
    lan = clean.lan
    ask = Ask(lan, lan.host4, "tcp", 2222, source=lan.addr4)
    arrive(ask)
    q = quaywall(clean, watch=False)
    q.policy("edge", OPEN)
    q.start()
    session = Held(lan, lan.host4, 2222, source=lan.addr4)
    try:
        assert session.up
        assert json.loads(q.verb("--json", "plan"))["warnings"] == []

        q.policy("edge", NARROW)
        done = q.call("plan")
        assert done.returncode == 1
        told = f"warning: the SSH session from {lan.addr4}:"
        assert done.stderr.startswith(told), done.stderr
        assert "to shop/jump (shop-jump-1), 22/tcp by the host's port 2222, does not" in done.stderr
        assert REFUSED in done.stderr
        (warning,) = json.loads(q.verb("--json", "plan", code=1))["warnings"]
        assert warning in done.stderr
        assert warning in json.loads(q.verb("--json", "validate"))["warnings"]

        # the shell of that very session, in the container
        port = warning.split(":")[1].split(" ")[0]
        monkeypatch.setenv("SSH_CONNECTION", f"{lan.addr4} {port} {jump.addr(4, 'front')} 22")
        assert q.call("plan").stderr.startswith("warning: your SSH session from ")
        # one that conntrack does not know
        monkeypatch.setenv("SSH_CONNECTION", f"{lan.addr4} 9 {jump.addr(4, 'front')} 22")
        assert f"your SSH session from {lan.addr4}:9 to shop/jump" in q.call("plan").stderr
        # the host's own sshd is no container's
        monkeypatch.setenv("SSH_CONNECTION", f"{lan.addr4} 9 {lan.host4} 22")
        assert "your SSH session" not in q.call("plan").stderr

        done = q.call("reload", "--confirm", "8s")
        assert done.returncode == 0 and "the SSH session from" in done.stderr
        assert "on trial until" in done.stdout
        assert session.breaks(within=8)
        hold([], [ask])
    finally:
        session.close()
    eventually(ask, "ok", within=20)
    assert json.loads(q.verb("--json", "status", code=1))["confirm"]["state"] == "over"


def test_confirmed_and_killed(clean: Bed, quaywall: Make) -> None:
    """Whatever happens to the daemon: the packets are judged by what was confirmed."""
    jump_host(clean)
    lan = clean.lan
    asks = [
        Ask(lan, lan.host4, "tcp", 2222, source=lan.addr4),
        Ask(lan, lan.vpn_host4, "tcp", 2222, source=lan.vpn4),
    ]
    q = quaywall(clean, watch=False)
    q.policy("edge", OPEN)
    q.start()
    hold(asks)
    q.policy("edge", NARROW)
    q.verb("reload", "--confirm", "10m")
    hold(asks[1:], asks[:1])
    q.stop(signal.SIGKILL)
    hold(asks[1:], asks[:1])
    q.start()
    hold(asks[1:], asks[:1])
    q.verb("confirm")
    q.stop(signal.SIGKILL)
    q.start()
    hold(asks[1:], asks[:1])
    q.policy("edge", OPEN)
    q.verb("reload", "--confirm", "1s")
    q.stop(signal.SIGKILL)
    q.start(wait=False)
    eventually(asks[0], "no", within=20)
    hold(asks[1:], asks[:1])
