"""Whoever may patch a namespace keeps none of its pods out of a profile: what can't be written is refused."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attack.conftest import CreateProfile
from tests.attack.people import Person
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.operating.moving import build_pod_spec, run_workload
from tests.controlplane.server import Answer, Server

ROOM = 256 * 1024
"""Kubernetes' bound on all annotations of an object, keys and values."""
FILL = "fill"
REFUSED = "Monopod cannot write them on it"

_numbers = itertools.count(1)


def fill(person: Person, lab: Lab, namespace: str) -> None:
    """Leaves no room among the namespace's annotations."""
    metadata = (lab.get("Namespace", namespace) or {})["metadata"]
    taken = sum(len(key) + len(value) for key, value in metadata.get("annotations", {}).items())
    annotate(person, namespace, "x" * (ROOM - taken - len(FILL)))


def annotate(person: Person, namespace: str, text: str | None) -> None:
    person.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"annotations": {FILL: text}}}).expect_ok()


def create_pod(lab: Lab, namespace: str, *, dry_run: bool = False, **spec: Any) -> Answer:
    metadata = {"name": f"pod-{next(_numbers)}", "namespace": namespace}
    return lab.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": build_pod_spec(**spec)}, dry_run=dry_run
    )


def is_refused(lab: Lab, namespace: str) -> bool:
    answer = create_pod(lab, namespace, dry_run=True)
    return answer.status == 403 and REFUSED in answer.message


def is_sandboxed(lab: Lab, namespace: str, profile: str) -> bool:
    answer = create_pod(lab, namespace, dry_run=True)
    return answer.ok and answer.body["metadata"].get("labels", {}).get("monopod.dev/profile") == profile


def find_events(lab: Lab, about: str) -> list[Json]:
    return [event for event in lab.events("default", about) if event["reason"] == "PublishFailed"]


def test_a_namespace_without_room_for_a_profile_refuses_its_pods_alone(
    lab: Lab, nina: Person, namespace: str, profiles: CreateProfile
) -> None:
    lab.create_namespace(f"{namespace}-ok")
    fill(nina, lab, namespace)
    profile = profiles("full", namespace, f"{namespace}-ok")
    eventually(lambda: is_refused(lab, namespace))
    answer = create_pod(lab, namespace, hostNetwork=True)
    assert answer.status == 403
    assert f"Fargate profiles reach namespace {namespace}" in answer.message
    assert "256 KiB" in answer.message
    assert lab.namespace_marks(namespace) == ("true", None)
    eventually(lambda: is_sandboxed(lab, f"{namespace}-ok", profile))

    eventually(lambda: lab.condition(profile, "Ready").get("status") == "True")
    eventually(lambda: lab.condition(profile, "Published").get("reason") == "PublishFailed")
    published = lab.condition(profile, "Published")
    assert published["status"] == "False"
    assert f"1 of 2 namespaces ({namespace})" in published["message"]
    assert published["message"] in lab.condition(profile, "Ready")["message"]
    assert eventually(lambda: find_events(lab, namespace)), "kubectl events -n default --for namespace/NAME shows it"
    assert eventually(lambda: find_events(lab, profile))

    annotate(nina, namespace, None)
    eventually(lambda: is_sandboxed(lab, namespace, profile))
    eventually(lambda: lab.condition(profile, "Published")["status"] == "True")


def test_profiles_that_are_out_of_date_and_cannot_be_replaced_let_no_pod_in(
    lab: Lab, nina: Person, namespace: str, profiles: CreateProfile
) -> None:
    first = profiles("stale-b", namespace, labels={"tier": "web"})
    eventually(lambda: "stale-b" in (lab.namespace_marks(namespace)[1] or ""))
    eventually(lambda: "monopod.dev/isolated" in (lab.get("Namespace", namespace) or {})["metadata"]["annotations"])
    fill(nina, lab, namespace)
    assert create_pod(lab, namespace, dry_run=True).ok, "no profile takes this pod"
    second = profiles("stale-a", namespace)
    eventually(lambda: is_refused(lab, namespace))
    eventually(lambda: lab.reason(second) == "PublishFailed")  # it has no other namespace
    lab.delete("FargateProfile", second)
    eventually(lambda: not is_refused(lab, namespace))
    assert lab.namespace_marks(namespace)[1] is not None
    eventually(lambda: lab.condition(first, "Published")["status"] == "True")


def test_a_namespace_that_is_created_without_room_is_refused(
    lab: Lab, nina: Person, namespace: str, profiles: CreateProfile
) -> None:
    profile = profiles("created", f"{namespace}-*")
    lab.becomes_active(profile)
    eventually(lambda: profile in lab.patterns().get("rows", ""))
    metadata = {"name": f"{namespace}-new", "annotations": {FILL: "x" * (ROOM - len(FILL))}}
    answer = nina.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    assert not answer.ok
    assert lab.get("Namespace", f"{namespace}-new") is None


def test_pods_that_no_profile_takes_anywhere_are_let_in(
    lab: Lab, nina: Person, namespace: str, profiles: CreateProfile
) -> None:
    fill(nina, lab, namespace)
    profiles("exempt", namespace)
    eventually(lambda: is_refused(lab, namespace))
    run_workload(lab, "DaemonSet", namespace, name="agent")
    node = lab.list_all("Node")[0]["metadata"]["name"]
    static = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "static", "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {**build_pod_spec(), "nodeName": node},
    }
    api = Server(lab.kubeconfig_path)
    api.create_pod(namespace, static, user=f"system:node:{node}").expect_ok()
    assert api.create_pod(namespace, static).status == 403, "anybody can say so of a pod"


OPT_OUTS: dict[str, Json] = {
    "a node": {"nodeName": "kwok-0"},
    "a nodeSelector": {"nodeSelector": {"a": "b"}},
    "a scheduler": {"schedulerName": "mine"},
}


@pytest.fixture(scope="module")
def refusing(lab: Lab, operator: OperatorProcess, nina: Person) -> Iterator[str]:
    """A namespace that refuses its pods."""
    lab.create_namespace("refusing")
    fill(nina, lab, "refusing")
    lab.create_profile("refusing", "refusing")
    eventually(lambda: is_refused(lab, "refusing"))
    yield "refusing"
    lab.delete("FargateProfile", "refusing")


@pytest.mark.parametrize("spec", OPT_OUTS.values(), ids=OPT_OUTS)
def test_no_pod_opts_out_of_profiles_that_nobody_can_read(lab: Lab, refusing: str, spec: Json) -> None:
    answer = create_pod(lab, refusing, dry_run=True, **spec)
    assert answer.status == 403
    assert REFUSED in answer.message
