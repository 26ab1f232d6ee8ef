"""The shape of the policies as text. Whether they work, only a real API server can say: tests/controlplane."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monopod.admission.policies import POD_VARIABLES
from monopod.admission.render import HEADER, KUSTOMIZATION, optional_policies, policies, render, write_files
from monopod.cel.expressions import format_comment, quote
from monopod.cel.json_patch import escape_pointer
from monopod.pods.cel.size import ladder_steps
from monopod.pods.rules.size import SIZE_TABLE

DOCUMENTS = policies()
INSTALLABLE = [*DOCUMENTS, *(each for documents in optional_policies().values() for each in documents)]
POLICIES = [each for each in INSTALLABLE if not each["kind"].endswith("Binding")]


def name_of(document: dict[str, Any]) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


@pytest.mark.timeout(20)  # PyYAML takes a second for all policies, and longer on a busy machine
def test_the_yaml_says_what_the_objects_say() -> None:
    assert list(yaml.safe_load_all(render(DOCUMENTS))) == DOCUMENTS


@pytest.mark.timeout(20)  # as above
def test_each_policy_gets_a_file_and_stale_ones_go(tmp_path: Path) -> None:
    (tmp_path / "stale.yaml").write_text(f"{HEADER}kind: Old\n")
    (tmp_path / "foreign.yaml").write_text("kind: Other\n")
    write_files(tmp_path)
    listed = yaml.safe_load((tmp_path / KUSTOMIZATION).read_text())["resources"]
    assert [each for name in listed for each in yaml.safe_load_all((tmp_path / name).read_text())] == DOCUMENTS
    optional = {f"{name}.yaml" for name in optional_policies()}
    assert {path.name for path in tmp_path.iterdir()} == {*listed, *optional, KUSTOMIZATION, "foreign.yaml"}


def test_cel_is_shown_line_by_line() -> None:
    assert "\\n  " not in render(INSTALLABLE)


@pytest.mark.parametrize("policy", POLICIES, ids=name_of)
def test_every_policy_fails_closed_and_says_what_it_is_for(policy: dict[str, Any]) -> None:
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert policy["metadata"]["annotations"]["kubernetes.io/description"].endswith(".")


@pytest.mark.parametrize("policy", POLICIES, ids=name_of)
def test_every_policy_has_a_binding_of_its_name(policy: dict[str, Any]) -> None:
    following = INSTALLABLE[INSTALLABLE.index(policy) + 1]
    assert following["kind"] == f"{policy['kind']}Binding"
    assert following["spec"]["policyName"] == following["metadata"]["name"] == policy["metadata"]["name"]


@pytest.mark.parametrize("policy", POLICIES, ids=name_of)
def test_variables_are_defined_before_they_are_used(policy: dict[str, Any]) -> None:
    defined: set[str] = set()
    for variable in policy["spec"].get("variables", []):
        assert set(re.findall(r"variables\.(\w+)", variable["expression"])) <= defined
        defined.add(variable["name"])


def test_the_mutation_and_its_check_decide_with_the_same_variables() -> None:
    by_name = {name_of(policy): policy["spec"].get("variables", []) for policy in POLICIES}
    mutation = by_name["MutatingAdmissionPolicy monopod-pods"]
    for check in ("sandbox", "marked-pods"):
        assert by_name[f"ValidatingAdmissionPolicy monopod-{check}"][: len(mutation)] == mutation
    assert len(mutation) == len(POD_VARIABLES)


def test_each_new_pod_is_judged_by_its_mark_by_one_policy_alone() -> None:
    """Two that go by the namespace read it each for itself, and a pod could get between them while it changes."""
    specs = {name_of(document): document["spec"] for document in DOCUMENTS}
    marked = specs["ValidatingAdmissionPolicy monopod-marked-pods"]["matchConstraints"]
    unmarked = specs["ValidatingAdmissionPolicyBinding monopod-sandbox"]["matchResources"]
    assert "namespaceSelector" not in marked
    operators = [
        [need["operator"] for need in each["objectSelector"]["matchExpressions"]] for each in (marked, unmarked)
    ]
    assert operators == [["Exists"], ["DoesNotExist"]]
    # `kubectl apply` and helm write objects in this order, by name or as they stand in the chart.
    bindings = [name_of(document) for document in DOCUMENTS if document["kind"].endswith("Binding")]
    order = [f"ValidatingAdmissionPolicyBinding monopod-{name}" for name in ("marked-pods", "sandbox")]
    assert [name for name in bindings if name in order] == order == sorted(order)


@pytest.mark.parametrize("policy", POLICIES, ids=name_of)
def test_every_refusal_is_a_sentence(policy: dict[str, Any]) -> None:
    for validation in policy["spec"].get("validations", []):
        assert validation["message"].endswith(".")


def test_the_names_of_an_installation_stand_where_they_belong() -> None:
    text = render(policies(service_account="system:serviceaccount:a:b", system_namespace="a"))
    assert "monopod-system" not in text
    assert "'system:serviceaccount:a:b'" in text


def test_the_ladder_is_eight_runs_of_equal_steps() -> None:
    steps = ladder_steps()
    assert len(steps) == 8
    assert [(cpu, mib) for cpu, low, high, step in steps for mib in range(low, high + 1, step)] == [
        (row.cpu_millis, row.memory_mib) for row in SIZE_TABLE
    ]


def test_text_becomes_a_cel_literal() -> None:
    assert quote("it's a\\b\n") == r"'it\'s a\\b\n'"


def test_a_key_becomes_part_of_a_json_pointer() -> None:
    assert escape_pointer("a~b/c") == "a~0b~1c"


def test_comments_are_wrapped() -> None:
    assert format_comment("word " * 40).count("\n// word") == 1
