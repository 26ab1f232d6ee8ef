"""Chart and manifests come from the same source and install the same objects."""

import copy
from typing import Any

import pytest

from monopod.admission.policies import build_policies
from monopod.admission.revision import find_changed, find_missing
from monopod.api.names import REVISION_ANNOTATION
from tests.chart.rendering import Object, Rendered, render_chart, render_manifests

ADMISSION = (
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
RBAC = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
OPERATOR = (
    "ServiceAccount",
    "ConfigMap",
    "Deployment",
    "Service",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "FlowSchema",
    "PriorityClass",
)


def strip_labels(item: Object) -> Object:
    """The object without labels and Helm's annotations, which differ by design."""
    bare = copy.deepcopy(item)
    metadata = bare["metadata"]
    metadata.pop("labels", None)
    kept = {key: value for key, value in metadata.pop("annotations", {}).items() if not key.startswith("helm.sh/")}
    if kept:
        metadata["annotations"] = kept
    return bare


def index(rendered: Rendered, kinds: tuple[str, ...]) -> dict[tuple[str, str, str], Any]:
    return {
        (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]): strip_labels(item)
        for item in rendered.of_kind(*kinds)
    }


@pytest.mark.parametrize(
    "kinds", [("CustomResourceDefinition",), RBAC, ADMISSION, OPERATOR], ids=["crds", "rbac", "policies", "operator"]
)
def test_the_chart_renders_what_the_manifests_hold(
    default_chart: Rendered, default_manifests: Rendered, kinds: tuple[str, ...]
) -> None:
    expected = index(default_manifests, kinds)
    assert expected
    assert index(default_chart, kinds) == expected


def test_between_them_the_kinds_compared_are_all_there_are(
    default_chart: Rendered, default_manifests: Rendered
) -> None:
    compared = {"CustomResourceDefinition", *RBAC, *ADMISSION, *OPERATOR}
    assert {item["kind"] for item in default_chart.objects} == compared
    assert {item["kind"] for item in default_manifests.objects} == compared | {"Namespace"}


def test_a_policy_is_the_same_text_under_another_release_but_for_the_names(default_chart: Rendered) -> None:
    """Nothing in a policy's CEL may be read as a template by Helm, whatever braces it holds."""
    other = render_chart(release="other", namespace="other-system")

    def describe(chart: Rendered) -> dict[str, str]:
        return {item["metadata"]["name"]: str(item["spec"]) for item in chart.of_kind(*ADMISSION)}

    renamed = {
        name: text.replace("other-system:other-monopod", "monopod-system:monopod").replace(
            "other-system", "monopod-system"
        )
        for name, text in describe(other).items()
    }
    assert renamed == describe(default_chart)


def test_the_operator_of_any_release_finds_its_policies_as_they_were_installed() -> None:
    values = {"serviceAccount": {"name": "account"}, "pauseImage": "mirror.example.com/pause:1"}
    chart = render_chart(values, release="other", namespace="other-system")
    account = f"system:serviceaccount:other-system:{chart.find_argument('service-account')}"
    policies = build_policies(account, "other-system", pause_image=str(chart.find_argument("pause-image")))
    expected = [each for pair in policies.values() for each in pair]
    found = {(item["kind"], item["metadata"]["name"]): item for item in chart.of_kind(*ADMISSION)}
    assert (find_missing(expected, found), find_changed(expected, found)) == ((), ())
    assert all(item["metadata"]["annotations"][REVISION_ANNOTATION] for item in found.values())


def test_where_the_operator_may_create_pods_only_the_policy_that_refuses_it_is_left_out() -> None:
    chart = render_chart({"barePods": {"recreate": True}})
    found = {(item["kind"], item["metadata"]["name"]): item for item in chart.of_kind(*ADMISSION)}
    allowed = [each for pair in build_policies(recreate_bare_pods=True).values() for each in pair]
    assert set(found) == {(each["kind"], each["metadata"]["name"]) for each in allowed}
    missing = find_missing([each for pair in build_policies().values() for each in pair], found)
    assert {name.partition("/")[2] for name in missing} == {"monopod-operator-dry-runs"}


def test_where_there_are_tasks_chart_and_manifests_are_the_same_and_only_the_policy_against_them_is_left_out() -> None:
    chart, manifests = render_chart({"ecs": {"enabled": True}}), render_manifests("with-ecs")
    kinds = tuple({item["kind"] for item in chart.objects})
    assert index(chart, kinds) == index(manifests, kinds)
    found = {(item["kind"], item["metadata"]["name"]): item for item in chart.of_kind(*ADMISSION)}
    missing = find_missing([each for pair in build_policies().values() for each in pair], found)
    assert {name.partition("/")[2] for name in missing} == {"monopod-operator-no-tasks"}
    assert not find_missing([each for pair in build_policies(runs_tasks=True).values() for each in pair], found)


def test_without_tasks_nothing_of_theirs_is_there(default_chart: Rendered) -> None:
    assert not [item for item in default_chart.of_kind(*RBAC) if "ecs" in item["metadata"]["name"]]
    assert "--ecs" not in default_chart.container["args"]


def test_every_policy_has_a_binding(default_chart: Rendered) -> None:
    for kind in ("MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"):
        bound = {binding["spec"]["policyName"] for binding in default_chart.of_kind(f"{kind}Binding")}
        assert bound == {policy["metadata"]["name"] for policy in default_chart.of_kind(kind)}


def test_the_chart_labels_all_its_objects(default_chart: Rendered) -> None:
    for item in default_chart.objects:
        assert item["metadata"]["labels"]["app.kubernetes.io/name"] == "monopod", item["metadata"]["name"]
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
