"""Which groups there are, whatever `kubectl` wrote into task definitions."""

from typing import Any

import pytest

from monopod.aws.logs.rules.streams import collect_groups


def a_definition(document: Any) -> dict[str, Any]:
    metadata = {"name": "web.1", "creationTimestamp": "2026-11-29T00:00:00Z"}
    return {"metadata": metadata, "spec": {"family": "web", "revision": 1, "definition": document}}


def logging(options: Any) -> dict[str, Any]:
    return {"containerDefinitions": [{"logConfiguration": {"logDriver": "awslogs", "options": options}}]}


ODD: list[Any] = ["x", 5, ["a"], {"a": 1}, [None], [{"logConfiguration": "x"}]]
ODD_OPTIONS: list[Any] = [[1], "x", {"awslogs-group": 5}, {"awslogs-group": {}}]


@pytest.mark.parametrize(
    "odd", [*({"containerDefinitions": each} for each in ODD), *(logging(each) for each in ODD_OPTIONS)], ids=str
)
def test_a_definition_that_is_none_hides_no_groups_of_others(odd: Any) -> None:
    groups = collect_groups([], [a_definition(odd), a_definition(logging({"awslogs-group": "/ecs/web"}))])
    assert groups.keys() == {"/ecs/web"}
