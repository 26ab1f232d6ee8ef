"""Tries profiles on the API server, each in its own task, until the result is clear; and again from time to time.

A row or a policy that was just written takes up to 1.5 s to be seen by the admission code, so a trial that comes back
unsandboxed is repeated for a while before it counts.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from monopod.cluster.client import ApiClient, ApiError, ApiUnreachable
from monopod.controller.metrics import PROBES
from monopod.domain import trial as trials
from monopod.domain.trial import NamespaceTrial, Outcome, PodTrial, Trial

# A result other than "sandboxed" counts once it has lasted this long.
SETTLING_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 30.0
# ACTIVE means observed, so it is observed again: a policy may be changed by anyone who may.
REPEAT_SECONDS = 300.0
AT_ONCE = 4

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials of one profile, the best first, and what the result depends on beside them."""

    trials: tuple[Trial, ...]
    depends_on: tuple[str, ...]


class Prober:
    """Runs the plans and holds their outcomes."""

    def __init__(self, api: ApiClient, on_change: Callable[[], None]) -> None:
        self._api = api
        self._on_change = on_change
        self._plans: dict[str, Plan] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def require(self, profile: str, plan: Plan) -> Outcome:
        """The outcome of this plan, which is begun if it isn't the profile's current one."""
        if self._plans.get(profile) != plan:
            self.forget(profile)
            self._plans[profile] = plan
            self._tasks[profile] = asyncio.create_task(self._run(profile, plan), name=f"probe {profile}")
        return self._outcomes.get(profile, trials.Pending())

    def forget(self, profile: str) -> None:
        """Stops trying the profile."""
        self._plans.pop(profile, None)
        self._outcomes.pop(profile, None)
        if task := self._tasks.pop(profile, None):
            task.cancel()

    def retain(self, profiles: Collection[str]) -> None:
        """Forgets all other profiles."""
        for name in self._plans.keys() - set(profiles):
            self.forget(name)

    async def _run(self, profile: str, plan: Plan) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began, delay = loop.time(), FIRST_RETRY_SECONDS
            while not isinstance(outcome := await self._try_all(plan), trials.Sandboxed):
                if loop.time() - began >= SETTLING_SECONDS:
                    self._conclude(profile, outcome)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)
            self._conclude(profile, outcome)
            await asyncio.sleep(REPEAT_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 spreads load, hides nothing

    def _conclude(self, profile: str, outcome: Outcome) -> None:
        if isinstance(outcome, trials.Pending) or self._outcomes.get(profile) == outcome:
            return
        logger.info("probed", profile=profile, outcome=type(outcome).__name__, detail=str(outcome))
        self._outcomes[profile] = outcome
        self._on_change()

    async def _try_all(self, plan: Plan) -> Outcome:
        """The first result that tells; a refusal tells only if nothing else does."""
        outcome: Outcome = trials.Pending() if plan.trials else trials.Impossible()
        for trial in plan.trials:
            async with self._slots:
                found = await self._try(trial)
            if not isinstance(found, trials.Pending | trials.Refused):
                return found
            if isinstance(outcome, trials.Pending):
                outcome = found
        return outcome

    async def _try(self, trial: Trial) -> Outcome:
        outcome: Outcome
        try:
            outcome = await send_trial(self._api, trial)
        except ApiUnreachable:
            outcome = trials.Pending()
        except Exception as error:
            # An answer of a shape that nobody foresaw must not end the trials of this profile.
            logger.warning("probe failed", trial=str(trial), error=repr(error))
            outcome = trials.Refused(f"namespace {trial.namespace}", f"unexpected answer: {error!r}")
        PROBES.labels(OUTCOME_LABELS[type(outcome)]).inc()
        return outcome


OUTCOME_LABELS: dict[type[Outcome], str] = {
    trials.Pending: "unreachable",
    trials.Sandboxed: "sandboxed",
    trials.NotSandboxed: "not_sandboxed",
    trials.Refused: "refused",
    trials.Impossible: "impossible",
}


async def send_trial(api: ApiClient, trial: Trial) -> Outcome:
    """Sends one trial as a server-side dry run and judges the answer.

    Raises:
        ApiUnreachable: no answer.
    """
    try:
        match trial:
            case PodTrial(namespace=namespace):
                path = f"/api/v1/namespaces/{namespace}/pods"
                return trials.judge_pod(await api.create(path, trials.build_pod(trial), dry_run=True), trial)
            case NamespaceTrial():
                body = trials.build_namespace(trial)
                return trials.judge_namespace(await api.create("/api/v1/namespaces", body, dry_run=True), trial)
    except ApiError as error:
        where = (
            f"a pod in namespace {trial.namespace}" if isinstance(trial, PodTrial) else f"namespace {trial.namespace}"
        )
        return trials.Refused(where, str(error))
