"""Whatever AWS's model allows is answered or refused by a code that clients know, and nothing of it is lost."""

import random
from typing import Any

import pytest

from monopod.aws.ecs import cluster_operations, definition_operations
from monopod.aws.wire.models import load_model
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.builders import PREFIX
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.memory import MemoryApi
from tests.unit.aws.wire.draws import Draw
from tests.unit.tasks.definitions import a_definition
from tests.unit.tasks.made import make_all

ECS = load_model("ecs")
OPERATIONS = [*cluster_operations.READ, *definition_operations.READ]
MADE = make_all(range(80))
FITTING: dict[str, list[Any]] = {
    "cluster": ["web", f"{PREFIX}:cluster/web"],
    "clusterName": ["web", "Web_1", "-" * 255],
    "clusters": [["web"], ["web", "none"], []],
    "capacityProviders": [["FARGATE"], ["FARGATE_SPOT", "FARGATE"], []],
    "defaultCapacityProviderStrategy": [[{"capacityProvider": "FARGATE", "weight": 0}], []],
    "settings": [[{"name": "containerInsights", "value": "disabled"}]],
    "tags": [[{"key": "Team Größe", "value": ""}, {"key": "a"}]],
    "taskDefinition": ["web", "web:1", f"{PREFIX}:task-definition/web:1"],
    "familyPrefix": ["web", "w", ""],
    "maxResults": [1, 10],
}
"""What lets a random request through to the next check."""
LOST = frozenset({"configuration", "serviceConnectDefaults", "nextToken"})
"""What is never taken, drawn at random."""


def draw_request(operation: str, seed: int) -> dict[str, Any]:
    draw = random.Random(seed)
    params = Draw(seed).draw_members(ECS.operations[operation].input)
    fitting = draw.choice([0.0, 0.7, 1.0])
    if fitting and operation == "RegisterTaskDefinition":
        params = {**draw.choice(MADE), **({"tags": params["tags"]} if "tags" in params else {})}
    found = {
        name: draw.choice(FITTING[name]) if name in FITTING and draw.random() < fitting else value
        for name, value in params.items()
    }
    return {name: value for name, value in found.items() if fitting < 1.0 or name not in LOST}


async def ask(operation: str, seed: int) -> Refused | None:
    """Why it's refused; None if it's answered. Any other error is raised."""
    client = EcsClient(MemoryApi())
    await client.call("CreateCluster", clusterName="web", capacityProviders=["FARGATE_SPOT"])
    await client.call("RegisterTaskDefinition", **a_definition())
    try:
        await client.call_with(operation, draw_request(operation, seed))
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_it_is_answered_or_refused_by_a_code_that_its_clients_know(operation: str) -> None:
    results = [await ask(operation, seed) for seed in range(200)]
    refusals = [each for each in results if each]
    assert {each.code for each in refusals} <= ECS.errors.keys()
    assert [each for each in refusals if each.status != 400 or not each.message] == []
    assert len(refusals) < 190


async def test_a_cluster_comes_back_as_it_was_asked_for() -> None:
    compared = 0
    for seed in range(400):
        params = draw_request("CreateCluster", seed)
        client = EcsClient(MemoryApi())
        try:
            told = (await client.call_with("CreateCluster", params))["cluster"]
        except Refused:
            continue
        for name in ("clusterName", "capacityProviders"):
            assert not params.get(name) or told[name] == params[name], (seed, name)
        if "tags" in params:
            assert told["tags"] == [{"value": "", **each} for each in params["tags"]], seed
            compared += 1
    assert compared > 10
