"""Every benchmark still works, in small: the packets arrive, and what is counted adds up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NAMES = ["refused", "flows", "update", "instructions", "reaction", "load", "start", "memory", "soak", "idle", "elements", "churn", "storm"]
NAMES += ["flatness", "surcharge", "flood", "bridged", "established", "new"]


@pytest.mark.parametrize("name", NAMES)
def test_smoke(name: str, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    # Not the sanitizers' build, where there is another.
    build = os.environ.get("QUAYWALL_PLAIN") or os.environ["QUAYWALL_BUILD"]
    done = subprocess.run(
        [sys.executable, HERE / "bench.py", "--smoke", "--json", out, name],
        env=os.environ | {"QUAYWALL_BUILD": build},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures and all(f["rounds"] for f in figures)


def test_all_are_smoked() -> None:
    text = subprocess.run(
        [sys.executable, HERE / "bench.py", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert f"of {', '.join(NAMES)};" in " ".join(text.split())
