"""No field of a task definition is taken and then ignored: it is in the pod, or refused, or read by someone else."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from monopod.tasks.rules.form.shapes import TASK_DEFINITION, ListOf, MapOf, Shape, Structure
from monopod.tasks.rules.pod.pod import TaskSettings, build_pod
from monopod.tasks.rules.rule import Effect
from monopod.tasks.rules.validation import validate
from tests.unit.tasks.definitions import ROLE

LOGS = {"awslogs-region": "us-east-1", "awslogs-group": "/ecs/web", "awslogs-stream-prefix": "ecs"}

READ_ELSEWHERE = {
    "family": "the task definition's name",
    "tags": "answered by ListTagsForResource and DescribeTaskDefinition",
    "taskRoleArn": "told by lint: the task gets no credentials",
    "executionRoleArn": "told by lint: it isn't used",
    "networkMode": "awsvpc, or refused",
    "requiresCompatibilities": "what the definition is checked for",
    "containerDefinitions[].essential": "decides when the task is stopped",
    "containerDefinitions[].startTimeout": "decides when a task is given up that isn't up yet",
    "containerDefinitions[].versionConsistency": "about services, whose tasks all run one digest",
    "containerDefinitions[].dockerLabels": "answered by the task metadata endpoint",
    "containerDefinitions[].healthCheck.startPeriod": "when a container that isn't ready counts as unhealthy",
    "containerDefinitions[].restartPolicy.restartAttemptPeriod": "told by lint: the kubelet restarts at once",
    "containerDefinitions[].portMappings[].hostPort": "equals containerPort, or is refused",
    "containerDefinitions[].portMappings[].containerPortRange": "a port of a pod opens nothing",
    "containerDefinitions[].portMappings[].name": "for Service Connect, which only services have",
    "containerDefinitions[].portMappings[].appProtocol": "for Service Connect, which only services have",
    "containerDefinitions[].logConfiguration.logDriver": "awslogs, or refused",
    "containerDefinitions[].logConfiguration.options{}": "where logs are found",
    "containerDefinitions[].linuxParameters.initProcessEnabled": "told by lint: the image has to bring one",
    "runtimePlatform.operatingSystemFamily": "LINUX, or refused",
    "proxyConfiguration.type": "refused with what it belongs to",
}
FULL: dict[str, Any] = {
    "family": "web",
    "executionRoleArn": ROLE,
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "1024",
    "memory": "2048",
    "pidMode": "task",
    "ephemeralStorage": {"sizeInGiB": 30},
    "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
    "volumes": [
        {"name": "a"},
        {"name": "b", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/x"}},
    ],
    "containerDefinitions": [
        {
            "name": "app",
            "image": "nginx:1",
            "cpu": 256,
            "memory": 512,
            "memoryReservation": 256,
            "portMappings": [{"containerPort": 80, "protocol": "tcp"}],
            "entryPoint": ["/a"],
            "command": ["b"],
            "environment": [{"name": "A", "value": "x"}],
            "mountPoints": [
                {"sourceVolume": "a", "containerPath": "/a", "readOnly": False},
                {"sourceVolume": "b", "containerPath": "/b"},
            ],
            "volumesFrom": [],
            "linuxParameters": {
                "capabilities": {"add": ["SYS_PTRACE"], "drop": ["NET_RAW"]},
                "tmpfs": [{"containerPath": "/t", "size": 16}],
            },
            "secrets": [{"name": "S", "valueFrom": "s"}],
            "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}],
            "stopTimeout": 40,
            "user": "1",
            "workingDirectory": "/",
            "readonlyRootFilesystem": False,
            "interactive": False,
            "pseudoTerminal": False,
            "logConfiguration": {"logDriver": "awslogs", "options": LOGS},
            "healthCheck": {"command": ["CMD", "x"], "interval": 10, "timeout": 5, "retries": 3},
            "systemControls": [{"namespace": "net.ipv4.tcp_syncookies", "value": "1"}],
            "restartPolicy": {"enabled": True, "ignoredExitCodes": [1]},
        },
        {
            "name": "db",
            "image": "db:1",
            "mountPoints": [{"sourceVolume": "a", "containerPath": "/own"}],
            "healthCheck": {"command": ["CMD", "x"]},
        },
        {"name": "other", "image": "other:1", "volumesFrom": [{"sourceContainer": "db", "readOnly": False}]},
    ],
}
CHANGES: dict[str, Any] = {
    "cpu": "512",
    "memory": "3072",
    "pidMode": ...,
    "ephemeralStorage.sizeInGiB": 31,
    "runtimePlatform.cpuArchitecture": "X86_64",
    "volumes[].name": ["renamed"],
    "volumes[].efsVolumeConfiguration.fileSystemId": "fs-2",
    "containerDefinitions[].name": "renamed",
    "containerDefinitions[].portMappings[].protocol": "udp",
    "containerDefinitions[].portMappings[].containerPort": 81,
    "containerDefinitions[].linuxParameters.capabilities.add[]": "CHOWN",
    "containerDefinitions[].linuxParameters.capabilities.drop[]": "CHOWN",
    "containerDefinitions[].linuxParameters.tmpfs[].size": 17,
    "containerDefinitions[].secrets[].valueFrom": "other",
    "containerDefinitions[].dependsOn[].condition": "START",
    "containerDefinitions[].dependsOn[].containerName": "other",
    "containerDefinitions[].user": "2",
    "containerDefinitions[].systemControls[].namespace": "net.ipv4.tcp_fin_timeout",
    "containerDefinitions[].volumesFrom[].sourceContainer": "app",
    "containerDefinitions[].mountPoints[].sourceVolume": "b",
    "containerDefinitions[].healthCheck.command[]": "NONE",
}
"""What a field is changed to, where one more, another letter or the opposite wouldn't do."""

