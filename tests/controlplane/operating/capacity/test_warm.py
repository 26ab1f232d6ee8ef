"""Room that is kept for a profile's next pods, by the real scheduler and controllers, on two fake nodes.

Each node has 64 CPUs and 256 GiB, which is room for two of the largest pods, so for four in all.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cluster.kwok import TAINT
from monopod.api.names import BALLOON_PRIORITY_CLASS, SYSTEM_NAMESPACE, WARM_LABEL
from monopod.kube.objects.resources import CAPACITY_BUFFERS
from tests.controlplane.operating.capacity.buffers import serve_buffers
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.controlplane.server import MERGE_PATCH

LARGE, SMALL = "16vCPU 120GB", "0.25vCPU 0.5GB"
CLASS: Json = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "warmed"},
    "handler": "kata-qemu",
    "overhead": {"podFixed": {"cpu": "250m", "memory": "128Mi"}},
    "scheduling": {
        "nodeSelector": {"kwok": "true"},
        "tolerations": [{"key": TAINT["key"], "operator": "Exists"}],
    },
}
SOON = """
import datetime
from monopod.capacity import controller as reader
from monopod.capacity.rules.warm import state
from monopod.capacity.warm import controller
state.ANSWER_WITHIN = datetime.timedelta(seconds=3)
state.SETTLING = datetime.timedelta(seconds=2)
controller.PODS_SECONDS = controller.SHORT_SECONDS = controller.POLL_SECONDS = reader.POLL_SECONDS = 1.0
"""


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("warm", tmp_path_factory.mktemp("warm"), fake_nodes=2) as lab:
        lab.create(CLASS).expect_ok()
        for name in ("warm", "cold"):
            lab.create_namespace(name)
            eventually(lambda: lab.get("ServiceAccount", "default", name))  # noqa: B023 it is called at once
        eventually(lambda: len(lab.list_all("Node")) == 2)
        yield lab


@pytest.fixture(autouse=True)
def empty(lab: Lab) -> Iterator[None]:
    """Nothing is left for the next test."""
    yield
    lab.delete_profiles()
    lab.kubectl("delete", "deployments,podtemplates", "-n", SYSTEM_NAMESPACE, "-l", WARM_LABEL)
    lab.kubectl("delete", "pods", "--all", "-n", "warm", "--force", "--grace-period=0")
    eventually(lambda: not balloons(lab))


def balloons(lab: Lab) -> list[Json]:
    """Those that aren't going, with a node."""
    pods = lab.list_all("Pod", SYSTEM_NAMESPACE, f"?labelSelector={WARM_LABEL}")
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and pod["spec"].get("nodeName")]


def ask(lab: Lab, name: str = "warm", provider: str = "Auto", **warm: object) -> None:
    """A profile for the namespace `warm` that asks for warm capacity."""
    lab.create_profile(
        name, name, runtimeClassName="warmed", capacity={"provider": provider, "warm": warm} if warm else None
    )


def has(
    lab: Lab, wanted: int, ready: int, reason: str = "CapacityAvailable", name: str = "warm", words: str = ""
) -> str:
    """The condition's message, once the profile says so much, and in these words."""

    def check() -> bool:
        said, condition = lab.status(name).get("capacity") or {}, lab.condition(name, "CapacityAvailable")
        assert (condition.get("reason"), said.get("warm")) == (reason, {"wanted": wanted, "ready": ready}), condition
        assert words in condition["message"], condition
        return True

    eventually(check)
    return str(lab.condition(name, "CapacityAvailable")["message"])


def place(lab: Lab, name: str, cpu: str = "16", memory: str = "100Gi") -> None:
    """Creates a pod of the profile, and waits until it has a node."""
    requests = {"requests": {"cpu": cpu, "memory": memory}}
    lab.create_pod("warm", name, containers=[{"name": "app", "image": "app", "resources": requests}])
    eventually(lambda: (lab.get("Pod", name, "warm") or {})["spec"].get("nodeName"))


