"""What is tried before an eviction, and what a quota's refusal means once the pod is gone."""

import pytest

from monopod.domain.creation import Quota, build_attempt, fits_once_gone
from monopod.domain.replacement import Workload
from tests.unit.builders import Manifest, a_pod

SAID = 'pods "a" is forbidden: exceeded quota: full, requested: {}, used: {}, limited: {}'


def a_live_pod(**requests: str) -> Manifest:
    pod = a_pod("web-0").labelled(tier="web").build()
    pod["spec"]["containers"][0]["resources"] = {"requests": requests} if requests else {}
    return pod


def test_the_controllers_pod_is_tried_under_a_free_name_with_its_owner_and_its_claims() -> None:
    pod = a_live_pod()
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "1", "controller": True}
    pod["metadata"]["ownerReferences"] = [{**owner, "blockOwnerDeletion": True}]
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}
    pod["spec"]["volumes"] = [claim, {"name": "kube-api-access", "projected": {}}]
    mounts = [{"name": "data", "mountPath": "/data"}]
    spec = {"containers": [{"name": "app", "image": "new", "volumeMounts": mounts}]}
    template = {"metadata": {"labels": {"tier": "web"}}, "spec": spec}
    attempt = build_attempt(pod, Workload("prod", "StatefulSet", "web", "1", 1, template))
    metadata = attempt["metadata"]
    assert (metadata["generateName"], metadata["ownerReferences"]) == ("web-", [owner])
    assert attempt["spec"] == {**spec, "volumes": [claim]}


CASES: dict[str, tuple[str, Manifest, Manifest, bool]] = {
    "room where it is": (SAID.format("pods=1", "pods=5", "pods=5"), a_live_pod(), {}, True),
    "too small even then": (
        SAID.format("requests.memory=640Mi", "requests.memory=500Mi", "requests.memory=1Gi"),
        a_live_pod(memory="100Mi"),
        {},
        False,
    ),
    "large enough then": (
        SAID.format("requests.memory=640Mi", "requests.memory=500Mi", "requests.memory=1100Mi"),
        a_live_pod(memory="100Mi"),
        {},
        True,
    ),
    "a scope that doesn't count it": (
        SAID.format("pods=1", "pods=5", "pods=5"),
        a_live_pod(),
        {"scopes": ["NotBestEffort"]},
        False,
    ),
    "a scope that isn't known": (
        SAID.format("pods=1", "pods=5", "pods=5"),
        a_live_pod(),
        {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}},
        False,
    ),
    "no quota's words": ("violates PodSecurity", a_live_pod(), {}, False),
}


@pytest.mark.parametrize(("said", "pod", "spec", "fits"), CASES.values(), ids=CASES)
def test_what_the_pod_frees_is_taken_off_where_it_is_certain(
    said: str, pod: Manifest, spec: Manifest, fits: bool
) -> None:
    quota = Quota.from_resource({"metadata": {"name": "full"}, "spec": spec})
    assert fits_once_gone(said, [quota], pod) is fits


def test_of_several_quotas_only_the_first_has_answered() -> None:
    said = SAID.format("pods=1", "pods=5", "pods=5")
    assert not fits_once_gone(said, [Quota("full"), Quota("other")], a_live_pod())
