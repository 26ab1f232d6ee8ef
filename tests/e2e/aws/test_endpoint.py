"""The AWS endpoint as the chart installs it, asked by AWS's own client through a port-forward.

A profile that it creates is enforced by the operator, and a pod of it runs in a sandbox.
"""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.installation import RELEASE
from monopod.api.names import PROFILE_LABEL
from monopod.cli.ledger_client.port_forward import forward_port
from tests.chart.rendering import render_chart
from tests.e2e.live import Live, is_ready
from tests.e2e.workloads import a_pod
from tests.unit.cli.running import run

POD = "app.kubernetes.io/name=monopod-aws"
ROLE = "arn:aws:iam::000000000000:role/pods"
PROFILE = "Made_by_AWS"

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


@pytest.fixture
def eks(live: Live) -> Iterator[Any]:
    """boto3's client, with a key of somebody who may edit profiles."""
    (operator,) = live.get("deployment", "monopod", SYSTEM_NAMESPACE)["spec"]["template"]["spec"]["containers"]
    repository, _, tag = operator["image"].rpartition(":")
    values = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": operator["imagePullPolicy"]},
        "aws": {"enabled": True, "replicas": 1, "impersonate": {"users": ["ana"]}},
    }
    objects = [
        each
        for each in render_chart(values, RELEASE, SYSTEM_NAMESPACE).objects
        if each["metadata"]["name"] == "monopod-aws"
    ]
    kubeconfig = f"--kubeconfig={live.cluster.kubeconfig_path}"
    live.apply(*objects)
    verbs = "--verb=get,list,create,delete,patch"
    live.kubectl("create", "clusterrole", "aws-e2e", verbs, "--resource=fargateprofiles.monopod.dev")
    live.kubectl("create", "clusterrolebinding", "aws-e2e", "--clusterrole=aws-e2e", "--user=ana")
    made = run("access-key", "create", "--user", "ana", "-o", "json", kubeconfig)
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)
    try:
        (pod,) = live.wait_for(
            lambda: [each for each in live.find("pods", SYSTEM_NAMESPACE, POD) if is_ready(each)],
            "a ready endpoint", 180,
        )  # fmt: skip
        with forward_port(SYSTEM_NAMESPACE, pod["metadata"]["name"], 8443, [kubeconfig]) as forward:
            yield boto3.client(
                "eks",
                region_name="us-east-1",
                endpoint_url=f"https://127.0.0.1:{forward.port}",
                verify=False,
                aws_access_key_id=key["accessKeyId"],
                aws_secret_access_key=key["secretAccessKey"],
                config=Config(retries={"total_max_attempts": 3}),
            )
    finally:
        run("access-key", "delete", key["accessKeyId"], kubeconfig)
        live.kubectl("delete", "clusterrolebinding/aws-e2e", "clusterrole/aws-e2e")
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        live.kubectl("delete", "--wait=false", "-f", "-", stdin=body)


def test_a_profile_that_aws_client_makes_gives_pods_a_sandbox(live: Live, eks: Any) -> None:
    namespace = live.make_namespace("aws")
    names = {"clusterName": "monopod", "fargateProfileName": PROFILE}
    quick = {"Delay": 1, "MaxAttempts": 180}
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
