"""ExecuteCommand of ECS, and the two operations of Systems Manager by which its clients go on and end."""

import asyncio
from collections.abc import Mapping
from typing import Final

from monopod.aws.access.impersonation import ApiFor
from monopod.aws.ecs.clusters import Clusters
from monopod.aws.ecs.failures import translating
from monopod.aws.ecs.operations import guard
from monopod.aws.ecs.rules.arns import build_cluster_arn, build_container_arn, build_task_arn, read_cluster, read_task
from monopod.aws.ecs.rules.refusals import miss_cluster
from monopod.aws.exec.channels import PATH
from monopod.aws.exec.rules.request import check_interactive, choose_target, miss_task, read_command
from monopod.aws.exec.sessions import Sessions
from monopod.aws.options import Account
from monopod.aws.wire.call import AwsError, Call, Handler, Params, Service
from monopod.kube.client.api import Api
from monopod.kube.clock import Clock
from monopod.kube.objects.resources import SELF_SUBJECT_ACCESS_REVIEWS
from monopod.tasks.rules.names import compute_namespace

READ: Final[Mapping[str, frozenset[str]]] = {
    "ExecuteCommand": frozenset({"cluster", "container", "command", "interactive", "task"}),
}
"""The parameters of the operation of ECS."""

_VERBS: Final = ("get", "create")
"""What the API server wants for a command over a WebSocket: since Kubernetes 1.35 both."""


def build_handlers(
    apis: ApiFor, account: Account, clock: Clock, sessions: Sessions, scheme: str = "wss"
) -> dict[str, Handler]:
    """The operation of ECS.

    Args:
        apis: the API server in a caller's name.
        account: what stands in ARNs.
        clock: tells the time.
        sessions: the sessions.
        scheme: by which clients reach this process, wss or ws.
    """

    async def execute(call: Call) -> Params:
        params = call.params
        check_interactive(params["interactive"])
        command = read_command(params["command"])
        cluster = read_cluster(account, params.get("cluster"))
        task_id = read_task(account, cluster, params["task"])
        api = apis(call.caller)
        task = await sessions.fetch_task(call.caller, cluster, task_id)
        if task is None:
            await _check_cluster(Clusters(api, clock), cluster)
            raise miss_task()
        target = choose_target(task, params.get("container"))
        await _check_rights(api, call.caller.user, compute_namespace(cluster), target.pod)
        session, token = await sessions.grant(call.caller, cluster, task_id, target.container, command)
        url = _build_url(scheme, call, session)
        return {
            "clusterArn": build_cluster_arn(account, cluster),
            "taskArn": build_task_arn(account, cluster, task_id),
            "containerArn": build_container_arn(account, cluster, task_id, target.id),
            "containerName": target.container,
            "interactive": True,
            "session": {"sessionId": session, "streamUrl": url, "tokenValue": token},
        }

    return {"ExecuteCommand": guard(READ["ExecuteCommand"], execute)}


def build_service(sessions: Sessions, scheme: str = "wss") -> Service:
    """As much of Systems Manager as clients of sessions need.

    Args:
        sessions: the sessions.
        scheme: by which clients reach this process, wss or ws.
    """

    async def resume(call: Call) -> Params:
        session = call.params["SessionId"]
        token = sessions.resume(call.caller, session)
        if not token:  # by an answer without a token the plugin knows that the session is over, and ends
            return {"SessionId": session}
        return {"SessionId": session, "TokenValue": token, "StreamUrl": _build_url(scheme, call, session)}

    async def terminate(call: Call) -> Params:
        session = call.params["SessionId"]
        if not sessions.terminate(call.caller, session):
            raise AwsError("DoesNotExistException", "The session doesn't exist, or runs at another replica.")
        return {"SessionId": session}

    return Service("ssm", {"ResumeSession": resume, "TerminateSession": terminate})


def _build_url(scheme: str, call: Call, session: str) -> str:
    return f"{scheme}://{call.host}{PATH}{session}?role=publish_subscribe"


async def _check_cluster(clusters: Clusters, name: str) -> None:
    """Refuses a cluster that doesn't exist, as far as the caller may know.

    Raises:
        AwsError: it is.
    """
    try:
        await clusters.fetch_active(name)
    except AwsError as error:
        if error.code == miss_cluster().code:
            raise


async def _check_rights(api: Api, user: str, namespace: str, pod: str) -> None:
    """Refuses what the API server would refuse once the channel is open, when the reason is no longer seen.

    Raises:
        AwsError: the caller may not.
    """
    answers = await asyncio.gather(*(_ask(api, namespace, pod, verb) for verb in _VERBS))
    for verb, answer in zip(_VERBS, answers, strict=True):
        if not (answer.get("status") or {}).get("allowed"):
            message = f'User "{user}" cannot {verb} resource "pods/exec" in API group "" in the namespace "{namespace}"'
            raise AwsError("AccessDeniedException", message)


async def _ask(api: Api, namespace: str, pod: str, verb: str) -> Params:
    attributes = {"namespace": namespace, "verb": verb, "resource": "pods", "subresource": "exec", "name": pod}
    kind = SELF_SUBJECT_ACCESS_REVIEWS
    review = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": {"resourceAttributes": attributes}}
    with translating():
        return await api.create(kind.list_path(), review)
