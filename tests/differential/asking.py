"""Asks the program's evaluator (verdicts.c) and the naive one the same flows."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import naive
from generate import Case, Json
from netspace import Namespace

ROOT = Path(__file__).resolve().parents[2]


def build_path() -> Path:
    return Path(os.environ.get("QUAYWALL_BUILD", ROOT / "build"))


def run_verdicts(case: Case, options: list[str], text: str) -> str:
    program = build_path() / "tests" / "differential" / "verdicts"
    with tempfile.TemporaryDirectory() as folder:
        case.write(Path(folder))
        arguments = ["snapshot.json", "policies", "settings.yaml"]
        run = subprocess.run(
            [program, *options, *arguments], input=text, capture_output=True, text=True, cwd=folder, timeout=120
        )
    if run.returncode != 0:
        raise RuntimeError(f"seed {case.seed}: verdicts ends with {run.returncode}: {run.stderr}")
    return run.stdout


def ask_program(case: Case, flows: list[Json]) -> list[Json]:
    answers = run_verdicts(case, [], "".join(json.dumps(flow) + "\n" for flow in flows))
    return [json.loads(line) for line in answers.splitlines()]


def compiled_ruleset(case: Case) -> str:
    return run_verdicts(case, ["--ruleset"], "")


def apply_once(case: Case, space: Namespace) -> None:
    """The program's own way into the kernel: `run --once` in a namespace."""
    with tempfile.TemporaryDirectory() as folder:
        case.write(Path(folder))
        files = ["--config", "settings.yaml", "--policies", "policies", "--control", "none.sock"]
        program = str(build_path() / "quaywall")
        space.run([program, *files, "run", "--once", "--snapshot", "snapshot.json"], folder=folder)


def ask_naive(case: Case, flows: list[Json]) -> list[Json]:
    evaluator = naive.make_evaluator(case.snapshot, case.policies, case.settings)
    return [naive.verdict_to_json(evaluator.judge(evaluator.flow_from_json(f))) for f in flows]


def is_enforcing(case: Case) -> bool:
    """Whether something that enforces can refuse anything."""
    evaluator = naive.make_evaluator(case.snapshot, case.policies, case.settings)
    return evaluator.can_refuse(lambda mode: mode == "enforce")


def verdicts_of(answer: Json) -> tuple[Any, Any, Any]:
    return answer["verdict"], answer["egress"]["verdict"], answer["ingress"]["verdict"]
