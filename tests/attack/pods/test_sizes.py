"""Pods that are large on purpose: refused with a reason, or admitted and then as easy to revoke as any other."""

from typing import Any

import pytest

from monopod.api.names import GROUP_LABEL_PREFIX, PROFILE_LABEL, UNSUPPORTED_ANNOTATION
from monopod.pods.rules.bounds import LATER, MAX_ANNOTATIONS, MAX_CONTAINERS, MAX_LABELS
from tests.attack.people import Person, bind_role
from tests.attack.shapes import AT_BOUNDS, BEYOND, many
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.reach import poll
from tests.controlplane.server import Server

PODS = "/api/v1/namespaces/{}/pods"
AGAIN = "Create the pod again without these fields"


@pytest.fixture(scope="module")
def reached(lab: Lab, operator: OperatorProcess) -> str:
    """A namespace whose pods all belong to a profile with zones; the operator has closed it."""
    lab.create_namespace("sizes")
    lab.create_group("sizes-wide", ingress=[{"from": [{"cidr": "10.1.0.0/16"}]}])
    lab.create_group("sizes-none")
    lab.create_profile(
        "sizes", "sizes", securityGroups=["sizes-wide"], subnets=[f"zone-{index}" for index in range(16)]
    )
    lab.becomes_active("sizes")
    bind_role(lab, "tenant", "edit", "sizes")
    return "sizes"


@pytest.fixture
def tenant(lab: Lab, reached: str) -> Person:
    """Who may create and change pods in it."""
    return Person("tenant", Server(lab.kubeconfig_path))


@pytest.mark.parametrize("name", BEYOND)
def test_a_pod_beyond_the_bounds_is_refused_and_told_why(tenant: Person, reached: str, name: str) -> None:
    pod, why = BEYOND[name]
    answer = tenant.create(PODS.format(reached), pod)
    assert answer.status == 403
    assert answer.message.endswith(f"denied request: {why}")


def test_where_no_profile_reaches_there_are_no_bounds(lab: Lab, namespace: str) -> None:
    pod = many("labels", 600)
    pod["metadata"]["namespace"] = namespace
    lab.create(pod).expect_ok()


@pytest.mark.parametrize("shape", AT_BOUNDS.values(), ids=AT_BOUNDS)
def test_a_pod_at_the_bounds_is_admitted(tenant: Person, reached: str, shape: Json) -> None:
    path = f"{PODS.format(reached)}?dryRun=All"
    # Between its mutation and its validation a pod may meet groups that have just changed, and is told to come again.
    answer = poll(lambda: tenant.create(path, shape), lambda answer: AGAIN not in answer.message)
    assert answer.expect_ok()["metadata"]["labels"][PROFILE_LABEL] == "sizes"


def test_a_pod_at_the_bounds_is_put_into_quarantine_as_fast_as_any_other(
    lab: Lab, tenant: Person, reached: str
) -> None:
    large = at_bounds_and_running("large")
    tenant.create(PODS.format(reached), large).expect_ok()
    eventually(lambda: opened(lab, reached, "large.sizes-wide"))
    policy = {"podSelector": {"matchLabels": {"k0": "v"}}, "securityGroups": {"groupIds": ["sizes-none"]}}
    kind = {"apiVersion": "vpcresources.k8s.aws/v1beta1", "kind": "SecurityGroupPolicy"}
    lab.create({**kind, "metadata": {"name": "quarantine", "namespace": reached}, "spec": policy}).expect_ok()
    eventually(lambda: "large.sizes-none" in lab.policies(reached) and "large.sizes-wide" not in lab.policies(reached))
    assert not opened(lab, reached, "large.sizes-none")
    eventually(lambda: f"{GROUP_LABEL_PREFIX}sizes-none" in read(lab, reached, "large")["labels"])
    assert f"{GROUP_LABEL_PREFIX}sizes-wide" not in read(lab, reached, "large")["labels"]


def test_a_pod_does_not_grow_beyond_the_bounds_later(lab: Lab, tenant: Person, reached: str) -> None:
    tenant.create(PODS.format(reached), at_bounds_and_running("growing")).expect_ok()
    path = f"{PODS.format(reached)}/growing"

    def put(field: str, number: int) -> str:
        more: dict[str, Any] = {f"later-{index}": "x" for index in range(number)}
        return tenant.patch(path, {"metadata": {field: more}}).message

    assert put("annotations", LATER - 10) == ""
    assert put("annotations", LATER + 1).endswith(f"beyond {MAX_ANNOTATIONS + LATER} annotations.")
    assert put("labels", LATER - 10) == ""
    assert f"beyond {MAX_LABELS + LATER} labels" in put("labels", LATER + 1)
    long = {"metadata": {"labels": {f"k{index}": "x" * 63 for index in range(MAX_LABELS)}}}
    assert "characters of labels" in tenant.patch(path, long).message
    # What is there may still change, and go.
    assert tenant.patch(path, {"metadata": {"labels": {"k1": "w", "k2": None}}}).message == ""


def test_a_pod_has_no_more_ephemeral_containers_than_others(lab: Lab, reached: str) -> None:
    lab.create_pod(reached, "debugged")
    debuggers = [{"name": f"d{index}", "image": "debug"} for index in range(MAX_CONTAINERS + 1)]
    path, administrator = f"{PODS.format(reached)}/debugged/ephemeralcontainers", Server(lab.kubeconfig_path)
    answer = administrator.patch(path, {"spec": {"ephemeralContainers": debuggers}})
    assert answer.message.endswith(f"can't have more than {MAX_CONTAINERS} ephemeral containers.")
    administrator.patch(path, {"spec": {"ephemeralContainers": debuggers[1:]}}).expect_ok()


def at_bounds_and_running(name: str) -> Json:
    """A pod that Fargate can run, with all the labels and annotations that it may have."""
    pod = many("labels", MAX_LABELS)
    pod["metadata"] |= {"name": name, "annotations": many("annotations", MAX_ANNOTATIONS)["metadata"]["annotations"]}
    return pod


def read(lab: Lab, namespace: str, name: str) -> Json:
    pod = lab.get("Pod", name, namespace)
    assert pod is not None
    assert UNSUPPORTED_ANNOTATION not in pod["metadata"]["annotations"]
    metadata: Json = pod["metadata"]
    return metadata


def opened(lab: Lab, namespace: str, policy: str) -> bool:
    found = lab.policies(namespace).get(policy)
    return bool(found and found["spec"].get("ingress"))
