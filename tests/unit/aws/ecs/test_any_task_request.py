"""Whatever AWS's model allows to ask of tasks is answered or refused by a known code, and nothing of it is lost."""

import copy
import random
from dataclasses import dataclass
from typing import Any

import pytest

from monopod.aws.ecs import tag_operations, task_operations
from monopod.aws.wire.models import load_model
from tests.unit.aws.client import Refused
from tests.unit.aws.ecs.builders import PREFIX, TASK
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.memory import MemoryApi
from tests.unit.aws.ecs.tasks import CLUSTER, a_network, get_id, get_record, prepare, put_group, run
from tests.unit.aws.wire.draws import Draw

ECS = load_model("ecs")
OPERATIONS = [*task_operations.READ, *tag_operations.READ]
FIRST = "first"
ARN = f"{PREFIX}:task/{CLUSTER}/{TASK}"
BOTH = [{"capacityProvider": "FARGATE", "base": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 2}]
FITTING: dict[str, list[Any]] = {
    "capacityProviderStrategy": [BOTH, []],
    "clientToken": ["t1", FIRST],
    "cluster": [CLUSTER, f"{PREFIX}:cluster/{CLUSTER}"],
    "containerInstance": [""],
    "count": [1, 2, 10],
    "daemonName": [""],
    "family": ["web"],
    "group": ["nightly", "family:web"],
    "launchType": ["FARGATE"],
    "maxResults": [1, 100],
    "networkConfiguration": [a_network(securityGroups=["db"], assignPublicIp="ENABLED"), a_network("zone-a")],
    "overrides": [
        {"cpu": "512", "memory": "1 GB", "taskRoleArn": "arn:aws:iam::1:role/r"},
        {"containerOverrides": [{"name": "app", "command": [], "environment": [{"name": "A", "value": ""}]}]},
        {
            "containerOverrides": [{"name": "app", "cpu": 1, "memoryReservation": 9}],
            "ephemeralStorage": {"sizeInGiB": 21},
        },
    ],
    "placementConstraints": [[]],
    "placementStrategy": [[]],
    "platformVersion": ["LATEST", "1.4.0"],
    "propagateTags": ["TASK_DEFINITION", "NONE"],
    "reason": ["enough"],
    "referenceId": [""],
    "resourceArn": [FIRST, f"{PREFIX}:task-definition/web:1", f"{PREFIX}:cluster/{CLUSTER}"],
    "serviceName": [""],
    "startedBy": ["ci", "AWS Step Functions"],
    "tagKeys": [["a"], []],
    "tags": [[{"key": "Team Größe", "value": ""}, {"key": "a"}], []],
    "task": [FIRST, TASK],
    "taskDefinition": ["web", "web:1", f"{PREFIX}:task-definition/web:1"],
    "tasks": [[FIRST], [FIRST, ARN, TASK]],
    "volumeConfigurations": [[]],
}
"""What lets a random request through to the next check; `first` is the ARN of a task that there is."""
APART = ("launchType", "capacityProviderStrategy")
"""Of which one request has one at most."""
LOST = frozenset({"nextToken"})
"""What is never taken, drawn at random."""


def draw_request(operation: str, seed: int) -> dict[str, Any]:
    draw = random.Random(seed)
    params = Draw(seed).draw_members(ECS.operations[operation].input)
    fitting = draw.choice([0.0, 0.9, 1.0])
    if fitting == 1.0:
        if operation == "RunTask":
            params.setdefault("networkConfiguration", {})
            params.setdefault("cluster", "")
        params.pop(draw.choice(APART), None)
        params = {name: value for name, value in params.items() if name not in LOST}
    return {
        name: draw.choice(FITTING[name]) if name in FITTING and draw.random() < fitting else value
        for name, value in params.items()
    }


def name_first(value: Any, arn: str) -> Any:
    if isinstance(value, list):
        return [name_first(each, arn) for each in value]
    return arn if value == FIRST else value


@dataclass(frozen=True)
class World:
    """A cluster with a task, and a client; made once, since every request has one of its own."""

    api: MemoryApi
    client: EcsClient
    arn: str

    def copy(self) -> "World":
        api = copy.deepcopy(self.api)
        return World(api, EcsClient(api), self.arn)


@pytest.fixture(scope="module")
async def made() -> World:
    api = MemoryApi()
    client = EcsClient(api)
    await prepare(client, tags=[{"key": "team", "value": "a"}])
    put_group(api, "db")
    return World(api, client, (await run(client))["taskArn"])


async def ask(world: World, operation: str, seed: int) -> Refused | None:
    """Why it's refused; None if it's answered. Any other error is raised."""
    params = {name: name_first(value, world.arn) for name, value in draw_request(operation, seed).items()}
    try:
        await world.client.call_with(operation, params)
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_it_is_answered_or_refused_by_a_code_that_its_clients_know(made: World, operation: str) -> None:
    results = [await ask(made.copy(), operation, seed) for seed in range(300)]
    refusals = [each for each in results if each]
    assert {each.code for each in refusals} <= ECS.operations[operation].errors
    assert [each for each in refusals if each.status != 400 or not each.message] == []
    assert len(refusals) < 290


@pytest.mark.parametrize("start", range(0, 900, 150))
async def test_what_is_run_is_what_was_asked_for(made: World, start: int) -> None:
    compared = 0
    for seed in range(start, start + 150):
        params = draw_request("RunTask", seed)
        world = made.copy()
        try:
            answer = await world.client.call_with("RunTask", params)
        except Refused:
            continue
        compared += 1
        assert len(answer["tasks"]) == params.get("count", 1), seed
        for told in answer["tasks"]:
            record = get_record(world.api, told)["spec"]
            assert record.get("overrides", {}) == params.get("overrides", {}), seed
            for name in ("startedBy", "group", "enableExecuteCommand"):
                assert not params.get(name) or told[name] == params[name], (seed, name)
            network = params["networkConfiguration"]["awsvpcConfiguration"]
            assert network.items() <= record["network"].items(), seed
            tags = {each["key"]: each["value"] for each in told["tags"]}
            own = {each["key"]: each.get("value", "") for each in params.get("tags", ())}
            assert own.items() <= tags.items(), seed
            assert ("team" in tags) == (params.get("propagateTags") == "TASK_DEFINITION"), seed
            assert ("aws:ecs:clusterName" in tags) == params.get("enableECSManagedTags", False), seed
            strategy = {each["capacityProvider"] for each in params.get("capacityProviderStrategy", ())}
            assert not strategy or told["capacityProviderName"] in strategy, seed
            stored = {get_id(each) for each in answer["tasks"]}
            assert len(stored) == len(answer["tasks"]), seed
    assert compared > 10
