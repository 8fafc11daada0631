"""Wrong arguments: exit code and message, exactly, of tests/errors/arguments.txt."""

import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from program import Program

TABLE = Path(__file__).resolve().parent.parent / "errors" / "arguments.txt"


class Case(NamedTuple):
    command: str
    code: int
    message: str


def cases() -> list[Case]:
    found: list[Case] = []
    command = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("$ quaywall"):
            command = line.removeprefix("$ quaywall").strip()
        elif line and not line.startswith("#"):
            code, message = line.split(" ", 1)
            found.append(Case(command, int(code), message))
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.command or "nothing")
def test_wrong_arguments(program: Program, case: Case) -> None:
    empty = program.folder / "empty"
    empty.mkdir()
    words = {"$SNAPSHOT": program.snapshot, "$POLICIES": program.policies, "$EMPTY": empty}
    argv = [str(words.get(word, word)) for word in shlex.split(case.command)]
    done = program.call(*argv)
    assert done.stderr == case.message + "\n"
    assert done.returncode == case.code
    assert done.stdout == ""
