import pytest

from monopod.aws.ecs.rules.arns import (
    ClusterName,
    DefinitionName,
    TaskName,
    build_cluster_arn,
    build_container_arn,
    build_definition_arn,
    build_task_arn,
    parse_resource,
    read_cluster,
    read_definition,
    read_task,
)
from monopod.aws.wire.call import AwsError
from tests.unit.aws.ecs.builders import ACCOUNT, PREFIX, TASK

ELSEWHERE = PREFIX.replace("111122223333", "444455556666")


def test_arns_are_as_on_aws() -> None:
    assert build_cluster_arn(ACCOUNT, "Prod_1") == f"{PREFIX}:cluster/Prod_1"
    assert build_definition_arn(ACCOUNT, "web", 3) == f"{PREFIX}:task-definition/web:3"
    assert build_task_arn(ACCOUNT, "prod", TASK) == f"{PREFIX}:task/prod/{TASK}"
    assert build_container_arn(ACCOUNT, "prod", TASK, "u-1") == f"{PREFIX}:container/prod/{TASK}/u-1"


@pytest.mark.parametrize(
    ("identifier", "name"),
    [(None, "default"), ("", "default"), ("Prod_1", "Prod_1"), (f"{PREFIX}:cluster/prod", "prod")],
)
def test_a_cluster_is_named_by_its_name_or_arn(identifier: str | None, name: str) -> None:
    assert read_cluster(ACCOUNT, identifier) == name


@pytest.mark.parametrize(
    ("identifier", "named"),
    [
        ("web", DefinitionName("web")),
        ("web:3", DefinitionName("web", 3)),
        (f"{PREFIX}:task-definition/web:3", DefinitionName("web", 3)),
        (f"{PREFIX}:task-definition/web", DefinitionName("web")),
    ],
)
def test_a_task_definition_is_named_by_family_and_revision(identifier: str, named: DefinitionName) -> None:
    assert read_definition(ACCOUNT, identifier) == named


@pytest.mark.parametrize("identifier", [TASK, f"{PREFIX}:task/prod/{TASK}", f"{PREFIX}:task/{TASK}"])
def test_a_task_is_named_by_its_id_or_arn(identifier: str) -> None:
    assert read_task(ACCOUNT, "prod", identifier) == TASK


@pytest.mark.parametrize(
    ("arn", "named"),
    [
        (f"{PREFIX}:cluster/prod", ClusterName("prod")),
        (f"{PREFIX}:task-definition/web:3", DefinitionName("web", 3)),
        (f"{PREFIX}:task/prod/{TASK}", TaskName("prod", TASK)),
    ],
)
def test_what_has_tags_is_named_by_its_arn(arn: str, named: object) -> None:
    assert parse_resource(ACCOUNT, arn) == named


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("a b", r"Cluster must match ^[a-zA-Z0-9\-_]{1,255}$, but was a b"),
        ("a/b", r"Cluster must match ^[a-zA-Z0-9\-_]{1,255}$, but was a/b"),
        ("prod\n", r"Cluster must match ^[a-zA-Z0-9\-_]{1,255}$, but was prod" + "\n"),
        (f"{PREFIX}:task/prod/{TASK}", "Unsupported resource type: task"),
        (f"{ELSEWHERE}:cluster/prod", "Identifier is for 444455556666. Your accountId is 111122223333"),
        (
            f"{PREFIX.replace('eu-central-1', 'us-east-1')}:cluster/prod",
            "Identifier is for us-east-1. Your region is eu-central-1",
        ),
        ("arn:aws:eks:eu-central-1:111122223333:cluster/prod", "Invalid identifier: Unexpected number of separators"),
        ("arn:aws:ecs", "Invalid identifier: Unexpected number of separators"),
    ],
)
def test_what_names_no_cluster_is_refused(identifier: str, message: str) -> None:
    with pytest.raises(AwsError) as error:
        read_cluster(ACCOUNT, identifier)
    assert (error.value.code, error.value.message) == ("InvalidParameterException", message)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("", "taskId length should be one of [32,36]"),
        ("None", "taskId length should be one of [32,36]"),
        (f"{TASK}0", "taskId length should be one of [32,36]"),
        (f"{PREFIX}:task/prod/", "taskId length should be one of [32,36]"),
        (f"prod/{TASK}", "Invalid identifier: Unexpected number of separators"),
        (f"{PREFIX}:task/prod/a/{TASK}", "Invalid identifier: Unexpected number of separators"),
        (f"{PREFIX}:task/{TASK}:1", "taskId length should be one of [32,36]"),
        (
            f"{PREFIX}:task/other/{TASK}",
            "Invalid identifier: Identifier is for cluster other. Your cluster is prod",
        ),
        (f"{ELSEWHERE}:task/prod/{TASK}", "Identifier is for 444455556666. Your accountId is 111122223333"),
        (f"{PREFIX}:cluster/prod", "Unsupported resource type: cluster"),
    ],
)
def test_what_names_no_task_is_refused(identifier: str, message: str) -> None:
    with pytest.raises(AwsError) as error:
        read_task(ACCOUNT, "prod", identifier)
    assert (error.value.code, error.value.message) == ("InvalidParameterException", message)


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("", "Invalid identifier: Unexpected number of separators"),
        (f"{PREFIX}:task/{TASK}", "Long arn format must be used for tagging operations"),
        (f"{PREFIX}:task/prod/", "taskId length should be one of [32,36]"),
        (f"{PREFIX}:task/prod/..", "taskId length should be one of [32,36]"),
        (f"{PREFIX}:task-definition/web", f"Invalid identifier: {PREFIX}:task-definition/web"),
        (f"{PREFIX}:task-definition/web:latest", "Invalid revision number. Number: latest"),
        (f"{PREFIX}:cluster/a/b", f"Invalid identifier: {PREFIX}:cluster/a/b"),
        (f"{PREFIX}:capacity-provider/FARGATE", "Unsupported resource type: capacity-provider"),
        (f"{PREFIX}:service/prod/web", "Unsupported resource type: service"),
    ],
)
def test_what_has_no_tags_is_refused(arn: str, message: str) -> None:
    with pytest.raises(AwsError) as error:
        parse_resource(ACCOUNT, arn)
    assert (error.value.code, error.value.message) == ("InvalidParameterException", message)
