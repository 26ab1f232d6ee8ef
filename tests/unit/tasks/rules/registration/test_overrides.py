"""What RunTask may change for one task."""

from copy import deepcopy
from typing import Any

import pytest

from monopod.tasks.rules.registration.overrides import InvalidOverride, apply_overrides
from monopod.tasks.rules.validation import validate
from tests.unit.tasks.definitions import a_container, a_definition, with_containers

ENVIRONMENT = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
REGISTERED = with_containers(a_container(command=["serve"], environment=ENVIRONMENT, cpu=10), a_container("b"))


def override(**fields: object) -> Any:
    before = deepcopy(REGISTERED)
    first, second = apply_overrides(REGISTERED, {"containerOverrides": [{"name": "app", **fields}]})[
        "containerDefinitions"
    ]
    assert before == REGISTERED
    assert second == a_container("b")
    return first


def test_without_overrides_a_task_runs_as_it_is_registered() -> None:
    assert apply_overrides(REGISTERED, {}) == REGISTERED
    assert override() == REGISTERED["containerDefinitions"][0]


@pytest.mark.parametrize(
    "fields",
    [
        {"command": ["migrate", "--now"]},
        {"command": []},
        {"cpu": 64, "memory": 128, "memoryReservation": 64},
        {"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/k"}]},
        {"resourceRequirements": [{"type": "GPU", "value": "1"}]},
    ],
    ids=str,
)
def test_a_containers_fields_are_replaced(fields: dict[str, Any]) -> None:
    assert override(**fields) == {**REGISTERED["containerDefinitions"][0], **fields}


def test_variables_are_replaced_one_by_one_and_new_ones_added() -> None:
    new = [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]
    assert override(environment=new)["environment"] == [ENVIRONMENT[0], *new]
    assert override(environment=[])["environment"] == ENVIRONMENT


def test_the_tasks_fields_are_replaced() -> None:
    changed = {
        "cpu": "512",
        "memory": "1024",
        "taskRoleArn": "a",
        "executionRoleArn": "b",
        "ephemeralStorage": {"sizeInGiB": 30},
    }
    assert apply_overrides(a_definition(), changed) == a_definition(**changed)


def test_two_overrides_of_one_container_add_up() -> None:
    twice = [{"name": "b", "cpu": 1}, {"name": "b", "memory": 8}]
    assert apply_overrides(REGISTERED, {"containerOverrides": twice})["containerDefinitions"][1] == a_container(
        "b", cpu=1, memory=8
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"name": "ghost"}, "Override for container named ghost is not a container in the TaskDefinition."),
        ({"cpu": 1}, "Container override must contain a container name."),
    ],
)
def test_an_override_of_nothing_is_refused(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOverride) as problem:
        apply_overrides(REGISTERED, {"containerOverrides": [overrides]})
    assert (str(problem.value), problem.value.code) == (message, "InvalidParameterException")


def test_what_comes_of_it_is_judged_like_any_definition() -> None:
    secrets = a_definition(
        executionRoleArn="r", containerDefinitions=[a_container(secrets=[{"name": "A", "valueFrom": "a"}])]
    )
    ran = apply_overrides(secrets, {"cpu": "300", "containerOverrides": [{"name": "app", "environment": ENVIRONMENT}]})
    assert {"SizeUnknown", "SecretNameTaken"} <= {finding.rule.name for finding in validate(ran)}
