"""Tells profiles what their pods cost: asks the ledger every few minutes, and contributes status.usage.

An answer has all profiles reconciled. Without one, what statuses say stays until it is stale.
"""

import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from monopod.kube.client.api import Api
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Incomplete, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.conditions import Contribution
from monopod.kube.signals import Signal
from monopod.usage.ledger_question import LedgerQuestion, LedgerTrouble
from monopod.usage.options import UsageOptions
from monopod.usage.rules.profile_cost import ProfileCosts, decide_usage

ASK_SECONDS: Final = 300.0
_FIRST_RETRY_SECONDS: Final = 5.0

logger = structlog.stdlib.get_logger(__name__)


class UsageReader:
    """Knows what the ledger last answered.

    Args:
        api: the API server, which knows the ledger.
        options: where the ledger is; without one, nothing is asked and nothing said.
        problems: the log of problems.
        clock: tells the time.
        ask: asks the ledger.
    """

    def __init__(
        self,
        api: Api,
        options: UsageOptions,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
        ask: Callable[[], Awaitable[ProfileCosts]] | None = None,
    ) -> None:
        self._is_wanted = bool(options.ledger)
        self._problems = problems
        self._clock = clock
        self._ask = ask or LedgerQuestion(api, options, clock).ask
        self._costs: ProfileCosts | None = None
        self.changed = Signal()
        """The ledger has answered."""
        self.controller: Controller[str] = Controller(
            "usage", self._reconcile, problems, backoff=Backoff(_FIRST_RETRY_SECONDS, ASK_SECONDS), clock=clock
        )

    def begin(self) -> None:
        """Has the ledger asked from now on, if there is one."""
        if self._is_wanted:
            self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        try:
            self._costs = await self._ask()
        except LedgerTrouble as trouble:
            self._problems.report("the ledger", str(trouble))
            raise Incomplete from trouble
        self._problems.clear("the ledger")
        self.changed.fire()
        return After(ASK_SECONDS)

    def contribute(self, statuses: Mapping[str, Mapping[str, Any]], now: str) -> dict[str, Contribution]:
        """What to say of each profile; `statuses` are those that they have, `now` is an RFC 3339 time."""
        if not self._is_wanted:
            return dict.fromkeys(statuses, Contribution())
        moment = datetime.datetime.fromisoformat(now)
        contributions = {}
        for name, status in statuses.items():
            usage = decide_usage(name, status.get("usage"), self._costs, moment)
            contributions[name] = Contribution(fields={"usage": usage} if usage else {})
        return contributions
