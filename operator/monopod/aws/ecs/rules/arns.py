"""ARNs of ECS's, and the other ways in which a request names a cluster, a task definition or a task."""

import re
from dataclasses import dataclass
from typing import Final

from monopod.aws.options import Account
from monopod.aws.rules.arns import build_prefix
from monopod.aws.wire.call import AwsError

DEFAULT_CLUSTER: Final = "default"
NAME_PATTERN: Final = r"^[a-zA-Z0-9\-_]{1,255}$"

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_REVISION: Final = re.compile(r"[0-9]{1,10}")
_ID_LENGTHS: Final = (32, 36)
_CLUSTER, _DEFINITION, _TASK, _PROVIDER = "cluster", "task-definition", "task", "capacity-provider"


@dataclass(frozen=True, slots=True)
class ClusterName:
    """A cluster, by its name on ECS."""

    name: str


@dataclass(frozen=True, slots=True)
class DefinitionName:
    """A task definition: a revision, or without one the family's latest that is active."""

    family: str
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class TaskName:
    """A task."""

    cluster: str
    id: str


def build_cluster_arn(account: Account, cluster: str) -> str:
    """A cluster's ARN."""
    return f"{build_prefix(account, 'ecs')}:{_CLUSTER}/{cluster}"


def build_definition_arn(account: Account, family: str, revision: int) -> str:
    """The ARN of a revision of a task definition."""
    return f"{build_prefix(account, 'ecs')}:{_DEFINITION}/{family}:{revision}"


def build_task_arn(account: Account, cluster: str, task: str) -> str:
    """A task's ARN."""
    return f"{build_prefix(account, 'ecs')}:{_TASK}/{cluster}/{task}"


def build_container_arn(account: Account, cluster: str, task: str, container: str) -> str:
    """The ARN of a task's container."""
    return f"{build_prefix(account, 'ecs')}:container/{cluster}/{task}/{container}"


def build_provider_arn(account: Account, provider: str) -> str:
    """The ARN of a capacity provider."""
    return f"{build_prefix(account, 'ecs')}:{_PROVIDER}/{provider}"


def read_provider(account: Account, identifier: str) -> str:
    """The capacity provider's name, of a name or an ARN, whether there is one or not.

    Raises:
        AwsError: it is the ARN of something else.
    """
    return _read_resource(account, identifier, _PROVIDER) if identifier.startswith("arn:") else identifier


def read_cluster(account: Account, identifier: str | None) -> str:
    """The cluster's name, of a name or an ARN; nothing is the default cluster.

    Raises:
        AwsError: it is neither.
    """
    if not identifier:
        return DEFAULT_CLUSTER
    name = _read_resource(account, identifier, _CLUSTER) if identifier.startswith("arn:") else identifier
    if not _NAME.fullmatch(name):
        raise refuse(f"Cluster must match {NAME_PATTERN}, but was {name[:300]}")
    return name


def read_definition(account: Account, identifier: str) -> DefinitionName:
    """What `family`, `family:revision` or an ARN names.

    Raises:
        AwsError: it is none of them.
    """
    said = _read_resource(account, identifier, _DEFINITION) if identifier.startswith("arn:") else identifier
    family, colon, revision = said.partition(":")
    if not colon:
        return DefinitionName(family)
    if not _REVISION.fullmatch(revision):
        raise refuse(f"Invalid revision number. Number: {revision[:300]}")
    return DefinitionName(family, int(revision))


def read_task(account: Account, cluster: str, identifier: str) -> str:
    """The id that an id or an ARN of a task of this cluster has.

    Raises:
        AwsError: it is neither, or a task of another cluster.
    """
    found = identifier
    if ":" in identifier or "/" in identifier:
        named = _split_task(_read_resource(account, identifier, _TASK))
        if named.cluster not in ("", cluster):
            other = named.cluster[:300]
            raise refuse(f"Invalid identifier: Identifier is for cluster {other}. Your cluster is {cluster}")
        found = named.id
    _check_length(found)
    return found


def parse_resource(account: Account, arn: str) -> ClusterName | DefinitionName | TaskName:
    """What the ARN of something that has tags names.

    Raises:
        AwsError: it isn't an ARN, or names a type without tags.
    """
    kind, rest = _split(account, arn)
    if kind == _CLUSTER and _NAME.fullmatch(rest):
        return ClusterName(rest)
    if kind == _DEFINITION:
        named = read_definition(account, arn)
        if named.revision is not None:
            return named
    if kind == _TASK:
        task = _split_task(rest)
        if not task.cluster:
            raise refuse("Long arn format must be used for tagging operations")
        _check_length(task.id)
        return task
    if kind in (_CLUSTER, _DEFINITION):
        raise refuse(f"Invalid identifier: {arn[:300]}")
    raise refuse(f"Unsupported resource type: {kind[:300]}")


def _check_length(task: str) -> None:
    if len(task) not in _ID_LENGTHS:
        raise refuse("taskId length should be one of [32,36]")


def _split_task(rest: str) -> TaskName:
    match rest.split("/"):
        case [task]:
            return TaskName("", task)
        case [cluster, task]:
            return TaskName(cluster, task)
        case _:
            raise _refuse_separators()


def _read_resource(account: Account, arn: str, wanted: str) -> str:
    kind, rest = _split(account, arn)
    if kind != wanted:
        raise refuse(f"Unsupported resource type: {kind[:300]}")
    return rest


def _split(account: Account, arn: str) -> tuple[str, str]:
    """The type of resource that an ARN names, and what follows."""
    match arn.split(":", 5):
        case ["arn", _, "ecs", region, number, resource] if "/" in resource:
            pass
        case _:
            raise _refuse_separators()
    if number != account.id:
        raise refuse(f"Identifier is for {number[:300]}. Your accountId is {account.id}")
    if region != account.region:
        raise refuse(f"Identifier is for {region[:300]}. Your region is {account.region}")
    kind, _, rest = resource.partition("/")
    return kind, rest


def _refuse_separators() -> AwsError:
    return refuse("Invalid identifier: Unexpected number of separators")


def refuse(message: str) -> AwsError:
    """A parameter that would be wrong at any time."""
    return AwsError("InvalidParameterException", message)
