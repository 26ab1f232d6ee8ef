"""Compares what is held in memory with lists from the API server: what no watch tells is found then."""

import structlog

from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WATCH_MISSED
from monopod.kube.options import SharedOptions
from monopod.kube.signals import Signal
from monopod.manager.sources import WatchedCaches

# The first audit comes soon: it closes the gap between the first lists and the beginning of the watches.
FIRST_SECONDS = 5.0

logger = structlog.stdlib.get_logger(__name__)


class Auditor:
    """Audits all kinds at each resync.

    Attributes:
        audited: all kinds have been compared; everything is reconciled again then.
    """

    def __init__(
        self,
        api: Api,
        caches: WatchedCaches,
        options: SharedOptions,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self._resync_seconds = options.resync_seconds
        self._problems = problems
        self.audited = Signal()
        self.controller = Controller("audit", self._reconcile, problems, clock=clock)

    def begin(self) -> None:
        """The first lists are complete, and the watches begin."""
        self.controller.enqueue_after(WHOLE, min(FIRST_SECONDS, self._resync_seconds))

    async def _reconcile(self, _: str) -> Result:
        for kind in self._caches.kinds():
            try:
                missed = await kind.audit(self._api)
            except (ApiUnreachable, ApiError) as error:
                self._problems.report(f"list of {kind.resource.plural}", str(error))
                continue
            self._problems.clear(f"list of {kind.resource.plural}")
            if missed:
                WATCH_MISSED.labels(kind.resource.plural).inc(missed)
                logger.warning("the watch had missed objects", resource=kind.resource.plural, objects=missed)
        self.audited.fire()
        return After(self._resync_seconds)
