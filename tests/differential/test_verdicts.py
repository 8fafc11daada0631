"""The program's verdict function against the naive evaluator, on random hosts and policies.

QUAYWALL_SEEDS=FIRST-LAST asks other seeds than the usual 300.
"""

from __future__ import annotations

import copy
import os
from typing import Iterator, Optional

import pytest
import yaml

import asking
from generate import Case, Json, dump, make_case

CHUNK = 20


def seed_chunks() -> list[range]:
    first, _, last = os.environ.get("QUAYWALL_SEEDS", "0-299").partition("-")
    return [
        range(start, min(start + CHUNK, int(last or first) + 1))
        for start in range(int(first), int(last or first) + 1, CHUNK)
    ]


def differs(case: Case, flow: Json) -> bool:
    """Also where the program takes only one of the two for wrong input."""
    try:
        program = asking.ask_program(case, [flow])[0]
        return asking.verdicts_of(asking.ask_naive(case, [flow])[0]) != asking.verdicts_of(program)
    except (RuntimeError, KeyError):
        return False


# ---- making a difference small ----


def removals(node: object) -> Iterator[tuple[object, object]]:
    """(container, key) of everything that could be left out, outermost first."""
    if isinstance(node, (dict, list)):
        keys = list(node) if isinstance(node, dict) else range(len(node))
        for key in keys:
            yield node, key
        for key in keys:
            yield from removals(node[key])  # type: ignore[index]


def without(tree: object, n: int) -> Optional[object]:
    """A copy of TREE without the Nth thing that can go; None when there is no Nth."""
    tree = copy.deepcopy(tree)
    for i, (node, key) in enumerate(removals(tree)):
        if i == n:
            del node[key]  # type: ignore[attr-defined]
            return tree
    return None


def as_case(case: Case, tree: Json) -> Case:
    files = {"p.yaml": "---\n".join(dump(d) for d in tree["documents"])}
    return Case(case.seed, case.snapshot, files, dump(tree["settings"]), [])


def shrunk(case: Case, flow: Json) -> Case:
    documents = [d for name in sorted(case.policies) for d in yaml.safe_load_all(case.policies[name])]
    tree: Json = {"documents": documents, "settings": yaml.safe_load(case.settings)}
    n = 0
    while True:
        smaller = without(tree, n)
        if smaller is None:
            return as_case(case, tree)
        if set(smaller) == set(tree) and differs(as_case(case, smaller), flow):
            tree = smaller
        else:
            n += 1


def report(case: Case, flow: Json) -> str:
    small = shrunk(case, flow) if differs(as_case_of(case), flow) else case
    lines = [f"seed {case.seed}, flow {flow}"]
    for name, ask in (("naive", asking.ask_naive), ("program", asking.ask_program)):
        lines.append(f"{name}: {ask(small, [flow])[0]}")
    lines += [f"# {name}\n{text}" for name, text in small.policies.items()]
    ends = [flow[key].get("endpoint") for key in ("from", "to")]
    endpoints = [e for e in case.snapshot["endpoints"] if e["id"] in ends]
    owners = [e["container"] for e in endpoints]
    containers = [c for c in case.snapshot["containers"] if c["id"] in owners]
    return "\n".join(lines + [f"# settings\n{small.settings}"] + [str(x) for x in endpoints + containers])


def as_case_of(case: Case) -> Case:
    documents = [d for name in sorted(case.policies) for d in yaml.safe_load_all(case.policies[name])]
    return as_case(case, {"documents": documents, "settings": yaml.safe_load(case.settings)})


# ---- the test ----


def differences(case: Case) -> list[str]:
    pairs = zip(
        case.flows,
        asking.ask_naive(case, case.flows),
        asking.ask_program(case, case.flows),
        strict=True,
    )
    wrong = [f for f, a, b in pairs if asking.verdicts_of(a) != asking.verdicts_of(b)]
    found = [report(case, flow) for flow in wrong[:1]]
    return found + [f"and {len(wrong) - 1} more of this seed"] if len(wrong) > 1 else found


@pytest.mark.parametrize("seeds", seed_chunks(), ids=lambda r: f"{r.start}-{r.stop - 1}")
def test_verdicts(seeds: range) -> None:
    found = [text for seed in seeds for text in differences(make_case(seed))]
    assert not found, "\n\n".join(found)
