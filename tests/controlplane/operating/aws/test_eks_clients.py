"""AWS's own clients beside the operator: boto3 with its waiters and paginators, and the AWS CLI."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError, WaiterError

from monopod.access_keys.rules.stored_key import StoredKey
from monopod.aws.eks.rules.names import compute_object_name
from tests.controlplane.operating.aws.endpoint import API_SERVER, CLUSTER, Endpoint
from tests.controlplane.operating.lab import SANDBOX, Lab, OperatorProcess, eventually

ROLE = "arn:aws:iam::111122223333:role/pods"
SOON = {"Delay": 1, "MaxAttempts": 120}


@pytest.fixture(scope="module")
def endpoint(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    endpoint = Endpoint(shared_lab, tmp_path_factory.mktemp("aws"))
    yield endpoint
    endpoint.stop()
    print(endpoint.log.read_text())


@pytest.fixture(scope="module")
def administrator(endpoint: Endpoint) -> StoredKey:
    return endpoint.create_key("alice", "eks-administrators")


@pytest.fixture
def world(lab: Lab, administrator: StoredKey) -> Lab:
    """The control plane with a sandbox, and the rights of the key's group."""
    handler = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": SANDBOX}}
    lab.create({**handler, "handler": "runsc"})
    rights = ["create", "clusterrole", "eks-administrators", "--verb=*", "--resource=fargateprofiles.monopod.dev"]
    lab.kubectl(*rights, check=False)
    binding = ["create", "clusterrolebinding", "eks-administrators", "--clusterrole=eks-administrators"]
    lab.kubectl(*binding, "--group=eks-administrators", check=False)
    return lab


@pytest.fixture
def eks(endpoint: Endpoint, administrator: StoredKey, world: Lab) -> Any:
    return endpoint.build_client(administrator)


def named(name: str) -> dict[str, str]:
    return {"clusterName": CLUSTER, "fargateProfileName": name}


def a_request(name: str, namespace: str) -> dict[str, Any]:
    return {**named(name), "podExecutionRoleArn": ROLE, "selectors": [{"namespace": namespace}]}


def test_boto3_creates_waits_tags_and_deletes(eks: Any, world: Lab, operator: OperatorProcess) -> None:
    request = {
        **named("Web_1"),
        "podExecutionRoleArn": ROLE,
        "selectors": [{"namespace": "eks-boto3-*", "labels": {"tier": "web"}}],
        "subnets": ["subnet-b1", "subnet-a1"],
        "tags": {"Team Größe": "a b"},
    }
    created = eks.create_fargate_profile(**request)["fargateProfile"]
    assert {key: created[key] for key in request} == request
    eks.get_waiter("fargate_profile_active").wait(**named("Web_1"), WaiterConfig=SOON)
    told = eks.describe_fargate_profile(**named("Web_1"))["fargateProfile"]
    assert told == {**created, "status": "ACTIVE"}
    assert world.phase(compute_object_name("Web_1")) == "ACTIVE"

    arn = told["fargateProfileArn"]
    eks.tag_resource(resourceArn=arn, tags={"k8s.io/a b": ""})
    eks.untag_resource(resourceArn=arn, tagKeys=["Team Größe"])
    assert eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"k8s.io/a b": ""}

    gone = eks.delete_fargate_profile(**named("Web_1"))["fargateProfile"]
    assert gone == {**told, "tags": {"k8s.io/a b": ""}, "status": "DELETING"}
    eks.get_waiter("fargate_profile_deleted").wait(**named("Web_1"), WaiterConfig=SOON)
    assert world.is_gone(compute_object_name("Web_1"))
    with pytest.raises(eks.exceptions.ResourceNotFoundException) as error:
        eks.describe_fargate_profile(**named("Web_1"))
    assert error.value.response["Error"]["Message"] == "No Fargate Profile found with name: Web_1."
    assert error.value.response["fargateProfileName"] == "Web_1"


def test_a_profile_without_a_sandbox_has_failed_with_an_issue(eks: Any, world: Lab, operator: OperatorProcess) -> None:
    world.create_profile("broken", "eks-broken", runtimeClassName="none")
    with pytest.raises(WaiterError, match="CREATE_FAILED"):
        eks.get_waiter("fargate_profile_active").wait(**named("broken"), WaiterConfig=SOON)
    told = eks.describe_fargate_profile(**named("broken"))["fargateProfile"]
    issue = told["health"]["issues"][0]
    assert issue["code"] == "InternalFailure"
    assert issue["message"].startswith("RuntimeClassNotFound: ")
    assert issue["resourceIds"] == ["RuntimeClass/none"]


