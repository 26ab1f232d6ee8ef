"""Writes the statuses of kinds that the operator owns: what differs; the answer goes into the cache."""

from collections.abc import Collection, Mapping
from typing import Any

from monopod.kube.cache import Kind
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.status import build_status_patch


class StatusWriter:
    """The only writer of the statuses of one kind, which is cluster-scoped."""

    def __init__(self, api: Api, kind: Kind[Any], noun: str, problems: ProblemLog) -> None:
        """`noun` says in logs what it is that has the status: `profile`."""
        self._api = api
        self._kind = kind
        self._noun = noun
        self._problems = problems
        self._written: dict[str, tuple[dict[str, Any], Any]] = {}

    def differs(self, name: str, current: Mapping[str, Any] | None, wanted: dict[str, Any]) -> bool:
        """Whether the status has to be written.

        A CRD of another version may drop fields that we write: the same answer to the same write ends it there.
        """
        return build_status_patch(current, wanted) is not None and self._written.get(name) != (wanted, current)

    async def write(self, name: str, current: Mapping[str, Any] | None, wanted: dict[str, Any]) -> bool:
        """Writes the status if it differs; returns False if that failed."""
        if not self.differs(name, current, wanted):
            return True
        subject = f"status of {self._noun} {name}"
        try:
            path = self._kind.resource.path(name, subresource="status")
            written = await self._api.merge(path, build_status_patch(current, wanted) or {})
        except (ApiError, ApiUnreachable) as error:
            if isinstance(error, ApiError) and error.status == 404:
                return True  # deleted meanwhile
            WRITES.labels("status", "failed").inc()
            self._problems.report(subject, str(error))
            return False
        WRITES.labels("status", "ok").inc()
        self._problems.clear(subject)
        self._written[name] = (wanted, written.get("status"))
        self._kind.observe("MODIFIED", written)
        return True

    def retain(self, names: Collection[str]) -> None:
        """Forgets objects that are gone."""
        self._written = {name: written for name, written in self._written.items() if name in names}
