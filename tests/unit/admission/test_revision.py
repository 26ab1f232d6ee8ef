"""Whether an edit of a policy shows, and what the API server fills in doesn't."""

from copy import deepcopy
from typing import Any

import pytest

from monopod.admission.policies import build_policies
from monopod.admission.revision import find_changed, find_missing
from monopod.api.names import REVISION_ANNOTATION

Json = dict[str, Any]

POLICY: Json = {
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "p", "annotations": {REVISION_ANNOTATION: "1"}},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"scope": "*", "monopod.dev/fargate": "true"}},
            "resourceRules": [{"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}],
        },
        "validations": [{"expression": "true\n", "message": "no"}],
    },
}


def is_changed(found: Json) -> bool:
    names = find_changed([POLICY], {("ValidatingAdmissionPolicy", "p"): found})
    assert names in ((), ("ValidatingAdmissionPolicy/p",))
    return bool(names)


def with_spec(**fields: Any) -> Json:
    return {**POLICY, "spec": {**POLICY["spec"], **fields}}


def with_constraints(**fields: Any) -> Json:
    return with_spec(matchConstraints={**POLICY["spec"]["matchConstraints"], **fields})


RULE = POLICY["spec"]["matchConstraints"]["resourceRules"][0]
SAME = {
    "itself": POLICY,
    "defaults": with_constraints(matchPolicy="Equivalent", objectSelector={}, resourceRules=[{**RULE, "scope": "*"}]),
    "a field of a later Kubernetes": with_constraints(laterField="its default"),
    "a status": {**POLICY, "status": {"observedGeneration": 1}},
    "blanks around an expression": with_spec(validations=[{"expression": "true", "message": "no"}]),
    "another revision": {
        **with_spec(failurePolicy="Ignore"),
        "metadata": {"name": "p", "annotations": {REVISION_ANNOTATION: "2"}},
    },
    "no revision": {**with_spec(failurePolicy="Ignore"), "metadata": {"name": "p"}},
}
CHANGED = {
    "failurePolicy": with_spec(failurePolicy="Ignore"),
    "an expression": with_spec(validations=[{"expression": "1 == 1", "message": "no"}]),
    "no expression": with_spec(validations=[]),
    "a condition": with_spec(matchConditions=[{"name": "n", "expression": "false"}]),
    "a selector": with_constraints(namespaceSelector={}),
    "a label of the selector": with_constraints(namespaceSelector={"matchLabels": {"monopod.dev/fargate": "true"}}),
    "an exception": with_constraints(excludeResourceRules=[RULE]),
    "fewer operations": with_constraints(resourceRules=[{**RULE, "operations": ["DELETE"]}]),
}


@pytest.mark.parametrize("found", SAME.values(), ids=SAME)
def test_what_says_the_same_is_no_edit(found: Json) -> None:
    assert not is_changed(found)


@pytest.mark.parametrize("found", CHANGED.values(), ids=CHANGED)
def test_an_edit_shows(found: Json) -> None:
    assert is_changed(found)


def test_a_policy_that_is_missing_is_no_edit_but_missing() -> None:
    assert find_changed([POLICY], {}) == ()
    assert find_missing([POLICY], {}) == ("ValidatingAdmissionPolicy/p",)


def test_the_revision_follows_the_text_and_not_the_names_in_it() -> None:
    def revisions(*names: str) -> list[str]:
        return [
            each["metadata"]["annotations"][REVISION_ANNOTATION]
            for pair in build_policies(*names).values()
            for each in pair
        ]

    assert revisions() == revisions("system:serviceaccount:other:operator", "other")
    assert len(set(revisions())) == len(revisions())


def test_another_operators_name_in_a_policy_is_an_edit() -> None:
    expected, found = ([each for pair in build_policies(name).values() for each in pair] for name in ("ours", "theirs"))
    changed = find_changed(expected, {(each["kind"], each["metadata"]["name"]): deepcopy(each) for each in found})
    assert "ValidatingAdmissionPolicy/monopod-operator" in changed
    assert "MutatingAdmissionPolicy/monopod-pods" not in changed
