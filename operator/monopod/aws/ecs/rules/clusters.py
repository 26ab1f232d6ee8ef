"""A cluster of ECS's: what a request makes of it, and how it is told."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.ecs.names import ECS_API_VERSION
from monopod.aws.ecs.rules.arns import build_cluster_arn, read_provider
from monopod.aws.ecs.rules.refusals import refuse_parameter, refuse_provider, refuse_strategy, refuse_unread
from monopod.aws.options import Account
from monopod.aws.wire.call import Params
from monopod.tasks.rules.names import compute_object_name
from monopod.tasks.rules.running.tags import read_tags, write_tags

Json = dict[str, Any]

PROVIDERS: Final = ("FARGATE", "FARGATE_SPOT")
MOST_STRATEGY: Final = 20

ACTIVE: Final = "ACTIVE"
INACTIVE: Final = "INACTIVE"
FAILED: Final = "FAILED"
PROVISIONING: Final = "PROVISIONING"
STOPPED: Final = "STOPPED"
RUNNING: Final = "RUNNING"

_INSIGHTS: Final = {"name": "containerInsights", "value": "disabled"}
_STATISTICS: Final = ("EC2", "Fargate", "External")


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """How many tasks of a cluster are in each state."""

    running: int = 0
    pending: int = 0


def read_name(cluster: Mapping[str, Any]) -> str:
    """A cluster's name on ECS: what it says it is, if the object is named for it; else the object's."""
    name = (cluster.get("spec") or {}).get("name")
    found: str = cluster["metadata"]["name"]
    return name if isinstance(name, str) and compute_object_name(name) == found else found


def is_active(cluster: Mapping[str, Any]) -> bool:
    """Whether the cluster hasn't been deleted."""
    is_going = "deletionTimestamp" in cluster["metadata"]
    return not is_going and bool((cluster.get("spec") or {}).get("active", True))


def read_status(cluster: Mapping[str, Any]) -> str:
    """The cluster's status on ECS."""
    if not is_active(cluster):
        return INACTIVE
    phase = (cluster.get("status") or {}).get("phase")
    # Of one that was made again the status may still be the old one's.
    return phase if phase in (ACTIVE, FAILED) else PROVISIONING


def build_cluster(name: str, params: Params, account: Account) -> Json:
    """The object of a new cluster.

    Raises:
        AwsError: the request is refused.
        Refusal: its tags are.
    """
    object_name = compute_object_name(name)
    tags = read_tags(params.get("tags") or ())
    spec: Json = {
        "active": True,
        **({"name": name} if name != object_name else {}),
        **build_capacity(params, account),
        **({"tags": tags} if tags else {}),
    }
    _check_settings(params.get("settings") or ())
    return {
        "apiVersion": ECS_API_VERSION,
        "kind": "ECSCluster",
        "metadata": {"name": object_name},
        "spec": spec,
    }


def build_capacity(params: Params, account: Account) -> Json:
    """Capacity providers and strategy of a request, as far as it names any.

    Raises:
        AwsError: they are none of Fargate's, or don't fit together.
    """
    asked = params.get("capacityProviders")
    providers = [_check_provider(account, each) for each in asked or ()]
    strategy = [
        {**each, "capacityProvider": _check_provider(account, each["capacityProvider"])}
        for each in params.get("defaultCapacityProviderStrategy") or ()
    ]
    _check_strategy(strategy, providers)
    found: Json = {}
    if asked is not None:
        found["capacityProviders"] = list(dict.fromkeys(providers))
    if params.get("defaultCapacityProviderStrategy") is not None:
        found["defaultCapacityProviderStrategy"] = strategy
    return found


def _check_provider(account: Account, provider: str) -> str:
    name = read_provider(account, provider)
    if name not in PROVIDERS:
        raise refuse_provider(provider)
    return name


