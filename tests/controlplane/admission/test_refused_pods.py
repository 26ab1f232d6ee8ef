"""Pods that a real API server refuses on Monopod's account, and the words with which it does."""

import itertools

import pytest

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    EKS_PROFILE_LABEL,
    PROFILE_LABEL,
    UNSUPPORTED_ANNOTATION,
)
from monopod.kube.objects.resources import PODS
from tests.controlplane.reach import OPERATOR, reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

FORGED = {PROFILE_LABEL: "web"}

NOT_REACHED = (
    "metadata.labels[monopod.dev/profile] says that this pod runs in a Fargate profile's sandbox, but no profile "
    "reaches its namespace. Remove the label, or create a FargateProfile that selects the pod. If no one "
    "wrote the label, profiles have just changed: try again."
)
NOT_TAKEN = (
    "metadata.labels[monopod.dev/profile] says that this pod runs in a Fargate profile's sandbox, but no profile "
    "takes it. Remove the label, or what keeps the pod out: labels that match no profile, spec.nodeName, "
    "spec.schedulerName, the compute-type annotation, the DaemonSet whose controller creates it."
)


def unsupported(reasons: str) -> str:
    return f"Pod not supported on Fargate: {reasons}"


REFUSED_WHEN_CREATED: dict[str, tuple[str, PodBuilder, str]] = {
    "a forged mark where no profile reaches": ("plain", a_pod().labelled(FORGED), NOT_REACHED),
    "a forged mark on labels that match nothing": ("strict", a_pod().labelled(FORGED), NOT_TAKEN),
    "a forged mark and nodeName": ("fargate", a_pod().labelled(FORGED).with_spec(nodeName="n"), NOT_TAKEN),
    "the host's network": (
        "strict",
        a_pod().with_spec(hostNetwork=True),
        unsupported("fields not supported: HostNetwork"),
    ),
    "the host's processes and IPC": (
        "strict",
        a_pod().with_spec(hostPID=True, hostIPC=True),
        unsupported("fields not supported: HostPID, HostIPC"),
    ),
    "a host port": ("strict", a_pod().with_port(hostPort=80), unsupported("port contains HostIP or HostPort")),
    "privileged": (
        "strict",
        a_pod().secured(privileged=True),
        unsupported("invalid SecurityContext fields: Privileged"),
    ),
    "privilege escalation": (
        "strict",
        a_pod().secured(allowPrivilegeEscalation=True),
        unsupported("invalid SecurityContext fields: AllowPrivilegeEscalation"),
    ),
    "capabilities": (
        "strict",
        a_pod().adding_capabilities("SYS_ADMIN", "NET_ADMIN"),
        unsupported("invalid SecurityContext fields: Capabilities added: NET_ADMIN, SYS_ADMIN"),
    ),
    "a hostPath volume": (
        "strict",
        a_pod().with_volume("logs", hostPath={"path": "/var/log"}),
        unsupported("volumes not supported: logs is of an unsupported volume Type"),
    ),
    "a GPU": (
        "strict",
        a_pod().limited_to(**{"nvidia.com/gpu": 1}),
        unsupported("resources not supported: nvidia.com/gpu"),
    ),
    "17 CPUs": (
        "strict",
        a_pod().requesting(cpu="17"),
        unsupported("requests exceed the largest size: 16vCPU 120GB"),
    ),
    "120 GiB, which with Fargate's own memory is too much": (
        "strict",
        a_pod().requesting(memory="120Gi"),
        unsupported("requests exceed the largest size: 16vCPU 120GB"),
    ),
    "176 GiB of storage": (
        "strict",
        a_pod().requesting(ephemeral_storage="176Gi"),
        unsupported("ephemeral storage exceeds 175 GiB"),
    ),
    "a RuntimeClass that doesn't exist": (
        "fargate-missing",
        a_pod().labelled(app="web"),
        'pod rejected: RuntimeClass "missing" not found',
    ),
}


@pytest.fixture(scope="module")
def namespaces(server: Server) -> Server:
    """The API server with a namespace that refuses unsupported pods, and one whose sandbox doesn't exist."""
    strict = [
        a_profile("web", a_selector("strict", {"app*": "web"}), a_selector("strict", run="*"), unsupported="Reject")
    ]
    reach(server, "strict", strict)
    reach(server, "fargate-missing", [a_profile("web", a_selector("*", app="web"), sandbox="missing")])
    return server


