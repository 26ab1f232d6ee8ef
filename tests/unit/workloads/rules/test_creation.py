"""What is tried before an eviction, and what a quota's refusal means once the pod is gone."""

import pytest

from monopod.workloads.rules.creation import Census, Quota, build_attempt, fits_once_gone
from monopod.workloads.rules.replacement import Workload
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
    "a resource whose name has dots": (
        SAID.format("requests.example.com/gpu=1", "requests.example.com/gpu=2", "requests.example.com/gpu=2"),
        a_live_pod(**{"example.com/gpu": "1"}),
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


OTHERS: dict[str, tuple[Manifest, Manifest, bool]] = {
    "room where it is": ({"pods": "5"}, {"pods": "5"}, True),
    "room for what was asked for": ({"memory": "1Gi", "count/pods": "9"}, {"memory": "400Mi", "count/pods": "5"}, True),
    "too little of it": ({"memory": "1Gi"}, {"memory": "500Mi"}, False),
    "of something that isn't known": ({"requests.cpu": "9"}, {"requests.cpu": "1"}, False),
    "not counted yet": ({"pods": "5"}, {}, False),
    "of other objects too": ({"pods": "5", "services": "0"}, {"pods": "1", "services": "0"}, True),
}


@pytest.mark.parametrize(("hard", "used", "fits"), OTHERS.values(), ids=OTHERS)
def test_of_several_quotas_the_others_must_have_room_for_what_the_first_was_asked_for(
    hard: Manifest, used: Manifest, fits: bool
) -> None:
    said = SAID.format("requests.memory=640Mi", "requests.memory=500Mi", "requests.memory=1100Mi")
    resource = {"metadata": {"name": "other"}, "spec": {"hard": hard}, "status": {"used": used}}
    quotas = [Quota.from_resource(resource), Quota("full")]
    assert fits_once_gone(said, quotas, a_live_pod(memory="100Mi")) is fits
    # What doesn't surely count the pod that goes has its place still.
    selective = {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}}
    quotas = [Quota.from_resource(resource | {"spec": {"hard": {"pods": "5"}, **selective}}), Quota("full")]
    assert fits_once_gone(said, quotas, a_live_pod(memory="100Mi")) is (used.get("pods") == "1")


def test_of_several_quotas_all_are_counted() -> None:
    gone, *others = (a_live_pod(memory="200Mi") for _ in range(3))
    gone["metadata"]["uid"] = "gone"
    said = SAID.format("requests.memory=600Mi", "requests.memory=500Mi", "requests.memory=2Gi")
    quotas = [Quota.from_resource({"metadata": {"name": "two"}, "spec": {"hard": {"pods": "2"}}}), Quota("full")]
    assert Census([gone, *others], ()).compute_overdrawn(quotas, gone, None, said) == ("two", "pods")
    assert not Census([gone, others[0]], ()).compute_overdrawn(quotas, gone, None, said)


CONCERNS: dict[str, bool] = {
    "pods": True,
    "count/pods": True,
    "cpu": True,
    "limits.memory": True,
    "requests.ephemeral-storage": True,
    "requests.example.com/gpu": True,
    "services": False,
    "services.loadbalancers": False,
    "count/deployments.apps": False,
    "requests.storage": False,
    "gold.storageclass.storage.k8s.io/requests.storage": False,
}


@pytest.mark.parametrize(("name", "concerns"), CONCERNS.items(), ids=CONCERNS)
def test_a_quota_concerns_pods_if_it_bounds_them_or_what_they_ask_for(name: str, concerns: bool) -> None:
    for hard in ({name: "1"}, {name: "1", "secrets": "1"}):
        assert Quota.from_resource({"metadata": {"name": "full"}, "spec": {"hard": hard}}).concerns_pods is concerns


HELD: dict[str, tuple[Manifest, str]] = {
    "enough": ({"hard": {"requests.memory": "1Gi", "pods": "3", "services": "0"}}, ""),
    "too little memory": ({"hard": {"memory": "800Mi"}}, "memory"),
    "one pod too many": ({"hard": {"pods": "2"}}, "pods"),
    "a scope that counts none of them": ({"hard": {"pods": "2"}, "scopes": ["Terminating"]}, ""),
}


@pytest.mark.parametrize(("spec", "lacks"), HELD.values(), ids=HELD)
def test_pods_are_counted_whatever_a_quotas_status_says(spec: Manifest, lacks: str) -> None:
    gone, *others = (a_live_pod(memory="200Mi") for _ in range(3))
    gone["metadata"]["uid"] = "gone"
    quota = Quota.from_resource({"metadata": {"name": "full"}, "spec": spec})
    found = Census([gone, *others], ()).compute_overdrawn([quota], gone, a_live_pod(memory="600Mi"), "")
    assert found == (("full", lacks) if lacks else None)


def test_what_a_refusal_asked_for_is_counted_too() -> None:
    gone, other = a_live_pod(memory="200Mi"), a_live_pod(memory="500Mi")
    gone["metadata"]["uid"] = "gone"
    said = SAID.format("requests.memory=600Mi", "requests.memory=500Mi", "requests.memory=1Gi")
    quota = Quota.from_resource({"metadata": {"name": "full"}, "spec": {"hard": {"requests.memory": "1Gi"}}})
    assert fits_once_gone(said, [quota], gone)
    assert Census([gone, other], ()).compute_overdrawn([quota], gone, None, said)
    assert not Census([gone], ()).compute_overdrawn([quota], gone, None, said)


def test_a_workload_lacks_the_pods_that_it_should_have_and_those_that_go() -> None:
    there, going = a_live_pod(), a_live_pod()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    for pod in (there, going):
        pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web", "uid": "1", "controller": True}]
    owner = {"metadata": {"name": "web", "namespace": "prod", "uid": "1"}, "spec": {"replicas": 2}}
    assert "ReplicaSet prod/web has 1 of 2 pods" in Census([there, going], [("ReplicaSet", owner)]).compute_lacking()
    assert not Census([there, there], [("ReplicaSet", owner)]).compute_lacking()
