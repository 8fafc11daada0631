"""The conventions of the code that a machine can check: who may include whom (the rooms of the
architecture), banned functions, close-on-exec at birth, sizes, formatting.

    conventions.py [--require-format] [ROOT]     a line per finding; exit 1 if there is one
    conventions.py --self-test                   sees that each kind of violation is found
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

CLANG_FORMAT = 14  # every version formats differently; this is Debian 12's
MAX_LINES = 600

BASE = {"addr", "buf", "certificate", "error", "mem", "netlink", "protocol", "utf8"}
# Room -> the doors that it may include beside base's and its own.
MAY_INCLUDE = {
    "base": set(),
    "model": set(),
    "ruleset": set(),
    "policy": set(),
    "docker": {"model"},
    "host": {"model"},
    "flow": {"model"},
    "compile": {"model", "policy", "ruleset"},
    "nft": {"ruleset"},
    "check": {"model", "policy", "compile", "learn"},
    "sandbox": set(),
    "learn": {"model", "policy", "compile"},
    "alert": {"model", "policy", "compile"},
    "metrics": set(),
}
EVERY_DOOR = {"reconcile", "cli", "main"}
# Rooms return errors; only these log.
MAY_LOG = EVERY_DOOR | {"base"}

BANNED = (
    "atoi atol atoll strcpy strcat sprintf vsprintf strtok strtok_r alloca system popen".split()
)
# What makes a file descriptor -> what its arguments must hold. None: there is a call that can say it.
CLOSE_ON_EXEC: dict[str, Optional[str]] = {
    "open": "O_CLOEXEC",
    "openat": "O_CLOEXEC",
    "mkostemp": "O_CLOEXEC",
    "pipe2": "O_CLOEXEC",
    "dup3": "O_CLOEXEC",
    "socket": "SOCK_CLOEXEC",
    "socketpair": "SOCK_CLOEXEC",
    "accept4": "SOCK_CLOEXEC",
    "mnl_socket_open2": "SOCK_CLOEXEC",
    "eventfd": "EFD_CLOEXEC",
    "epoll_create1": "EPOLL_CLOEXEC",
    "timerfd_create": "TFD_CLOEXEC",
    "signalfd": "SFD_CLOEXEC",
    "inotify_init1": "IN_CLOEXEC",
    "memfd_create": "MFD_CLOEXEC",
    "pipe": None,
    "dup": None,
    "dup2": None,
    "accept": None,
    "creat": None,
    "mkstemp": None,
    "mnl_socket_open": None,
    "epoll_create": None,
    "inotify_init": None,
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)
TOKEN = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL
)


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Source:
    path: str  # below the root
    text: str
    code: str  # without comments and the insides of literals, every line in its place

    @property
    def room(self) -> str:
        """The room that a file belongs to; a door belongs to the room that it is named after."""
        parts = Path(self.path).parts
        if parts[0] == "include":
            return "base" if self.stem in BASE | {"log"} else self.stem
        return parts[1] if len(parts) > 2 else self.stem

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    def line_of(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1

    def finding(self, position: int, text: str) -> Finding:
        return Finding(self.path, self.line_of(position), text)


def blank(token: re.Match[str]) -> str:
    """As long as the token and with its line breaks, so that positions stay; literals keep their quotes."""
    text = token.group()
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[-1]
    return re.sub(r"[^\n]", " ", text)


def read_source(root: Path, path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(str(path.relative_to(root)), text, TOKEN.sub(blank, text))


def sources(root: Path) -> list[Source]:
    found = []
    for top in ("controller", "include", "tests"):
        for path in sorted((root / top).rglob("*.[ch]")):
            found.append(read_source(root, path))
    return found


# ---- includes ----


def check_door(source: Source, door: str) -> Optional[str]:
    room = source.room
    if door == "log":
        return None if room in MAY_LOG else f"the room {room} may not log: it returns errors"
    if room in EVERY_DOOR or door in BASE or door == room:
        return None
    if door not in MAY_INCLUDE.get(room, set()):
        return f"the room {room} may not include quaywall/{door}.h"
    return None


def check_private(root: Path, source: Source, name: str) -> Optional[str]:
    folder = (root / source.path).parent
    if "/" in name or not (folder / name).is_file():
        return f'"{name}" is no header beside this file: private headers stay in their room'
    return None


def check_includes(root: Path, source: Source) -> Iterator[Finding]:
    """Tests may include what they like."""
    if source.path.startswith("tests/"):
        return
    includes = list(INCLUDE.finditer(source.text))
    for include in includes:
        quoted, name = include.group(1) == '"', include.group(2)
        wrong = None
        if name.startswith("quaywall/"):
            wrong = check_door(source, Path(name).stem)
        elif quoted and source.path.startswith("include/"):
            wrong = f'a door may not include the private "{name}"'
        elif quoted:
            wrong = check_private(root, source, name)
        if wrong:
            yield source.finding(include.start(), wrong)
    if source.path.endswith(".c") and includes and includes[0].group(1) != '"':
        yield source.finding(includes[0].start(), "its own header does not come first")


# ---- calls ----


def calls(source: Source) -> Iterator[tuple[str, int, str]]:
    """Name, position and arguments (literals as they are) of all that looks like a call."""
    for call in re.finditer(r"(?<![\w.>])(\w+)\(", source.code):
        depth, end = 1, call.end()
        while depth > 0 and end < len(source.code):
            depth += {"(": 1, ")": -1}.get(source.code[end], 0)
            end += 1
        yield call.group(1), call.start(), source.text[call.end() : end - 1]


def check_banned(source: Source) -> Iterator[Finding]:
    for name, position, _ in calls(source):
        if name in BANNED:
            yield source.finding(position, f"{name}() is banned")


def check_close_on_exec(source: Source) -> Iterator[Finding]:
    if not source.path.startswith("controller/"):
        return
    for name, position, arguments in calls(source):
        if name in CLOSE_ON_EXEC:
            flag = CLOSE_ON_EXEC[name]
            if flag is None:
                yield source.finding(position, f"{name}() cannot close on exec")
            elif flag not in arguments:
                yield source.finding(position, f"{name}() without {flag}")
        elif name == "fopen" and not re.search(r'"[rwa][^"]*e[^"]*"\s*$', arguments):
            yield source.finding(position, "fopen() without the mode 'e' (close on exec)")
        elif name == "fcntl" and re.search(r"\bF_DUPFD\b", arguments):
            yield source.finding(position, "F_DUPFD instead of F_DUPFD_CLOEXEC")


# ---- shape ----


def check_shape(source: Source) -> Iterator[Finding]:
    lines = source.text.count("\n")
    if source.path.startswith("controller/") and lines > MAX_LINES:
        yield Finding(source.path, lines, f"{lines} lines: a file is split at {MAX_LINES}")
    if source.path.endswith(".h") and "#pragma once" not in source.text:
        yield Finding(source.path, 1, "a header without #pragma once")
    for typedef in re.finditer(r"\btypedef\s+(struct|union|enum)\b", source.code):
        yield source.finding(typedef.start(), f"a typedef of a {typedef.group(1)}")


def check_built(root: Path, source: Source) -> Iterator[Finding]:
    """A file that no meson.build names is neither compiled nor tested."""
    path = Path(source.path)
    if path.suffix != ".c" or path.name == "main.c":
        return
    if path.parts[0] != "controller" and path.parts[:2] != ("tests", "unit"):
        return
    build = root / path.parent / "meson.build"
    listed = build.read_text(encoding="utf-8") if build.is_file() else ""
    # Unit tests are listed without the end of their name that all share.
    names = (path.name, path.stem, path.stem.removesuffix("_test"))
    if not any(f"'{name}'" in listed for name in names):
        yield Finding(source.path, 1, f"not named in {path.parent}/meson.build")


# ---- formatting ----


def clang_format() -> Optional[str]:
    for name in (f"clang-format-{CLANG_FORMAT}", "clang-format"):
        program = shutil.which(name)
        if not program:
            continue
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        if re.search(rf"version {CLANG_FORMAT}\.", version.stdout):
            return program
    return None


def check_format(program: str, root: Path, found: list[Source]) -> list[Finding]:
    command = [program, "--dry-run", "-Werror", "--style=file", *(s.path for s in found)]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    lines = re.findall(r"^(.+?):(\d+):\d+: error:", run.stderr, re.MULTILINE)
    findings = {path: Finding(path, int(line), "not as clang-format has it") for path, line in
                reversed(lines)}
    if run.returncode != 0 and not findings:
        findings[""] = Finding("clang-format", 0, run.stderr.strip())
    return list(findings.values())


# ---- all of it ----


def check(root: Path, formatter: Optional[str]) -> list[Finding]:
    found = sources(root)
    findings: list[Finding] = []
    for source in found:
        findings += check_includes(root, source)
        findings += check_banned(source)
        findings += check_close_on_exec(source)
        findings += check_shape(source)
        findings += check_built(root, source)
    if formatter and found:
        findings += check_format(formatter, root, found)
    return sorted(findings)


# ---- self-test ----

HEADER = "#pragma once\n"

# A file, and what must be found in it; None: nothing.
CASES: list[tuple[str, str, Optional[str]]] = [
    ("controller/nft/a.c", '#include "quaywall/nft.h"\n\n#include "quaywall/ruleset.h"\n', None),
    ("controller/nft/a.c", '#include "quaywall/policy.h"\n', "nft may not include quaywall/policy.h"),
    ("controller/nft/a.c", "#include <quaywall/model.h>\n", "nft may not include quaywall/model.h"),
    ("controller/compile/a.c", '#include "quaywall/policy.h"\n', None),
    ("controller/compile/a.c", '#include "quaywall/docker.h"\n', "may not include quaywall/docker.h"),
    ("controller/policy/a.c", '#include "quaywall/model.h"\n', "may not include quaywall/model.h"),
    ("controller/base/a.c", '#include "quaywall/model.h"\n', "base may not include"),
    ("controller/cli/a.c", '#include "quaywall/nft.h"\n#include "quaywall/log.h"\n', None),
    ("controller/main.c", '#include "quaywall/cli.h"\n', None),
    ("controller/host/a.c", '#include "quaywall/log.h"\n', "host may not log"),
    ("controller/new/a.c", '#include "quaywall/model.h"\n', "new may not include"),
    ("include/quaywall/policy.h", HEADER + '#include "quaywall/model.h"\n', "policy may not include"),
    ("include/quaywall/compile.h", HEADER + '#include "quaywall/model.h"\n', None),
    ("include/quaywall/model.h", HEADER + '#include "internal.h"\n', "a door may not include"),
    ("controller/host/a.c", '#include "../nft/private.h"\n', "no header beside"),
    ("controller/host/a.c", '#include "private.h"\n', "no header beside"),
    ("controller/host/a.c", '#include <stdio.h>\n\n#include "quaywall/host.h"\n', "come first"),
    *[
        ("controller/host/a.c", f"int x(char *s)\n{{\n\treturn {name}(s);\n}}\n", f"{name}() is banned")
        for name in BANNED
    ],
    ("tests/unit/host/a.c", "int x(void)\n{\n\treturn system(0);\n}\n", "system() is banned"),
    ("controller/host/a.c", "/* system(1) */\nconst char *x = \"system(1) /*\"; // popen(1)\n", None),
    ("controller/host/a.c", "int x(struct y *y)\n{\n\treturn y->system(1) + my_system(1);\n}\n", None),
    *[
        (
            "controller/host/a.c",
            f"int x(void)\n{{\n\treturn {name}(1, f(2), 3);\n}}\n",
            f"{name}() without {flag}" if flag else f"{name}() cannot close on exec",
        )
        for name, flag in CLOSE_ON_EXEC.items()
    ],
    ("controller/host/a.c", "int x(void)\n{\n\treturn open(f(1), O_RDONLY |\n O_CLOEXEC);\n}\n", None),
    ("controller/host/a.c", 'FILE *x(void)\n{\n\treturn fopen("e", "r");\n}\n', "without the mode"),
    ("controller/host/a.c", 'FILE *x(void)\n{\n\treturn fopen("x", "re");\n}\n', None),
    ("controller/host/a.c", "int x = fcntl(1, F_DUPFD, 3);\n", "F_DUPFD"),
    ("controller/host/a.c", "int x = fcntl(1, F_DUPFD_CLOEXEC, 3);\n", None),
    ("controller/host/a.c", "\n" * MAX_LINES, None),
    ("controller/host/a.c", "\n" * (MAX_LINES + 1), "601 lines"),
    ("controller/host/a.h", "int x;\n", "without #pragma once"),
    ("controller/host/a.h", HEADER + "typedef struct x x;\n", "a typedef of a struct"),
    ("controller/host/b.c", "int x;\n", "not named in controller/host/meson.build"),
]
FORMAT_CASES: list[tuple[str, str, Optional[str]]] = [
    ("controller/host/a.c", "int x(void)\n{\n\treturn 1;\n}\n", None),
    ("controller/host/a.c", "int x(void)\n{\n    return 1;\n}\n", "a.c:2: not as clang-format"),
    ("include/quaywall/x.h", HEADER + "int  x;\n", "not as clang-format"),
    ("tests/unit/host/a.c", "int x(void) {\n\treturn 1;\n}\n", "not as clang-format"),
]


def run_case(path: str, content: str, formatter: Optional[str]) -> list[Finding]:
    own_format = Path(__file__).resolve().parent.parent / ".clang-format"
    with tempfile.TemporaryDirectory(prefix="conventions-") as folder:
        root = Path(folder)
        file = root / path
        file.parent.mkdir(parents=True)
        file.write_text(content, encoding="utf-8")
        (file.parent / "meson.build").write_text("files('a.c')\n", encoding="utf-8")
        if formatter:
            shutil.copy(own_format, root)
        return check(root, formatter)


def self_test() -> int:
    failures = 0
    formatter = clang_format()
    cases = [(case, None) for case in CASES]
    cases += [(case, formatter) for case in FORMAT_CASES if formatter]
    for (path, content, want), program in cases:
        findings = [str(finding) for finding in run_case(path, content, program)]
        if want is None and not findings:
            continue
        if want is not None and any(want in finding for finding in findings):
            continue
        failures += 1
        print(f"{path}: {content!r}\n  wanted {want!r}\n  found {findings}", file=sys.stderr)
    print(f"{len(cases)} cases, {failures} failed")
    return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the conventions of the code.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--require-format", action="store_true",
                        help=f"fail where there is no clang-format {CLANG_FORMAT}")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    formatter = clang_format()
    findings = check(arguments.root, formatter)
    for finding in findings:
        print(finding)
    if not formatter:
        print(f"formatting was not checked: no clang-format {CLANG_FORMAT}", file=sys.stderr)
    return 1 if findings or (arguments.require_format and not formatter) else 0


if __name__ == "__main__":
    sys.exit(main())
