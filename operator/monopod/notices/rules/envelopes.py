"""The two forms in which a notice is sent: CloudEvents 1.0, and the envelope of Amazon EventBridge.

Source: CloudEvents 1.0.2, JSON event format (structured content mode); EventBridge events reference, service event
metadata; ECS developer guide, task state change events; EKS user guide, "Set actions for AWS Fargate OS patching
events". A pod on Spot is told of as ECS tells of a task on Fargate Spot, for which handlers exist: EKS has no Spot on
Fargate, and so no event of its own. An SDK of CloudEvents would bring more than these few members are worth.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from monopod.notices.rules.notice import (
    INTERRUPTED,
    INTERRUPTION,
    Notice,
    NoticedPod,
    ScheduledTermination,
    SpotInterruption,
    TaskStateChange,
    compute_id,
)

TASK_STATE_CHANGE: Final = "ECS Task State Change"
SCHEDULED_TERMINATION: Final = "EKS Fargate Pod Scheduled Termination"
"""AWS's names of the events."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """What notices say of where they come from.

    Attributes:
        cluster: what the cluster is called.
        account: twelve digits, in ARNs.
        region: likewise.
    """

    cluster: str
    account: str
    region: str

    def build_arn(self, what: str) -> str:
        """An ARN of ECS's."""
        return f"arn:aws:ecs:{self.region}:{self.account}:{what}"


def build_cloud_event(notice: Notice, origin: Origin) -> Json:
    """The notice as a CloudEvent, with its data in Kubernetes' words."""
    kind, subject, time, data = _tell(notice)
    return {
        "specversion": "1.0",
        "id": compute_id(notice),
        "source": f"//monopod.dev/clusters/{origin.cluster}",
        "type": f"dev.monopod.{kind}",
        "subject": subject,
        "time": _format(time, "milliseconds"),
        "datacontenttype": "application/json",
        "data": {"cluster": origin.cluster, **data},
    }


def _tell(notice: Notice) -> tuple[str, str, datetime.datetime, Json]:
    """The kind, the subject, the time and the data."""
    match notice:
        case SpotInterruption(pod, cause, provider, began, ends):
            data = {
                **_tell_pod(pod),
                "capacityProvider": provider,
                "cause": cause,
                "message": INTERRUPTED,
                "terminationTime": _format(ends, "seconds"),
            }
            return "pod.spot-interruption", _name(pod), began, data
        case ScheduledTermination(pod, error, noticed, terminates):
            data = {
                **_tell_pod(pod),
                "evictErrorMessage": error,
                "scheduledTerminationTime": _format(terminates, "milliseconds"),
            }
            return "pod.scheduled-termination", _name(pod), noticed, data
        case TaskStateChange(cluster, task, changed=changed, members=members):
            about = {"ecsCluster": cluster, "task": task, "taskDefinition": f"{notice.family}:{notice.revision}"}
            return "task.state-change", f"clusters/{cluster}/tasks/{task}", changed, {**about, **members}
        case _:
            assert_never(notice)


def build_event_bridge_event(notice: Notice, origin: Origin) -> Json:
    """The notice as EventBridge would deliver it."""
    match notice:
        case SpotInterruption():
            detail = _build_interrupted_task(notice, origin)
            return _wrap(notice, origin, TASK_STATE_CHANGE, notice.began, [detail["taskArn"]], detail)
        case ScheduledTermination(pod, error, noticed, terminates):
            detail = {
                "clusterName": origin.cluster,
                "fargateProfileName": pod.profile,
                "podName": pod.name,
                "podNamespace": pod.namespace,
                "evictErrorMessage": error,
                "scheduledTerminationTime": _format(terminates, "milliseconds") + "[UTC]",
            }
            return _wrap(notice, origin, SCHEDULED_TERMINATION, noticed, [f"{pod.namespace}/{pod.name}"], detail)
        case TaskStateChange():
            detail = _build_task(notice, origin)
            return _wrap(notice, origin, TASK_STATE_CHANGE, notice.changed, [detail["taskArn"]], detail)
        case _:
            assert_never(notice)


def _wrap(
    notice: Notice, origin: Origin, detail_type: str, time: datetime.datetime, resources: list[str], detail: Json
) -> Json:
    return {
        "version": "0",
        "id": compute_id(notice),
        "detail-type": detail_type,
        "source": "aws.eks" if detail_type == SCHEDULED_TERMINATION else "aws.ecs",
        "account": origin.account,
        "time": _format(time, "seconds"),
        "region": origin.region,
        "resources": resources,
        "detail": detail,
    }


def _build_interrupted_task(notice: SpotInterruption, origin: Origin) -> Json:
    """The pod as the task that it would be, with EKS's names of what it is."""
    pod, began = notice.pod, _format(notice.began, "milliseconds")
    return {
        "attachments": [],
        "capacityProviderName": notice.provider,
        "clusterArn": origin.build_arn(f"cluster/{origin.cluster}"),
        "clusterName": origin.cluster,
        "containers": [],
        "desiredStatus": "STOPPED",
        "fargateProfileName": pod.profile,
        "group": f"profile:{pod.profile}",
        "lastStatus": "RUNNING",
        "launchType": "FARGATE",
        "overrides": {"containerOverrides": []},
        "podName": pod.name,
        "podNamespace": pod.namespace,
        "stopCode": INTERRUPTION,
        "stoppedReason": INTERRUPTED,
        "stoppingAt": began,
        "taskArn": origin.build_arn(f"task/{origin.cluster}/{pod.uid.replace('-', '')}"),
        "updatedAt": began,
        "version": 1,
    }


def _build_task(notice: TaskStateChange, origin: Origin) -> Json:
    arn = origin.build_arn(f"task/{notice.cluster}/{notice.task}")
    containers = [each for each in notice.members.get("containers") or () if isinstance(each, Mapping)]
    part = f"container/{notice.cluster}/{notice.task}"
    return {
        **notice.members,
        "clusterArn": origin.build_arn(f"cluster/{notice.cluster}"),
        "containers": [
            {**each, "containerArn": origin.build_arn(f"{part}/{each.get('id') or ''}"), "taskArn": arn}
            for each in containers
        ],
        "taskArn": arn,
        "taskDefinitionArn": origin.build_arn(f"task-definition/{notice.family}:{notice.revision}"),
        "updatedAt": _format(notice.changed, "milliseconds"),
        "version": notice.version,
    }


def _tell_pod(pod: NoticedPod) -> Json:
    return {"namespace": pod.namespace, "pod": pod.name, "podUid": pod.uid, "profile": pod.profile}


def _name(pod: NoticedPod) -> str:
    return f"namespaces/{pod.namespace}/pods/{pod.name}"


def _format(moment: datetime.datetime, precision: str) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec=precision).replace("+00:00", "Z")
