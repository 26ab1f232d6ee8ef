"""Whatever `kubectl` writes into a task or its definition: its status can be stored, and there is no traceback."""

import json
from typing import Any

import pytest

from monopod.api.ecs.task_status import ECSTaskStatus
from monopod.tasks.rules.form.shapes import TASK_DEFINITION
from monopod.tasks.rules.lifecycle.steps import Create, Record, decide_step
from monopod.tasks.rules.pod.task_pod import build_task_pod
from tests.unit.tasks.definitions import a_definition
from tests.unit.tasks.made import make_all
from tests.unit.tasks.rules.lifecycle.world import BEGINNING, FILE_SYSTEMS, a_task
from tests.unit.tasks.rules.test_any_json import Maker


def as_stored(anything: Any) -> Any:
    """As an API server has it, which keeps no halves of characters."""
    return json.loads(json.dumps(anything).replace(r"\ud800", "?"))


def live(task: dict[str, Any], definition: Any) -> None:
    for _ in range(6):
        step = decide_step(task, definition, None, BEGINNING)
        if not isinstance(step, Record):
            break
        ECSTaskStatus.model_validate(step.status)
        task["status"] = step.status
    if isinstance(step, Create):
        build_task_pod(task, step.effective, FILE_SYSTEMS)
    else:
        assert task["status"]["lastStatus"] == "STOPPED"
        assert task["status"]["stopCode"] == "TaskFailedToStart"
        assert task["status"]["stoppedReason"]


@pytest.mark.parametrize("part", range(4))
def test_any_definition_has_a_status(part: int) -> None:
    for seed in range(part * 100, (part + 1) * 100):
        definition = Maker(seed).make(TASK_DEFINITION)
        if isinstance(definition, dict):
            live(a_task(), as_stored(definition))


@pytest.mark.parametrize("part", range(4))
def test_any_overrides_have_a_status(part: int) -> None:
    definitions = make_all(range(50))
    for seed in range(part * 100, (part + 1) * 100):
        maker = Maker(seed)
        names = {"containerOverrides": [{"name": "c0", **anything} for anything in as_mappings(maker)]}
        overrides = maker.anything() if seed % 2 else {"cpu": maker.anything(), **names}
        live(
            a_task(**({"overrides": as_stored(overrides)} if isinstance(overrides, dict) else {})),
            definitions[seed % 20],
        )


def as_mappings(maker: Maker) -> list[dict[str, Any]]:
    keys = ["command", "environment", "memory", "cpu", "memoryReservation", "resourceRequirements", "name"]
    return [{key: maker.anything() for key in keys[: 1 + index]} for index in range(len(keys))]


def test_a_definition_of_too_much_has_a_status() -> None:
    containers = [{"name": f"c{index}", "image": "i", "cpu": 10**40} for index in range(99)]
    live(a_task(), {"containerDefinitions": containers, "ephemeralStorage": {"sizeInGiB": -5}, "cpu": "9" * 99})
    logging = {"logDriver": "awslogs", "options": {"awslogs-group": "g" * 600, "awslogs-stream-prefix": "p"}}
    live(a_task(), {"containerDefinitions": [{"name": "a", "image": "i", "logConfiguration": logging}]})
    logging = {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-stream-prefix": "p"}}
    live(a_task(), {"containerDefinitions": [{"name": "n" * 300, "image": "i", "logConfiguration": logging}]})


def test_a_status_has_room_for_what_it_repeats() -> None:
    task = a_task()
    live(task, {"containerDefinitions": [{"name": "n" * 1_000_000, "image": "i" * 1_000_000}]})
    assert len(json.dumps(task["status"])) < 10_000


def test_variables_are_overridden_where_the_definition_says_null() -> None:
    definition = a_definition()
    definition["containerDefinitions"][0]["environment"] = None
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "A", "value": "b"}]}]}
    live(a_task(overrides=overrides), definition)


@pytest.mark.parametrize("levels", [150, 900])
def test_what_is_nested_deeply_has_a_status(levels: int) -> None:
    deep: Any = []
    for _ in range(levels):
        deep = [deep]
    definition = a_definition()
    task = a_task(overrides={"containerOverrides": [{"name": "app", "command": deep}]})
    live(task, definition)
    assert task["status"]["lastStatus"] == "STOPPED"
    live(a_task(), {**definition, "volumes": deep})
