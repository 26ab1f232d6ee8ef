"""The quota of profiles on a real API server, from the count that the operator keeps."""

import itertools
from collections.abc import Iterator

import pytest

from monopod.api.names import API_VERSION, QUOTA_CONFIGMAP, SYSTEM_NAMESPACE
from monopod.profiles.rules.quota import build_quota_data
from tests.controlplane.builders import a_profile
from tests.controlplane.reach import poll
from tests.controlplane.server import Answer, Server

CONFIGMAPS = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/configmaps"
PROFILES = f"/apis/{API_VERSION}/fargateprofiles"

_numbers = itertools.count(1)


def create(server: Server, name: str = "one-more") -> Answer:
    return server.create(PROFILES, a_profile(name), dry_run=True)


def set_data(server: Server, data: dict[str, str] | None) -> None:
    """Writes the ConfigMap. An answer says by the numbers in it when the policy has seen it."""
    server.create(CONFIGMAPS, {"metadata": {"name": QUOTA_CONFIGMAP}})
    server.patch(f"{CONFIGMAPS}/{QUOTA_CONFIGMAP}", {"data": None}).expect_ok()
    server.patch(f"{CONFIGMAPS}/{QUOTA_CONFIGMAP}", {"data": data}).expect_ok()


@pytest.fixture
def counted(server: Server) -> Iterator[Server]:
    """The API server with no quota once the test is over: others create profiles."""
    yield server
    set_data(server, None)
    poll(lambda: create(server), lambda answer: answer.ok)


def refusal(count: int, quota: int) -> str:
    return f"The quota of Fargate profiles is used up: the cluster has {count} and may have {quota}."


@pytest.mark.eks("1.quota")
@pytest.mark.parametrize("quota", [10, 3])
def test_a_profile_beyond_the_quota_is_refused(counted: Server, quota: int) -> None:
    names = [f"web-{number}" for number in range(quota)]
    set_data(counted, build_quota_data(names, quota))
    answer = poll(lambda: create(counted), lambda answer: refusal(quota, quota) in answer.message)
    assert answer.status == 403
    assert "Delete a profile or raise the chart's profileQuota." in answer.message
    set_data(counted, build_quota_data(names[1:], quota))
    poll(lambda: create(counted), lambda answer: answer.ok)


def test_more_than_the_quota_are_refused_too(counted: Server) -> None:
    """As after the quota was lowered."""
    set_data(counted, build_quota_data(["a", "b", "c"], 1))
    poll(lambda: create(counted), lambda answer: refusal(3, 1) in answer.message)


def test_a_name_that_exists_is_called_that(counted: Server) -> None:
    server = counted
    name = f"existing-{next(_numbers)}"
    server.create(PROFILES, a_profile(name)).expect_ok()
    set_data(server, build_quota_data([name], 1))
    poll(lambda: create(server), lambda answer: refusal(1, 1) in answer.message)
    assert create(server, name).status == 409
    server.delete(f"{PROFILES}/{name}")


@pytest.mark.parametrize(
    "data",
    [None, {"quota": "10"}, {"profiles": "a\nb"}, {"profiles": "a", "quota": "many"}, {"profiles": "a", "quota": ""}],
    ids=["nothing yet", "no names", "no quota", "no number", "an empty quota"],
)
def test_without_a_count_and_a_quota_nothing_is_refused(counted: Server, data: dict[str, str] | None) -> None:
    set_data(counted, build_quota_data(["a"], 1))
    poll(lambda: create(counted), lambda answer: refusal(1, 1) in answer.message)
    set_data(counted, data)
    poll(lambda: create(counted), lambda answer: answer.ok)


def test_without_the_configmap_nothing_is_refused(counted: Server) -> None:
    set_data(counted, build_quota_data(["a"], 1))
    poll(lambda: create(counted), lambda answer: refusal(1, 1) in answer.message)
    counted.delete(f"{CONFIGMAPS}/{QUOTA_CONFIGMAP}").expect_ok()
    poll(lambda: create(counted), lambda answer: answer.ok)


def test_as_many_profiles_as_there_is_room_for_stay_within_cels_budget(counted: Server) -> None:
    names = [f"{number:04}{'n' * 59}" for number in range(5000)]
    set_data(counted, build_quota_data(names, 5000))
    poll(lambda: create(counted), lambda answer: refusal(5000, 5000) in answer.message)
