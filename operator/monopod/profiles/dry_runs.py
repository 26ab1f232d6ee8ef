"""Tries profiles on the API server until the result is clear, and again from time to time.

A policy that was just written takes up to 1.5 s to be seen by the admission code, a namespace some milliseconds, so a
dry run that comes back unsandboxed is repeated for a while before it counts.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, After, Backoff, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import DRY_RUNS
from monopod.kube.objects.resources import NAMESPACES, PODS
from monopod.pods.rules import dry_run as dry_runs
from monopod.pods.rules.dry_run import DryRun, NamespaceDryRun, Outcome, PodDryRun

# A result other than "sandboxed" counts once it has lasted this long.
SETTLING_SECONDS = 5.0
UNTIL_SANDBOXED = Backoff(first=0.1)
# ACTIVE means observed, so it is observed again: a policy may be changed by anyone who may.
REPEAT_SECONDS = 300.0
AT_ONCE = 4

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """The dry runs of one profile, the best first, and what the result depends on besides them."""

    dry_runs: tuple[DryRun, ...]
    depends_on: tuple[str, ...]


class ProfileDryRuns:
    """Tries each profile by its plan, and holds the outcomes."""

    def __init__(self, api: Api, tell: Callable[[], None], problems: ProblemLog, clock: Clock = SYSTEM_CLOCK) -> None:
        """`tell` hears of each new outcome."""
        self._api = api
        self._tell = tell
        self._clock = clock
        self._plans: dict[str, Plan] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._unclear: dict[str, tuple[float, int]] = {}
        """Since when a profile's dry runs haven't come back sandboxed, and how many."""
        self.controller = Controller("dry-runs", self._reconcile, problems, workers=AT_ONCE, clock=clock)

    def outcome(self, profile: str, plan: Plan) -> Outcome:
        """What came of this plan of the profile's, as far as it is known."""
        known = self._outcomes.get(profile) if self._plans.get(profile) == plan else None
        return known or dry_runs.Pending()

    def update(self, plans: Mapping[str, Plan]) -> None:
        """Has these profiles checked, and no others; one whose plan is another now begins again."""
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
        if isinstance(outcome, dry_runs.Sandboxed):
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
        if isinstance(outcome, dry_runs.Pending) or self._outcomes.get(profile) == outcome:
            return
        logger.info("dry run done", profile=profile, outcome=type(outcome).__name__, detail=str(outcome))
        self._outcomes[profile] = outcome
        self._tell()

    async def _try_all(self, plan: Plan) -> Outcome:
        """The first result that tells; a refusal tells only if nothing else does."""
        outcome: Outcome = dry_runs.Pending() if plan.dry_runs else dry_runs.Impossible()
        for dry_run in plan.dry_runs:
            found = await self._try(dry_run)
            if not isinstance(found, dry_runs.Pending | dry_runs.Refused):
                return found
            if isinstance(outcome, dry_runs.Pending):
                outcome = found
        return outcome

    async def _try(self, dry_run: DryRun) -> Outcome:
        outcome: Outcome
        try:
            outcome = await send_dry_run(self._api, dry_run)
        except ApiUnreachable:
            outcome = dry_runs.Pending()
        except Exception as error:
            # An answer of a shape that no one foresaw must not end the dry runs of this profile.
            logger.warning("dry run failed", dry_run=str(dry_run), error=repr(error))
            outcome = dry_runs.Refused(f"namespace {dry_run.namespace}", f"unexpected answer: {error!r}")
        DRY_RUNS.labels(OUTCOME_LABELS[type(outcome)]).inc()
        return outcome


OUTCOME_LABELS: dict[type[Outcome], str] = {
    dry_runs.Pending: "unreachable",
    dry_runs.Sandboxed: "sandboxed",
    dry_runs.NotSandboxed: "not_sandboxed",
    dry_runs.Refused: "refused",
    dry_runs.Impossible: "impossible",
}


async def send_dry_run(api: Api, dry_run: DryRun) -> Outcome:
    """Sends one server-side dry run and judges the answer.

    Raises:
        ApiUnreachable: no answer.
    """
    try:
        match dry_run:
            case PodDryRun(namespace=namespace):
                path = PODS.list_path(namespace)
                return dry_runs.judge_pod(await api.create(path, dry_runs.build_pod(dry_run), dry_run=True), dry_run)
            case NamespaceDryRun():
                body = dry_runs.build_namespace(dry_run)
                return dry_runs.judge_namespace(await api.create(NAMESPACES.list_path(), body, dry_run=True), dry_run)
    except ApiError as error:
        where = (
            f"a pod in namespace {dry_run.namespace}"
            if isinstance(dry_run, PodDryRun)
            else f"namespace {dry_run.namespace}"
        )
        return dry_runs.Refused(where, str(error))
