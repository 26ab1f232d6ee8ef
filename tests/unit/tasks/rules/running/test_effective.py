import random
from typing import Any

import pytest

from monopod.tasks.rules.form.shapes import OVERRIDES
from monopod.tasks.rules.running.effective import compute_effective
from monopod.tasks.rules.running.refusal import Refusal
from tests.unit.tasks.definitions import a_definition
from tests.unit.tasks.rules.test_model import describe, describe_ours

NAMES = [*OVERRIDES.members, "name", "command", "environment", "x"]


def draw_json(draw: random.Random, depth: int = 0) -> Any:
    match draw.randrange(9 if depth < 4 else 6):
        case 0:
            return None
        case 1:
            return draw.choice([0, -1, 256, 10**20])
        case 2:
            return draw.choice(["", "app", "256", "x"])
        case 3:
            return draw.random() < 0.5
        case 4:
            return 1.5
        case 5:
            return draw.choice([[], {}])
        case 6:
            return [draw_json(draw, depth + 1) for _ in range(draw.randrange(3))]
        case _:
            return {draw.choice(NAMES): draw_json(draw, depth + 1) for _ in range(draw.randrange(4))}


def test_the_overrides_are_those_of_the_service() -> None:
    models = pytest.importorskip("botocore.model", reason="botocore comes with the AWS endpoint")
    loaders = pytest.importorskip("botocore.loaders", reason="botocore comes with the AWS endpoint")
    model = models.ServiceModel(loaders.Loader().load_service_model("ecs", "service-2"))
    assert describe_ours(OVERRIDES) == describe(model.operation_model("RunTask").input_shape.members["overrides"])


@pytest.mark.parametrize("start", range(0, 2000, 500))
def test_any_json_runs_or_is_refused(start: int) -> None:
    refused = 0
    for seed in range(start, start + 500):
        draw = random.Random(seed)
        overrides = {draw.choice(NAMES): draw_json(draw) for _ in range(2)}
        definition = a_definition() if seed % 4 else {draw.choice(["containerDefinitions", "cpu"]): draw_json(draw)}
        try:
            compute_effective(definition, overrides)
        except Refusal:
            refused += 1
    assert 100 < refused < 500


def test_an_empty_member_changes_nothing() -> None:
    definition = a_definition(executionRoleArn="arn:aws:iam::012345678901:role/r")
    assert compute_effective(definition, {"executionRoleArn": "", "cpu": "", "taskRoleArn": None}) == definition


def test_amounts_in_words_become_numbers() -> None:
    done = compute_effective(a_definition(), {"cpu": "1 vCPU", "memory": "2GB"})
    assert (done["cpu"], done["memory"]) == ("1024", "2048")
