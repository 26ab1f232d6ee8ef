"""Images on nodes before pods come: on fake nodes, by the real controller of DaemonSets."""

import json
from collections.abc import Iterator, Mapping

import pytest

from lab.cluster.kwok import TAINT
from monopod.api.names import SYSTEM_NAMESPACE, WARM_IMAGES_LABEL
from monopod.capacity.rules.images.daemon_set import name_volume
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually

PROFILE = "warm"
NAMED, FOUND = f"warm-images-{PROFILE}-spec", f"warm-images-{PROFILE}-workloads"
BOXED: Json = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "warm-boxed"},
    "handler": "kata-qemu",
    "scheduling": {"nodeSelector": {"type": "kwok"}, "tolerations": [{"key": TAINT["key"], "operator": "Exists"}]},
}


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("warm-images", tmp_path_factory.mktemp("warm-images"), fake_nodes=2) as lab:
        lab.create(BOXED).expect_ok()
        lab.create_namespace(PROFILE)
        yield lab


@pytest.fixture
def profile(lab: Lab, operator: OperatorProcess) -> Iterator[Lab]:
    """An active profile that asks for two images, and has them on both nodes; one of its selectors is Monopod's own."""
    images = {"images": ["shop:1", "desk:1"]}
    lab.create_profile(PROFILE, PROFILE, SYSTEM_NAMESPACE, runtimeClassName="warm-boxed", warmImages=images)
    lab.becomes_active(PROFILE)
    says(lab, "ImagesWarm", {"desk:1": 2, "shop:1": 2})
    yield lab
    lab.delete_profiles()
    for name in (NAMED, FOUND):  # what the garbage collector would do after the operator
        lab.delete("DaemonSet", name, SYSTEM_NAMESPACE)
    eventually(lambda: not keepers(lab))  # or the next test takes them for its own


def says(lab: Lab, reason: str, images: Mapping[str, int]) -> None:
    def check() -> bool:
        condition, warm = lab.condition(PROFILE, "ImagesWarm"), lab.status(PROFILE).get("warmImages") or {}
        found = {each["image"]: each["nodes"] for each in warm.get("images", ())}
        assert (condition.get("reason"), found) == (reason, images), condition
        return True

    eventually(check)


def warm(lab: Lab, **fields: object) -> None:
    lab.patch("FargateProfile", PROFILE, {"spec": {"warmImages": fields}})


def images_of(lab: Lab, name: str) -> list[str]:
    pod = (lab.get("DaemonSet", name, SYSTEM_NAMESPACE) or {})["spec"]["template"]["spec"]
    return [volume["image"]["reference"] for volume in pod["volumes"]]


def keepers(lab: Lab) -> list[Json]:
    """The pods that are there to stay."""
    found = lab.list_all("Pod", SYSTEM_NAMESPACE, f"?labelSelector={WARM_IMAGES_LABEL}={PROFILE}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def generation(lab: Lab) -> int:
    return int((lab.get("DaemonSet", NAMED, SYSTEM_NAMESPACE) or {})["metadata"]["generation"])


def test_each_node_of_the_sandbox_keeps_the_images_and_a_change_reaches_them(profile: Lab) -> None:
    assert {pod["spec"]["nodeName"] for pod in keepers(profile)} == {"kwok-0", "kwok-1"}
    warm(profile, images=["shop:2"])
    says(profile, "ImagesWarm", {"shop:2": 2})
    assert images_of(profile, NAMED) == ["shop:2"]
    assert profile.condition(PROFILE, "Ready")["status"] == "True"


def test_their_pods_are_no_pods_of_a_profile_that_takes_monopods_namespace(profile: Lab) -> None:
    for pod in keepers(profile):
        assert "monopod.dev/profile" not in pod["metadata"]["labels"]
        assert "runtimeClassName" not in pod["spec"]
        assert pod["spec"]["priority"] == -7
    assert profile.status(PROFILE)["pods"] == 0
    assert "rescheduling" not in profile.status(PROFILE)


def test_an_image_that_cannot_be_pulled_is_told_in_the_kubelets_words(profile: Lab) -> None:
    pod, missing = keepers(profile)[0], name_volume("desk:1")
    statuses = pod["status"]["containerStatuses"]
    for status in statuses:
        if status["name"] == missing:
            words = 'Back-off pulling image "desk:1": ErrImagePull: desk:1: not found'
            status |= {"ready": False, "state": {"waiting": {"reason": "ImagePullBackOff", "message": words}}}
    conditions = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]
    told = json.dumps({"status": {"containerStatuses": statuses, "conditions": conditions}})
    where = ("-n", SYSTEM_NAMESPACE, "--subresource=status")
    profile.kubectl("patch", "pod", pod["metadata"]["name"], *where, "--type=strategic", "-p", told)
    says(profile, "ImagePullFailed", {"desk:1": 1, "shop:1": 2})
    (image,) = (each for each in profile.status(PROFILE)["warmImages"]["images"] if "message" in each)
    assert image["message"] == f"node {pod['spec']['nodeName']}: desk:1: not found"
    assert profile.condition(PROFILE, "Ready")["status"] == "True"


