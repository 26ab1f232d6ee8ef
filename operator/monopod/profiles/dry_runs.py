"""Tries profiles on the API server until the result is clear, and again from time to time.

A policy that was just written takes up to 1.5 s to be seen by the admission code, a row some milliseconds, so a trial
that comes back unsandboxed is repeated for a while before it counts.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from monopod.kube.client import ApiClient, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, After, Backoff, Controller, Result
from monopod.kube.logs import Complaints
from monopod.kube.metrics import PROBES
from monopod.pods.rules import dry_run as trials
from monopod.pods.rules.dry_run import NamespaceTrial, Outcome, PodTrial, Trial

# A result other than "sandboxed" counts once it has lasted this long.
SETTLING_SECONDS = 5.0
UNTIL_SANDBOXED = Backoff(first=0.1)
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
    """Tries each profile by its plan, and holds the outcomes."""

    def __init__(
        self, api: ApiClient, tell: Callable[[], None], complaints: Complaints, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """`tell` hears of each new outcome."""
        self._api = api
        self._tell = tell
        self._clock = clock
        self._plans: dict[str, Plan] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._unclear: dict[str, tuple[float, int]] = {}
        """Since when a profile's trials haven't come back sandboxed, and how many."""
        self.controller = Controller("dry-runs", self._reconcile, complaints, workers=AT_ONCE, clock=clock)

    def outcome(self, profile: str, plan: Plan) -> Outcome:
        """What came of this plan of the profile's, as far as it is known."""
        known = self._outcomes.get(profile) if self._plans.get(profile) == plan else None
        return known or trials.Pending()

    def require(self, plans: Mapping[str, Plan]) -> None:
        """Has these profiles tried, and no others; one whose plan is another now begins afresh."""
        for profile in [name for name, plan in self._plans.items() if plans.get(name) != plan]:
            self._forget(profile)
        for profile in plans.keys() - self._plans.keys():
            self._plans[profile] = plans[profile]
            self.controller.enqueue(profile)

    def _forget(self, profile: str) -> None:
        del self._plans[profile]
        self._outcomes.pop(profile, None)
        self._unclear.pop(profile, None)
        self.controller.forget(profile)

    async def _reconcile(self, profile: str) -> Result:
        plan = self._plans.get(profile)
        if plan is None:
            return DONE
        outcome = await self._try_all(plan)
        if self._plans.get(profile) is not plan:
            return DONE  # another one waits for its turn
        if isinstance(outcome, trials.Sandboxed):
            self._unclear.pop(profile, None)
            self._conclude(profile, outcome)
            return After(REPEAT_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 spreads load, hides nothing
        now = self._clock.monotonic()
        since, failures = self._unclear.get(profile, (now, 0))
        self._unclear[profile] = (since, failures + 1)
        if now - since >= SETTLING_SECONDS:
            self._conclude(profile, outcome)
        return After(UNTIL_SANDBOXED.after(failures + 1))

    def _conclude(self, profile: str, outcome: Outcome) -> None:
        if isinstance(outcome, trials.Pending) or self._outcomes.get(profile) == outcome:
            return
        logger.info("probed", profile=profile, outcome=type(outcome).__name__, detail=str(outcome))
        self._outcomes[profile] = outcome
        self._tell()

    async def _try_all(self, plan: Plan) -> Outcome:
        """The first result that tells; a refusal tells only if nothing else does."""
        outcome: Outcome = trials.Pending() if plan.trials else trials.Impossible()
        for trial in plan.trials:
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
