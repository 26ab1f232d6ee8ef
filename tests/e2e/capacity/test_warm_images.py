"""Images on a real node before the first pod comes: pulled, kept, and nothing of them executed."""

from collections.abc import Iterator

import pytest

from lab.aws.registry import HOST, WARMED
from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from monopod.api.names import WARM_IMAGES_LABEL
from monopod.capacity.rules.images.daemon_set import MOUNT_PATH, name_volume
from tests.e2e.live import Live, Object
from tests.e2e.workloads import SANDBOXED, a_pod, a_profile

PROFILE = "warm-images"
MISSING = f"{HOST}/missing:1.0"
PULL_SECONDS = 180


@pytest.fixture
def warmed(live: Live) -> Iterator[Object]:
    """The status of a profile whose nodes have one image and can't have the other."""
    profile = a_profile(PROFILE, "warm-*", SANDBOXED)
    profile["spec"]["warmImages"] = {"images": [WARMED, MISSING]}
    live.apply(profile)

    def look() -> Object | None:
        found: Object = live.get("fargateprofile", PROFILE).get("status", {})
        images = {each["image"]: each for each in found.get("warmImages", {}).get("images", ())}
        return (
            found if images and images[WARMED]["nodes"] and "not found" in images[MISSING].get("message", "") else None
        )

    yield live.wait_for(look, "one image on the node, and word of the other", PULL_SECONDS)
    live.kubectl("delete", "fargateprofile", PROFILE, "--wait=true", "--timeout=150s")
    # The next profile of this name has pods of its own.
    live.wait_for(lambda: not find_keepers(live), "the end of what keeps images")


def find_keepers(live: Live) -> list[Object]:
    return live.find("pods", SYSTEM_NAMESPACE, f"{WARM_IMAGES_LABEL}={PROFILE}")


def test_a_pod_of_an_image_that_is_on_the_node_starts_without_a_pull_and_a_missing_one_stops_no_other(
    live: Live, warmed: Object
) -> None:
    assert warmed["phase"] in ("CREATING", "ACTIVE")
    there, missing = (
        next(i for i in warmed["warmImages"]["images"] if i["image"] == name) for name in (WARMED, MISSING)
    )
    assert there == {"image": WARMED, "nodes": warmed["warmImages"]["nodes"]}
    assert (missing["nodes"], "not found" in missing["message"]) == (0, True)
    (condition,) = (each for each in warmed["conditions"] if each["type"] == "ImagesWarm")
    assert (condition["status"], condition["reason"]) == ("False", "ImagePullFailed")

    live.await_phase(PROFILE)
    namespace = live.make_namespace("warm")
    pod = a_pod("first", namespace, SANDBOXED)
    pod["spec"]["containers"][0] |= {"image": WARMED, "imagePullPolicy": "IfNotPresent"}
    live.apply(pod)
    live.await_ready(namespace)

    def find_pulls() -> list[tuple[str, str]]:
        events = [event for event in live.find("events", namespace) if event["involvedObject"]["name"] == "first"]
        told = [(event["reason"], event["message"]) for event in events]
        return [each for each in told if each[0] in ("Pulling", "Pulled")]

    # The kubelet writes its events in their order, and after what they tell of.
    live.wait_for(lambda: "Pulled" in dict(find_pulls()), "the event of the image")
    ((reason, message),) = find_pulls()
    assert (reason, "already present on machine" in message) == ("Pulled", True)
    live.remove_namespace(namespace)


def test_what_keeps_images_is_a_pod_outside_the_sandbox_that_runs_nothing_of_theirs(live: Live, warmed: Object) -> None:
    pods = find_keepers(live)
    assert len(pods) == warmed["warmImages"]["nodes"]
    for pod in pods:
        assert "runtimeClassName" not in pod["spec"]
        states = {each["name"]: each["state"] for each in pod["status"]["containerStatuses"]}
        assert "running" in states[name_volume(WARMED)]
        assert "waiting" in states[name_volume(MISSING)]
        (status,) = (each for each in pod["status"]["containerStatuses"] if each["name"] == name_volume(WARMED))
        assert WARMED not in status["image"]
        # By this mount the kubelet's garbage collection knows that the image is used.
        (mount,) = status["volumeMounts"]
        assert (mount["mountPath"], mount["readOnly"]) == (MOUNT_PATH, True)
    assert warmed.get("pods", 0) == 0
