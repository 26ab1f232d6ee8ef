"""A tenant gives no container a capability beyond what the profile of its pod allows, and widens no profile."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL, SELECTORS_ANNOTATION, UNSUPPORTED_ANNOTATION
from monopod.kube.objects.resources import NAMESPACES, PODS, PROFILES
from tests.attack.conftest import CreateProfile
from tests.attack.people import Person, bind_role
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.operating.moving import pods_of, run_workload
from tests.controlplane.server import JSON_PATCH
from tests.unit.builders import PodBuilder, a_pod

NAMESPACE = "capable"
ADDED = "Pod not supported on Fargate: invalid SecurityContext fields: Capabilities added: "

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def capable(lab: Lab, operator: OperatorProcess) -> Iterator[str]:
    """A namespace whose profile allows nothing; another one takes pods that have a label and are pinned to it."""
    lab.create_namespace(NAMESPACE)
    lab.create_profile("cap-a", NAMESPACE)
    lab.create_profile("cap-b", NAMESPACE, labels={"trace": "yes"}, allowedCapabilities=["SYS_PTRACE"])
    lab.becomes_active("cap-a")
    lab.becomes_active("cap-b")
    eventually(lambda: "|SYS_PTRACE" in str(lab.namespace_marks(NAMESPACE)[1]))
    yield NAMESPACE
    for name in ("cap-a", "cap-b"):
        lab.delete("FargateProfile", name)


@pytest.fixture(scope="module")
def tenant(lab: Lab, capable: str) -> Person:
    return bind_role(lab, "tracer", "admin", capable)


@pytest.fixture(scope="module")
def owner(lab: Lab, capable: str) -> Person:
    """Somebody who may do anything in the namespace: `admin` adds no ephemeral containers."""
    return bind_role(lab, "cap-owner", "cluster-admin", capable)


def a_tracing_pod(*names: str) -> PodBuilder:
    return a_pod().labelled({"trace": "yes", EKS_PROFILE_LABEL: "cap-b"}).adding_capabilities(*names)


def find_added(answer: Json) -> str:
    """What of its capabilities keeps a pod from running."""
    return str(answer["metadata"]["annotations"].get(UNSUPPORTED_ANNOTATION, "")).removeprefix(ADDED)


TRIED: dict[str, tuple[PodBuilder, str]] = {
    "what the profile allows": (a_tracing_pod("SYS_PTRACE"), ""),
    "one more": (a_tracing_pod("SYS_PTRACE", "SYS_ADMIN"), "SYS_ADMIN"),
    "all": (a_tracing_pod("ALL"), "ALL"),
    "two in one name": (a_tracing_pod("SYS_PTRACE,SYS_ADMIN"), "SYS_PTRACE,SYS_ADMIN"),
    "a field of a row": (a_tracing_pod("|SYS_PTRACE"), "|SYS_PTRACE"),
    "by the profile that comes first": (a_pod().adding_capabilities("SYS_PTRACE"), "SYS_PTRACE"),
    "pinned to a profile that doesn't match": (
        a_pod().labelled({EKS_PROFILE_LABEL: "cap-b"}).adding_capabilities("SYS_PTRACE"),
        "SYS_PTRACE",
    ),
    "with rows on the pod": (
        a_pod()
        .annotated({SELECTORS_ANNOTATION: "cap-a|gvisor|Pend|||||||||||SYS_PTRACE"})
        .adding_capabilities("SYS_PTRACE"),
        "SYS_PTRACE",
    ),
}


@pytest.mark.parametrize(("pod", "left"), TRIED.values(), ids=TRIED)
def test_a_pod_adds_what_its_own_profile_allows(capable: str, tenant: Person, pod: PodBuilder, left: str) -> None:
    assert find_added(tenant.try_pod(capable, pod.build()).expect_ok()) == left


def test_the_manifest_of_another_profiles_pod_brings_nothing_along(capable: str, tenant: Person) -> None:
    admitted = tenant.try_pod(capable, a_tracing_pod("SYS_PTRACE").build()).expect_ok()
    assert admitted["metadata"]["labels"][PROFILE_LABEL] == "cap-b"
    del admitted["metadata"]["labels"]["trace"]
    again = tenant.try_pod(capable, admitted)
    assert not again.ok or (again.body["metadata"]["labels"][PROFILE_LABEL], find_added(again.body)) == (
        "cap-a",
        "SYS_PTRACE",
    )


def test_a_workloads_template_brings_none_either(lab: Lab, capable: str, tenant: Person) -> None:
    context = {"capabilities": {"add": ["SYS_PTRACE"]}}
    containers = [{"name": "app", "image": "app", "securityContext": context}]
    marks = {EKS_PROFILE_LABEL: "cap-b"}
    run_workload(lab, "Deployment", capable, 1, "tracing", labels=marks, await_ready=False, containers=containers)
    (pod,) = eventually(lambda: pods_of(lab, capable, "tracing"))
    assert find_added(pod) == "SYS_PTRACE"
    lab.delete("Deployment", "tracing", capable)


@pytest.mark.parametrize("profile", ["cap-a", "cap-b"])
def test_an_ephemeral_container_adds_no_more(lab: Lab, capable: str, owner: Person, profile: str) -> None:
    pod = (a_tracing_pod("SYS_PTRACE") if profile == "cap-b" else a_pod()).build()
    name = pod["metadata"]["name"] = f"debugged-{next(_numbers)}"
    owner.create(PODS.list_path(capable), pod).expect_ok()
    path = PODS.path(name, capable)
    if profile == "cap-a":  # the pod stays what it was created as
        owner.patch(path, {"metadata": {"labels": {"trace": "yes"}}}).expect_ok()
        assert not owner.patch(path, {"metadata": {"labels": {PROFILE_LABEL: "cap-b"}}}).ok

    def debug(*added: str) -> Any:
        context = {"capabilities": {"add": list(added)}}
        container = {"name": f"d-{next(_numbers)}", "image": "d", "securityContext": context}
        return owner.patch(f"{path}/ephemeralcontainers", {"spec": {"ephemeralContainers": [container]}})

    assert "Capabilities added: SYS_ADMIN in spec.ephemeralContainers" in debug("SYS_ADMIN").message
    assert debug("SYS_PTRACE").ok is (profile == "cap-b")
    owner.delete(path)


def test_rows_that_allow_more_are_not_written(lab: Lab, capable: str, tenant: Person, nina: Person) -> None:
    rows = str(lab.namespace_marks(capable)[1])
    wider = rows.replace("|SYS_PTRACE", "|SYS_PTRACE,SYS_ADMIN")
    assert wider != rows
    patch = {"metadata": {"annotations": {SELECTORS_ANNOTATION: wider}}}
    assert tenant.patch(NAMESPACES.path(capable), patch).status == 403  # RBAC
    assert SELECTORS_ANNOTATION in nina.patch(NAMESPACES.path(capable), patch).message
    new = {"metadata": {"name": f"{capable}-new", "annotations": {SELECTORS_ANNOTATION: wider}}}
    made = nina.create(f"{NAMESPACES.list_path()}?dryRun=All", new)
    assert not made.ok or SELECTORS_ANNOTATION not in made.body["metadata"].get("annotations", {})
    assert lab.namespace_marks(capable)[1] == rows
    widen = [{"op": "add", "path": "/spec/allowedCapabilities", "value": ["SYS_ADMIN"]}]
    assert tenant.patch(PROFILES.path("cap-a"), widen, JSON_PATCH).status == 403


def test_what_is_taken_back_no_new_pod_has_and_no_old_one_gets(
    lab: Lab, namespace: str, profiles: CreateProfile
) -> None:
    profiles("cap-changed", namespace, allowedCapabilities=["SYS_PTRACE", "BPF"])
    owner = bind_role(lab, "cap-keeper", "cluster-admin", namespace)
    pod = a_pod("old").adding_capabilities("SYS_PTRACE").build()
    eventually(lambda: PROFILE_LABEL in owner.try_pod(namespace, pod).expect_ok()["metadata"].get("labels", {}))
    assert find_added(owner.try_pod(namespace, pod).expect_ok()) == ""
    owner.create(PODS.list_path(namespace), pod).expect_ok()
    lab.patch("FargateProfile", "cap-changed", {"spec": {"allowedCapabilities": ["BPF"]}})
    new = a_pod("new").adding_capabilities("SYS_PTRACE").build()
    eventually(lambda: find_added(owner.try_pod(namespace, new).expect_ok()) == "SYS_PTRACE")
    context = {"capabilities": {"add": ["SYS_PTRACE"]}}
    debug = {"spec": {"ephemeralContainers": [{"name": "d", "image": "d", "securityContext": context}]}}
    assert not owner.patch(f"{PODS.path('old', namespace)}/ephemeralcontainers", debug).ok
    assert lab.get("Pod", "old", namespace), "it runs on"
    owner.delete(PODS.path("old", namespace))
