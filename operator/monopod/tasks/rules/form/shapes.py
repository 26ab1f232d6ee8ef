"""What RegisterTaskDefinition takes: every field with its type, and by what a task definition is known.

Source: the service's model (botocore 1.44.8). Its constraints are few: which members a structure must have, and the
values of enumerations. All that Fargate asks for beyond that is in the other modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        python: its type in the SDK's words.
        values: those that the enumeration has; empty if it is none.
    """

    python: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one shape."""

    item: "Shape"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping of names to texts."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Structure:
    """Named members, some of which must be there."""

    members: Mapping[str, "Shape"]
    required: frozenset[str] = field(default_factory=frozenset)


Shape = Scalar | ListOf | MapOf | Structure

TEXT: Final = Scalar("str")
NUMBER: Final = Scalar("int")
FLAG: Final = Scalar("bool")
AMOUNT: Final = Scalar("amount")
"""The task's `cpu` and `memory`: a text, for which people write numbers, too."""

_TEXTS: Final = ListOf(TEXT)
_TEXT_MAP: Final = MapOf(TEXT)


def _structure(required: str = "", /, **members: Shape) -> Structure:
    return Structure(members, frozenset(required.split()))


def _one_of(*values: str) -> Scalar:
    return Scalar("str", values)


_PAIR: Final = _structure(name=TEXT, value=TEXT)
_SECRETS: Final = ListOf(_structure("name valueFrom", name=TEXT, valueFrom=TEXT))
_ENABLED: Final = _one_of("ENABLED", "DISABLED")
_ULIMITS: Final = _one_of(
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"),
    *("rttime", "sigpending", "stack"),
)
_LOG_DRIVERS: Final = _one_of("json-file", "syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "awsfirelens")
_OPERATING_SYSTEMS: Final = _one_of(
    *("WINDOWS_SERVER_2019_FULL", "WINDOWS_SERVER_2019_CORE", "WINDOWS_SERVER_2016_FULL", "WINDOWS_SERVER_2004_CORE"),
    *("WINDOWS_SERVER_2022_CORE", "WINDOWS_SERVER_2022_FULL", "WINDOWS_SERVER_2025_CORE", "WINDOWS_SERVER_2025_FULL"),
    *("WINDOWS_SERVER_20H2_CORE", "LINUX"),
)

_LINUX_PARAMETERS: Final = _structure(
    capabilities=_structure(add=_TEXTS, drop=_TEXTS),
    devices=ListOf(
        _structure("hostPath", hostPath=TEXT, containerPath=TEXT, permissions=ListOf(_one_of("read", "write", "mknod")))
    ),
    initProcessEnabled=FLAG,
    sharedMemorySize=NUMBER,
    tmpfs=ListOf(_structure("containerPath size", containerPath=TEXT, size=NUMBER, mountOptions=_TEXTS)),
    maxSwap=NUMBER,
    swappiness=NUMBER,
)

_CONTAINER: Final = _structure(
    name=TEXT,
    image=TEXT,
    repositoryCredentials=_structure("credentialsParameter", credentialsParameter=TEXT),
    cpu=NUMBER,
    memory=NUMBER,
    memoryReservation=NUMBER,
    links=_TEXTS,
    portMappings=ListOf(
        _structure(
            containerPort=NUMBER,
            hostPort=NUMBER,
            protocol=_one_of("tcp", "udp"),
            name=TEXT,
            appProtocol=_one_of("http", "http2", "grpc"),
            containerPortRange=TEXT,
        )
    ),
    essential=FLAG,
    restartPolicy=_structure("enabled", enabled=FLAG, ignoredExitCodes=ListOf(NUMBER), restartAttemptPeriod=NUMBER),
    entryPoint=_TEXTS,
    command=_TEXTS,
    environment=ListOf(_PAIR),
    environmentFiles=ListOf(_structure("value type", value=TEXT, type=_one_of("s3"))),
    mountPoints=ListOf(_structure(sourceVolume=TEXT, containerPath=TEXT, readOnly=FLAG)),
    volumesFrom=ListOf(_structure(sourceContainer=TEXT, readOnly=FLAG)),
    linuxParameters=_LINUX_PARAMETERS,
    secrets=_SECRETS,
    dependsOn=ListOf(
        _structure(
            "containerName condition",
            containerName=TEXT,
            condition=_one_of("START", "COMPLETE", "SUCCESS", "HEALTHY"),
        )
    ),
    startTimeout=NUMBER,
    stopTimeout=NUMBER,
    versionConsistency=_one_of("enabled", "disabled"),
    hostname=TEXT,
    user=TEXT,
    workingDirectory=TEXT,
    disableNetworking=FLAG,
    privileged=FLAG,
    readonlyRootFilesystem=FLAG,
    dnsServers=_TEXTS,
    dnsSearchDomains=_TEXTS,
    extraHosts=ListOf(_structure("hostname ipAddress", hostname=TEXT, ipAddress=TEXT)),
    dockerSecurityOptions=_TEXTS,
    interactive=FLAG,
    pseudoTerminal=FLAG,
    dockerLabels=_TEXT_MAP,
    ulimits=ListOf(_structure("name softLimit hardLimit", name=_ULIMITS, softLimit=NUMBER, hardLimit=NUMBER)),
    logConfiguration=_structure("logDriver", logDriver=_LOG_DRIVERS, options=_TEXT_MAP, secretOptions=_SECRETS),
    healthCheck=_structure(
        "command", command=_TEXTS, interval=NUMBER, timeout=NUMBER, retries=NUMBER, startPeriod=NUMBER
    ),
    systemControls=ListOf(_structure(namespace=TEXT, value=TEXT)),
    resourceRequirements=ListOf(
        _structure(
            "type",
            value=TEXT,
            type=_one_of("GPU", "InferenceAccelerator", "NeuronDevice"),
            sharingStrategy=_structure(nvidiaMps=_structure("memory", memory=NUMBER, maxComputePercent=NUMBER)),
        )
    ),
    firelensConfiguration=_structure("type", type=_one_of("fluentd", "fluentbit"), options=_TEXT_MAP),
    credentialSpecs=_TEXTS,
)

_VOLUME: Final = _structure(
    name=TEXT,
    host=_structure(sourcePath=TEXT),
    dockerVolumeConfiguration=_structure(
        scope=_one_of("task", "shared"), autoprovision=FLAG, driver=TEXT, driverOpts=_TEXT_MAP, labels=_TEXT_MAP
    ),
    efsVolumeConfiguration=_structure(
        "fileSystemId",
        fileSystemId=TEXT,
        rootDirectory=TEXT,
        transitEncryption=_ENABLED,
        transitEncryptionPort=NUMBER,
        authorizationConfig=_structure(accessPointId=TEXT, iam=_ENABLED),
    ),
    s3filesVolumeConfiguration=_structure(
        "fileSystemArn", fileSystemArn=TEXT, rootDirectory=TEXT, transitEncryptionPort=NUMBER, accessPointArn=TEXT
    ),
    fsxWindowsFileServerVolumeConfiguration=_structure(
        "fileSystemId rootDirectory authorizationConfig",
        fileSystemId=TEXT,
        rootDirectory=TEXT,
        authorizationConfig=_structure("credentialsParameter domain", credentialsParameter=TEXT, domain=TEXT),
    ),
    configuredAtLaunch=FLAG,
)

TASK_DEFINITION: Final = _structure(
    "family containerDefinitions",
    family=TEXT,
    taskRoleArn=TEXT,
    executionRoleArn=TEXT,
    networkMode=_one_of("bridge", "host", "awsvpc", "none"),
    containerDefinitions=ListOf(_CONTAINER),
    volumes=ListOf(_VOLUME),
    placementConstraints=ListOf(_structure(type=_one_of("memberOf"), expression=TEXT)),
    requiresCompatibilities=ListOf(_one_of("EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES")),
    cpu=AMOUNT,
    memory=AMOUNT,
    tags=ListOf(_structure(key=TEXT, value=TEXT)),
    pidMode=_one_of("host", "task"),
    ipcMode=_one_of("host", "task", "none"),
    proxyConfiguration=_structure(
        "containerName", type=_one_of("APPMESH"), containerName=TEXT, properties=ListOf(_PAIR)
    ),
    inferenceAccelerators=ListOf(_structure("deviceName deviceType", deviceName=TEXT, deviceType=TEXT)),
    ephemeralStorage=_structure("sizeInGiB", sizeInGiB=NUMBER),
    runtimePlatform=_structure(cpuArchitecture=_one_of("X86_64", "ARM64"), operatingSystemFamily=_OPERATING_SYSTEMS),
    enableFaultInjection=FLAG,
    trustedExecutionConfiguration=_structure(
        "isolationMode",
        isolationMode=_one_of("SHARED", "ISOLATED_SANDBOX", "CONFIDENTIAL_SANDBOX"),
        attestationPolicy=TEXT,
    ),
)

OVERRIDES: Final = _structure(
    containerOverrides=ListOf(
        _structure(
            name=TEXT,
            command=_TEXTS,
            environment=ListOf(_PAIR),
            environmentFiles=_CONTAINER.members["environmentFiles"],
            cpu=NUMBER,
            memory=NUMBER,
            memoryReservation=NUMBER,
            resourceRequirements=_CONTAINER.members["resourceRequirements"],
        )
    ),
    cpu=TEXT,
    inferenceAcceleratorOverrides=ListOf(_structure(deviceName=TEXT, deviceType=TEXT)),
    executionRoleArn=TEXT,
    memory=TEXT,
    taskRoleArn=TEXT,
    ephemeralStorage=TASK_DEFINITION.members["ephemeralStorage"],
)
"""What RunTask takes as `overrides`."""

_DESCRIBED: Final = frozenset(
    (
        *("taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities"),
        *("registeredAt", "deregisteredAt", "deleteRequestedAt", "registeredBy"),
    )
)
"""What DescribeTaskDefinition adds, and RegisterTaskDefinition doesn't take."""


def find_definition(document: object) -> Mapping[str, Any] | None:
    """The task definition in a document, without what only DescribeTaskDefinition says; None if it is something else.

    A Kubernetes object says its `kind`, which no task definition does. Known is what has `containerDefinitions`, or a
    `family` and no field that RegisterTaskDefinition doesn't take; bare, or under `taskDefinition` next to its
    tags.
    """
    if not isinstance(document, Mapping) or "kind" in document or "apiVersion" in document:
        return None
    inner = document.get("taskDefinition")
    if isinstance(inner, Mapping):
        tags = {"tags": document["tags"]} if document.get("tags") else {}
        return _strip({**inner, **tags}) if _is_definition(inner) else None
    return _strip(document) if _is_definition(document) else None


def _is_definition(fields: Mapping[str, Any]) -> bool:
    if "containerDefinitions" in fields:
        return True
    return "family" in fields and fields.keys() <= TASK_DEFINITION.members.keys() | _DESCRIBED


def _strip(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what a description adds, to which an empty list of tags belongs."""
    added = _DESCRIBED | ({"tags"} if fields.keys() & _DESCRIBED and not fields.get("tags") else set())
    return {key: value for key, value in fields.items() if key not in added}
