"""Without the mutation, nothing that a profile matches gets past: the validating policy alone, on a real API server.

That is what it is like while a new policy isn't in effect yet, after somebody deleted it, or behind a webhook that
undoes its work. Pods here carry by hand what admission would have written, right or wrong.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    COMPUTE_TYPE,
    EKS_PROFILE_LABEL,
    FARGATE_SPOT,
    ISOLATED_ANNOTATION,
    ISOLATION_GATE,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    PROFILE_LABEL,
    SELECTORS_ANNOTATION,
    SPOT_PRIORITY_CLASS,
    STORAGE_ANNOTATION,
    TOPOLOGY_ZONE,
    UNSUPPORTED_ANNOTATION,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.isolation.rules.membership import build_group_marks
from monopod.kube.objects.resources import MUTATING_BINDINGS, NAMESPACES
from tests.controlplane.reach import OPERATOR, poll
from tests.controlplane.server import Server
from tests.unit.builders import PodBuilder, a_pod

SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
BINDINGS = MUTATING_BINDINGS.list_path()
HOST_PID = "Pod not supported on Fargate: fields not supported: HostPID"


@pytest.fixture(scope="module")
def unmutated(server: Server) -> Iterator[Server]:
    """The API server without the policy that writes on pods."""
    binding = server.get(f"{BINDINGS}/monopod-pods").expect_ok()
    server.delete(f"{BINDINGS}/monopod-pods").expect_ok()
    poll(lambda: server.create_pod("fargate", a_pod().build()), lambda answer: not answer.ok)
    yield server
    metadata = {key: binding["metadata"][key] for key in ("name", "annotations")}
    restored = {"metadata": metadata, "spec": binding["spec"]}
    server.create(BINDINGS, restored).expect_ok()
    poll(lambda: server.create_pod("fargate", a_pod().build()), lambda answer: answer.ok)


def as_member(pod: PodBuilder, *groups: str) -> PodBuilder:
    """The pod in these security groups, or in the default one."""
    labels, annotations = build_group_marks(groups or ("cluster",))
    return pod.labelled(labels).annotated(annotations)


def as_admitted(pod: PodBuilder, cpu: str = "250m", memory: str = "512Mi") -> PodBuilder:
    """The pod as admission would leave it."""
    size = {"cpu": cpu, "memory": memory}
    marked = as_member(
        pod.labelled({PROFILE_LABEL: "web", EKS_PROFILE_LABEL: "web"}).with_spec(runtimeClassName="kata")
    )
    annotated = marked.annotated({CAPACITY_ANNOTATION: "0.25vCPU 0.5GB", STORAGE_ANNOTATION: "20Gi"})
    stored = annotated.limited_to(ephemeral_storage="20Gi").requesting(ephemeral_storage="0")
    return stored.with_pod_level(requests=size, limits=size)


def as_waiting(pod: PodBuilder, text: str = HOST_PID) -> PodBuilder:
    """The pod as admission would leave one that Fargate can't run."""
    marked = as_member(
        pod.labelled({PROFILE_LABEL: "web", EKS_PROFILE_LABEL: "web"}).with_spec(runtimeClassName="kata")
    )
    return marked.annotated({UNSUPPORTED_ANNOTATION: text}).with_spec(schedulingGates=[{"name": UNSUPPORTED_GATE}])


ACCEPTED = {
    "a sandboxed pod": as_admitted(a_pod()),
    "its size in another notation": as_admitted(a_pod(), cpu="0.25", memory="536870912"),
    "less ephemeral storage": as_admitted(a_pod()).limited_to(ephemeral_storage="1Gi"),
    "a pod that waits for its claim": as_admitted(a_pod())
    .with_volume("data", persistentVolumeClaim={"claimName": "data"})
    .with_spec(schedulingGates=[{"name": VOLUMES_GATE}]),
    "a pod that waits for an isolation that is there": as_admitted(a_pod()).with_spec(
        schedulingGates=[{"name": ISOLATION_GATE}]
    ),
    "a pod that waits": as_waiting(a_pod().with_spec(hostPID=True)),
    "an exempt pod": a_pod().with_spec(nodeName="node-1"),
    "a pod that opted out": a_pod().annotated({COMPUTE_TYPE: "ec2"}),
}