@pytest.mark.parametrize(("namespace", "pod", "message"), REFUSED_WHEN_CREATED.values(), ids=REFUSED_WHEN_CREATED)
def test_refused_when_created(namespaces: Server, namespace: str, pod: PodBuilder, message: str) -> None:
    manifest = pod.build()
    if message.startswith("Pod not supported"):
        manifest["metadata"].setdefault("labels", {})["run"] = "it"
    answer = namespaces.create_pod(namespace, manifest)
    assert answer.status == 403, answer.message
    assert answer.message.endswith(message)


LABEL, ANNOTATION = "labels", "annotations"

REFUSED_WHEN_CHANGED: dict[str, tuple[str, Manifest, str]] = {
    "the mark changed": ("", {"metadata": {LABEL: {PROFILE_LABEL: "db"}}}, "metadata.labels[monopod.dev/profile]"),
    "EKS's label changed": (
        "",
        {"metadata": {LABEL: {EKS_PROFILE_LABEL: "db"}}},
        "metadata.labels[eks.amazonaws.com/fargate-profile]",
    ),
    "the size changed": (
        "",
        {"metadata": {ANNOTATION: {CAPACITY_ANNOTATION: "16vCPU 120GB"}}},
        "metadata.annotations[CapacityProvisioned]",
    ),
    "a reason added": (
        "",
        {"metadata": {ANNOTATION: {UNSUPPORTED_ANNOTATION: "x"}}},
        "metadata.annotations[monopod.dev/unsupported]",
    ),
    "the mark dropped with a status": (
        "/status",
        {"metadata": {LABEL: {PROFILE_LABEL: None}}},
        "metadata.labels[monopod.dev/profile]",
    ),
    "a resize": (
        "/resize",
        # With the storage that admission wrote: leaving that out would be refused before any policy is asked.
        {
            "spec": {
                "containers": [
                    {
                        "name": "app",
                        "resources": {
                            "requests": {"cpu": "9m", "ephemeral-storage": "0"},
                            "limits": {"ephemeral-storage": "20Gi"},
                        },
                    }
                ]
            }
        },
        "A pod of a Fargate profile can't be resized in place: its sandbox has the size that was provisioned for it. "
        "Create the pod again with other requests.",
    ),
    "a privileged ephemeral container": (
        "/ephemeralcontainers",
        {
            "spec": {
                "ephemeralContainers": [{"name": "d", "image": "d", "securityContext": {"privileged": True}}],
            }
        },
        "Pod not supported on Fargate: invalid SecurityContext fields: Privileged in spec.ephemeralContainers.",
    ),
}

_numbers = itertools.count(1)


@pytest.mark.parametrize(("road", "change", "message"), REFUSED_WHEN_CHANGED.values(), ids=REFUSED_WHEN_CHANGED)
def test_refused_when_changed(server: Server, road: str, change: Manifest, message: str) -> None:
    name = f"refused-{next(_numbers)}"
    server.create_pod("fargate", a_pod(name).requesting(cpu="5m").build(), dry_run=False).expect_ok()
    answer = server.patch(f"/api/v1/namespaces/fargate/pods/{name}{road}", change)
    server.delete(PODS.path(name, "fargate"))
    assert answer.status == 403, answer.message
    assert message in answer.message


def test_refused_to_the_operator(server: Server) -> None:
    answer = server.create_pod("fargate", a_pod().build(), user=OPERATOR, dry_run=False)
    assert "Monopod's operator may create pods only with dryRun=All" in answer.message


def test_refused_to_the_operator_where_it_recreates_no_pods(server: Server) -> None:
    pod = a_pod().annotated({"monopod.dev/recreated-from": "1"}).build()
    for dry_run in (False, True):  # what is refused as a dry run leaves the other pod alone
        answer = server.create_pod("fargate", pod, user=OPERATOR, dry_run=dry_run)
        assert "Set the chart's value barePods.recreate to let it create pods again" in answer.message


def test_the_operator_creates_pods_only_as_dry_runs(server: Server) -> None:
    pod = a_pod("trial").build()
    for namespace in ("fargate", "plain"):
        server.create_pod(namespace, pod, user=OPERATOR, dry_run=True).expect_ok()
        answer = server.create_pod(namespace, pod, user=OPERATOR, dry_run=False)
        assert answer.status == 403
        assert "only with dryRun=All" in answer.message
