"""Two teams at one endpoint: neither sees, stops, runs or changes what is the other's, whatever it calls it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from monopod.kube.objects.resources import ECS_TASKS
from tests.controlplane.aws.ecs.conftest import ANA, BEN, DORA, SUBNET, Teams, run_task
from tests.controlplane.operating.aws.endpoint import ACCOUNT, REGION

PREFIX = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
NETWORK = {"awsvpcConfiguration": {"subnets": [SUBNET]}}
MERGE = "application/merge-patch+json"


def refuse(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    """The code and the message of a call's refusal."""
    with pytest.raises(ClientError) as raised:
        call(**params)
    told = raised.value.response["Error"]
    return told["Code"], told["Message"]


@pytest.fixture
def task(teams: Teams) -> dict[str, Any]:
    """One of ana's, run with the token that ben will use, too."""
    return run_task(teams.ask(ANA), "team-a", startedBy="secret", tags=[{"key": "k", "value": "secret"}])


def get_spec(teams: Teams, task: dict[str, Any]) -> dict[str, Any]:
    _, cluster, name = task["taskArn"].split("/")
    spec: dict[str, Any] = teams.server.get(ECS_TASKS.path(name, f"ecs-{cluster}")).expect_ok()["spec"]
    return spec


def test_nothing_of_another_teams_is_seen_or_changed(teams: Teams, task: dict[str, Any]) -> None:
    ben, arn = teams.ask(BEN), task["taskArn"]
    before = get_spec(teams, task)
    for cluster in ("team-a", f"{PREFIX}:cluster/team-a"):
        asked: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
            (ben.describe_tasks, {"cluster": cluster, "tasks": [arn]}, "get"),
            (ben.list_tasks, {"cluster": cluster}, "list"),
            (ben.stop_task, {"cluster": cluster, "task": arn}, "get"),
            (ben.run_task, {"cluster": cluster, "taskDefinition": "web", "networkConfiguration": NETWORK}, "create"),
            (ben.tag_resource, {"resourceArn": arn, "tags": [{"key": "a", "value": "b"}]}, "get"),
            (ben.untag_resource, {"resourceArn": arn, "tagKeys": ["k"]}, "get"),
            (ben.list_tags_for_resource, {"resourceArn": arn}, "get"),
        ]
        for call, params, verb in asked:
            code, message = refuse(call, **params)
            assert code == "AccessDeniedException", params
            assert f'User "ben" cannot {verb} resource "ecstasks"' in message
            assert "secret" not in message
    assert get_spec(teams, task) == before


def test_without_a_token_a_task_is_not_run_either(teams: Teams) -> None:
    """SDKs always send one, by which the first request to the API server is a look at the task."""
    ben = teams.ask(BEN)
    ben.meta.events.register("before-call.ecs.RunTask", drop_token)
    code, message = refuse(ben.run_task, cluster="team-a", taskDefinition="web", networkConfiguration=NETWORK)
    assert code == "AccessDeniedException"
    assert 'User "ben" cannot create resource "ecstasks"' in message


def drop_token(params: dict[str, Any], **_: Any) -> None:
    body = json.loads(params["body"])
    body.pop("clientToken")
    params["body"] = json.dumps(body).encode()


def test_no_name_leads_into_another_teams_cluster(teams: Teams, task: dict[str, Any]) -> None:
    ben, name = teams.ask(BEN), task["taskArn"].rpartition("/")[2]
    own = {"cluster": "team-b"}
    code, message = refuse(ben.describe_tasks, **own, tasks=[task["taskArn"]])
    assert (code, message) == (
        "InvalidParameterException",
        "Invalid identifier: Identifier is for cluster team-a. Your cluster is team-b",
    )
    paths = [name, name.upper(), f"..%2f{name[5:]}", name[:30] + "\n\n", "." * 32, "%2e%2e" * 6]
    answer = ben.describe_tasks(**own, tasks=paths)
    assert answer["tasks"] == []
    assert {each["reason"] for each in answer["failures"]} == {"MISSING"}
    for path in (f"../ecs-team-a/{name}", f"../../ecs-team-a/ecstasks/{name}", f"team-a/{name}"):
        assert refuse(ben.describe_tasks, **own, tasks=[path])[0] == "InvalidParameterException"
        assert refuse(ben.stop_task, **own, task=path)[0] == "InvalidParameterException"
    for cluster in ("../team-a", "team-b/../team-a", "team-a%2f", "team-a\n", "ecs-team-a/x", "team-a?x=", "a" * 256):
        assert refuse(ben.describe_tasks, cluster=cluster, tasks=[name])[0] == "InvalidParameterException", cluster
    for cluster in ("Team-A", "TEAM-A", "team_a", "ecs-team-a", "-team-a", "team-a-"):
        assert refuse(ben.describe_tasks, cluster=cluster, tasks=[name])[0] in (
            "AccessDeniedException",
            "ClusterNotFoundException",
        )
    for arn in (f"{PREFIX}:task/team-b/{name}", f"{PREFIX}:task/team-b/..%2f{name}"):
        assert refuse(ben.list_tags_for_resource, resourceArn=arn)[0] == "InvalidParameterException"


