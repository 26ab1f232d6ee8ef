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
from monopod.kube.client import ApiClient, ApiError, ApiUnreachable, ServerTrouble

# The words of Kubernetes' eviction handler (pkg/registry/core/pod/storage/eviction.go), where nothing else tells.
BUDGET_CAUSE = "DisruptionBudget"
BUDGET_NAME = re.compile(r"The disruption budget (\S+) ")
SEVERAL_BUDGETS = "more than one PodDisruptionBudget"


async def request_eviction(api: ApiClient, pod: Candidate) -> Answer:
    """Asks once. The uid goes with it, so that another pod of the same name is left alone."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }
    try:
        await api.create(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction", eviction)
    except ServerTrouble as trouble:
        return _read_trouble(trouble)
    except ApiUnreachable as error:
        return Unanswered(str(error))
    except ApiError as error:
        # A precondition that fails has no cause to go by.
        is_another = error.status == 409 and "Precondition failed: UID" in error.message
        return Gone() if error.status == 404 or is_another else Refused(str(error))
    return Evicted()


def _read_trouble(trouble: ServerTrouble) -> Answer:
    said = [message for reason, message in trouble.causes if reason == BUDGET_CAUSE]
    if trouble.status == 429 and said:
        budgets = tuple(match[1] for message in said if (match := BUDGET_NAME.search(message)))
        return OverBudget(budgets, "; ".join(said), trouble.retry_after)
    if SEVERAL_BUDGETS in trouble.message:
        return SeveralBudgets()
    return Unanswered(str(trouble), trouble.retry_after)