REFUSED: dict[str, Any] = {
    "ipcMode": "task",
    "placementConstraints": [{"type": "memberOf", "expression": "x"}],
    "inferenceAccelerators": [{"deviceName": "a", "deviceType": "b"}],
    "trustedExecutionConfiguration": {"isolationMode": "SHARED", "attestationPolicy": "x"},
    "proxyConfiguration": {"containerName": "app", "properties": [{"name": "a", "value": "b"}]},
    "enableFaultInjection": True,
    "volumes[].host": {"sourcePath": "/x"},
    "volumes[].dockerVolumeConfiguration": {"scope": "task"},
    "volumes[].s3filesVolumeConfiguration": {"fileSystemArn": "arn:x"},
    "volumes[].fsxWindowsFileServerVolumeConfiguration": {"fileSystemId": "x"},
    "volumes[].configuredAtLaunch": True,
    "volumes[].efsVolumeConfiguration.transitEncryption": "ENABLED",
    "volumes[].efsVolumeConfiguration.transitEncryptionPort": 1,
    "volumes[].efsVolumeConfiguration.authorizationConfig": {"iam": "ENABLED"},
    "containerDefinitions[].repositoryCredentials": {"credentialsParameter": "x"},
    "containerDefinitions[].links": ["x"],
    "containerDefinitions[].environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/k"}],
    "containerDefinitions[].hostname": "x",
    "containerDefinitions[].disableNetworking": True,
    "containerDefinitions[].privileged": True,
    "containerDefinitions[].dnsServers": ["x"],
    "containerDefinitions[].dnsSearchDomains": ["x"],
    "containerDefinitions[].extraHosts": [{"hostname": "a", "ipAddress": "b"}],
    "containerDefinitions[].dockerSecurityOptions": ["x"],
    "containerDefinitions[].ulimits": [{"name": "core", "softLimit": 1, "hardLimit": 1}],
    "containerDefinitions[].logConfiguration.secretOptions": [{"name": "a", "valueFrom": "b"}],
    "containerDefinitions[].resourceRequirements": [{"type": "GPU", "value": "1"}],
    "containerDefinitions[].firelensConfiguration": {"type": "fluentd"},
    "containerDefinitions[].credentialSpecs": ["x"],
    "containerDefinitions[].linuxParameters.capabilities.add[]": "NET_ADMIN",
    "containerDefinitions[].linuxParameters.devices": [{"hostPath": "/x"}],
    "containerDefinitions[].linuxParameters.sharedMemorySize": 1,
    "containerDefinitions[].linuxParameters.maxSwap": 1,
    "containerDefinitions[].linuxParameters.swappiness": 1,
    "containerDefinitions[].linuxParameters.tmpfs[].mountOptions": ["ro"],
}
EXPORT = {"nfs": {"server": "a", "path": "/"}}
SETTINGS = TaskSettings("t", "ecs-prod", file_systems={"fs-1": EXPORT, "fs-2": {**EXPORT, "readOnly": True}})