def test_room_is_kept_taken_by_a_pod_at_once_and_kept_again(lab: Lab, start: StartOperator) -> None:
    start(patch=SOON)
    ask(lab, replicas=3, size=LARGE)
    has(lab, 3, 3)
    [kept] = lab.list_all("Deployment", SYSTEM_NAMESPACE, f"?labelSelector={WARM_LABEL}")
    first, *_ = found = balloons(lab)
    assert (first["spec"]["priority"], first["spec"]["preemptionPolicy"]) == (-10, "Never")
    assert first["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "16250m", "memory": "123008Mi"}
    assert not {"runtimeClassName", "volumes"} & first["spec"].keys()
    assert lab.status("warm").get("pods", 0) == 0, "a balloon is no pod of the profile"

    place(lab, "first")
    assert len(balloons(lab)) == 3, "there was room beside them"
    place(lab, "second")
    assert len(balloons(lab)) < 3, "it took a balloon's place, and nothing else has made room for it"
    # What the scheduler says of the next balloon may come after that there is none.
    message = has(lab, 3, 2, "WarmShort", words="Insufficient memory")
    assert "spec.capacity.warm" in message
    assert lab.condition("warm", "Ready")["status"] == "True"

    lab.kubectl("delete", "pod", "first", "-n", "warm", "--force", "--grace-period=0")
    has(lab, 3, 3)
    assert {pod["metadata"]["name"] for pod in balloons(lab)} != {pod["metadata"]["name"] for pod in found}

    lab.delete("Pod", "second", "warm")
    lab.delete_profile("warm")
    eventually(lambda: not balloons(lab) and lab.get("Deployment", kept["metadata"]["name"], SYSTEM_NAMESPACE) is None)


def test_what_is_asked_for_may_change(lab: Lab, start: StartOperator) -> None:
    start("--warm-bound", "4", patch=SOON)
    ask(lab, replicas=2)
    has(lab, 2, 2)
    assert {pod["metadata"]["annotations"]["CapacityProvisioned"] for pod in balloons(lab)} == {SMALL}
    lab.patch("FargateProfile", "warm", {"spec": {"capacity": {"warm": {"replicas": 3, "size": "1vCPU 4GB"}}}})
    has(lab, 3, 3)
    eventually(
        lambda: {pod["metadata"]["annotations"]["CapacityProvisioned"] for pod in balloons(lab)} == {"1vCPU 4GB"}
    )

    ask(lab, "zoned", percent=50)  # comes after the other, by name
    has(lab, 1, 1, name="zoned")
    lab.patch("FargateProfile", "warm", {"spec": {"capacity": {"warm": {"replicas": 6}}}})
    has(lab, 6, 4, "WarmShort", words="for 4 pods of all profiles at most")
    has(lab, 1, 0, "WarmShort", "zoned")

    for name in ("warm", "zoned"):
        lab.patch("FargateProfile", name, {"spec": {"capacity": None}})
    eventually(lambda: not balloons(lab))
    eventually(lambda: "warm" not in (lab.status("warm").get("capacity") or {}))


def test_a_refusal_is_told_and_room_comes_once_it_may(lab: Lab, start: StartOperator) -> None:
    start(patch=SOON)
    quota = {"metadata": {"name": "none", "namespace": SYSTEM_NAMESPACE}, "spec": {"hard": {"pods": "0"}}}
    lab.create({"apiVersion": "v1", "kind": "ResourceQuota", **quota}).expect_ok()
    eventually(lambda: (lab.get("ResourceQuota", "none", SYSTEM_NAMESPACE) or {}).get("status", {}).get("hard"))
    ask(lab, replicas=1)
    has(lab, 1, 0, "WarmShort", words="exceeded quota: none")
    lab.delete("ResourceQuota", "none", SYSTEM_NAMESPACE)
    lab.kubectl("rollout", "restart", "deployment/warm-warm", "-n", SYSTEM_NAMESPACE)
    has(lab, 1, 1)
    # What kubectl wrote on the pods' template stays there, and the policies on the operator don't mind.
    lab.patch("FargateProfile", "warm", {"spec": {"capacity": {"warm": {"replicas": 2}}}})
    has(lab, 2, 2)


def test_without_its_priority_class_there_is_no_warm_capacity_and_with_it_all_goes(
    lab: Lab, start: StartOperator
) -> None:
    operator = start(patch=SOON)
    ask(lab, replicas=1)
    has(lab, 1, 1)
    operator.kill()
    path = Path(__file__).parents[4] / "manifests/operator/priorityclass.yaml"
    lab.kubectl("delete", "priorityclass", BALLOON_PRIORITY_CLASS)
    try:
        eventually(lambda: lab.get("Deployment", "warm-warm", SYSTEM_NAMESPACE) is None)
        lab.delete("Lease", "monopod", SYSTEM_NAMESPACE)
        start(patch=SOON)
        has(lab, 1, 0, "WarmShort", words=BALLOON_PRIORITY_CLASS)
    finally:  # the other tests need it
        lab.kubectl("apply", "--server-side", "-f", path)
    has(lab, 1, 1)


@pytest.fixture
def buffers(lab: Lab) -> Iterator[None]:
    """The kind CapacityBuffer, which nothing implements."""
    definition = serve_buffers(lab)
    yield
    lab.delete("CustomResourceDefinition", definition)


def answer(lab: Lab) -> None:
    """As what implements CapacityBuffers does."""
    condition = {
        "type": "Provisioning",
        "status": "True",
        "reason": "Provisioned",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = json.dumps({"status": {"replicas": 2, "conditions": [condition]}})
    patch = ("patch", "capacitybuffer", "warm-warm", "-n", SYSTEM_NAMESPACE, "--subresource=status", "--type=merge")
    lab.kubectl(*patch, "-p", status)


def foreign_buffer() -> Json:
    """Somebody's, for pods of their own."""
    metadata = {"name": "theirs", "namespace": SYSTEM_NAMESPACE}
    spec = {"podTemplateRef": {"name": "theirs"}, "replicas": 1}
    return {
        "apiVersion": CAPACITY_BUFFERS.api_version,
        "kind": CAPACITY_BUFFERS.kind,
        "metadata": metadata,
        "spec": spec,
    }


@pytest.mark.usefixtures("buffers")
def test_balloons_stand_in_for_buffers_until_something_implements_them(lab: Lab, start: StartOperator) -> None:
    operator = start(patch=SOON)
    ask(lab, provider="ClusterAutoscaler", replicas=2, size=LARGE)
    has(lab, 2, 2, "BufferNotImplemented", words="CapacityBuffer")
    assert lab.condition("warm", "CapacityAvailable")["status"] == "True"
    [template] = lab.list_all("PodTemplate", SYSTEM_NAMESPACE)
    spec = template["template"]["spec"]
    assert spec["resources"]["requests"] == {"cpu": "16", "memory": "120Gi"}
    assert spec["overhead"] == {"cpu": "250m", "memory": "128Mi"}
    assert (spec["nodeSelector"], spec["tolerations"][0]["key"]) == ({"kwok": "true"}, TAINT["key"])

    answer(lab)
    eventually(lambda: not balloons(lab))
    has(lab, 2, 2)
    for number in range(3):  # of the four that fit
        place(lab, f"web-{number}")
    has(lab, 2, 1, "WarmShort", words="NodePools")  # whatever the buffer's own condition says

    path = CAPACITY_BUFFERS.path("warm-warm", SYSTEM_NAMESPACE)
    assert lab.as_operator("DELETE", f"{path}?dryRun=All", {}) == 200
    lab.kubectl("create", "-f", "-", input=json.dumps(foreign_buffer()))
    theirs = CAPACITY_BUFFERS.path("theirs", SYSTEM_NAMESPACE)
    taken = {"metadata": {"labels": {WARM_LABEL: "warm"}}}
    assert lab.as_operator("DELETE", theirs, {}) == 403
    assert lab.as_operator("PATCH", theirs, taken, MERGE_PATCH) == 403

    operator.kill()
    lab.kubectl("delete", "podtemplate", "warm-warm", "-n", SYSTEM_NAMESPACE)
    lab.delete("Lease", "monopod", SYSTEM_NAMESPACE)
    start(patch=SOON)
    eventually(lambda: lab.list_all("PodTemplate", SYSTEM_NAMESPACE))
    lab.patch("FargateProfile", "warm", {"spec": {"capacity": {"warm": None}}})
    listed = CAPACITY_BUFFERS.list_path(SYSTEM_NAMESPACE)
    eventually(lambda: len(json.loads(lab.kubectl("get", "--raw", listed).stdout)["items"]) == 1)
    eventually(lambda: not lab.list_all("PodTemplate", SYSTEM_NAMESPACE))