@pytest.mark.parametrize("pod", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(unmutated: Server, pod: PodBuilder) -> None:
    unmutated.create_pod("fargate", pod.build()).expect_ok()


MARKS = "metadata.labels[monopod.dev/profile] and [eks.amazonaws.com/fargate-profile] do not both name it"
SANDBOX = "spec.runtimeClassName is not the profile's sandbox"
SIZE = "spec.resources and the annotation CapacityProvisioned are not the size that its containers need"
STORAGE = "the annotation monopod.dev/ephemeral-storage do not hold it to what its containers need"
CLAIMS = "it must have the scheduling gate monopod.dev/volumes if it mounts persistent volume claims, and only then"
GATE = "the scheduling gate monopod.dev/unsupported and the annotation of that name do not say what Fargate can run"

PROVIDER = "but it isn't as the profile's capacityProviderStrategy wants it"

SMALL: dict[str, Any] = {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "250m", "memory": "1Gi"}}

GROUPS = "its labels sg.monopod.dev/… and monopod.dev/security-groups and its annotation fargate.amazonaws.com/pod-sg"

REFUSED = {
    "another group besides": (as_admitted(a_pod()).labelled({"sg.monopod.dev/admin": "true"}), GROUPS),
    "another group": (as_member(as_admitted(a_pod()), "admin"), GROUPS),
    "no member of its group": (as_admitted(a_pod()).labelled({"sg.monopod.dev/cluster": "no"}), GROUPS),
    "another number of groups": (as_admitted(a_pod()).labelled({"monopod.dev/security-groups": "0"}), GROUPS),
    "another annotation of groups": (as_admitted(a_pod()).annotated({"fargate.amazonaws.com/pod-sg": "a"}), GROUPS),
    "an identity": (as_admitted(a_pod()).labelled({"monopod.dev/task": "0" * 32}), GROUPS),
    "an untouched pod": (a_pod(), MARKS),
    "only EKS's label": (a_pod().labelled({EKS_PROFILE_LABEL: "web"}), MARKS),
    "another profile's mark": (as_admitted(a_pod()).labelled({PROFILE_LABEL: "db"}), MARKS),
    "another profile's label": (as_admitted(a_pod()).labelled({EKS_PROFILE_LABEL: "db"}), MARKS),
    "another class": (as_admitted(a_pod()).with_spec(runtimeClassName="bare"), SANDBOX),
    "no size": (as_admitted(a_pod()).with_spec(resources=None), SIZE),
    "a larger limit": (as_admitted(a_pod()).with_spec(resources=SMALL), SIZE),
    "another size's annotation": (as_admitted(a_pod()).annotated({CAPACITY_ANNOTATION: "16vCPU 120GB"}), SIZE),
    "no annotation of storage": (as_admitted(a_pod()).annotated({STORAGE_ANNOTATION: ""}), STORAGE),
    "another annotation of storage": (as_admitted(a_pod()).annotated({STORAGE_ANNOTATION: "21Gi"}), STORAGE),
    "more storage": (as_admitted(a_pod()).limited_to(ephemeral_storage="21Gi"), STORAGE),
    "more storage by a sidecar": (
        as_admitted(a_pod()).with_spec(
            initContainers=[
                {
                    "name": "s",
                    "image": "s",
                    "restartPolicy": "Always",
                    "resources": {"limits": {"ephemeral-storage": "1Gi"}, "requests": {"ephemeral-storage": "0"}},
                }
            ]
        ),
        STORAGE,
    ),
    "no limit of storage": (as_admitted(a_pod()).with_spec(containers=[{"name": "app", "image": "app"}]), STORAGE),
    "a gate without need": (as_admitted(a_pod()).with_spec(schedulingGates=[{"name": UNSUPPORTED_GATE}]), GATE),
    "a pod that doesn't wait for its claim": (
        as_admitted(a_pod()).with_volume("data", persistentVolumeClaim={"claimName": "data"}),
        CLAIMS,
    ),
    "a pod that waits for no claim": (as_admitted(a_pod()).with_spec(schedulingGates=[{"name": VOLUMES_GATE}]), CLAIMS),
    "a reason without need": (as_admitted(a_pod()).annotated({UNSUPPORTED_ANNOTATION: HOST_PID}), GATE),
    "an impossible pod without a gate": (
        as_waiting(a_pod().with_spec(hostPID=True)).with_spec(schedulingGates=[]),
        GATE,
    ),
    "an impossible pod with another reason": (as_waiting(a_pod().with_spec(hostIPC=True)), GATE),
    "a mark of Spot": (as_admitted(a_pod()).labelled({CAPACITY_PROVIDER_LABEL: FARGATE_SPOT}), PROVIDER),
    "an impossible pod as if it were possible": (as_admitted(a_pod().with_spec(hostPID=True)), GATE),
}


