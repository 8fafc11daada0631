"""The shipped examples: their own tests hold in the world that is invented from them, without a warning."""

import json
import os
import subprocess
from pathlib import Path

import pytest

POLICIES = Path(__file__).resolve().parents[2] / "policies"
NO_ENGINE = "unix:///nonexistent/docker.sock"


def validate(*argv: str | Path) -> dict:
    program = Path(os.environ["QUAYWALL_BUILD"]) / "quaywall"
    done = subprocess.run(
        [program, "--json", "--docker", NO_ENGINE, *argv], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout)


def check(answer: dict) -> None:
    assert answer["problems"] == []
    assert answer["valid"] and answer["world"] == "invented"
    assert answer["expectations"]["held"] >= 5 and answer["expectations"]["failed"] == 0


def test_there_are_examples() -> None:
    assert len(list(POLICIES.glob("*.yaml"))) >= 6


@pytest.mark.parametrize("example", sorted(POLICIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_example(example: Path) -> None:
    check(validate("validate", example))


@pytest.mark.parametrize("settings", sorted(POLICIES.glob("*/quaywall.yaml")), ids=lambda path: path.parent.name)
def test_example_with_settings(settings: Path) -> None:
    check(validate("--config", settings, "validate"))
