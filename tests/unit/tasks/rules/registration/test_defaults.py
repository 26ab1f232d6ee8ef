"""What a task definition is when it comes back: as it was sent, and with AWS's defaults."""

from copy import deepcopy
from typing import Any

import pytest

from monopod.tasks.rules.registration.defaults import complete
from monopod.tasks.rules.rule import Effect
from monopod.tasks.rules.validation import validate
from tests.unit.tasks.definitions import Case, a_container, a_definition, read_cases, with_container

CASES = [case for case in read_cases() if not case.id.startswith("form:")]
CONTAINER = {
    "name": "app",
    "image": "nginx:1.29",
    "cpu": 0,
    "portMappings": [],
    "essential": True,
    "environment": [],
    "mountPoints": [],
    "volumesFrom": [],
    "systemControls": [],
}


def test_what_is_left_out_has_awss_defaults() -> None:
    assert complete(a_definition()) == {
        "family": "web",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [CONTAINER],
        "volumes": [],
        "placementConstraints": [],
    }


def only(definition: Any) -> Any:
    (container,) = complete(definition)["containerDefinitions"]
    return container


def test_a_port_of_the_host_is_the_containers() -> None:
    mappings = [{"containerPort": 80}, {"containerPort": 53, "protocol": "udp"}, {"containerPortRange": "90-99"}]
    assert only(with_container(portMappings=mappings))["portMappings"] == [
        {"containerPort": 80, "hostPort": 80, "protocol": "tcp"},
        {"containerPort": 53, "hostPort": 53, "protocol": "udp"},
        {"containerPortRange": "90-99", "protocol": "tcp"},
    ]


def test_a_health_check_has_its_times() -> None:
    check = {"command": ["CMD", "x"], "timeout": 9}
    assert only(with_container(healthCheck=check))["healthCheck"] == {
        "command": ["CMD", "x"],
        "interval": 30,
        "timeout": 9,
        "retries": 3,
    }
    assert "healthCheck" not in only(a_definition())


def test_amounts_in_words_become_numbers() -> None:
    done = complete(a_definition(cpu=".5 vCPU", memory="1 GB"))
    assert (done["cpu"], done["memory"]) == ("512", "1024")


def test_a_directory_is_of_the_host_and_a_file_system_begins_at_its_root() -> None:
    efs = {"efsVolumeConfiguration": {"fileSystemId": "fs-1"}}
    volumes = [{"name": "a"}, {"name": "b", **efs}, {"name": "c", "configuredAtLaunch": True}]
    assert complete(a_definition(volumes=volumes))["volumes"] == [
        {"name": "a", "host": {}},
        {"name": "b", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/"}},
        {"name": "c", "configuredAtLaunch": True},
    ]


def test_tags_are_told_elsewhere() -> None:
    assert "tags" not in complete(a_definition(tags=[{"key": "a", "value": "b"}]))


def test_what_is_null_is_left_out() -> None:
    said = a_definition(ipcMode=None, containerDefinitions=[a_container(healthCheck=None, cpu=None, command=["a"])])
    assert complete(said) == complete(a_definition(containerDefinitions=[a_container(command=["a"])]))


def test_what_is_said_stays_as_it_is() -> None:
    said = a_container(
        cpu=1, essential=False, environment=[{"name": "A", "value": ""}], dockerLabels={"a": "b"}, command=[], links=[]
    )
    assert only(a_definition(containerDefinitions=[said])) == {**CONTAINER, **said}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_completing_changes_no_verdict_and_nothing_the_second_time(case: Case) -> None:
    sent = deepcopy(case.definition)
    done = complete(case.definition)
    assert case.definition == sent
    assert complete(done) == done

    def tell(definition: Any) -> set[Any]:
        """But for what amounts in words and tags have to do with it."""
        return {
            (finding.path, finding.rule.name)
            for finding in validate(definition)
            if not finding.rule.name.startswith(("Tag", "AmountAsNumber")) and finding.rule.effect is not Effect.NOTE
        }

    assert tell(done) == tell(case.definition)
