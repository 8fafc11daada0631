"""The service's unit, as far as it can be judged without running it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "contrib" / "quaywall.service"
AT_MOST = 2.0


def test_exposure() -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ignoring" not in done.stderr, done.stderr
    found = re.search(r"Overall exposure level for quaywall.service: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found.group(1)) <= AT_MOST, done.stdout


def test_what_the_design_asks_for() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    for line in ("Before=docker.service", "Restart=always", "RuntimeDirectory=quaywall"):
        assert line in lines
    assert any(re.fullmatch(r"WatchdogSec=\d+s", line) for line in lines)