@pytest.mark.parametrize(("pod", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(unmutated: Server, pod: PodBuilder, message: str) -> None:
    answer = unmutated.create_pod("fargate", pod.build())
    assert answer.status == 403
    assert "A Fargate profile matches this pod (`kubectl fargate explain` says which)" in answer.message
    assert message in answer.message
    assert "the MutatingAdmissionPolicy monopod-pods or its binding is missing" in answer.message


def test_more_than_the_size_provisioned_is_refused(unmutated: Server) -> None:
    answer = unmutated.create_pod("fargate", as_admitted(a_pod().requesting(cpu="200m", memory="400Mi")).build())
    assert "are not the size that its containers need" in answer.message


def publish(server: Server, namespace: str, row: str, *, isolated: bool) -> None:
    """Gives a new namespace this row, whatever becomes of pods meanwhile."""
    server.create(NAMESPACES.list_path(), {"metadata": {"name": namespace}})
    annotations = {SELECTORS_ANNOTATION: row, ISOLATED_ANNOTATION: "true" if isolated else None}
    marks = {"labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE}, "annotations": annotations}
    path = NAMESPACES.path(namespace)
    poll(lambda: server.patch(path, {"metadata": marks}, user=OPERATOR), lambda answer: answer.ok)


def test_a_pod_that_does_not_wait_until_its_namespace_is_isolated_is_refused(unmutated: Server) -> None:
    publish(unmutated, "backstop-open", "web|kata|Pend||", isolated=False)
    waiting = as_admitted(a_pod()).with_spec(schedulingGates=[{"name": "a.io/b"}, {"name": ISOLATION_GATE}])
    poll(lambda: unmutated.create_pod("backstop-open", a_pod().build()), lambda answer: not answer.ok)
    unmutated.create_pod("backstop-open", waiting.build()).expect_ok()
    impossible = as_waiting(a_pod().with_spec(hostPID=True))
    unmutated.create_pod("backstop-open", impossible.build()).expect_ok()
    for gates in ([], [{"name": "a.io/b"}]):
        pod = as_admitted(a_pod()).with_spec(schedulingGates=gates)
        answer = unmutated.create_pod("backstop-open", pod.build())
        assert answer.status == 403
        assert f"it lacks the scheduling gate {ISOLATION_GATE}" in answer.message


def test_a_pod_outside_its_profiles_zones_is_refused(unmutated: Server) -> None:
    publish(unmutated, "backstop-zones", "web|kata|Pend|||eu-1a", isolated=True)
    required = {"key": TOPOLOGY_ZONE, "operator": "In", "values": ["eu-1a"]}
    inside = as_admitted(a_pod()).requiring_nodes({"matchExpressions": [required]}).build()
    poll(lambda: unmutated.create_pod("backstop-zones", inside), lambda answer: answer.ok)
    for pod in (a_pod(), a_pod().requiring_nodes({"matchExpressions": [required]}, {"matchExpressions": [SSD]})):
        answer = unmutated.create_pod("backstop-zones", as_admitted(pod).build())
        assert answer.status == 403
        assert "spec.affinity.nodeAffinity does not require its zones" in answer.message


def test_a_pod_that_is_not_on_spot_as_its_profile_says_is_refused(unmutated: Server) -> None:
    publish(unmutated, "backstop-spot", "web|kata|Pend|||||||||Spot", isolated=True)
    spot: dict[str, Any] = {"priorityClassName": SPOT_PRIORITY_CLASS}

    def on_spot(mark: str = FARGATE_SPOT, **spec: Any) -> dict[str, Any]:
        return as_admitted(a_pod()).labelled({CAPACITY_PROVIDER_LABEL: mark}).with_spec(**spec).build()

    poll(lambda: unmutated.create_pod("backstop-spot", on_spot(**spot)), lambda answer: answer.ok)
    for pod in (
        as_admitted(a_pod()).with_spec(**spot).build(),
        on_spot("FARGATE", **spot),
        on_spot(),
        on_spot(priorityClassName="system-node-critical"),
        on_spot(**spot, terminationGracePeriodSeconds=121),
    ):
        answer = unmutated.create_pod("backstop-spot", pod)
        assert answer.status == 403
        assert PROVIDER in answer.message


def test_a_pod_off_its_capacitys_nodes_is_refused(unmutated: Server) -> None:
    publish(unmutated, "backstop-nodes", "web|kata|Pend||||||||||kind=spot", isolated=True)
    elsewhere = {"key": "kind", "operator": "NotIn", "values": ["spot"]}
    there = {**elsewhere, "operator": "In"}
    inside = as_admitted(a_pod()).requiring_nodes({"matchExpressions": [SSD, elsewhere]}).build()
    poll(lambda: unmutated.create_pod("backstop-nodes", inside), lambda answer: answer.ok)
    for term in ({"matchExpressions": [there]}, {"matchExpressions": [SSD]}):
        answer = unmutated.create_pod("backstop-nodes", as_admitted(a_pod().requiring_nodes(term)).build())
        assert answer.status == 403
        assert "does not require its zones, or its capacity's nodes" in answer.message
