"""What is done to base policies and marks of namespaces is undone, also by ways that a plain edit doesn't take.

Only whoever holds the operator's token gets so far: the policies refuse everybody else (tests/attack).
"""

import zlib
from collections.abc import Iterator

import pytest

from monopod.api.names import (
    BASE_POLICY,
    GROUP_POLICIES_ANNOTATION,
    ISOLATED_ANNOTATION,
    NAMESPACE_LABEL,
    POLICY_LABEL,
    PROFILE_LABEL,
)
from monopod.kube.objects.resources import NAMESPACES
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.server import APPLY_PATCH
from tests.resources import RESOURCES


@pytest.fixture
def namespace(lab: Lab, operator: OperatorProcess, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that the profile `web` reaches, closed and marked."""
    name = f"tampered-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    lab.create_profile("web", name)
    lab.becomes_active("web")
    eventually(lambda: read_metadata(lab, name)["annotations"].get(ISOLATED_ANNOTATION) == "true")
    operator.passes_happen(1)
    yield name
    lab.delete("Namespace", name)


def read_metadata(lab: Lab, namespace: str) -> Json:
    return dict((lab.get("Namespace", namespace) or {})["metadata"])


def read_spec(lab: Lab, namespace: str) -> Json:
    return dict((lab.get("NetworkPolicy", BASE_POLICY, namespace) or {"spec": {}})["spec"])


APPLIED: dict[str, Json] = {
    "one direction alone": {"policyTypes": ["Ingress"]},
    "an opening": {"egress": [{}]},
    "a narrower selector": {
        "podSelector": {
            "matchExpressions": [{"key": PROFILE_LABEL, "operator": "Exists"}],
            "matchLabels": {"theirs": "true"},
        }
    },
}


@pytest.mark.parametrize("spec", APPLIED.values(), ids=APPLIED.keys())
def test_fields_that_another_manager_applies_and_goes_on_owning_are_put_right(
    lab: Lab, operator: OperatorProcess, namespace: str, spec: Json
) -> None:
    before = read_spec(lab, namespace)
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec}
    policy["metadata"] = {"name": BASE_POLICY, "namespace": namespace, "labels": {POLICY_LABEL: "base"}}
    path = f"{RESOURCES['NetworkPolicy'].list_path(namespace)}/{BASE_POLICY}?fieldManager=another&force=true"
    assert lab.as_operator("PATCH", path, policy, APPLY_PATCH) == 200
    eventually(lambda: read_spec(lab, namespace) == before)
    assert [event["reason"] for event in eventually(lambda: lab.events("default", namespace))] == ["PolicyRestored"]
    eventually(lambda: operator.metric('monopod_isolation_policies_total{action="restored"}') == 1)


def test_a_policy_that_is_changed_again_and_again_is_put_right_each_time(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    before = read_spec(lab, namespace)
    for number in range(5):
        lab.damage_policy(namespace, BASE_POLICY, {"spec": {"ingress": [{}]}})
        eventually(lambda: read_spec(lab, namespace) == before)
        restored = 'monopod_isolation_policies_total{action="restored"}'
        eventually(lambda: operator.metric(restored) == number + 1)  # noqa: B023 it is called before the next number
    (event,) = eventually(lambda: [one for one in lab.events("default", namespace) if one["count"] == 5])
    assert event["reason"] == "PolicyRestored"


FORGED: dict[str, Json] = {
    "taken away": {"annotations": {ISOLATED_ANNOTATION: None}},
    "another value": {"annotations": {ISOLATED_ANNOTATION: "false"}},
    "groups forged": {"annotations": {GROUP_POLICIES_ANNOTATION: "forged"}},
    "label taken away": {"labels": {NAMESPACE_LABEL: None}},
}


@pytest.mark.parametrize("metadata", FORGED.values(), ids=FORGED.keys())
def test_marks_of_a_namespace_that_someone_changes_are_put_right_and_reported(
    lab: Lab, namespace: str, metadata: Json
) -> None:
    before = read_metadata(lab, namespace)
    # Under the operator's identity, because a ValidatingAdmissionPolicy lets nobody else do this.
    path = NAMESPACES.path(namespace)
    assert lab.as_operator("PATCH", path, {"metadata": metadata}, "application/merge-patch+json") == 200

    def is_put_right() -> bool:
        after = read_metadata(lab, namespace)
        return all(after[field] == before[field] for field in ("labels", "annotations"))

    eventually(is_put_right)
    events = eventually(lambda: lab.events("default", namespace))
    assert [(event["type"], event["reason"]) for event in events] == [("Warning", "MarksRestored")]


@pytest.fixture
def shared(lab: Lab, namespace: str) -> Iterator[str]:
    """The namespace with a pod in the group `web`, by a policy that all pods of this group share."""
    lab.create_group("web", ingress=[{"from": [{"cidr": "10.1.0.0/16"}]}])
    lab.patch("FargateProfile", "web", {"spec": {"isolation": "PerGroup", "securityGroups": ["web"]}})
    eventually(lambda: lab.group_status("web").get("usedBy") == ["FargateProfile/web"])
    lab.create_pod(namespace, "app")
    eventually(lambda: list(lab.policies(namespace)) == [SHARED])
    yield namespace
    lab.kubectl("delete", "pods", "--all", "-n", namespace, "--force", "--grace-period=0")
    lab.delete_groups()


SHARED = "monopod-groups.web"
DAMAGE: dict[str, Json | None] = {
    "opened": {"spec": {"ingress": [{}]}},
    "selects fewer": {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
    "deleted": None,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_policy_that_pods_share_is_put_right_and_reported(lab: Lab, shared: str, damage: Json | None) -> None:
    before = lab.policies(shared)[SHARED]
    lab.damage_policy(shared, SHARED, damage)

    def is_put_right() -> bool:
        after = lab.policies(shared).get(SHARED, {"metadata": {}, "spec": {}})
        labels = after["metadata"].get("labels")
        return bool(after["spec"] == before["spec"] and labels == before["metadata"]["labels"])

    eventually(is_put_right)
    assert [event["reason"] for event in eventually(lambda: lab.events("default", shared))] == ["PolicyRestored"]


def test_the_pods_of_a_group_that_is_taken_away_by_force_lose_the_policy_that_they_share_until_it_is_back(
    lab: Lab, shared: str
) -> None:
    lab.delete_groups("web")
    eventually(lambda: lab.policies(shared) == {})
    assert [event["reason"] for event in eventually(lambda: lab.events(shared, "app"))] == ["SecurityGroupNotFound"]
    lab.create_group("web")
    eventually(lambda: list(lab.policies(shared)) == [SHARED])
