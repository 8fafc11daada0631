"""What must hold of any evaluator whatever the policies say, tried on the naive one: who watches the
watchman. Random cases from generate.py."""

from __future__ import annotations

from typing import Callable

import pytest
import yaml

import asking
from generate import Case, Json, dump, make_case

RANK = {"allow": 0, "audit": 1, "deny": 2}
CHUNKS = [range(start, start + 10) for start in range(0, 30, 10)]

Change = Callable[[Json], None]


def trees(case: Case) -> dict[str, list[Json]]:
    """The documents as dump() wrote them; BaseLoader would lose the plain `true` of labels."""
    return {name: list(yaml.safe_load_all(text)) for name, text in case.policies.items()}


def with_documents(case: Case, files: dict[str, list[Json]]) -> Case:
    texts = {name: "---\n".join(dump(d) for d in documents) for name, documents in files.items()}
    return Case(case.seed, case.snapshot, texts, case.settings, case.flows)


def each_changed(case: Case, change: Change) -> Case:
    files = trees(case)
    for documents in files.values():
        for document in documents:
            change(document)
    return with_documents(case, files)


def verdicts(case: Case) -> list[str]:
    return [answer["verdict"] for answer in asking.ask_naive(case, case.flows)]


def plain_settings(case: Case) -> Case:
    return Case(case.seed, case.snapshot, case.policies, "{}\n", case.flows)


def with_document(case: Case, document: Json) -> Case:
    return with_documents(case, {**trees(case), "z.yaml": [{"policy": "zz", **document}]})


@pytest.mark.parametrize("seeds", CHUNKS, ids=str)
class TestProperties:
    def test_the_order_of_documents_is_nothing(self, seeds: range) -> None:
        for case in map(make_case, seeds):
            documents = [d for docs in trees(case).values() for d in docs]
            turned = with_documents(case, {"x.yaml": documents[::-1]})
            assert verdicts(turned) == verdicts(case), case.seed

    def test_audit_never_refuses_more(self, seeds: range) -> None:
        for case in map(make_case, seeds):
            softer = each_changed(case, lambda document: document.update(mode="audit"))
            for flow, a, b in zip(case.flows, verdicts(softer), verdicts(case)):
                assert RANK[a] <= RANK[b] or b == "audit", (case.seed, flow)

    def test_one_more_audit_document_never_refuses(self, seeds: range) -> None:
        strict = {"for": "all", "mode": "audit", "deny": [{"from": "any", "to": "any"}]}
        for case in map(make_case, seeds):
            more = with_document(case, strict)
            for flow, a, b in zip(case.flows, verdicts(more), verdicts(case)):
                assert (a == "deny") == (b == "deny"), (case.seed, flow)

    def test_audit_is_what_enforcing_all_would_refuse(self, seeds: range) -> None:
        for case in map(plain_settings, map(make_case, seeds)):
            harder = each_changed(case, lambda document: document.update(mode="enforce"))
            for flow, a, b in zip(case.flows, verdicts(harder), verdicts(case)):
                assert (a == "deny") == (b != "allow"), (case.seed, flow)

    def test_allowing_more_never_refuses_more(self, seeds: range) -> None:
        def allow_any(document: Json) -> None:
            document.setdefault("allow", []).append({"from": "any", "to": "any"})

        for case in map(make_case, seeds):
            for flow, a, b in zip(case.flows, verdicts(each_changed(case, allow_any)), verdicts(case)):
                assert RANK[a] <= RANK[b], (case.seed, flow)

    def test_deny_beats_allow(self, seeds: range) -> None:
        denying = {"for": "all", "mode": "enforce", "isolate": []}
        denying["deny"] = [{"from": "any", "to": "any"}]
        for case in map(make_case, seeds):
            denied = with_document(case, denying)
            for flow, answer in zip(case.flows, asking.ask_naive(denied, case.flows)):
                judged = "not_judged" not in (answer["egress"]["reason"], answer["ingress"]["reason"])
                if judged:
                    assert answer["verdict"] == "deny", (case.seed, flow)

    def test_denying_more_never_allows_more(self, seeds: range) -> None:
        def deny_some(document: Json) -> None:
            document.setdefault("deny", []).append({"from": "containers", "to": "any", "ports": ["tcp"]})

        for case in map(make_case, seeds):
            for flow, a, b in zip(case.flows, verdicts(each_changed(case, deny_some)), verdicts(case)):
                assert RANK[a] >= RANK[b], (case.seed, flow)

    def test_a_policy_for_nobody_that_refuses_nothing_is_nothing(self, seeds: range) -> None:
        idle = {"for": {"name": "nobody"}, "isolate": [], "allow": [{"from": "any", "to": "any"}]}
        for case in map(make_case, seeds):
            assert verdicts(with_document(case, idle)) == verdicts(case), case.seed

    def test_a_template_is_a_document_for_each_project(self, seeds: range) -> None:
        body = {"allow": [{"from": {}, "to": {}, "ports": ["tcp"]}], "groups": {"g": {"service": "web"}}}
        body["deny"] = [{"from": "g", "to": {"not": {"service": "db"}}, "ports": ["80-5000"]}]
        body["publish"] = [{"to": "g", "port": 8080, "from": "any"}]
        for case in map(make_case, seeds):
            template = with_document(case, {"for": {"project": "*"}, **body})
            written = [
                {"policy": f"z{p}", "for": {"project": p}, **body} for p in ("shop", "blog", "shop-dev")
            ]
            spelled = with_documents(case, {**trees(case), "z.yaml": written})
            assert verdicts(template) == verdicts(spelled), case.seed

    def test_a_group_is_its_selector(self, seeds: range) -> None:
        """Where a rule's end is a group by itself, its definition may stand there instead."""

        def spell(document: Json) -> None:
            groups = document.get("groups", {})
            for action in ("allow", "deny", "publish"):
                for rule in document.get(action, []):
                    for key in ("from", "to"):
                        while isinstance(rule[key], str) and rule[key] in groups:
                            rule[key] = groups[rule[key]]

        for case in map(make_case, seeds):
            assert verdicts(each_changed(case, spell)) == verdicts(case), case.seed
