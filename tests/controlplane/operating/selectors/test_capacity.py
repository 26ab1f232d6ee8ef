"""Profiles that admission has no room for: the newest is held back as a whole, and the others don't feel it."""

from collections.abc import Iterator

import pytest

from monopod.pods.rules.selection import Profile
from monopod.selectors.compile import MAX_COMPILED_BYTES, compile_profile
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import SANDBOX, Json, Lab, OperatorProcess, build_profile, eventually

# Of these patterns for any label, two selectors take more than a third of the room in a namespace.
LABELS = {f"{n}{'k*' * 30}": "v*" * 31 for n in range(5)}


def create(lab: Lab, name: str) -> None:
    lab.create_profile(name, "room-*", "r*-?", labels=LABELS)


def is_refused(lab: Lab, name: str) -> bool:
    return lab.phase(name) == "CREATE_FAILED" and lab.reason(name) == "SelectorsTooLarge"


def profiles_on(lab: Lab, namespace: str) -> list[str]:
    selectors = lab.namespace_marks(namespace)[1] or ""
    return sorted({selector.split("|")[0] for selector in selectors.splitlines()})


def crowd(lab: Lab) -> None:
    """Two profiles that fit, and one that doesn't."""
    if not lab.get("Namespace", "room-a"):
        lab.create_namespace("room-a")
    for name in ("second", "first"):
        create(lab, name)
        lab.becomes_active(name)
    create(lab, "early")
    eventually(lambda: is_refused(lab, "early"))


def test_a_profile_without_room_says_where_and_the_others_do_not_feel_it(lab: Lab, operator: OperatorProcess) -> None:
    crowd(lab)
    published = lab.condition("early", "Published")
    assert published["status"] == "False"
    assert "characters of label patterns with wildcards in keys, and the capacity is 5000" in published["message"]
    [issue] = lab.status("early")["health"]["issues"]
    assert issue["code"] == "SelectorsTooLarge"
    assert "Namespace/room-a" in issue["resourceIds"]
    assert profiles_on(lab, "room-a") == ["first", "second"]
    for name in ("first", "second"):
        assert (lab.phase(name), lab.reason(name)) == ("ACTIVE", "Active")
        assert not lab.status(name)["health"]["issues"]


def test_it_comes_into_force_by_itself_when_another_is_deleted(lab: Lab, operator: OperatorProcess) -> None:
    crowd(lab)
    lab.delete_profile("second")
    lab.becomes_active("early")
    assert profiles_on(lab, "room-a") == ["early", "first"]


def test_a_restart_comes_to_the_same_result(lab: Lab, start: StartOperator) -> None:
    before = start()
    crowd(lab)
    before.kill()
    start("--no-leader-elect").passes_happen()
    assert [lab.phase(name) for name in ("early", "first", "second")] == ["CREATE_FAILED", "ACTIVE", "ACTIVE"]
    assert profiles_on(lab, "room-a") == ["first", "second"]


def test_a_namespace_that_is_created_then_has_only_the_rows_that_fit(lab: Lab, operator: OperatorProcess) -> None:
    crowd(lab)
    lab.create_namespace("room-b")
    assert "early" not in profiles_on(lab, "room-b")
    # Admission follows the ConfigMap from which it marks new namespaces a moment later.
    eventually(lambda: profiles_on(lab, "room-b") == ["first", "second"])


def test_a_profile_that_fits_is_published_beside_one_that_does_not(lab: Lab, operator: OperatorProcess) -> None:
    crowd(lab)
    lab.create_profile("small", "room-a", labels={"tier": "web"})
    lab.becomes_active("small")
    assert is_refused(lab, "early")


GROUPS = [f"{n}{'g' * 62}" for n in range(5)]


@pytest.fixture
def long_groups(lab: Lab) -> Iterator[list[str]]:
    """Security groups whose names, in five selectors, take more than is left in a full namespace."""
    for name in GROUPS:
        lab.create_group(name)
    yield GROUPS
    lab.delete_profiles()
    lab.delete_groups(*GROUPS)


def build_large_profile(number: int, length: int) -> Json:
    """One whose five selectors hold labels of this length, and as long as any label's value may be."""
    keys = [f"{'k' * 60}.{'k' * 60}.{'k' * 60}.{'k' * 60}/{n}{'n' * 62}" for n in range(5)]
    selectors = [{"namespace": "room-full", "labels": dict.fromkeys(keys, f"{n}{'v' * length}")} for n in range(5)]
    return build_profile(f"large-{number:02}", selectors=selectors)


def weigh(profile: Json) -> int:
    """What it takes of a namespace's bytes."""
    return sum(selector.load[2] for selector in compile_profile(Profile.from_resource(profile, SANDBOX)))


def test_a_change_that_there_is_no_room_for_leaves_the_old_rows_in_force(
    lab: Lab, start: StartOperator, long_groups: list[str]
) -> None:
    start("--profile-quota", "30")
    eventually(lambda: lab.quota().get("quota") == "30")
    lab.create_namespace("room-full")
    length = next(n for n in range(62, 0, -1) if MAX_COMPILED_BYTES % weigh(build_large_profile(0, n)) < 1000)
    profiles = [
        build_large_profile(n, length) for n in range(MAX_COMPILED_BYTES // weigh(build_large_profile(0, length)))
    ]
    names = [profile["metadata"]["name"] for profile in profiles]
    for profile in profiles:
        lab.create(profile).expect_ok()
    for name in names:
        lab.becomes_active(name)
    before = lab.namespace_marks("room-full")
    lab.patch("FargateProfile", names[3], {"spec": {"securityGroups": long_groups}})
    eventually(lambda: lab.condition(names[3], "Published").get("reason") == "SelectorsKept")
    assert lab.namespace_marks("room-full") == before
    assert [lab.phase(name) for name in names] == ["ACTIVE"] * len(names)
    assert [name for name in names if lab.status(name)["health"]["issues"]] == [names[3]]
    lab.delete_profile(names[0])
    eventually(lambda: lab.condition(names[3], "Published")["status"] == "True")
    selectors = (lab.namespace_marks("room-full")[1] or "").splitlines()
    assert [selector for selector in selectors if long_groups[0] in selector] == [
        selector for selector in selectors if selector.startswith(f"{names[3]}|")
    ]
