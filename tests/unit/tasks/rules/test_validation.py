"""What Fargate refuses in a task definition, what Monopod can't do, and that all of it is told at once."""

import itertools
from typing import Any

import pytest

from monopod.tasks.rules.rule import CLIENT, SDK_CODE, UNSUPPORTED, Effect, Finding, Rule, Words
from monopod.tasks.rules.validation import MOST_FINDINGS, RULES, validate
from tests.unit.tasks.definitions import (
    ROLE,
    Case,
    a_container,
    a_definition,
    read_cases,
    with_container,
    with_containers,
)

CASES = list(read_cases())


def tell(definition: Any) -> list[tuple[str, str]]:
    return [(finding.path, finding.rule.name) for finding in validate(definition)]


def find(definition: Any, rule: str) -> Finding:
    (found,) = (each for each in validate(definition) if each.rule.name == rule)
    return found


def test_a_definition_for_fargate_has_nothing_wrong_with_it() -> None:
    assert validate(a_definition()) == ()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_each_fact_is_told_in_these_words_with_the_path_of_its_field(case: Case) -> None:
    found = [(each.path, each.rule.name, each.rule.code, each.message) for each in validate(case.definition)]
    assert (case.path, case.rule, case.code, case.message) in found


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_is_told_has_an_advice_and_nothing_left_to_fill_in(case: Case) -> None:
    for finding in validate(case.definition):
        for text in (finding.message, finding.advice):
            assert text
            assert text == text.strip()
            assert not set("{}") & set(text) or finding.rule.name == "SystemControlUnsupported"


def test_every_rule_has_a_case() -> None:
    told = {case.rule for case in CASES} | {"TagsTooMany", "EnvironmentFilesTooMany", "ContainersTooMany"}
    told |= {"WindowsOnArm", "ExecutionRoleMissingForRegistry"}
    assert {rule.name for rule in RULES} == told


def test_a_name_means_one_rule() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_rules_code_follows_from_what_it_means_and_whose_words_it_has(rule: Rule) -> None:
    assert (
        rule.code
        == {
            (Effect.REFUSED, Words.AWS): CLIENT,
            (Effect.REFUSED, Words.OWN): CLIENT,
            (Effect.REFUSED, Words.SDK): SDK_CODE,
            (Effect.UNAVAILABLE, Words.OWN): UNSUPPORTED,
            (Effect.NOTE, Words.OWN): "",
        }[rule.effect, rule.words]
    )