def list_fields(shape: Shape, path: str = "") -> Iterator[str]:
    match shape:
        case Structure(members=members):
            for name, member in members.items():
                yield from list_fields(member, f"{path}.{name}".lstrip("."))
        case ListOf(item=item):
            yield from list_fields(item, f"{path}[]")
        case MapOf():
            yield f"{path}{{}}"
        case _:
            yield path


def change(definition: Any, path: str, value: Any) -> bool:
    """Changes the field wherever the definition has it; False if it is nowhere."""
    head, _, rest = path.partition(".")
    name, items = head.removesuffix("[]"), head.endswith("[]")
    if not isinstance(definition, dict) or (rest and name not in definition):
        return False
    if rest:
        return any([change(each, rest, value) for each in (definition[name] if items else [definition[name]])])
    if items:
        definition[name] = [value]
    elif value is ...:
        definition.pop(name, None)
    else:
        definition[name] = value
    return True


def find(definition: Any, path: str) -> Any:
    """The first value of the field."""
    head, _, rest = path.partition(".")
    name, items = head.removesuffix("[]"), head.endswith("[]")
    value = definition.get(name) if isinstance(definition, dict) else None
    for each in (value or []) if items else [value]:
        found = find(each, rest) if rest else each
        if found is not None:
            return found
    return None


def alter(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case _:
            return f"{value}2"


FIELDS = list(list_fields(TASK_DEFINITION))


def test_the_full_definition_runs() -> None:
    assert [finding for finding in validate(FULL) if finding.rule.effect is not Effect.NOTE] == []


def is_among(path: str, fields: Iterable[str]) -> bool:
    """Whether it is one of the fields, or in one."""
    return any(path == each or path.startswith((f"{each}.", f"{each}[", f"{each}{{")) for each in fields)


@pytest.mark.parametrize("path", [path for path in FIELDS if not is_among(path, [*READ_ELSEWHERE, *REFUSED])])
def test_a_field_that_is_neither_refused_nor_read_elsewhere_changes_the_pod(path: str) -> None:
    definition = deepcopy(FULL)
    old = find(definition, path)
    assert old is not None, "FULL has no such field"
    new = CHANGES.get(path, alter(old))
    assert change(definition, path, new)
    settings = SETTINGS
    assert build_pod(definition, settings) != build_pod(FULL, settings)


@pytest.mark.parametrize("path", REFUSED)
def test_a_field_that_the_pod_can_not_have_is_refused(path: str) -> None:
    definition = deepcopy(FULL)
    assert change(definition, path, REFUSED[path])
    assert any(finding.rule.effect is not Effect.NOTE for finding in validate(definition))


@pytest.mark.parametrize("path", READ_ELSEWHERE)
def test_what_is_read_elsewhere_is_a_field(path: str) -> None:
    assert any(is_among(field, [path]) for field in FIELDS)
