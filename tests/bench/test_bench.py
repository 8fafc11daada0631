"""Every benchmark still works, in small: the packets arrive, and what is counted adds up."""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator

import pytest

HERE = Path(__file__).resolve().parent
NAMES = ["refused", "flows", "update", "instructions", "reaction", "load", "start", "memory", "soak", "idle"]
NAMES += ["elements", "churn", "dip", "storm", "flatness", "surcharge", "flood", "bridged", "established", "new"]
AT_ONCE = 3  # they wait more than they work, and no time is held against anything
Runs = dict[str, Future[list[dict[str, Any]]]]


def run(name: str) -> list[dict[str, Any]]:
    # Not the sanitizers' build, where there is another.
    build = os.environ.get("QUAYWALL_PLAIN") or os.environ["QUAYWALL_BUILD"]
    with tempfile.NamedTemporaryFile(prefix="quaywall-bench.") as out:
        done = subprocess.run(
            [sys.executable, HERE / "bench.py", "--smoke", "--json", out.name, name],
            env=os.environ | {"QUAYWALL_BUILD": build},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: list[dict[str, Any]] = json.loads(Path(out.name).read_text(encoding="utf-8"))["figures"]
        return found


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    names = [i.callspec.params["name"] for i in request.session.items if i.path == Path(__file__) and hasattr(i, "callspec")]
    pool = ThreadPoolExecutor(AT_ONCE)
    yield {name: pool.submit(run, name) for name in names}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", NAMES)
def test_smoke(name: str, runs: Runs) -> None:
    figures = runs[name].result()
    assert figures and all(f["rounds"] for f in figures)


def test_all_are_smoked() -> None:
    text = subprocess.run(
        [sys.executable, HERE / "bench.py", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert f"of {', '.join(NAMES)};" in " ".join(text.split())
