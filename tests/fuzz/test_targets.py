"""Each fuzzer for a while, from its seeds, what once crashed among them. QUAYWALL_FUZZ is the build folder that
holds them (see meson.build), QUAYWALL_FUZZ_SECONDS how long: 30 unless said."""

import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TARGETS = sorted(path.name.removesuffix("_fuzz.c") for path in HERE.glob("*_fuzz.c"))
SECONDS = int(os.environ.get("QUAYWALL_FUZZ_SECONDS", "30"))
DICTIONARIES = {"policy": "policy.dict", "settings": "policy.dict"}


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found(target: str, tmp_path: Path) -> None:
    build = os.environ.get("QUAYWALL_FUZZ")
    if not build:
        pytest.skip("QUAYWALL_FUZZ is not set: no fuzzers were built")
    corpus = tmp_path / "corpus"
    subprocess.run([HERE / "seeds", target, corpus], check=True)
    argv = [
        f"{build}/tests/fuzz/{target}_fuzz",
        f"-max_total_time={SECONDS}",
        "-timeout=100",
        "-print_final_stats=1",
        f"-artifact_prefix={tmp_path}/",
    ]
    if target in DICTIONARIES:
        argv.append(f"-dict={HERE / DICTIONARIES[target]}")
    done = subprocess.run(
        [*argv, str(corpus)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS + 300,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-6000:]
    found = re.search(r"number_of_executed_units: (\d+)", said)
    assert found and int(found.group(1)) > 0, said[-2000:]
