"""What the operator's ServiceAccount may do. That it suffices, every other test here shows: they run under it."""

from typing import Any

import pytest

from monopod.api.names import PROFILE_FINALIZER
from tests.controlplane.operating.lab import Lab, eventually
from tests.controlplane.server import MERGE_PATCH
from tests.resources import RESOURCES

IDENTITY = "system:serviceaccount:monopod-system:monopod"

REFUSED = [
    ("deletecollection", "pods", "default"),
    ("update", "pods", "default"),
    ("patch", "pods/status", "default"),
    ("create", "pods/exec", "default"),
    ("create", "pods/binding", "default"),
    ("get", "secrets", "default"),
    ("list", "secrets", "default"),
    ("get", "secrets", "monopod-system"),
    ("list", "configmaps", "default"),
    ("patch", "configmaps/other", "monopod-system"),
    ("delete", "configmaps/monopod-namespaces", "monopod-system"),
    ("patch", "configmaps/monopod-namespaces", "default"),
    ("delete", "namespaces", ""),
    ("update", "namespaces", ""),
    ("patch", "namespaces/status", ""),
    ("create", "fargateprofiles.monopod.dev", ""),
    ("update", "fargateprofiles.monopod.dev", ""),
    ("delete", "fargateprofiles.monopod.dev", ""),
    ("create", "runtimeclasses.node.k8s.io", ""),
    ("patch", "mutatingadmissionpolicies.admissionregistration.k8s.io", ""),
    ("delete", "validatingadmissionpolicybindings.admissionregistration.k8s.io", ""),
    ("delete", "leases.coordination.k8s.io", "monopod-system"),
    ("update", "leases.coordination.k8s.io/other", "monopod-system"),
    ("create", "leases.coordination.k8s.io", "kube-system"),
    ("delete", "events", "default"),
    ("patch", "nodes", ""),
    ("update", "securitygroups.monopod.dev", ""),
    ("delete", "securitygroups.monopod.dev", ""),
    ("create", "securitygrouppolicies.vpcresources.k8s.aws", "default"),
    ("update", "storedpods.monopod.dev", "default"),
    ("patch", "deployments.apps", "default"),
    ("delete", "replicasets.apps", "default"),
    ("patch", "jobs.batch", "default"),
    ("create", "poddisruptionbudgets.policy", "default"),
    ("patch", "serviceaccounts", "default"),
    ("update", "networkpolicies.networking.k8s.io", "default"),
    ("create", "serviceaccounts/token", "monopod-system"),
    ("escalate", "clusterroles.rbac.authorization.k8s.io", ""),
    ("impersonate", "users", ""),
]


@pytest.mark.parametrize(("verb", "resource", "namespace"), REFUSED, ids=[" ".join(case) for case in REFUSED])
def test_the_operator_may_not(shared_lab: Lab, verb: str, resource: str, namespace: str) -> None:
    plural, _, rest = resource.partition("/")
    # kubectl reads TYPE/NAME; a subresource is an option.
    subresource = rest if rest in ("status", "exec", "binding", "eviction", "token") else ""
    target = plural if subresource or not rest else resource
    flags = [f"--subresource={subresource}"] if subresource else []
    place = [f"--namespace={namespace}"] if namespace else []
    done = shared_lab.kubectl("auth", "can-i", verb, target, *flags, *place, f"--as={IDENTITY}", check=False)
    assert done.stdout.strip() == "no", done.stderr


def a_pod() -> dict[str, Any]:
    containers = [{"name": "app", "image": "app"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "real"}, "spec": {"containers": containers}}


@pytest.mark.parametrize(("query", "status"), [("?dryRun=All", 201), ("", 403)], ids=["dry run", "real"])
def test_the_operator_creates_pods_as_dry_runs_only(shared_lab: Lab, query: str, status: int) -> None:
    assert shared_lab.as_operator("POST", f"/api/v1/namespaces/default/pods{query}", a_pod()) == status


@pytest.mark.parametrize(("query", "status"), [("?dryRun=All", 201), ("", 403)], ids=["dry run", "real"])
def test_the_operator_creates_namespaces_as_dry_runs_only(shared_lab: Lab, query: str, status: int) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "real"}}
    assert shared_lab.as_operator("POST", f"/api/v1/namespaces{query}", namespace) == status


PROFILE_CHANGES: dict[str, tuple[dict[str, Any], int]] = {
    "its finalizer": ({"metadata": {"finalizers": [PROFILE_FINALIZER]}}, 200),
    "its finalizer beside another's": ({"metadata": {"finalizers": ["example.com/theirs", PROFILE_FINALIZER]}}, 403),
    "a label": ({"metadata": {"labels": {"team": "a"}}}, 403),
    "an annotation": ({"metadata": {"annotations": {"team": "a"}}}, 403),
    "the spec": ({"spec": {"unsupportedPods": "Reject"}}, 403),
    "an owner": (
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"}]}},
        403,
    ),
}


@pytest.fixture
def someones_profile(lab: Lab) -> str:
    """A profile that no operator has seen, with the policy on the operator's changes in effect."""
    lab.create_profile("someones", "someones")
    path = RESOURCES["FargateProfile"].path("someones")
    relabel = {"metadata": {"labels": {"by": "operator"}}}
    eventually(lambda: lab.as_operator("PATCH", f"{path}?dryRun=All", relabel, MERGE_PATCH) == 403)
    return path


@pytest.mark.parametrize(("change", "status"), PROFILE_CHANGES.values(), ids=PROFILE_CHANGES)
def test_the_operator_changes_nothing_of_a_profile_but_its_finalizer(
    lab: Lab, someones_profile: str, change: dict[str, Any], status: int
) -> None:
    assert lab.as_operator("PATCH", someones_profile, change, MERGE_PATCH) == status


def test_the_operator_takes_no_finalizer_of_someone_elses(lab: Lab, someones_profile: str) -> None:
    lab.patch("FargateProfile", "someones", {"metadata": {"finalizers": ["example.com/theirs", PROFILE_FINALIZER]}})
    without_theirs = {"metadata": {"finalizers": [PROFILE_FINALIZER]}}
    assert lab.as_operator("PATCH", someones_profile, without_theirs, MERGE_PATCH) == 403
    without_its_own = {"metadata": {"finalizers": ["example.com/theirs"]}}
    assert lab.as_operator("PATCH", someones_profile, without_its_own, MERGE_PATCH) == 200


def test_the_operator_writes_the_status_of_a_profile(lab: Lab, someones_profile: str) -> None:
    status = {"status": {"phase": "CREATING"}}
    assert lab.as_operator("PATCH", f"{someones_profile}/status", status, MERGE_PATCH) == 200
