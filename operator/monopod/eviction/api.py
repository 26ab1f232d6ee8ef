"""Asks the Eviction API to evict one pod, and reads its answer."""

import re

from monopod.eviction.rules.order import (
    Answer,
    Candidate,
    Evicted,
    Gone,
    OverBudget,
    Refused,
    SeveralBudgets,
    Unanswered,
)
from monopod.kube.client.api import Api, ApiError, ApiUnreachable, ServerTrouble
from monopod.kube.objects.resources import PODS

BUDGET_CAUSE = "DisruptionBudget"

# Words of Kubernetes, where nothing else tells: which budget a cause is about and that there are several, of its
# eviction handler (pkg/registry/core/pod/storage/eviction.go); and of a precondition that failed, a 409 like any other
# conflict (Preconditions.Check in k8s.io/apiserver/pkg/storage/interfaces.go).
BUDGET_NAME = re.compile(r"The disruption budget (\S+) ")
SEVERAL_BUDGETS = "more than one PodDisruptionBudget"
ANOTHER_UID = "Precondition failed: UID"


async def request_eviction(api: Api, pod: Candidate) -> Answer:
    """Asks once. The uid goes with it, so that another pod of the same name is left alone."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }
    try:
        await api.create(PODS.path(pod.name, pod.namespace, "eviction"), eviction)
    except ServerTrouble as trouble:
        return _read_trouble(trouble)
    except ApiUnreachable as error:
        return Unanswered(str(error))
    except ApiError as error:
        is_another = error.status == 409 and ANOTHER_UID in error.message
        return Gone() if error.status == 404 or is_another else Refused(str(error))
    return Evicted()


def _read_trouble(trouble: ServerTrouble) -> Answer:
    said = [cause.message for cause in trouble.causes if cause.reason == BUDGET_CAUSE]
    if trouble.status == 429 and said:
        budgets = tuple(match[1] for message in said if (match := BUDGET_NAME.search(message)))
        return OverBudget(budgets, "; ".join(said), trouble.retry_after)
    if SEVERAL_BUDGETS in trouble.message:
        return SeveralBudgets()
    return Unanswered(str(trouble), trouble.retry_after)