def test_what_someone_changes_is_restored(profile: Lab) -> None:
    change = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
    profile.patch("DaemonSet", NAMED, change, SYSTEM_NAMESPACE)
    warm(profile, images=["shop:1", "tool:1"])
    says(profile, "ImagesWarm", {"shop:1": 2, "tool:1": 2})
    profile.delete("DaemonSet", NAMED, SYSTEM_NAMESPACE)
    eventually(lambda: len(keepers(profile)) == 2)


def test_an_operator_that_is_killed_leaves_the_images_and_the_next_one_changes_nothing(
    profile: Lab, operator: OperatorProcess, start: StartOperator
) -> None:
    before = generation(profile), {pod["metadata"]["uid"] for pod in keepers(profile)}
    operator.kill()
    profile.delete("Lease", "monopod", SYSTEM_NAMESPACE)
    start().passes_happen()
    says(profile, "ImagesWarm", {"desk:1": 2, "shop:1": 2})
    assert (generation(profile), {pod["metadata"]["uid"] for pod in keepers(profile)}) == before


@pytest.mark.parametrize("how", ["taken out", "deleted"])
def test_images_go_with_the_field_and_with_the_profile(profile: Lab, how: str) -> None:
    if how == "deleted":
        profile.delete_profile(PROFILE)
    else:
        profile.patch("FargateProfile", PROFILE, {"spec": {"warmImages": None}})
        eventually(lambda: not profile.condition(PROFILE, "ImagesWarm"))
        assert "warmImages" not in profile.status(PROFILE)
    eventually(lambda: profile.get("DaemonSet", NAMED, SYSTEM_NAMESPACE) is None)
    eventually(lambda: keepers(profile) == [])


def test_images_of_running_pods_are_kept_apart_and_without_secrets(profile: Lab) -> None:
    profile.create_pod(
        PROFILE,
        "shopper",
        containers=[{"name": "app", "image": "shop:1"}, {"name": "more", "image": "found:1"}],
        tolerations=[{"key": TAINT["key"], "operator": "Exists"}],
    )
    eventually(lambda: (profile.get("Pod", "shopper", PROFILE) or {})["status"].get("phase") == "Running")
    warm(profile, fromWorkloads=True, imagePullSecrets=[{"name": "key"}])
    says(profile, "ImagesWarm", {"desk:1": 2, "found:1": 2, "shop:1": 2})
    pods = [
        (profile.get("DaemonSet", name, SYSTEM_NAMESPACE) or {})["spec"]["template"]["spec"] for name in (NAMED, FOUND)
    ]
    assert [pod.get("imagePullSecrets") for pod in pods] == [[{"name": "key"}], None]
    assert images_of(profile, FOUND) == ["found:1"]
