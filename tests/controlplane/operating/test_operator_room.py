"""Profiles that admission has no room for: the newest is held back as a whole, and the others don't feel it."""

from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Lab, OperatorProcess, eventually

# Of these patterns for any label, two selectors take more than a third of the room in a namespace.
LABELS = {f"{n}{'k*' * 30}": "v*" * 31 for n in range(5)}


def create(lab: Lab, name: str) -> None:
    lab.create_profile(name, "room-*", "r*-?", labels=LABELS)


def is_refused(lab: Lab, name: str) -> bool:
    return lab.phase(name) == "CREATE_FAILED" and lab.reason(name) == "RowsTooLarge"


def profiles_on(lab: Lab, namespace: str) -> list[str]:
    rows = lab.namespace_marks(namespace)[1] or ""
    return sorted({row.split("|")[0] for row in rows.splitlines()})


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
    assert "characters of label patterns with wildcards in keys, and there is room for 5000" in published["message"]
    [issue] = lab.status("early")["health"]["issues"]
    assert issue["code"] == "RowsTooLarge"
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
    start().passes_happen()
    assert [lab.phase(name) for name in ("early", "first", "second")] == ["CREATE_FAILED", "ACTIVE", "ACTIVE"]
    assert profiles_on(lab, "room-a") == ["first", "second"]


def test_a_namespace_that_is_created_then_has_only_the_rows_that_fit(lab: Lab, operator: OperatorProcess) -> None:
    crowd(lab)
    lab.create_namespace("room-b")
    assert profiles_on(lab, "room-b") == ["first", "second"]


def test_a_profile_that_fits_is_published_beside_one_that_does_not(lab: Lab, operator: OperatorProcess) -> None:
    crowd(lab)
    lab.create_profile("small", "room-a", labels={"tier": "web"})
    lab.becomes_active("small")
    assert is_refused(lab, "early")
