"""Decides what a user may see: `get` on `usages.monopod.dev`, which is no resource but a word for RBAC.

It is asked of the API server (SubjectAccessReview), first for the whole cluster, then by namespace. So `kubectl auth
can-i get usages.monopod.dev -n NAME` gives the same answer, and whoever has the role `view` in a namespace sees what
its pods cost.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from monopod.api.names import GROUP
from monopod.kube.client.api import Api
from monopod.kube.clock import Clock
from monopod.kube.objects.resources import SUBJECT_ACCESS_REVIEWS
from monopod.ledger.server.answer_cache import AnswerCache
from monopod.ledger.server.user import User

USAGES: Final = "usages"
VERB: Final = "get"
MOST_NAMESPACES: Final = 500
"""Of how many namespaces it is asked for one question of somebody who may not see the whole cluster."""
_AT_ONCE: Final = 8
_CLUSTER: Final = ""


class TooManyNamespaces(Exception):
    """The rights to that many namespaces aren't asked for one after the other."""


class Authorizer:
    """Tells what a user may see.

    Args:
        api: the API server, with the right to create SubjectAccessReviews.
        clock: for how long an answer counts.
    """

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._answers: AnswerCache[tuple[User, str], bool] = AnswerCache(clock)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def may_see_cluster(self, user: User) -> bool:
        """Whether the user may see all namespaces. Raises as the API's methods do."""
        return await self._may_see(user, _CLUSTER)

    async def compute_visible(self, user: User, namespaces: Iterable[str]) -> frozenset[str]:
        """Returns which of the namespaces the user may see. Raises as the API's methods do.

        Raises:
            TooManyNamespaces: there are more than are asked for.
        """
        wanted = sorted(set(namespaces))
        if await self.may_see_cluster(user):
            return frozenset(wanted)
        if len(wanted) > MOST_NAMESPACES:
            raise TooManyNamespaces
        visible = await asyncio.gather(*(self._may_see(user, namespace) for namespace in wanted))
        return frozenset(namespace for namespace, seen in zip(wanted, visible, strict=True) if seen)

    async def _may_see(self, user: User, namespace: str) -> bool:
        known = self._answers.get((user, namespace))
        if known is not None:
            return known
        async with self._slots:
            answer = await self._api.create(SUBJECT_ACCESS_REVIEWS.list_path(), _build_review(user, namespace))
        allowed = (answer.get("status") or {}).get("allowed") is True
        self._answers.put((user, namespace), allowed)
        return allowed


def _build_review(user: User, namespace: str) -> dict[str, Any]:
    attributes = {"verb": VERB, "group": GROUP, "resource": USAGES, **({"namespace": namespace} if namespace else {})}
    spec: dict[str, Any] = {"user": user.name, "groups": list(user.groups), "resourceAttributes": attributes}
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {"apiVersion": SUBJECT_ACCESS_REVIEWS.api_version, "kind": SUBJECT_ACCESS_REVIEWS.kind, "spec": spec}
