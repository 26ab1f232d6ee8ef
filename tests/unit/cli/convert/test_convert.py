"""Profiles of eksctl, ACK, Terraform and the EKS API become Monopod's, and other commands say so."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from tests.unit.builders import a_pod
from tests.unit.cli.running import run, write_yaml

Json = dict[str, Any]
ROLE = "arn:aws:iam::111122223333:role/pods"
SELECTORS = [{"namespace": "default", "labels": {"foo": "bar"}}]
EKSCTL: Json = {
    "apiVersion": "eksctl.io/v1alpha5",
    "kind": "ClusterConfig",
    "metadata": {"name": "demo", "region": "eu-north-1"},
    "fargateProfiles": [
        {"name": "fp-default", "selectors": [{"namespace": "default"}, {"namespace": "kube-system"}]},
        {"name": "fp-dev", "selectors": [{"namespace": "dev", "labels": {"env": "y"}}], "tags": {"env": "1e3"}},
    ],
}
ACK: Json = {
    "apiVersion": "eks.services.k8s.aws/v1alpha1",
    "kind": "FargateProfile",
    "metadata": {"name": "object", "namespace": "ack-system"},
    "spec": {"name": "web", "clusterName": "demo", "podExecutionRoleARN": ROLE, "selectors": SELECTORS},
}
EKS: Json = {
    "fargateProfile": {
        "fargateProfileName": "web",
        "fargateProfileArn": "arn",
        "clusterName": "demo",
        "createdAt": "2026-01-01T00:00:00Z",
        "podExecutionRoleArn": ROLE,
        "subnets": [],
        "selectors": SELECTORS,
        "status": "ACTIVE",
        "tags": {},
    }
}


def a_resource(name: str, **values: Any) -> Json:
    described: Json = {"fargate_profile_name": name, "cluster_name": "demo", "timeouts": None, "tags": None, "id": "x"}
    described |= {"pod_execution_role_arn": ROLE, "selector": SELECTORS, **values}
    return {"mode": "managed", "type": "aws_eks_fargate_profile", "name": "this", "values": described}


def a_plan(*resources: Json, part: str = "planned_values") -> Json:
    cluster = {"mode": "managed", "type": "aws_eks_cluster", "name": "this", "values": {"name": "demo"}}
    below = {"resources": [], "child_modules": [{"address": "module.eks", "resources": [cluster, *resources]}]}
    return {"format_version": "1.2", "terraform_version": "1.9.0", part: {"root_module": below}}


def convert(*documents: object) -> tuple[Result, list[Json]]:
    text = "\n---\n".join(json.dumps(document) for document in documents)
    result = run("convert", "-f", "-", stdin=text)
    return result, list(yaml.safe_load_all(result.stdout)) if result.exit_code == 0 else []


def test_eksctls_profiles_are_as_they_were() -> None:
    result, profiles = convert(EKSCTL)
    assert [(each["apiVersion"], each["kind"]) for each in profiles] == [("monopod.dev/v1beta1", "FargateProfile")] * 2
    assert [each["metadata"] for each in profiles] == [{"name": "fp-default"}, {"name": "fp-dev"}]
    assert profiles[0]["spec"] == {"selectors": [{"namespace": "default"}, {"namespace": "kube-system"}]}
    assert profiles[1]["spec"]["selectors"] == [{"namespace": "dev", "labels": {"env": "y"}}]
    assert result.stderr == ""


def test_texts_that_kubectl_would_take_for_something_else_are_quoted() -> None:
    result, _ = convert(EKSCTL)
    assert "env: 'y'" in result.stdout
    assert "env: '1e3'" in result.stdout


SAME = {
    "ACK": ACK,
    "the EKS API": EKS,
    "a plan of Terraform": a_plan(a_resource("web")),
    "a state of Terraform": a_plan(a_resource("web"), part="values"),
}


@pytest.mark.parametrize("document", SAME.values(), ids=SAME)
def test_other_shapes_give_the_same_profile(document: Json) -> None:
    result, (profile,) = convert(document)
    assert profile["metadata"] == {"name": "web"}
    assert profile["spec"] == {"selectors": SELECTORS, "podExecutionRoleARN": ROLE}
    assert result.stderr == ""


def test_what_can_not_be_carried_over_is_told() -> None:
    resource = a_resource("FP_Web", subnet_ids=["subnet-0aa", "subnet-0bb"], surprise=1)
    result, (profile,) = convert(a_plan(resource))
    assert profile["metadata"]["name"] == "fp-web"
    assert "subnets" not in profile["spec"]
    assert result.stderr.splitlines() == [
        "Note: profile fp-web: it was called FP_Web; pods that name it in a label have to name fp-web.",
        "Note: profile fp-web: its subnets (subnet-0aa, subnet-0bb) are left out: here subnets are zones of nodes, and "
        "without any all are used.",
        "Note: profile fp-web: Monopod has nothing for surprise, which is left out.",
    ]


def test_terraforms_nulls_are_nothing() -> None:
    _, (profile,) = convert(a_plan(a_resource("web", selector=[{"namespace": "a", "labels": None}])))
    assert profile["spec"]["selectors"] == [{"namespace": "a"}]


def test_what_is_converted_explains_pods(tmp_path: Path) -> None:
    result, _ = convert(EKSCTL)
    (tmp_path / "profiles.yaml").write_text(result.stdout)
    pod = write_yaml(tmp_path / "pod.yaml", a_pod().labelled(env="y").build() | {"kind": "Pod", "apiVersion": "v1"})
    told = run("explain", "-f", pod, "--profiles", str(tmp_path / "profiles.yaml"), "-n", "dev")
    assert "sandboxed by profile fp-dev" in told.stdout, told.stderr


FAILS = {
    "a profile that the API server refuses": (
        [{**ACK, "spec": {**ACK["spec"], "name": "eks-web"}}],
        "The fargate profile name starts with the reserved prefix: 'eks-'.",
    ),
    "six selectors": ([{**ACK, "spec": {"name": "web", "selectors": SELECTORS * 6}}], "FargateProfile web: "),
    "no name": ([a_plan(a_resource(""))], "name"),
    "one name twice": ([ACK, EKS], "FargateProfile web is there 2 times."),
    "nothing to convert": ([{"apiVersion": "v1", "kind": "Pod"}], "stdin holds no Fargate profile of another tool's"),
    "a cluster without profiles": ([{**EKSCTL, "fargateProfiles": None}], "stdin holds no Fargate profile"),
    "Terraform without profiles": ([a_plan()], "stdin holds no Fargate profile"),
}


@pytest.mark.parametrize(("documents", "message"), FAILS.values(), ids=FAILS)
def test_what_would_not_apply_is_not_written(documents: list[Json], message: str) -> None:
    result, _ = convert(*documents)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


SENSELESS: dict[str, Any] = {
    "a list": [1],
    "a ClusterConfig of texts": {**EKSCTL, "fargateProfiles": "all"},
    "a spec that is none": {**ACK, "spec": 1},
    "a plan of numbers": {"terraform_version": "1", "planned_values": {"root_module": {"resources": [1, {}]}}},
    "values that are none": {"terraform_version": "1", "values": 3},
    "selectors of numbers": {**ACK, "spec": {"name": "web", "selectors": [1]}},
    "a name of numbers": {"fargateProfile": {"fargateProfileName": [1], "selectors": SELECTORS}},
}


@pytest.mark.parametrize("document", SENSELESS.values(), ids=SENSELESS)
def test_nonsense_ends_in_a_sentence(document: Any) -> None:
    result, _ = convert(document)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


HINTS = {
    "eksctl": (EKSCTL, "It holds a ClusterConfig of eksctl"),
    "ACK": (ACK, "It holds a FargateProfile of ACK"),
    "Terraform": (a_plan(a_resource("web")), "It holds a plan or state of Terraform"),
    "the EKS API": (EKS, "It holds a profile as the EKS API tells it"),
}


@pytest.mark.parametrize("command", ["lint", "explain"])
@pytest.mark.parametrize(("document", "hint"), HINTS.values(), ids=HINTS)
def test_other_commands_tell_of_convert(tmp_path: Path, command: str, document: Json, hint: str) -> None:
    profiles = write_yaml(tmp_path / "theirs.json", document)
    pod = write_yaml(tmp_path / "pod.yaml", a_pod().build() | {"kind": "Pod", "apiVersion": "v1"})
    result = run(command, "-f", pod, "--profiles", profiles)
    assert result.exit_code == 2
    assert "holds no FargateProfile of monopod.dev." in result.stderr
    assert f"{hint}: kubectl fargate convert -f {profiles} makes profiles of it." in " ".join(result.stderr.split())
