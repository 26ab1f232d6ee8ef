from typing import Any

import pytest

from monopod.kube.objects.fields import InvalidPod, Part
from monopod.pods.rules.decision import decide
from tests.unit.builders import a_pod, a_profile, a_selector

EVERYTHING = a_profile("all", a_selector("*"))


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        ({"metadata": []}, "metadata: must be a mapping, not a list"),
        ({"metadata": {"labels": "x"}}, "metadata.labels: must be a mapping, not a string"),
        ({"metadata": {"labels": {"a": 1}}}, "metadata.labels.a: must be a string, not a number"),
        ({"metadata": {"labels": {1: "a"}}}, "metadata.labels: the key 1 must be a string, not a number"),
        ({"metadata": {"annotations": {"a": True}}}, "metadata.annotations.a: must be a string, not a boolean"),
        ({"metadata": {"ownerReferences": {}}}, "metadata.ownerReferences: must be a list, not a mapping"),
        ({"spec": "x"}, "spec: must be a mapping, not a string"),
        ({"spec": {"nodeName": 1.5}}, "spec.nodeName: must be a string, not a number"),
        ({"spec": {"containers": {}}}, "spec.containers: must be a list, not a mapping"),
        ({"spec": {"containers": [None]}}, "spec.containers[0]: must be a mapping, not null"),
        (
            {"spec": {"initContainers": [{}, {"restartPolicy": True}]}},
            "spec.initContainers[1].restartPolicy: must be a string, not a boolean",
        ),
        (
            {"spec": {"containers": [{"resources": {"requests": {"cpu": "one"}}}]}},
            "spec.containers[0].resources.requests.cpu: must be a quantity such as 250m or 1Gi, not 'one'",
        ),
        (
            {"spec": {"containers": [{"resources": {"limits": {"memory": "-1"}}}]}},
            "spec.containers[0].resources.limits.memory: must not be negative",
        ),
        ({"spec": {"hostNetwork": "true"}}, "spec.hostNetwork: must be true or false, not a string"),
        (
            {"spec": {"containers": [{"ports": [{"hostPort": "80"}]}]}},
            "spec.containers[0].ports[0].hostPort: must be a whole number, not a string",
        ),
        (
            {"spec": {"containers": [{"ports": [{}, {"hostPort": True}]}]}},
            "spec.containers[0].ports[1].hostPort: must be a whole number, not a boolean",
        ),
        (
            {"spec": {"containers": [{"securityContext": {"capabilities": {"add": ["A", 1]}}}]}},
            "spec.containers[0].securityContext.capabilities.add[1]: must be a string, not a number",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value.split(":")[0],
)
def test_a_field_of_the_wrong_type_is_named(pod: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPod) as refusal:
        decide(pod, "default", [EVERYTHING])
    assert str(refusal.value) == message


def test_null_fields_read_as_absent() -> None:
    pod = {
        "metadata": {"labels": None, "annotations": None, "ownerReferences": None},
        "spec": {"containers": [{"ports": None, "resources": None}], "initContainers": None, "hostNetwork": None},
    }
    assert decide(pod, "default", [EVERYTHING]) == decide(a_pod_without_names(), "default", [EVERYTHING])


def a_pod_without_names() -> dict[str, Any]:
    return {"spec": {"containers": [{}]}}


def test_unknown_fields_are_none_of_the_decisions_business() -> None:
    strange = a_pod().with_spec(fromTheFuture={"a": [1]}).build()
    assert decide(strange, "default", [EVERYTHING]) == decide(a_pod().build(), "default", [EVERYTHING])


def test_an_empty_pod_is_decided_on_without_an_error() -> None:
    decide({}, "default", [EVERYTHING])


def test_paths_start_at_the_manifests_root() -> None:
    assert Part({}).child("spec").path_of("nodeName") == "spec.nodeName"
