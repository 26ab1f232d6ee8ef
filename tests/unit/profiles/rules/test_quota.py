import pytest

from monopod.profiles.rules.quota import build_quota_data, find_beyond_quota
from monopod.selectors.capacity import Registration

OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
PROFILES = [Registration(NEW, "b"), Registration(OLD, "z"), Registration(NEW, "a"), Registration(OLD, "y")]


@pytest.mark.parametrize(
    ("quota", "beyond"),
    [(5, ()), (4, ()), (3, ("b",)), (2, ("a", "b")), (1, ("z", "a", "b")), (0, ("y", "z", "a", "b"))],
)
def test_the_newest_are_beyond_the_quota_and_of_equally_new_ones_the_last_by_name(
    quota: int, beyond: tuple[str, ...]
) -> None:
    assert find_beyond_quota(PROFILES, quota) == beyond


def test_a_registration_is_read_from_the_resource() -> None:
    resource = {"metadata": {"name": "web", "creationTimestamp": OLD}}
    assert Registration.from_resource(resource) == Registration(OLD, "web")


def test_the_policys_data_lists_the_names_and_the_quota() -> None:
    assert build_quota_data(["b", "a"], 10) == {"profiles": "a\nb", "quota": "10"}
