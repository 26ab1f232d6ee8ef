"""Which pods a drill interrupts, and what is said on them."""

from typing import Any

import pytest

from monopod.api.names import CAPACITY_PROVIDER_LABEL, PROFILE_LABEL
from monopod.spot.rules.drill import Target, build_condition, choose_targets, read_target

Json = dict[str, Any]


def a_pod(name: str = "web-1", **metadata: Any) -> Json:
    labels = {PROFILE_LABEL: "web", CAPACITY_PROVIDER_LABEL: "FARGATE_SPOT"}
    return {
        "metadata": {"namespace": "prod", "name": name, "uid": f"uid-{name}", "labels": labels, **metadata},
        "spec": {"nodeName": "node-a", "containers": [], "terminationGracePeriodSeconds": 90},
        "status": {"phase": "Running"},
    }


def targets(*names: str) -> list[Target]:
    found = [read_target(a_pod(name)) for name in names]
    return [target for target in found if target]


TWENTY = targets(*(f"web-{number}" for number in range(20)))


def test_a_running_pod_of_a_profile_is_a_target() -> None:
    assert read_target(a_pod()) == Target("prod", "web-1", "uid-web-1", "web", "FARGATE_SPOT", 90)
    on_demand = read_target(a_pod(labels={PROFILE_LABEL: "web"}))
    assert on_demand is not None
    assert on_demand.provider == "FARGATE"


NO_TARGETS = {
    "it is no profile's": a_pod(labels={}),
    "it is on its way out": a_pod(deletionTimestamp="2026-03-09T00:00:00Z"),
    "it has ended": {**a_pod(), "status": {"phase": "Failed"}},
    "it has no node": {**a_pod(), "spec": {"containers": []}},
}


@pytest.mark.parametrize("pod", NO_TARGETS.values(), ids=NO_TARGETS)
def test_other_pods_are_none(pod: Json) -> None:
    assert read_target(pod) is None


def test_no_pod_gets_more_than_two_minutes() -> None:
    pod = a_pod()
    pod["spec"]["terminationGracePeriodSeconds"] = 600
    target = read_target(pod)
    assert target is not None
    assert target.grace_seconds == 120


@pytest.mark.parametrize(("percent", "count"), [(1, 1), (4, 1), (5, 1), (20, 4), (25, 5), (29, 5), (99, 19), (100, 20)])
def test_a_share_is_rounded_down_and_at_least_one(percent: int, count: int) -> None:
    assert len(choose_targets(TWENTY, percent, "7")) == count


def test_the_same_seed_chooses_the_same_pods_in_whatever_order_they_come() -> None:
    first = choose_targets(TWENTY, 25, "7")
    assert choose_targets(reversed(TWENTY), 25, "7") == first
    assert any(choose_targets(TWENTY, 25, str(seed)) != first for seed in range(3))
    assert {target for seed in range(100) for target in choose_targets(TWENTY, 25, str(seed))} == set(TWENTY), "of all"


def test_more_pods_are_chosen_by_a_larger_share_and_others_change_nothing_of_their_order() -> None:
    assert set(choose_targets(TWENTY, 25, "7")) < set(choose_targets(TWENTY, 50, "7"))
    fewer = [target for target in TWENTY if target.name != "web-3"]
    assert set(choose_targets(fewer, 50, "7")) - {*choose_targets(TWENTY, 50, "7")} <= {
        target for target in TWENTY if target not in choose_targets(TWENTY, 45, "7")
    }


def test_of_no_pods_none_is_chosen() -> None:
    assert choose_targets([], 50, "7") == ()


def test_the_condition_has_awss_words_and_the_pods_uid() -> None:
    found = build_condition(TWENTY[0], "2026-03-09T00:00:00Z")
    assert found["metadata"] == {"name": "web-0", "namespace": "prod", "uid": "uid-web-0"}
    [condition] = found["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "DisruptionTarget", "True", "SpotInterruption",
    )  # fmt: skip
    assert condition["message"] == "Your Spot Task was interrupted."
    assert condition["lastTransitionTime"] == "2026-03-09T00:00:00Z"
