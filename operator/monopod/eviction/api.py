"""Asks the Eviction API to evict one pod, and reads its answer."""

import re
from typing import assert_never

from monopod.eviction.rules.order import (
    Answer,
    Candidate,
    Changed,
    Evicted,
    Gone,
    OverBudget,
    Refused,
    SeveralBudgets,
    Unanswered,
)
from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json, ServerTrouble
from monopod.kube.objects.resources import PODS

BUDGET_CAUSE = "DisruptionBudget"

# Words of Kubernetes, where nothing else tells: which budget a cause is about and that there are several, of its
# eviction handler (pkg/registry/core/pod/storage/eviction.go); and which precondition failed, a 409 like any other
# conflict: the handler says it while it marks the pod as disrupted, and deletion (Preconditions.Check in
# k8s.io/apiserver/pkg/storage/interfaces.go) without the article.
BUDGET_NAME = re.compile(r"The disruption budget (\S+) ")
SEVERAL_BUDGETS = "more than one PodDisruptionBudget"
FAILED_PRECONDITION = re.compile(r"\b(UID|ResourceVersion) in (?:the )?precondition")


async def terminate(api: Api, pod: Candidate) -> Answer:
    """Asks once more for the eviction of a pod that is overdue, and deletes it if that is refused, too."""
    answer = await request_eviction(api, pod)
    match answer:
        case OverBudget() | SeveralBudgets() | Refused():
            try:
                await api.delete(PODS.path(pod.name, pod.namespace), pod.uid, pod.version)
            except (ApiError, ApiUnreachable) as error:
                return read_failure(error)
            return Evicted()
        case Evicted() | Gone() | Changed() | Unanswered():
            return answer
    assert_never(answer)


async def request_eviction(api: Api, pod: Candidate) -> Answer:
    """Asks once. The uid goes with it, so that another pod of the name is left alone, and the version if it counts.

    Without a version a pod is evicted that is being deleted already: the API server says on it that it is a disruption,
    and no one can tell any more that its owner wished it gone.
    """
    try:
        await api.create(PODS.path(pod.name, pod.namespace, "eviction"), build_eviction(pod))
    except (ApiError, ApiUnreachable) as error:
        return read_failure(error)
    return Evicted()


def build_eviction(pod: Candidate, grace_seconds: int | None = None) -> Json:
    """The Eviction that is created; the grace period is the pod's own, unless another is given."""
    preconditions = {"uid": pod.uid, **({"resourceVersion": pod.version} if pod.version else {})}
    grace = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": preconditions, **grace},
    }


def read_failure(error: ApiError | ApiUnreachable) -> Answer:
    """What it means that the Eviction API didn't do it."""
    match error:
        case ServerTrouble():
            return _read_trouble(error)
        case ApiError():
            return _read_refusal(error)
        case ApiUnreachable():
            return Unanswered(str(error))


def _read_refusal(error: ApiError) -> Answer:
    failed = FAILED_PRECONDITION.search(error.message) if error.status == 409 else None
    if error.status == 404 or (failed and failed[1] == "UID"):
        return Gone()
    return Changed() if failed else Refused(str(error))


def _read_trouble(trouble: ServerTrouble) -> Answer:
    said = [cause.message for cause in trouble.causes if cause.reason == BUDGET_CAUSE]
    if trouble.status == 429 and said:
        budgets = tuple(match[1] for message in said if (match := BUDGET_NAME.search(message)))
        return OverBudget(budgets, "; ".join(said), trouble.retry_after, trouble.message)
    if SEVERAL_BUDGETS in trouble.message:
        return SeveralBudgets(trouble.message)
    return Unanswered(str(trouble), trouble.retry_after)
