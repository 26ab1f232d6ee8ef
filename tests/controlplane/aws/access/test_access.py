"""Who may what at the AWS endpoint: the real process with the chart's rights, keys of several users, real clients.

The endpoint runs as its own ServiceAccount, which the chart lets act for `ana`, `ben` and `dora` and the group
`developers`; `carla` may everything in the cluster, and isn't among them.
"""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from monopod.access_keys.rules.stored_key import StoredKey
from monopod.api.names import SYSTEM_NAMESPACE
from tests.chart.rendering import render_chart
from tests.clusters import ControlPlane
from tests.controlplane.operating.aws.endpoint import ACCOUNT, CLUSTER, Endpoint
from tests.controlplane.operating.lab import Lab, eventually
from tests.unit.cli.running import run

USERS, GROUPS = ("ana", "ben", "dora"), ("developers",)
OWN = f"system:serviceaccount:{SYSTEM_NAMESPACE}:monopod-aws"
VALUES = {"aws": {"enabled": True, "impersonate": {"users": list(USERS), "groups": list(GROUPS)}}}
RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
BINDINGS = {
    "aws-editors": ("--clusterrole=aws-editor", "--user=ana", "--group=developers"),
    "aws-readers": ("--clusterrole=aws-reader", "--user=ben"),
    "aws-everything": ("--clusterrole=cluster-admin", "--user=carla"),
}
ROLES = {"aws-editor": "get,list,create,delete,patch", "aws-reader": "get,list"}


@dataclass(frozen=True)
class World:
    """An endpoint beside an API server, and ways to be somebody there."""

    cluster: ControlPlane
    endpoint: Endpoint
    keys: dict[tuple[str, ...], StoredKey] = field(default_factory=dict)

    def run(self, *words: str) -> str:
        """`kubectl fargate access-key`, as the administrator."""
        done = run("access-key", *words, "--kubeconfig", str(self.cluster.kubeconfig_path))
        assert done.exit_code == 0, done.output
        return done.stdout

    def create_key(self, user: str, *groups: str) -> StoredKey:
        flags = [word for group in groups for word in ("--group", group)]
        told = json.loads(self.run("create", "--user", user, *flags, "-o", "json"))
        return StoredKey(told["accessKeyId"], told["secretAccessKey"], told["user"], tuple(told["groups"]))

    def get_key(self, user: str, *groups: str) -> StoredKey:
        """A key for this user that may have been used before: one that is known costs no wait."""
        if (user, *groups) not in self.keys:
            self.keys[user, *groups] = self.create_key(user, *groups)
        return self.keys[user, *groups]

    def create_profile(self, key: StoredKey, name: str) -> Any:
        return self.endpoint.build_client(key).create_fargate_profile(
            clusterName=CLUSTER,
            fargateProfileName=name,
            podExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/pods",
            selectors=[{"namespace": name}],
        )["fargateProfile"]

    def list_names(self, key: StoredKey) -> list[str]:
        names: list[str] = self.endpoint.build_client(key).list_fargate_profiles(clusterName=CLUSTER)[
            "fargateProfileNames"
        ]
        return names

    def delete_profile(self, key: StoredKey, name: str) -> Any:
        return self.endpoint.build_client(key).delete_fargate_profile(clusterName=CLUSTER, fargateProfileName=name)


