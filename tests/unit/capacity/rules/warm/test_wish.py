"""How much room is wanted, of which size."""

from collections import Counter
from typing import Any

import pytest

from monopod.api.profile_parts.capacity import MAX_WARM, SIZES
from monopod.capacity.rules.warm.wish import (
    MOST,
    WarmSettings,
    build_asking,
    compute_wishes,
    read_asking,
    read_running,
)
from monopod.kube.objects.fields import InvalidProfile
from monopod.pods.rules.size import SIZE_TABLE, PodSize
from tests.unit.builders import a_profile_resource
from tests.unit.capacity.rules.warm.wishes import KATA, an_asking

SMALL, LARGE = PodSize(250, 512), PodSize(4000, 8192)


def test_the_api_knows_fargates_sizes_and_the_same_bound() -> None:
    assert tuple(map(str, SIZE_TABLE)) == SIZES
    assert MOST == MAX_WARM


def a_profile(warm: object, **more: Any) -> dict[str, Any]:
    return a_profile_resource("web", {"namespace": "prod"}, capacity={"warm": warm}, **more)


def test_what_a_profile_asks_for_is_read() -> None:
    settings = WarmSettings.from_resource(a_profile({"percent": 10, "size": "0.25vCPU 0.5GB"}))
    assert settings == WarmSettings(0, 10, SMALL)
    assert (settings.asks, settings.needs_pods) == (True, True)
    assert not WarmSettings(2, 0, SMALL).needs_pods


@pytest.mark.parametrize("warm", [{"size": "1vCPU 1GB"}, {"replicas": "2"}, {"percent": True}, []])
def test_what_the_api_server_never_stores_is_an_error(warm: object) -> None:
    resource = a_profile(warm)
    if warm != []:
        with pytest.raises(InvalidProfile):
            WarmSettings.from_resource(resource)
    assert read_asking(resource) == ""


def test_a_profile_asks_until_it_is_deleted() -> None:
    resource = a_profile({"replicas": 1})
    assert read_asking(resource) == "web"
    resource["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert read_asking(resource) == ""
    assert read_asking(a_profile({"replicas": 0})) == ""
    assert read_asking(a_profile_resource("web", {"namespace": "prod"})) == ""


def test_zones_and_spot_are_those_of_the_profile() -> None:
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    resource = a_profile({"replicas": 1}, subnets=["a"], capacityProviderStrategy=spot)
    asking = build_asking(resource, KATA, "spot=yes", grows=True)
    assert (asking.zones, asking.is_spot, asking.spot_label, asking.grows) == (("a",), True, "spot=yes", True)


@pytest.mark.parametrize(
    ("replicas", "percent", "running", "wanted"),
    [(3, 0, 0, 3), (0, 10, 0, 1), (0, 10, 10, 1), (0, 10, 11, 2), (0, 100, 30, 30), (0, 50, 5000, 100)],
)
def test_a_percentage_is_of_the_pods_that_run_rounded_up(
    replicas: int, percent: int, running: int, wanted: int
) -> None:
    pods = {"web": Counter({SMALL: running})}
    [wish] = compute_wishes([an_asking(replicas=replicas, percent=percent)], pods, {}, 1000)
    assert wish.wanted == wanted


@pytest.mark.parametrize(
    ("running", "present", "size"),
    [
        ({}, "", SMALL),
        ({}, "4vCPU 8GB", LARGE),
        ({SMALL: 1, LARGE: 2}, "", LARGE),
        ({SMALL: 2, LARGE: 2}, "", SMALL),
        ({SMALL: 2, LARGE: 2}, "4vCPU 8GB", LARGE),
        ({SMALL: 3, LARGE: 2}, "4vCPU 8GB", SMALL),
    ],
)
def test_the_most_frequent_size_counts_and_stays_while_it_is_one(
    running: dict[PodSize, int], present: str, size: PodSize
) -> None:
    [wish] = compute_wishes([an_asking(replicas=1)], {"web": Counter(running)}, {"web": present}, 10)
    assert wish.chunk.size == size


def test_the_bound_is_for_all_profiles_in_the_order_of_their_names() -> None:
    asking = [an_asking("b", 4), an_asking("a", 3), an_asking("c", 1)]
    wishes = compute_wishes(asking, {}, {}, 5)
    assert [(wish.profile, wish.wanted, wish.allowed) for wish in wishes] == [("a", 3, 3), ("b", 4, 2), ("c", 1, 0)]


def test_pods_are_counted_by_profile_and_size() -> None:
    found = read_running([("web", str(SMALL)), ("web", str(SMALL)), ("web", ""), ("db", str(LARGE))])
    assert found == {"web": Counter({SMALL: 2}), "db": Counter({LARGE: 1})}
