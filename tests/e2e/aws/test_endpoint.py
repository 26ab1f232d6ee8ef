"""The AWS endpoint as the chart installs it, asked by AWS's own client through a port-forward.

A profile that it creates is enforced by the operator, and a pod of it runs in a sandbox.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from monopod.api.names import PROFILE_LABEL
from tests.e2e.aws.conftest import MakeClient
from tests.e2e.live import Live
from tests.e2e.workloads import a_pod

ROLE = "arn:aws:iam::000000000000:role/pods"
PROFILE = "Made_by_AWS"


@pytest.fixture
def eks(make_client: MakeClient) -> Any:
    """boto3's client."""
    return make_client("eks")


def test_a_profile_that_aws_client_makes_gives_pods_a_sandbox(live: Live, eks: Any) -> None:
    namespace = live.make_namespace("aws")
    names = {"clusterName": "monopod", "fargateProfileName": PROFILE}
    quick = {"Delay": 1, "MaxAttempts": 240}
    eks.create_fargate_profile(**names, podExecutionRoleArn=ROLE, selectors=[{"namespace": namespace}])
    try:
        eks.get_waiter("fargate_profile_active").wait(**names, WaiterConfig=quick)
        live.await_isolated(namespace)
        live.apply(a_pod("sandboxed", namespace, {}))
        (pod,) = live.await_ready(namespace)
        profile = pod["metadata"]["labels"][PROFILE_LABEL]
        assert profile.startswith("made-by-aws-")
        assert pod["spec"]["runtimeClassName"]
        assert PROFILE in eks.list_fargate_profiles(clusterName="monopod")["fargateProfileNames"]
    finally:
        eks.delete_fargate_profile(**names)
        live.remove_namespace(namespace)
    eks.get_waiter("fargate_profile_deleted").wait(**names, WaiterConfig=quick)
    with pytest.raises(ClientError, match="No Fargate Profile found with name"):
        eks.describe_fargate_profile(**names)
