"""What a task is told about itself, in the words of the ECS agent. What isn't known here is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from monopod.aws.ecs.rules.arns import build_cluster_arn, build_container_arn, build_task_arn
from monopod.aws.metadata.rules.caller import Part
from monopod.aws.metadata.rules.stats import UNITS_PER_VCPU, describe_use
from monopod.aws.metadata.rules.summary import PodKey, Use
from monopod.aws.options import Account
from monopod.kube.client.api import Json
from monopod.tasks.rules.pod.names import name_in_pod

_LABELS: Final = "com.amazonaws.ecs"
_KNOWN: Final = {"RUNNING": "RUNNING", "STOPPED": "STOPPED"}


@dataclass(frozen=True, slots=True)
class Records:
    """What there is of a task.

    Attributes:
        task: the ECSTask.
        definition: what it was registered as; empty if it is gone.
        cluster: the cluster's name on ECS.
    """

    task: Json
    definition: Json
    cluster: str

    @property
    def id(self) -> str:
        """The task's id."""
        return str(self.task["metadata"]["name"])

    @property
    def spec(self) -> Json:
        """What was asked."""
        return self.task.get("spec") or {}

    @property
    def status(self) -> Json:
        """What became of it."""
        return self.task.get("status") or {}

    @property
    def node(self) -> str:
        """The node that the task runs on; "" as long as there is none."""
        return str((self.status.get("pod") or {}).get("node") or "")

    @property
    def pod(self) -> PodKey:
        """The task's pod."""
        uid = str((self.status.get("pod") or {}).get("uid") or "")
        return PodKey(str(self.task["metadata"].get("namespace") or ""), self.id, uid)

    @property
    def containers(self) -> list[Json]:
        """The containers that the status has, in the definition's order."""
        told = {each.get("name"): each for each in self.status.get("containers") or ()}
        named = [each["name"] for each in self.definition.get("containerDefinitions") or () if each["name"] in told]
        return [told[name] for name in named] or list(told.values())


def build_answer(
    records: Records, part: Part, index: int, account: Account, uses: Mapping[str, Use] = MappingProxyType({})
) -> Json | None:
    """The document that a container of the task asks for.

    Args:
        records: what there is of the task.
        part: what is asked for.
        index: the container that asks.
        account: what stands in ARNs.
        uses: what the task's containers use, by their names in the pod. Of others it isn't known, which the agent says
            by null.
    """
    match part:
        case Part.CONTAINER:
            return _describe_container(records, records.containers[index], account)
        case Part.TASK:
            return _describe_task(records, account)
        case Part.STATS:
            return _describe_stats(records, records.containers[index], uses)
        case Part.TASK_STATS:
            return {_get_docker_id(each): _describe_stats(records, each, uses) for each in records.containers}


def _describe_stats(records: Records, container: Mapping[str, Any], uses: Mapping[str, Use]) -> Json | None:
    name, status = str(container.get("name")), records.status
    use = uses.get(name_in_pod(name))
    limit = _read_number(container.get("memory")) or _read_number(status.get("memory"))
    return describe_use(use, name, _get_docker_id(container), _read_number(status.get("cpu")), limit) if use else None


def _get_docker_id(container: Mapping[str, Any]) -> str:
    return str(container.get("runtimeId") or container.get("id"))


def _describe_task(records: Records, account: Account) -> Json:
    spec, status = records.spec, records.status
    revision = spec.get("taskDefinition") or {}
    return _drop_unknown(
        {
            "Cluster": build_cluster_arn(account, records.cluster),
            "TaskARN": build_task_arn(account, records.cluster, records.id),
            "Family": revision.get("family"),
            "Revision": str(revision.get("revision", "")),
            "DesiredStatus": _get_desired(records),
            "KnownStatus": _KNOWN.get(str(status.get("lastStatus")), "NONE"),
            "Limits": _describe_task_limits(status),
            "PullStartedAt": status.get("pullStartedAt"),
            "PullStoppedAt": status.get("pullStoppedAt"),
            "ExecutionStoppedAt": status.get("executionStoppedAt"),
            "AvailabilityZone": status.get("availabilityZone"),
            "LaunchType": "FARGATE",
            "Containers": [_describe_container(records, each, account) for each in records.containers],
            "FaultInjectionEnabled": False,
        }
    )