def _check_strategy(strategy: Sequence[Mapping[str, Any]], providers: Sequence[str]) -> None:
    if len(strategy) > MOST_STRATEGY:
        raise refuse_parameter(
            f"The specified capacity provider strategy cannot contain more than {MOST_STRATEGY} capacity providers."
        )
    named = [each["capacityProvider"] for each in strategy]
    if not set(named) <= set(providers):
        raise refuse_strategy()
    if len(set(named)) < len(named):
        raise refuse_parameter("The specified capacity provider strategy cannot contain duplicate capacity providers.")
    if sum(bool(each.get("base")) for each in strategy) > 1:
        raise refuse_parameter(
            "The specified capacity provider strategy cannot contain more than one capacity provider with a base value."
        )


def _check_settings(settings: Iterable[Mapping[str, str]]) -> None:
    # To be off is all that Container Insights can be here.
    for setting in settings:
        if setting.get("value", _INSIGHTS["value"]) != _INSIGHTS["value"]:
            raise refuse_unread([f"settings ({setting.get('name', '')}: {setting['value']})"])


def is_as_asked(cluster: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether an existing cluster is what a request for one asks for, as far as the request says anything."""
    spec = cluster.get("spec") or {}
    return all(_weigh(key, spec.get(key)) == _weigh(key, value) for key, value in asked["spec"].items())


def _weigh(key: str, value: Any) -> Any:
    if key == "defaultCapacityProviderStrategy":
        return [{"weight": 0, "base": 0, **each} for each in value or ()]
    return value or None if key != "active" else True


def count_tasks(tasks: Iterable[Mapping[str, Any]]) -> TaskCounts:
    """How many tasks run, and how many are about to."""
    found: Counter[str] = Counter(read_last_status(each) for each in tasks)
    pending = sum(found[status] for status in ("PROVISIONING", "PENDING", "ACTIVATING"))
    return TaskCounts(found[RUNNING], pending)


def read_last_status(task: Mapping[str, Any]) -> str:
    """How far a task is; one that the operator hasn't seen is at its beginning."""
    return str((task.get("status") or {}).get("lastStatus") or PROVISIONING)


def has_task(tasks: Iterable[Mapping[str, Any]], providers: Iterable[str] = PROVIDERS) -> bool:
    """Whether there is a task that hasn't stopped, of any kind or by one of these capacity providers."""
    wanted = frozenset(providers)
    is_any = wanted == frozenset(PROVIDERS)
    left = (each for each in tasks if read_last_status(each) != STOPPED)
    return any(is_any or (each.get("spec") or {}).get("capacityProviderName") in wanted for each in left)


def describe_cluster(
    cluster: Mapping[str, Any], account: Account, counts: TaskCounts, included: Iterable[str] = ()
) -> Params:
    """The cluster as ECS tells it.

    Args:
        cluster: the object.
        account: what stands in ARNs.
        counts: of its tasks.
        included: what is told only if it is asked for.
    """
    spec, name = cluster.get("spec") or {}, read_name(cluster)
    included = frozenset(included)
    return {
        "clusterArn": build_cluster_arn(account, name),
        "clusterName": name,
        "status": read_status(cluster),
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": counts.running,
        "pendingTasksCount": counts.pending,
        "activeServicesCount": 0,
        "statistics": _build_statistics(counts) if "STATISTICS" in included else [],
        "tags": write_tags(spec.get("tags") or {}) if "TAGS" in included else [],
        "settings": [dict(_INSIGHTS)] if "SETTINGS" in included else [],
        "capacityProviders": list(spec.get("capacityProviders") or ()),
        "defaultCapacityProviderStrategy": [
            {"weight": 0, "base": 0, **each} for each in spec.get("defaultCapacityProviderStrategy") or ()
        ],
    }


def _build_statistics(counts: TaskCounts) -> list[dict[str, str]]:
    fargate = {"runningFargateTasksCount": counts.running, "pendingFargateTasksCount": counts.pending}
    names = [f"{state}{kind}TasksCount" for kind in _STATISTICS for state in ("running", "pending")]
    names += [f"{state}{kind}ServiceCount" for kind in _STATISTICS for state in ("active", "draining")]
    return [{"name": name, "value": str(fargate.get(name, 0))} for name in names]