def test_one_token_is_two_in_two_clusters(teams: Teams) -> None:
    ana, ben = teams.ask(ANA), teams.ask(BEN)
    of_ana = run_task(ana, "team-a", clientToken="same")
    of_ben = run_task(ben, "team-b", clientToken="same", startedBy="ben")
    assert of_ana["taskArn"].rpartition("/")[2] != of_ben["taskArn"].rpartition("/")[2]
    assert run_task(ana, "team-a", clientToken="same")["taskArn"] == of_ana["taskArn"]


def test_a_page_of_one_list_is_none_of_anothers(teams: Teams) -> None:
    ana = teams.ask(ANA)
    for _ in range(2):
        run_task(ana, "team-a")
    token = ana.list_tasks(cluster="team-a", maxResults=1)["nextToken"]
    assert refuse(teams.ask(BEN).list_tasks, cluster="team-b", nextToken=token)[0] == "InvalidParameterException"


def test_who_may_only_look_changes_nothing(teams: Teams) -> None:
    task = run_task(teams.ask(BEN), "team-b")
    dora = teams.ask(DORA)
    told = dora.describe_tasks(cluster="team-b", tasks=[task["taskArn"]])["tasks"]
    assert [each["taskArn"] for each in told] == [task["taskArn"]]
    assert task["taskArn"] in dora.list_tasks(cluster="team-b")["taskArns"]
    denied: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (dora.stop_task, {"cluster": "team-b", "task": task["taskArn"]}),
        (dora.tag_resource, {"resourceArn": task["taskArn"], "tags": [{"key": "a", "value": "b"}]}),
        (dora.run_task, {"cluster": "team-b", "taskDefinition": "web", "networkConfiguration": NETWORK}),
    ]
    for call, params in denied:
        assert refuse(call, **params)[0] == "AccessDeniedException"
    assert "stop" not in get_spec(teams, task)


def test_nobody_writes_what_the_operator_says_or_changes_what_runs(teams: Teams) -> None:
    """Not by kubectl either: what a task was asked for and what became of it can't be made up afterwards."""
    task = run_task(teams.ask(BEN), "team-b")
    path = ECS_TASKS.path(task["taskArn"].rpartition("/")[2], "ecs-team-b")
    said = {"status": {"lastStatus": "STOPPED", "containers": [{"exitCode": 0}]}}
    answer = teams.server.send_as(BEN, "PATCH", f"{path}/status", said, MERGE)
    assert answer.status == 403
    teams.server.send_as(BEN, "PATCH", path, said, MERGE)
    assert "status" not in teams.server.get(path).expect_ok()
    changes: list[dict[str, Any]] = [
        {"taskDefinition": {"family": "web", "revision": 2}},
        {"overrides": {"containerOverrides": [{"name": "app", "command": ["sh"]}]}},
        {"enableExecuteCommand": True},
        {"startedBy": "ana"},
        {"network": {"securityGroups": ["db"]}},
        {"requestHash": "x"},
    ]
    for change in changes:
        assert teams.server.send_as(BEN, "PATCH", path, {"spec": change}, MERGE).status == 422, change
    stop = {"spec": {"stop": {"reason": "first"}}}
    assert teams.server.send_as(BEN, "PATCH", path, stop, MERGE).ok
    for again in ({"stop": None}, {"stop": {"reason": "second"}}):
        assert teams.server.send_as(BEN, "PATCH", path, {"spec": again}, MERGE).status == 422, again


def test_the_endpoint_itself_sees_no_tasks(teams: Teams) -> None:
    own = "system:serviceaccount:monopod-system:monopod-aws"
    for namespace in ("ecs-team-a", "ecs-team-b"):
        answer = teams.server.send_as(own, "GET", ECS_TASKS.list_path(namespace), None, MERGE)
        assert answer.status == 403
