"""The group `logging`."""

from typing import Any

import pytest

from check_posture import Change, both, container, dockerd, engine, found, judge, without
from program import Program

NONE = ("logging-none", "web", "low")
NONE_HERE = ("logging-none", "host", "medium")
GROWS = ("logging-unbounded", "web", "low")
GROWS_HERE = ("logging-unbounded", "host", "low")


def driver(name: str, size: Any = None) -> Change:
    return container(log_driver=name, log_max_size=size)


@pytest.mark.parametrize(
    "change, wanted",
    [
        (container(), set()),
        (driver("local"), set()),
        (driver("journald"), set()),
        (driver("none"), {NONE}),
        (both(driver("none"), container(state="exited")), set()),
        (both(driver("none"), engine(logging_driver="none")), {NONE_HERE}),
        (both(driver("local"), engine(logging_driver="none")), {NONE_HERE}),
        # The engine's options were set later.
        (driver("json-file"), {GROWS}),
        (driver("json-file", "-1"), {GROWS}),
        (driver("json-file", ""), {GROWS}),
        (both(driver("json-file"), engine(logging_driver="local")), {GROWS}),
        (both(driver("json-file"), dockerd(config={})), {GROWS_HERE}),
        (dockerd(config={}), {GROWS_HERE}),
        (both(driver("local"), dockerd(config={"log-max-size": "-1"})), {GROWS_HERE}),
        (both(driver("json-file"), dockerd(config={}), engine(logging_driver="local")), {GROWS}),
        (dockerd(config={}, flags={"log-max-size": ["10m"]}), set()),
        (both(dockerd(config={}), engine(logging_driver="local")), set()),
    ],
)
def test_logging(program: Program, change: Change, wanted: set[tuple[str, str, str]]) -> None:
    assert found(program, "logging", change) == wanted


@pytest.mark.parametrize(
    "change, told, why",
    [
        (
            both(driver("json-file"), lambda p: p.update(host=None)), {"logging-unbounded"},
            "whether json-file, the engine's default, rotates: the engine's options were not read",
        ),
        (
            without("containers", "log_driver"), set(),
            "the log driver of the engine or of some container is not in the posture",
        ),
        (
            without("engine", "logging_driver"), set(),
            "the log driver of the engine or of some container is not in the posture",
        ),
        (lambda p: p.update(containers=None), set(), "containers: the posture has none"),
    ],
)  # fmt: skip
def test_gaps(program: Program, change: Change, told: set[str], why: str) -> None:
    report = judge(program, "logging", change)
    assert {f["id"] for f in report["findings"]} == told
    assert [g["why"] for g in report["not_checked"]] == [why]
