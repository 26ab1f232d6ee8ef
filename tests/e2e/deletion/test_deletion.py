"""A profile is deleted while its pods serve: they move within their budget, to another profile or outside."""

from collections.abc import Iterator

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL
from tests.e2e.live import Live, is_ready
from tests.e2e.workloads import a_budget, a_deployment, a_profile

KEPT, LEFT = {"moves": "yes", "kept": "yes"}, {"moves": "yes"}
SMALL = {"cpu": "100m"}
MOVED_SECONDS = 300


@pytest.fixture
def namespace(live: Live) -> Iterator[str]:
    """A namespace of the profiles `leaving` and, for pods labelled `kept: yes`, `staying`, which comes after it."""
    name = live.make_namespace("leaving")
    profiles = {"leaving": {"moves": "yes"}, "staying": {"kept": "yes"}}
    live.apply(*(a_profile(profile, name, labels) for profile, labels in profiles.items()))
    for profile in profiles:
        live.await_phase(profile)
    yield name
    live.remove_namespace(name)
    live.kubectl("delete", "fargateprofile", "leaving", "staying", "--ignore-not-found")


@pytest.mark.eks("1.deleting-stops-pods", "1.replacements-elsewhere")
def test_the_pods_of_a_deleted_profile_move_within_their_budget(live: Live, namespace: str) -> None:
    kept, left = a_deployment("kept", namespace, KEPT, SMALL), a_deployment("left", namespace, LEFT, SMALL)
    kept["spec"]["replicas"] = 2
    live.apply(kept, left, a_budget("kept", namespace, 2))
    live.await_ready(namespace, 3)
    live.kubectl("delete", "fargateprofile", "leaving", "--wait=false")

    def count_left() -> tuple[int, int] | None:
        profile = next(each for each in live.find("fargateprofiles", "") if each["metadata"]["name"] == "leaving")
        status = profile["status"]
        return (status["pods"], status["deletion"]["pods"]) if "deletion" in status else None

    live.wait_for(lambda: count_left() == (2, 3), "all to be gone but those that the budget keeps", MOVED_SECONDS)
    live.apply(a_budget("kept", namespace, 1))

    def is_gone() -> bool:
        pods = live.find("pods", namespace, "app=kept")
        assert any(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods), "the budget is kept"
        return "leaving" not in {each["metadata"]["name"] for each in live.find("fargateprofiles", "")}

    live.wait_for(is_gone, "the end of profile leaving", MOVED_SECONDS)
    pods = {pod["metadata"]["name"]: pod["metadata"]["labels"] for pod in live.await_ready(namespace, 3)}
    owners = {labels["app"]: labels.get(PROFILE_LABEL) for labels in pods.values()}
    assert owners == {"kept": "staying", "left": None}
    assert {labels.get(EKS_PROFILE_LABEL) for labels in pods.values()} == {"staying", None}
