"""Manifests of pods without a controller that are applied again, with kubectl, on a real API server."""

import json
from collections.abc import Iterator, Sequence

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, EKS_PROFILE_LABEL, LOGGING_ANNOTATION
from monopod.kube.objects.resources import PODS
from tests.clusters import ControlPlane
from tests.controlplane.reach import reach
from tests.controlplane.server import Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

SIZE = {"cpu": "300m", "memory": "300Mi"}
STORED = {"limits": {"ephemeral-storage": "100Gi"}, "requests": {"ephemeral-storage": "1Gi"}}
UNCHANGED = {
    "an ordinary pod": a_pod("ordinary").requesting(cpu="100m", memory="64Mi"),
    "EKS's logging annotation": a_pod("logging").annotated({LOGGING_ANNOTATION: "LoggingEnabled"}),
    "a limit of ephemeral storage": a_pod("ephemeral").limited_to(ephemeral_storage="1Gi"),
}
REFUSED = {
    "EKS's capacity annotation": a_pod("capacity").annotated({CAPACITY_ANNOTATION: "0.5vCPU 1.0GB"}),
    "EKS's label of another profile": a_pod("pinned").labelled({EKS_PROFILE_LABEL: "fp-default"}),
    "a limit above the size": a_pod("above").requesting(cpu="100m").limited_to(cpu="1", memory="1Gi"),
    "a class of its own": a_pod("class").with_spec(runtimeClassName="other"),
    "pod-level resources": a_pod("level").with_pod_level(requests=SIZE, limits=SIZE),
    "limits of ephemeral storage above what the pod is given": a_pod("storage").with_spec(
        containers=[
            {"name": "a", "image": "i", "resources": {"limits": {"ephemeral-storage": "1Gi"}}},
            {"name": "b", "image": "i", "resources": STORED},
        ]
    ),
}
FLAGS = pytest.mark.parametrize("flags", [(), ("--server-side", "--field-manager=me")], ids=["client", "server"])


@pytest.fixture(scope="module")
def namespace(server: Server) -> Iterator[str]:
    reach(server, "twice", [a_profile("web", a_selector("twice"))])
    yield "twice"
    for pod in server.get(PODS.list_path("twice")).expect_ok()["items"]:
        server.delete(PODS.path(pod["metadata"]["name"], "twice"))


def run(cluster: ControlPlane, namespace: str, verb: str, pod: PodBuilder, flags: Sequence[str]) -> tuple[int, str]:
    manifest = pod.build()
    manifest["metadata"]["name"] += f"-{len(flags)}"
    done = cluster.kubectl(verb, "-n", namespace, "-f", "-", *flags, input=json.dumps(manifest), check=False)
    return done.returncode, done.stdout


@FLAGS
@pytest.mark.parametrize("pod", UNCHANGED.values(), ids=UNCHANGED)
def test_a_manifest_can_be_applied_again(
    installed: ControlPlane, namespace: str, pod: PodBuilder, flags: Sequence[str]
) -> None:
    for verb, expected in (("apply", 0), ("apply", 0), ("diff", 0)):
        status, output = run(installed, namespace, verb, pod, flags)
        assert (status, verb == "diff" and output) == (expected, verb == "diff" and "")


@FLAGS
@pytest.mark.parametrize("pod", REFUSED.values(), ids=REFUSED)
def test_what_admission_wrote_over_cannot_be_applied_again_and_the_pod_stays(
    installed: ControlPlane, server: Server, namespace: str, pod: PodBuilder, flags: Sequence[str]
) -> None:
    """docs/concepts/admission.md says what to do."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod.build()['metadata']['name']}-{len(flags)}"
    assert run(installed, namespace, "apply", pod, flags)[0] == 0
    before = server.get(path).expect_ok()
    assert [run(installed, namespace, verb, pod, flags)[0] > 0 for verb in ("apply", "diff")] == [True, True]
    assert server.get(path).expect_ok() == before