def _describe_container(records: Records, container: Mapping[str, Any], account: Account) -> Json:
    name, revision = str(container.get("name")), records.spec.get("taskDefinition") or {}
    return _drop_unknown(
        {
            "DockerId": container.get("runtimeId"),
            "Name": name,
            "DockerName": name,
            "Image": container.get("image"),
            "ImageID": container.get("imageDigest"),
            "Labels": {
                **(_find(records, name).get("dockerLabels") or {}),
                f"{_LABELS}.cluster": build_cluster_arn(account, records.cluster),
                f"{_LABELS}.container-name": name,
                f"{_LABELS}.task-arn": build_task_arn(account, records.cluster, records.id),
                f"{_LABELS}.task-definition-family": str(revision.get("family", "")),
                f"{_LABELS}.task-definition-version": str(revision.get("revision", "")),
            },
            "DesiredStatus": _get_desired(records),
            "KnownStatus": _KNOWN.get(str(container.get("lastStatus")), "NONE"),
            "ExitCode": container.get("exitCode"),
            "Limits": _describe_limits(container),
            "Type": "NORMAL",
            "Health": _describe_health(records, container),
            **_describe_log(records, name, account),
            "ContainerARN": build_container_arn(account, records.cluster, records.id, str(container.get("id"))),
            "Networks": _describe_networks(records),
        }
    )


def _get_desired(records: Records) -> str:
    is_stopping = "stop" in records.spec or records.status.get("desiredStatus") == "STOPPED"
    return "STOPPED" if is_stopping else "RUNNING"


def _describe_task_limits(status: Mapping[str, Any]) -> Json:
    cpu, memory = _read_number(status.get("cpu")), _read_number(status.get("memory"))
    return _drop_unknown({"CPU": None if cpu is None else cpu / UNITS_PER_VCPU, "Memory": memory})


def _describe_limits(container: Mapping[str, Any]) -> Json:
    return _drop_unknown({"CPU": _read_number(container.get("cpu")), "Memory": _read_number(container.get("memory"))})


def _describe_health(records: Records, container: Mapping[str, Any]) -> Json | None:
    if "healthCheck" not in _find(records, str(container.get("name"))):
        return None
    return {"status": container.get("healthStatus") or "UNKNOWN"}


def _describe_log(records: Records, container: str, account: Account) -> Json:
    configuration = _find(records, container).get("logConfiguration") or {}
    stream = next((each for each in records.status.get("logs") or () if each["container"] == container), None)
    if not configuration.get("logDriver"):
        return {}
    options = dict(configuration.get("options") or {})
    options.pop("awslogs-stream-prefix", None)
    if stream:
        options |= {"awslogs-group": stream["group"], "awslogs-stream": stream["stream"]}
        options.setdefault("awslogs-region", account.region)
    return {"LogDriver": configuration["logDriver"], "LogOptions": options}


def _describe_networks(records: Records) -> Sequence[Json]:
    found = []
    for index, attachment in enumerate(records.status.get("attachments") or ()):
        details = {each.get("name"): each.get("value") for each in attachment.get("details") or ()}
        addresses = {"IPv4Addresses": "privateIPv4Address", "IPv6Addresses": "IPv6Address"}
        known = {key: [details[name]] for key, name in addresses.items() if details.get(name)}
        if known:
            named = {"MACAddress": details.get("macAddress"), "PrivateDNSName": details.get("privateDnsName")}
            found.append(_drop_unknown({"NetworkMode": "awsvpc", **known, "AttachmentIndex": index, **named}))
    return found


def _find(records: Records, container: str) -> Mapping[str, Any]:
    """What the definition says of a container."""
    containers = records.definition.get("containerDefinitions") or ()
    return next((each for each in containers if each.get("name") == container), {})


def _read_number(value: object) -> int | None:
    text = str(value if value is not None else "")
    return int(text) if text.isdecimal() else None


def _drop_unknown(members: Mapping[str, Any]) -> Json:
    return {key: value for key, value in members.items() if value is not None}
