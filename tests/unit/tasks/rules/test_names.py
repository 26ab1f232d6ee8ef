"""Names on ECS and of objects."""

import re
import string

import pytest

from monopod.tasks.rules.names import compute_definition_name, compute_namespace, compute_object_name

STRANGE = ["Web", "a_b", "-", "_" * 255, "a" * 60, "a" * 255, "web-", "-web", "A" * 59, string.ascii_letters]


@pytest.mark.parametrize("name", ["web", "a", "0", "a-b", "a" * 59])
def test_a_name_that_kubernetes_takes_is_the_same_there(name: str) -> None:
    assert compute_object_name(name) == name
    assert compute_namespace(name) == f"ecs-{name}"


@pytest.mark.parametrize("name", STRANGE)
def test_any_other_becomes_one_that_it_takes_with_room_for_the_namespaces(name: str) -> None:
    found = compute_object_name(name)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,57}[a-z0-9])?", found)
    assert compute_object_name(found) == found
    assert len(compute_namespace(name)) <= 63


def test_no_two_names_are_the_same_object() -> None:
    names = [*STRANGE, "web", "WEB", "a-b", "a--b", "A-B"]
    assert len({compute_object_name(name) for name in names}) == len(names)
    assert compute_definition_name("Web", 3) == f"{compute_object_name('Web')}.3"