@pytest.mark.parametrize(
    ("definition", "rule"),
    [
        pytest.param(a_definition(tags=[{"key": f"k{index}"} for index in range(51)]), "TagsTooMany", id="51 tags"),
        pytest.param(a_definition(tags=[{"key": f"k{index}"} for index in range(50)]), "", id="50 tags"),
        pytest.param(a_definition(family="a" * 256), "FamilyInvalid", id="a family of 256"),
        pytest.param(a_definition(family="a" * 255), "", id="a family of 255"),
        pytest.param(
            with_containers(*(a_container(f"c{index}") for index in range(11))), "ContainersTooMany", id="11 containers"
        ),
        pytest.param(with_containers(*(a_container(f"c{index}") for index in range(10))), "", id="10 containers"),
        pytest.param(
            with_container(environmentFiles=[{"type": "s3", "value": "arn:aws:s3:::b/a.env"}] * 11),
            "EnvironmentFilesTooMany",
            id="11 files",
        ),
        pytest.param(
            a_definition(containerDefinitions=[a_container(repositoryCredentials={"credentialsParameter": "arn:x"})]),
            "ExecutionRoleMissingForRegistry",
            id="a registry without a role",
        ),
        pytest.param(
            a_definition(
                cpu="1024",
                memory="2048",
                runtimePlatform={"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE", "cpuArchitecture": "ARM64"},
            ),
            "WindowsOnArm",
            id="Windows on ARM",
        ),
        pytest.param(
            a_definition(runtimePlatform={"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}),
            "SizeUnknown",
            id="a small Windows",
        ),
        pytest.param(
            a_definition(runtimePlatform={"operatingSystemFamily": "LINUX", "cpuArchitecture": "ARM64"}), "", id="ARM64"
        ),
    ],
)
def test_bounds(definition: Any, rule: str) -> None:
    told = [name for _, name in tell(definition)]
    assert rule in told if rule else told == []


@pytest.mark.parametrize(
    "container",
    [
        pytest.param({"privileged": False, "links": [], "dnsServers": [], "extraHosts": []}, id="empty and false"),
        pytest.param({"portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}]}, id="the same port"),
        pytest.param(
            {"portMappings": [{"containerPort": 53, "protocol": "tcp"}, {"containerPort": 53, "protocol": "udp"}]},
            id="one port of two protocols",
        ),
        pytest.param({"portMappings": [{"containerPortRange": "8000-8010", "hostPort": 0}]}, id="a range of ports"),
        pytest.param({"linuxParameters": {"capabilities": {"add": [], "drop": ["ALL"]}}}, id="no capability at all"),
        pytest.param({"linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"]}}}, id="the only one to be added"),
        pytest.param(
            {"linuxParameters": {"initProcessEnabled": False, "tmpfs": [{"containerPath": "/scratch", "size": 64}]}},
            id="a tmpfs",
        ),
        pytest.param({"user": "1000:2000", "readonlyRootFilesystem": True, "pseudoTerminal": True}, id="a user"),
        pytest.param({"memory": 512, "memoryReservation": 512, "cpu": 256}, id="all that the task has"),
        pytest.param({"healthCheck": {"command": ["NONE"]}}, id="no health check"),
        pytest.param(
            {"healthCheck": {"command": ["CMD", "true"], "interval": 5, "startPeriod": 0}}, id="a health check"
        ),
        pytest.param({"restartPolicy": {"enabled": True, "ignoredExitCodes": [0, 255]}}, id="restarts"),
        pytest.param({"systemControls": [{"namespace": "net.ipv4.tcp_syncookies", "value": "1"}]}, id="a safe sysctl"),
        pytest.param({"dockerLabels": {"a": "b"}, "command": ["a"], "entryPoint": []}, id="labels and a command"),
        pytest.param({"image": f"quay.io:443/a/b_c.d@sha256:{'a' * 64}"}, id="a digest"),
        pytest.param({"stopTimeout": 120, "startTimeout": 2}, id="timeouts"),
    ],
)
def test_what_fargate_takes_and_monopod_can_do_is_left_alone(container: dict[str, Any]) -> None:
    assert tell(with_container(**container)) == []


def test_volumes_that_are_directories_are_left_alone() -> None:
    mount = {"sourceVolume": "data", "containerPath": "/data", "readOnly": False}
    containers = [a_container(mountPoints=[mount]), a_container("b", volumesFrom=[{"sourceContainer": "app"}])]
    assert tell(a_definition(volumes=[{"name": "data", "host": {}}], containerDefinitions=containers)) == []


def test_conditions_that_can_be_met_are_only_told_what_the_pod_makes_of_them() -> None:
    waiting = [("a", "START"), ("b", "SUCCESS"), ("c", "HEALTHY")]
    definition = with_containers(
        a_container(dependsOn=[{"containerName": name, "condition": condition} for name, condition in waiting]),
        a_container("a"),
        a_container("b", essential=False, dependsOn=[{"containerName": "a", "condition": "START"}]),
        a_container("c", healthCheck={"command": ["CMD", "true"]}),
    )
    sidecars = [f"containerDefinitions[{index}]" for index in (1, 3)]
    assert tell(definition) == [(path, "RestartedAsSidecar") for path in sidecars]


def test_what_is_waited_for_to_start_stays_an_ordinary_container() -> None:
    """A sidecar is restarted: what was to run once would run twice."""
    waiting = a_container(dependsOn=[{"containerName": "a", "condition": "START"}])
    assert tell(with_containers(waiting, a_container("a"))) == []


def test_all_is_told_at_once_in_the_order_of_the_definition() -> None:
    definition = a_definition(
        networkMode="host",
        cpu="1024",
        memory="1024",
        containerDefinitions=[
            a_container(privileged=True, hostname="x"),
            a_container("b", portMappings=[{"containerPort": 80, "hostPort": 8080}], stopTimeout=300),
        ],
        volumes=[{"name": "v", "host": {"sourcePath": "/"}}],
    )
    assert tell(definition) == [
        ("networkMode", "NetworkModeUnsupported"),
        ("cpu", "SizeUnknown"),
        ("containerDefinitions", "StopTimeoutsDiffer"),
        ("containerDefinitions[0].hostname", "HostnameUnsupported"),
        ("containerDefinitions[0].privileged", "PrivilegedUnsupported"),
        ("containerDefinitions[1].portMappings[0].hostPort", "HostPortDiffers"),
        ("containerDefinitions[1].stopTimeout", "StopTimeoutTooLong"),
        ("volumes[0].host.sourcePath", "HostPathUnsupported"),
    ]


def test_a_field_of_the_wrong_type_hides_nothing_else() -> None:
    definition = with_containers({"name": 1, "image": "x", "cpu": "2", "privileged": True}, 3, a_container(links="x"))  # type: ignore[arg-type]  # 3 is no container
    assert tell(definition) == [
        ("containerDefinitions[0].name", "ParameterTypeInvalid"),
        ("containerDefinitions[0].cpu", "ParameterTypeInvalid"),
        ("containerDefinitions[1]", "ParameterTypeInvalid"),
        ("containerDefinitions[2].links", "ParameterTypeInvalid"),
        ("containerDefinitions[0].privileged", "PrivilegedUnsupported"),
        ("containerDefinitions[2].links", "LinksUnsupported"),
    ]


def test_a_role_that_several_containers_miss_is_missed_once() -> None:
    secrets = [{"name": "A", "valueFrom": "db"}]
    containers = [a_container(secrets=secrets), a_container("b", secrets=secrets)]
    definition = a_definition(containerDefinitions=containers)
    assert [rule for _, rule in tell(definition)].count("ExecutionRoleMissingForSecrets") == 1
    assert ROLE not in str(validate({**definition, "executionRoleArn": ROLE}))


def test_a_misspelt_field_is_told_what_it_was_meant_to_be() -> None:
    assert find(with_container(portmappings=[]), "ParameterUnknown").advice == (
        "Remove it, or correct its name to portMappings."
    )


@pytest.mark.parametrize(
    "control", ["\x1b[31m", "\ud800", "a\nb", "\u202e"], ids=["an escape", "half a character", "a line", "backwards"]
)
def test_nothing_that_a_terminal_obeys_is_repeated(control: str) -> None:
    definition = with_container(**{control: 1, "user": control, "logConfiguration": {"logDriver": control}})
    for finding in validate({**definition, "family": control, "memory": control}):
        assert (finding.path + finding.message + finding.advice).isprintable()


@pytest.mark.parametrize("huge", [10**5000, -(10**5000), "x" * 10**6, ["x" * 10**6], 1e308], ids=range(5))
def test_no_message_grows_with_what_it_is_about(huge: object) -> None:
    for finding in validate(with_container(cpu=huge, name=huge) | {"cpu": huge, "memory": huge, "family": huge}):
        assert len(finding.message) < 1500


def test_there_is_a_most_that_is_told() -> None:
    definition = with_container(portMappings=[{}] * (MOST_FINDINGS + 1))
    assert len(validate(definition)) == MOST_FINDINGS


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param({"portMappings": [{"containerPortRange": "1-65535"}] * 5000}, id="ranges of ports"),
        pytest.param({"dependsOn": [{"containerName": "app", "condition": "START"}] * 4000}, id="dependencies"),
        pytest.param({"secrets": [{"name": "A", "valueFrom": "arn:" + ":" * 2000}] * 50}, id="colons"),
    ],
)
def test_large_definitions_are_judged_in_no_time(definition: dict[str, Any]) -> None:
    """The limit of a unit test is the limit here."""
    assert validate(with_container(**definition))


def test_thousands_of_containers_are_judged_in_no_time() -> None:
    chain = [
        a_container(f"c{index}", dependsOn=[{"containerName": f"c{index + 1}", "condition": "START"}])
        for index in range(2000)
    ]
    assert validate(with_containers(*chain))


def test_each_pair_of_cases_is_found_together() -> None:
    """What is wrong with a task is found whatever is wrong with its container."""
    tasks = [case for case in CASES if case.id.startswith("task:")]
    containers = [case for case in CASES if case.id.startswith(("network:", "linux:"))]
    for task, container in itertools.product(tasks, containers[::4]):
        both = {**task.definition, "containerDefinitions": container.definition["containerDefinitions"]}
        assert {(task.path, task.rule), (container.path, container.rule)} <= set(tell(both))
