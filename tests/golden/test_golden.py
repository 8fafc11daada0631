"""Golden cases: a folder each, whose policies over a snapshot give a ruleset and verdicts.

Each case holds policy.yaml (policy2.yaml, … beside it), quaywall.yaml where it needs settings, snapshot.json and
flows.txt, and what is wanted of them: want.nft (the tables) and want.txt (problems, identities and the verdict
of each flow). After a change that is meant:

    QUAYWALL_UPDATE=1 QUAYWALL_BUILD=BUILD /usr/bin/python3 -m pytest tests/golden

writes the wanted files anew; the difference is then to be read line by line.

Each want.nft is loaded into a fresh network namespace, listed, and the list loaded again: with this machine's
nft, and with those that QUAYWALL_NFTS names ("chroot /some/root nft", several divided by ':').
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/snapshot.json"))

# Loads the file on standard input, and prints the list of it and the list of that list.
LOAD_TWICE = """
set -e
$NFT -f -
first=$($NFT list ruleset)
$NFT flush ruleset
printf '%s\\n' "$first" | $NFT -f -
printf '%s\\n' "$first"
echo ----
$NFT list ruleset
"""


def nfts() -> list[str]:
    more = os.environ.get("QUAYWALL_NFTS", "")
    return ["nft"] + [command.strip() for command in more.split(":") if command.strip()]


def golden(what: str, case: Path) -> str:
    build = os.environ.get("QUAYWALL_BUILD")
    if not build:
        raise RuntimeError("QUAYWALL_BUILD is not set: the build folder that holds tests/golden/golden")
    done = subprocess.run(
        [Path(build) / "tests/golden/golden", what, case], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert not done.stderr
    return done.stdout.decode()


def check(what: str, case: Path) -> None:
    want = case / f"want.{what}"
    have = golden(what, case)
    if os.environ.get("QUAYWALL_UPDATE"):
        want.write_text(have)
    assert have == want.read_text()


def in_namespace(nft: str, ruleset: str) -> tuple[str, str]:
    """The list of the ruleset, and the list of the loaded list."""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", LOAD_TWICE],
        input=ruleset,
        text=True,
        capture_output=True,
        env={**os.environ, "NFT": nft},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, _, second = done.stdout.partition("\n----\n")
    return first.strip(), second.strip()


def normal(listing: str) -> list[str]:
    """The lines of a listing without what differs from load to load: the order of a hash set's elements, and
    the values of counters; without what differs from version to version: the wrapping of lines."""
    text = re.sub(r"counter packets \d+ bytes \d+", "counter", listing)
    blocks: list[str] = []
    elements = re.compile(r"elements = \{(.*?)\}(?=\n)", re.S)
    for block in re.split(r"\n\n+", text):
        found = elements.search(block)
        if found:
            items = sorted(" ".join(item.split()) for item in split_elements(found[1]))
            block = block[: found.start()] + "\n".join(items) + block[found.end() :]
        blocks += [line.strip() for line in block.splitlines() if line.strip()]
    return blocks


def split_elements(text: str) -> list[str]:
    """At commas that stand in no quotes."""
    return re.findall(r'(?:[^",]|"[^"]*")+', text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ruleset(case: Path) -> None:
    check("nft", case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_text(case: Path) -> None:
    check("txt", case)


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace takes root")
@pytest.mark.parametrize("nft", nfts())
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_loads_lists_and_loads_again(case: Path, nft: str) -> None:
    want = (case / "want.nft").read_text()
    first, second = in_namespace(nft, want)
    assert normal(first) == normal(second)
    assert first.count("comment ") == want.count("comment ")
