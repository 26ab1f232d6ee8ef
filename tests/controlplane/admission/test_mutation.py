"""What admission writes on a pod that it takes, on a real API server, and that writing it again changes nothing."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL
from monopod.kube.objects.resources import PODS
from tests.clusters import ControlPlane
from tests.controlplane.conftest import KATA_OVERHEAD, OTHER_OVERHEAD
from tests.controlplane.reach import poll, reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

WRITTEN_BY_THE_SERVER = ("uid", "creationTimestamp", "resourceVersion", "managedFields", "generation")


def admit(server: Server, pod: PodBuilder, namespace: str = "fargate") -> Manifest:
    return server.create_pod(namespace, pod.build()).expect_ok()


@pytest.mark.eks("2.label", "2.capacity", "2.logging-disabled")
def test_what_is_written(server: Server) -> None:
    pod = admit(server, a_pod().labelled(app="shop").annotated({"a": "b"}).requesting(cpu="300m"))
    assert pod["metadata"]["labels"] == {
        "app": "shop",
        EKS_PROFILE_LABEL: "web",
        PROFILE_LABEL: "web",
        "sg.monopod.dev/cluster": "true",
        "monopod.dev/security-groups": "1",
    }
    assert pod["metadata"]["annotations"] == {
        "a": "b",
        "CapacityProvisioned": "0.5vCPU 1GB",
        "Logging": "LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND",
        "monopod.dev/ephemeral-storage": "20Gi",
        "fargate.amazonaws.com/pod-sg": "cluster",
    }
    size = {"cpu": "500m", "memory": "1Gi"}
    assert pod["spec"]["resources"] == {"requests": size, "limits": size}
    assert pod["spec"]["runtimeClassName"] == "kata"
    assert pod["spec"]["overhead"] == KATA_OVERHEAD
    assert pod["status"]["qosClass"] == "Guaranteed"


@pytest.mark.eks("2.scheduler-name", "2.priority", "3.burst")
def test_what_is_left_alone(server: Server) -> None:
    """AWS sets both; here the second would let any pod preempt anything on shared nodes."""
    spec = admit(server, a_pod().requesting(cpu="300m"))["spec"]
    assert spec["schedulerName"] == "default-scheduler"
    assert "priorityClassName" not in spec
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "300m", "ephemeral-storage": "0"}
    assert "cpu" not in spec["containers"][0]["resources"]["limits"]
    assert "nodeSelector" not in spec


def test_the_stored_pod_is_the_dry_runs(server: Server) -> None:
    pod = a_pod("stored").requesting(cpu="300m")
    tried = admit(server, pod)
    stored = server.create_pod("fargate", pod.build(), dry_run=False).expect_ok()
    server.delete(PODS.path("stored", "fargate"))
    assert _without_bookkeeping(stored) == _without_bookkeeping(tried)


@pytest.mark.eks("3.burst")
@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_limits_above_the_size_are_lowered_to_it(server: Server, kind: str) -> None:
    container = {"name": "c", "image": "c"}
    generous = {"limits": {"cpu": "40", "memory": "300Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}}
    modest = {"limits": {"cpu": "200m", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "1Mi"}}
    pod = a_pod().with_spec(
        **{kind: [{**container, "resources": generous}, {**container, "name": "d", "resources": modest}]}
    )
    found = [_without_storage(each["resources"]) for each in admit(server, pod)["spec"][kind]]
    assert found == [{**generous, "limits": {"cpu": "250m", "memory": "2Gi"}}, modest]


def _without_storage(resources: Manifest) -> Manifest:
    return {
        kind: {name: amount for name, amount in amounts.items() if name != "ephemeral-storage"}
        for kind, amounts in resources.items()
    }


SANDBOXES: dict[str, tuple[str, dict[str, Any]]] = {
    "no class, a profile's class with overhead": ("kata", {}),
    "no class, a profile's class without overhead": ("bare", {}),
    "the same class": ("kata", {"runtimeClassName": "kata"}),
    "the same class and its overhead": ("kata", {"runtimeClassName": "kata", "overhead": KATA_OVERHEAD}),
    "another class with overhead": ("kata", {"runtimeClassName": "other"}),
    "another class without overhead": ("kata", {"runtimeClassName": "bare"}),
    "another class, to one without overhead": ("bare", {"runtimeClassName": "other"}),
    "another class and its overhead": ("kata", {"runtimeClassName": "other", "overhead": OTHER_OVERHEAD}),
    "an overhead and no class": ("kata", {"overhead": OTHER_OVERHEAD}),
}


@pytest.mark.parametrize(("sandbox", "spec"), SANDBOXES.values(), ids=SANDBOXES)
def test_the_profiles_class_and_its_overhead_win(server: Server, sandbox: str, spec: dict[str, Any]) -> None:
    namespace = f"class-{sandbox}"
    reach(server, namespace, [a_profile("web", a_selector(namespace), sandbox=sandbox)])
    admitted = admit(server, a_pod().with_spec(**spec), namespace)["spec"]
    assert admitted["runtimeClassName"] == sandbox
    assert admitted.get("overhead") == (KATA_OVERHEAD if sandbox == "kata" else None)


def test_a_class_that_does_not_exist_is_named_in_the_refusal(server: Server) -> None:
    reach(server, "no-class", [a_profile("web", a_selector("no-class", app="web"), sandbox="missing")])
    answer = server.create_pod("no-class", a_pod().labelled(app="web").build())
    assert answer.status == 403
    assert 'RuntimeClass "missing" not found' in answer.message


AGAIN = {
    "an ordinary pod": a_pod().requesting(cpu="300m", memory="1Gi").limited_to(cpu="8"),
    "a pod without requests": a_pod(),
    "sidecars and init containers": a_pod().with_sidecar("s", cpu="300m").with_init("i", memory="1Gi"),
    "pod-level resources": a_pod().with_pod_level(requests={"cpu": "1", "memory": "4Gi"}),
    "pod-level limits": a_pod().with_pod_level(limits={"cpu": "1", "memory": "4Gi"}),
    "ephemeral storage": a_pod().requesting(ephemeral_storage="100Gi").with_container("b", ephemeral_storage="1Gi"),
    "a limit of ephemeral storage": a_pod().limited_to(ephemeral_storage="1Gi"),
    "the largest size": a_pod().with_pod_level(requests={"cpu": "16", "memory": "122624Mi"}),
    "a pod that can't run": a_pod().with_spec(hostPID=True).requesting(cpu="300m"),
    "a pod that is too large": a_pod().with_pod_level(requests={"cpu": "1", "memory": "122625Mi"}),
    "pod-level huge pages": a_pod().with_pod_level(
        requests={"hugepages-2Mi": "4Mi", "cpu": "1"}, limits={"hugepages-2Mi": "4Mi", "cpu": "1"}
    ),
    "another gate": a_pod().with_spec(schedulingGates=[{"name": "a.io/b"}]),
    "another class": a_pod().with_spec(runtimeClassName="other"),
}


@pytest.mark.parametrize("sandbox", ["kata", "kata-on-metal"])
@pytest.mark.parametrize("pod", AGAIN.values(), ids=AGAIN)
def test_an_admitted_pod_created_again_comes_out_the_same(server: Server, pod: PodBuilder, sandbox: str) -> None:
    """As with `kubectl get pod -o yaml`, another name, `kubectl create`."""
    namespace = f"again-{sandbox}"
    reach(server, namespace, [a_profile("web", a_selector(namespace), sandbox=sandbox)])
    once = admit(server, pod, namespace)
    again = copy.deepcopy(once)
    for field in WRITTEN_BY_THE_SERVER:
        again["metadata"].pop(field, None)
    twice = server.create_pod(namespace, again).expect_ok()
    assert _without_bookkeeping(twice) == _without_bookkeeping(once)


@pytest.mark.parametrize("kept", [(), ("labels",)], ids=["no metadata", "labels"])
@pytest.mark.parametrize("pod", AGAIN.values(), ids=AGAIN)
def test_a_copy_without_its_marks_comes_to_the_same_size(server: Server, pod: PodBuilder, kept: Sequence[str]) -> None:
    """As with `kubectl debug --copy-to`, which drops annotations, and labels unless told otherwise."""
    once = admit(server, pod)
    if "CapacityProvisioned" not in once["metadata"]["annotations"]:
        return  # it can't run, and so has no size
    metadata = {"name": "copy", **{field: once["metadata"][field] for field in kept}}
    again = server.create_pod("fargate", {**once, "metadata": metadata}).expect_ok()
    assert again["spec"] == once["spec"]
    for name in ("CapacityProvisioned", "monopod.dev/ephemeral-storage"):
        assert again["metadata"]["annotations"][name] == once["metadata"]["annotations"][name]


@pytest.mark.parametrize("flags", [(), ("--keep-labels",)], ids=["no labels", "labels"])
def test_a_copy_made_by_kubectl_debug_has_the_same_size(
    server: Server, installed: ControlPlane, flags: Sequence[str]
) -> None:
    reach(server, "debugged", [a_profile("web", a_selector("debugged"))])
    names = [f"{name}-{len(flags)}" for name in ("pod", "copy")]
    server.create_pod("debugged", a_pod(names[0]).requesting(cpu="300m").build(), dry_run=False).expect_ok()
    copying = (f"--copy-to={names[1]}", "--image=busybox", "--container=shell", "--profile=baseline", *flags)
    installed.kubectl("debug", names[0], "-n", "debugged", *copying)
    sizes = []
    for name in names:
        path = PODS.path(name, "debugged")
        pod = server.get(path).expect_ok()
        sizes.append((pod["metadata"]["annotations"]["CapacityProvisioned"], pod["spec"]["resources"]))
        server.delete(path)
    assert sizes[0] == sizes[1]
    assert sizes[0][0] == "0.5vCPU 1GB"


def test_a_copy_that_has_become_impossible_loses_its_size(server: Server) -> None:
    again = admit(server, a_pod().requesting(cpu="300m"))
    again["spec"]["hostPID"] = True
    for field in WRITTEN_BY_THE_SERVER:
        again["metadata"].pop(field, None)
    admitted = server.create_pod("fargate", again).expect_ok()
    assert "resources" not in admitted["spec"]
    assert "limits" not in admitted["spec"]["containers"][0]["resources"]
    assert admitted["metadata"]["annotations"].keys() == {
        *("Logging", "monopod.dev/unsupported", "fargate.amazonaws.com/pod-sg")
    }


GROUP = "/apis/admissionregistration.k8s.io/v1"


def an_injector(name: str) -> Manifest:
    """A mutating policy that adds a sidecar to pods with the label `inject: "yes"`."""
    sidecar = f"{{'name': '{name}', 'image': 'mesh', 'restartPolicy': 'Always'}}"
    patch = (
        "(has(object.spec.initContainers) ? [] : "
        "[JSONPatch{op: 'add', path: '/spec/initContainers', value: []}]) + "
        f"[JSONPatch{{op: 'add', path: '/spec/initContainers/0', value: {sidecar}}}, "
        "JSONPatch{op: 'add', path: '/spec/initContainers/0/resources', value: {'requests': {'cpu': '200m'}}}]"
    )
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {"objectSelector": {"matchLabels": {"inject": "yes"}}, "resourceRules": [pods]},
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
        },
    }


def test_sidecars_that_are_injected_later_count(server: Server) -> None:
    """Policies run in random order, webhooks after all of them; the pod's policy runs again after either.

    Five injectors, so that hardly ever all of them run before it by chance.
    """
    for name in (names := [f"mesh-{number}" for number in range(5)]):
        server.create(f"{GROUP}/mutatingadmissionpolicies", an_injector(name)).expect_ok()
        binding = {"metadata": {"name": name}, "spec": {"policyName": name}}
        server.create(f"{GROUP}/mutatingadmissionpolicybindings", binding).expect_ok()
    pod = poll(
        lambda: server.create_pod("fargate", a_pod().labelled(inject="yes").requesting(cpu="200m").build()),
        lambda answer: not answer.ok or len(answer.body["spec"].get("initContainers", ())) == len(names),
    ).expect_ok()
    assert pod["metadata"]["annotations"]["CapacityProvisioned"] == "2vCPU 4GB"
    assert pod["spec"]["resources"]["limits"] == {"cpu": "2", "memory": "4Gi"}


def _without_bookkeeping(pod: Manifest) -> Manifest:
    """The pod without what differs between any two creations of the same manifest."""
    metadata = {key: value for key, value in pod["metadata"].items() if key not in WRITTEN_BY_THE_SERVER}
    # A gated pod has a condition, with the time at which it was created.
    status = {key: value for key, value in pod["status"].items() if key != "conditions"}
    return {**pod, "metadata": metadata, "status": status}
