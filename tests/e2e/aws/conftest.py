"""The AWS endpoint of the tier's cluster, as AWS's own tools reach it: by a port-forward, over TLS that they check."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from lab.aws.endpoint import make_client as make_aws_client
from lab.aws.endpoint import reach_endpoint
from tests.e2e.aws.tasks import GROUP, LARGE, SLEEP, Ecs, a_container
from tests.e2e.conftest import AWS_USER
from tests.e2e.live import Live

MakeClient = Callable[[str], Any]


@pytest.fixture(scope="session")
def aws(live: Live) -> Iterator[dict[str, str]]:
    """The environment in which AWS's tools ask the endpoint."""
    with reach_endpoint(live.cluster, AWS_USER) as environment:
        yield environment


@pytest.fixture(scope="session")
def make_client(aws: dict[str, str]) -> MakeClient:
    """Makes boto3's client of a service."""

    return partial(make_aws_client, aws)


@pytest.fixture(scope="session")
def ecs(live: Live, make_client: MakeClient) -> Iterator[Ecs]:
    """A cluster of ECS's; its tasks are stopped at the end."""
    group = {"apiVersion": "monopod.dev/v1beta1", "kind": "SecurityGroup", "metadata": {"name": GROUP}, "spec": {}}
    live.apply(group)
    ecs = Ecs(make_client("ecs"), make_client("logs"))
    ecs.client.create_cluster(clusterName=ecs.cluster)
    try:
        yield ecs
    finally:
        ecs.clean_up()


@pytest.fixture(scope="session", autouse=True)
def unplaced(ecs: Ecs) -> str:
    """A task that no node has room for, from the first of these tests on: it waits for two minutes."""
    return ecs.run(ecs.register("unplaced", a_container(SLEEP), **LARGE))
