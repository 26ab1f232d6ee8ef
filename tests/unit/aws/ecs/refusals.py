"""The table of refused requests: read for the unit tests, and for those against a real API server."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.unit.aws.ecs.builders import ACCOUNT, PREFIX
from tests.unit.aws.ecs.client import EcsClient
from tests.unit.aws.ecs.tasks import a_network, a_request, get_id, run
from tests.unit.tasks.definitions import a_definition

ZONES = {"subnet-a1": "a"}
TABLE_ACCOUNT = replace(ACCOUNT, zones=ZONES)
GROUP = "db"

_TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())
SOURCES: dict[str, str] = _TABLE["sources"]
_IDS = {"RUNNING", "STOPPED"}
_NETWORK = a_network("subnet-a1")


@dataclass(frozen=True)
class Refusal:
    """One row.

    Attributes:
        params: the request's, but for the ids of the two tasks, which aren't known beforehand.
        body: a body that no client of AWS's would send, in place of the parameters'.
        message: "" if it may be any.
    """

    name: str
    operation: str
    params: dict[str, Any]
    body: dict[str, Any] | None
    code: str
    message: str
    source: str

    def get_params(self, arns: dict[str, str]) -> dict[str, Any]:
        return {key: arns[value] if str(value) in _IDS else value for key, value in self.params.items()}


_ASKED: dict[str, dict[str, Any]] = {
    "RunTask": a_request(networkConfiguration=_NETWORK),
    "DescribeTasks": {"cluster": "prod", "tasks": ["f" * 32]},
    "ListTasks": {"cluster": "prod"},
    "StopTask": {"cluster": "prod", "task": "RUNNING"},
    "TagResource": {"resourceArn": "RUNNING", "tags": [{"key": "a", "value": "b"}]},
    "UntagResource": {"resourceArn": "RUNNING", "tagKeys": ["a"]},
    "ListTagsForResource": {"resourceArn": "RUNNING"},
}


def _expand(value: Any) -> Any:
    match value:
        case {"LIST": each, "times": times}:
            return [_number(each, index) for index in range(times)]
        case {"TEXT": str(text), "times": times}:
            return text * times
        case dict():
            return {key: _expand(each) for key, each in value.items()}
        case list():
            return [_expand(each) for each in value]
        case _:
            return value


def _number(value: Any, index: int) -> Any:
    if isinstance(value, dict):
        return {key: _number(each, index) for key, each in value.items()}
    return value.replace("#", str(index)) if isinstance(value, str) else value


def _read(name: str, row: dict[str, Any]) -> Refusal:
    params = {**_ASKED[row["operation"]], **_expand(row.get("set", {}))}
    params = {key: value for key, value in params.items() if value is not None}
    return Refusal(name, row["operation"], params, row.get("body"), row["code"], row.get("message", ""), row["source"])


REFUSALS = [_read(name, row) for name, row in _TABLE["refusals"].items()]


async def build_world(client: EcsClient) -> dict[str, str]:
    """What the table is about, but for the security group and the stopped task's status; the ARNs of the two tasks."""
    both = ["FARGATE", "FARGATE_SPOT"]
    weightless = [{"capacityProvider": "FARGATE", "weight": 0}]
    await client.call("CreateCluster", clusterName="prod", capacityProviders=both)
    await client.call("CreateCluster", clusterName="bare")
    await client.call(
        "CreateCluster", clusterName="weightless", capacityProviders=both, defaultCapacityProviderStrategy=weightless
    )
    await client.call("CreateCluster", clusterName="gone")
    await client.call("DeleteCluster", cluster="gone")
    await client.call("RegisterTaskDefinition", **a_definition())
    await client.call("RegisterTaskDefinition", **a_definition())
    await client.call("DeregisterTaskDefinition", taskDefinition="web:2")
    tags = [{"key": "old1", "value": ""}, {"key": "old2", "value": ""}]
    await client.call("RegisterTaskDefinition", **a_definition(family="tagged", tags=tags))
    await client.call("RegisterTaskDefinition", **a_definition(family="ec2", requiresCompatibilities=["EC2"]))
    running = await run(client, clientToken="t-old", networkConfiguration=_NETWORK, tags=tags)
    stopped = await run(client, networkConfiguration=_NETWORK)
    return {
        "RUNNING": f"{PREFIX}:task/prod/{get_id(running)}",
        "STOPPED": f"{PREFIX}:task/prod/{get_id(stopped)}",
    }
