"""The AWS endpoint of the tier's cluster, as AWS's own tools reach it: by a port-forward, over TLS that they check."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from lab.aws.endpoint import reach_endpoint
from tests.e2e.aws.tasks import GROUP, Ecs
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

    def make(service: str) -> Any:
        return boto3.client(
            service,
            region_name=aws["AWS_REGION"],
            endpoint_url=aws["AWS_ENDPOINT_URL"],
            verify=aws["AWS_CA_BUNDLE"],
            aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 3}),
        )

    return make


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