@pytest.fixture(scope="module")
def world(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("aws-access")
    kubectl = installed.kubectl
    granted = [
        item
        for item in render_chart(VALUES).objects
        if item["kind"] in RIGHTS and item["metadata"]["name"] == "monopod-aws"
    ]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": granted})
    kubectl("apply", "--server-side", "-f", "-", input=manifest)
    for role, verbs in ROLES.items():
        kubectl("create", "clusterrole", role, f"--verb={verbs}", "--resource=fargateprofiles.monopod.dev")
    for binding, words in BINDINGS.items():
        kubectl("create", "clusterrolebinding", binding, *words)
    lab = Lab(installed, folder)
    token = kubectl("create", "token", "monopod-aws", "-n", SYSTEM_NAMESPACE, "--duration=2h").stdout.strip()
    endpoint = Endpoint(lab, folder, lab.write_kubeconfig(token=token))
    try:
        yield World(installed, endpoint)
    finally:
        endpoint.stop()
        kubectl("delete", "fargateprofiles", "--all", "--wait=false", check=False)
        kubectl(
            "delete", "secrets", "-n", SYSTEM_NAMESPACE, "--field-selector=type=monopod.dev/access-key", check=False
        )
        kubectl("delete", "clusterrolebinding", *BINDINGS, check=False)
        kubectl("delete", "clusterrole", *ROLES, check=False)
        kubectl("delete", "-f", "-", input=manifest, check=False)


def refuse(call: Callable[..., Any], *arguments: Any) -> tuple[str, str, int]:
    """The code, the message and the status of a call's refusal."""
    with pytest.raises(ClientError) as raised:
        call(*arguments)
    told = raised.value.response
    return told["Error"]["Code"], told["Error"]["Message"], told["ResponseMetadata"]["HTTPStatusCode"]


def test_a_key_has_its_users_rights_and_no_others(world: World) -> None:
    ana, ben = world.get_key("ana"), world.get_key("ben")
    assert world.create_profile(ana, "of-ana")["fargateProfileName"] == "of-ana"
    assert "of-ana" in world.list_names(ben)
    for call, verb in ((world.create_profile, "create"), (world.delete_profile, "delete")):
        code, message, status = refuse(call, ben, "of-ana")
        assert (code, status) == ("AccessDeniedException", 403)
        assert f'User "ben" cannot {verb} resource "fargateprofiles"' in message
    assert "of-ana" in world.list_names(ana)
    world.delete_profile(ana, "of-ana")
    assert "of-ana" not in world.list_names(ana)


def test_a_key_has_its_groups_rights(world: World) -> None:
    assert isinstance(world.list_names(world.get_key("dora", "developers")), list)
    code, message, _ = refuse(world.list_names, world.get_key("dora"))
    assert code == "AccessDeniedException"
    assert 'User "dora" cannot list' in message


def test_no_key_stands_for_whom_the_chart_does_not_name(world: World) -> None:
    """However much that user may."""
    for key in (world.get_key("carla"), world.get_key("ana", "administrators")):
        code, message, status = refuse(world.list_names, key)
        assert (code, status) == ("AccessDeniedException", 403)
        assert f'User "{OWN}" cannot impersonate' in message


def test_no_key_stands_for_kubernetes_own(world: World) -> None:
    """Not even one whose Secret was written by hand."""
    for fields in ({"user": "system:admin"}, {"user": "ana", "groups": "system:masters"}):
        key = StoredKey(f"MPODFORGED{len(fields)}AAAAAAAAA", "s" * 40, "ana")
        secret = key.build_secret(SYSTEM_NAMESPACE)
        secret["stringData"].update(fields)
        world.cluster.kubectl("create", "-f", "-", input=json.dumps(secret))
        assert refuse(world.list_names, key)[0] == "UnrecognizedClientException"
    assert isinstance(world.list_names(world.get_key("ana")), list)


def test_a_deleted_key_opens_nothing_soon(world: World) -> None:
    key = world.create_key("ana")
    assert isinstance(world.list_names(key), list)
    assert key.id in world.run("list")
    world.run("delete", key.id)

    def is_refused() -> bool:
        try:
            world.list_names(key)
        except ClientError as error:
            return bool(error.response["Error"]["Code"] == "UnrecognizedClientException")
        return False

    eventually(is_refused, 60)


def test_another_secret_opens_nothing(world: World) -> None:
    key = world.get_key("ana")
    wrong = StoredKey(key.id, "w" * 40, key.user)
    assert refuse(world.list_names, wrong)[0] == "InvalidSignatureException"
    assert refuse(world.endpoint.build_client(wrong, "sts").get_caller_identity)[0] == "SignatureDoesNotMatch"


def test_who_asks_at_the_same_time_is_not_taken_for_another(world: World) -> None:
    ana, ben = world.get_key("ana"), world.get_key("ben")

    def create(number: int) -> str:
        try:
            world.create_profile(ben if number % 2 else ana, f"race-{number}")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "created"

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(create, range(8)))
    assert outcomes == ["created", "AccessDeniedException"] * 4


def test_the_endpoints_own_account_may_nothing_but_act_for_those(world: World) -> None:
    def can(*words: str) -> bool:
        answer = world.cluster.kubectl("auth", "can-i", *words, f"--as={OWN}", check=False).stdout.strip()
        assert answer in ("yes", "no"), answer
        return answer == "yes"

    assert can("list", "secrets", "-n", SYSTEM_NAMESPACE)
    assert can("impersonate", "users/ana")
    assert can("impersonate", "groups/developers")
    for words in (
        ("list", "secrets", "-n", "default"),
        ("create", "secrets", "-n", SYSTEM_NAMESPACE),
        ("list", "fargateprofiles"),
        ("create", "pods", "-n", "default"),
        ("impersonate", "users"),
        ("impersonate", "users/carla"),
        ("impersonate", "users/system:admin"),
        ("impersonate", "groups/system:masters"),
        ("impersonate", "serviceaccounts", "-n", "kube-system"),
    ):
        assert not can(*words), words


def test_the_aws_cli_says_who_it_is(world: World) -> None:
    key = world.get_key("ana")
    told = json.loads(world.endpoint.run_cli(key, "sts", "get-caller-identity").stdout)
    assert told == {"UserId": "ana", "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/ana"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("eks", "list-nodegroups", "--cluster-name", CLUSTER), "(InvalidRequestException)"),
        (("ecs", "list-services"), "(UnsupportedFeatureException)"),
        (("sts", "get-session-token"), "(InvalidAction)"),
    ],
    ids=lambda each: each if isinstance(each, str) else each[1],
)
def test_the_aws_cli_tells_what_is_not_built(world: World, words: tuple[str, ...], message: str) -> None:
    done: subprocess.CompletedProcess[str] = world.endpoint.run_cli(world.get_key("ana"), *words, check=False)
    assert done.returncode != 0
    assert message in done.stderr


def test_the_secret_is_kept_as_the_endpoint_reads_it(world: World) -> None:
    key = world.get_key("ana", "developers")
    told = world.cluster.kubectl("get", "secret", key.secret_name, "-n", SYSTEM_NAMESPACE, "-o", "json").stdout
    secret = json.loads(told)
    assert StoredKey.from_resource(secret) == key
    assert base64.b64decode(secret["data"]["groups"]) == b"developers"