def test_lists_come_in_pages_with_those_of_kubectls(eks: Any, world: Lab) -> None:
    world.create_profile("by.kubectl", "eks-list")
    for name in ("b", "A", "c"):
        eks.create_fargate_profile(**a_request(name, f"eks-list-{name.lower()}"))
    pages = list(
        eks.get_paginator("list_fargate_profiles").paginate(clusterName=CLUSTER, PaginationConfig={"PageSize": 3})
    )
    assert [page["fargateProfileNames"] for page in pages] == [["A", "b", "by.kubectl"], ["c"]]
    assert eks.list_clusters()["clusters"] == [CLUSTER]


def test_the_aws_cli_creates_waits_tags_and_deletes(
    endpoint: Endpoint, administrator: StoredKey, world: Lab, operator: OperatorProcess
) -> None:
    def eks(*words: str) -> Any:
        said = endpoint.run_cli(administrator, "eks", *words).stdout
        return json.loads(said) if said.strip() else None

    name = ("--cluster-name", CLUSTER, "--fargate-profile-name", "Cli_1")
    selectors = '[{"namespace": "eks-cli", "labels": {"tier": "web"}}]'
    more = ("--pod-execution-role-arn", ROLE, "--selectors", selectors, "--subnets", "subnet-a1", "--tags", "a=b")
    created = eks("create-fargate-profile", *name, *more)["fargateProfile"]
    assert created["selectors"] == json.loads(selectors)
    assert created["subnets"] == ["subnet-a1"]
    # The CLI asks every ten seconds.
    eventually(lambda: world.phase(compute_object_name("Cli_1")) == "ACTIVE")
    eks("wait", "fargate-profile-active", *name)
    assert eks("describe-fargate-profile", *name)["fargateProfile"] == {**created, "status": "ACTIVE"}
    assert eks("list-fargate-profiles", "--cluster-name", CLUSTER)["fargateProfileNames"] == ["Cli_1"]
    eks("tag-resource", "--resource-arn", created["fargateProfileArn"], "--tags", "c=d")
    assert eks("list-tags-for-resource", "--resource-arn", created["fargateProfileArn"]) == {
        "tags": {"a": "b", "c": "d"}
    }
    assert eks("delete-fargate-profile", *name)["fargateProfile"]["status"] == "DELETING"
    eventually(lambda: world.is_gone(compute_object_name("Cli_1")))
    eks("wait", "fargate-profile-deleted", *name)
    refused = endpoint.run_cli(administrator, "eks", "describe-fargate-profile", *name, check=False)
    assert "(ResourceNotFoundException)" in refused.stderr
    assert "No Fargate Profile found with name: Cli_1." in refused.stderr


def test_the_aws_cli_writes_a_kubeconfig(
    endpoint: Endpoint, administrator: StoredKey, world: Lab, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    endpoint.run_cli(administrator, "eks", "update-kubeconfig", "--name", CLUSTER, "--kubeconfig", path)
    cluster = yaml.safe_load(path.read_text())["clusters"][0]["cluster"]
    assert cluster["server"] == API_SERVER
    own = yaml.safe_load(world.kubeconfig_path.read_text())["clusters"][0]["cluster"]
    assert base64.b64decode(cluster["certificate-authority-data"]) == base64.b64decode(
        own["certificate-authority-data"]
    )


def test_what_rbac_does_not_allow_is_access_denied(endpoint: Endpoint, eks: Any, world: Lab) -> None:
    eks.create_fargate_profile(**a_request("web", "eks-denied"))
    stranger = endpoint.build_client(endpoint.create_key("mallory"))
    asked = {
        "describe_fargate_profile": named("web"),
        "delete_fargate_profile": named("web"),
        "list_fargate_profiles": {"clusterName": CLUSTER},
        "create_fargate_profile": a_request("mine", "eks-denied"),
    }
    for operation, params in asked.items():
        with pytest.raises(ClientError, match=r'AccessDeniedException.* User "mallory" cannot \w+ resource'):
            getattr(stranger, operation)(**params)
    assert eks.list_fargate_profiles(clusterName=CLUSTER)["fargateProfileNames"] == ["web"]
