"""An endpoint beside the API server, with the chart's rights, and two teams that have a cluster each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from monopod.access_keys.rules.stored_key import StoredKey
from monopod.api.names import SYSTEM_NAMESPACE
from tests.chart.rendering import render_chart
from tests.clusters import ControlPlane
from tests.controlplane.aws.ecs.clusters import delete_all, make_cluster
from tests.controlplane.operating.aws.endpoint import Endpoint
from tests.controlplane.operating.lab import Lab
from tests.controlplane.server import Server
from tests.unit.tasks.definitions import a_definition

ANA, BEN, DORA = "ana", "ben", "dora"
HOMES = {ANA: "team-a", BEN: "team-b"}
VALUES = {"ecs": {"enabled": True}, "aws": {"enabled": True, "impersonate": {"users": [ANA, BEN, DORA]}}}
OF_USERS = tuple(f"monopod-ecs-{suffix}" for suffix in ("user", "reader", "definitions", "clusters"))
SUBNET = "subnet-a1"
BOTH = ["FARGATE", "FARGATE_SPOT"]


@dataclass(frozen=True)
class Teams:
    """The endpoint, and keys of its users: ana may run tasks in team-a, ben in team-b, and dora see those of team-b."""

    server: Server
    endpoint: Endpoint
    keys: dict[str, StoredKey] = field(default_factory=dict)

    def get_key(self, user: str) -> StoredKey:
        if user not in self.keys:
            self.keys[user] = self.endpoint.create_key(user)
        return self.keys[user]

    def ask(self, user: str) -> Any:
        """boto3's client of ECS."""
        return self.endpoint.build_client(self.get_key(user), "ecs")

    def run_cli(self, user: str, *words: str, check: bool = True) -> Any:
        done = self.endpoint.run_cli(self.get_key(user), "ecs", *words, check=check)
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr


def run_task(client: Any, cluster: str, **params: Any) -> dict[str, Any]:
    """The one task of a request that succeeds."""
    network = {"awsvpcConfiguration": {"subnets": [SUBNET]}}
    answer = client.run_task(cluster=cluster, taskDefinition="web", networkConfiguration=network, **params)
    (task,) = answer["tasks"]
    return dict(task)


@pytest.fixture(scope="module")
def teams(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teams]:
    folder, kubectl = tmp_path_factory.mktemp("aws-ecs"), installed.kubectl
    granted = [
        item
        for item in render_chart(VALUES).objects
        if (item["metadata"]["name"] == "monopod-aws" and item["kind"] not in ("Deployment", "Service"))
        or item["metadata"]["name"] in OF_USERS
    ]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": granted})
    kubectl("apply", "--server-side", "-f", "-", input=manifest)
    server = Server(installed.kubeconfig_path)
    delete_all(server)
    for cluster in HOMES.values():
        make_cluster(server, cluster, capacityProviders=BOTH)
    bind = ("create", "rolebinding", "tasks", "--clusterrole=monopod-ecs-user")
    for user, cluster in HOMES.items():
        kubectl(*bind, f"--user={user}", "-n", f"ecs-{cluster}", check=False)
    kubectl("create", "role", "watcher", "--verb=get,list", "--resource=ecstasks.ecs.monopod.dev", "-n", "ecs-team-b")
    kubectl("create", "rolebinding", "watcher", "--role=watcher", f"--user={DORA}", "-n", "ecs-team-b")
    everywhere = {
        "ecs-readers": ("--clusterrole=monopod-ecs-reader", f"--user={ANA}", f"--user={BEN}"),
        "ecs-definitions": ("--clusterrole=monopod-ecs-definitions", f"--user={ANA}"),
    }
    for binding, words in everywhere.items():
        kubectl("create", "clusterrolebinding", binding, *words)
    lab = Lab(installed, folder)
    token = kubectl("create", "token", "monopod-aws", "-n", SYSTEM_NAMESPACE, "--duration=2h").stdout.strip()
    endpoint = Endpoint(lab, folder, lab.write_kubeconfig(token=token))
    try:
        teams = Teams(server, endpoint)
        teams.ask(ANA).register_task_definition(**a_definition())
        yield teams
    finally:
        endpoint.stop()
        print(endpoint.log.read_text()[-4000:])
        kubectl("delete", "clusterrolebinding", *everywhere, check=False)
        kubectl("delete", "role,rolebinding", "watcher", "-n", "ecs-team-b", check=False)
        for cluster in HOMES.values():
            kubectl("delete", "rolebinding", "tasks", "-n", f"ecs-{cluster}", check=False)
        keys = ("-n", SYSTEM_NAMESPACE, "--field-selector=type=monopod.dev/access-key")
        kubectl("delete", "secrets", *keys, check=False)
        kubectl("delete", "-f", "-", input=manifest, check=False)
        delete_all(server)
