"""Runs the drills that profiles ask for: interrupts so many of their pods on Spot in an hour.

    slot due ──► a pod chosen ──► contributed to the profile's status ──► on record ──► evicted, by the one queue
                                                                             └── an operator that has just started goes
                                                                                 on here, with the same pod

Evictions are all that the operator has a right to: budgets hold, and the pod's own grace period, which is Spot's.
"""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from monopod.api.names import CAPACITY_PROVIDER_LABEL, FARGATE_SPOT, PROFILE_LABEL
from monopod.eviction.evictor import Evictor
from monopod.eviction.rules.order import Candidate
from monopod.kube.client.api import Api
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.conditions import Contribution
from monopod.kube.objects.fields import InvalidManifest
from monopod.kube.objects.resources import PODS
from monopod.kube.signals import Signal
from monopod.spot.caches import DrillCaches
from monopod.spot.rules.drill import Target, choose_one, read_target
from monopod.spot.rules.enforcement import is_enforced, is_reached
from monopod.spot.rules.schedule import Choose, Interrupt, LastDrill, Off, decide, get_rate

LONGEST_SECONDS: Final = 60.0
"""A drill that found no pod looks again after this time."""

Manifest = Mapping[str, Any]


class DrillRunner:
    """Chooses pods when it is time, and has them evicted once they are on record.

    Args:
        api: the API server.
        caches: what the operator has seen.
        evictor: evicts, within the one bound on evictions.
        problems: the log of problems.
        clock: tells the time.
    """

    def __init__(
        self, api: Api, caches: DrillCaches, evictor: Evictor, problems: ProblemLog, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._api = api
        self._caches = caches
        self._evictor = evictor
        self._clock = clock
        self._chosen: dict[str, LastDrill] = {}
        """By profile: what is to be on record before anything is done."""
        self.changed = Signal()
        """A pod was chosen."""
        self.controller: Controller[str] = Controller("drills", self._reconcile, problems, clock=clock)
        caches.profiles.listeners.append(self._note_profile)

    def begin(self) -> None:
        """Has drills run from now on."""
        self.controller.enqueue(WHOLE)

    def _note_profile(self, _: object, before: Manifest | None, after: Manifest | None) -> None:
        if not any(profile and _asks(profile) for profile in (before, after)):
            return
        if not (after and _asks(after) and is_enforced(after)):
            self._hand_over()  # before anything of the profile is taken back, whatever is being listed meanwhile
        self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        choices, seconds = self._hand_over()
        for name, choice in choices:
            await self._choose(name, choice)
        return After(seconds)

    def _hand_over(self) -> tuple[list[tuple[str, Choose]], float]:
        """Has the pods that are on record evicted, and no others; what is to be chosen, and seconds until more is due.

        At once, whatever becomes of the choices: of a profile that no longer asks nothing is evicted from now on.
        """
        now = self._clock.now()
        wanted, choices, seconds = list[Candidate](), list[tuple[str, Choose]](), LONGEST_SECONDS
        for profile in self._caches.profiles.views():
            name = profile["metadata"]["name"]
            match step := decide(profile, now):
                case Off():
                    self._chosen.pop(name, None)
                    continue
                case Choose() as choice:
                    choices.append((name, choice))
                case Interrupt(last):
                    self._chosen.pop(name, None)
                    left = (step.until - now).total_seconds()
                    wanted += self._find_candidate(last, self._clock.monotonic() + left)
                case _:
                    assert_never(step)
            seconds = min(seconds, max(1.0, (step.until - now).total_seconds()))
        self._evictor.update("drill", wanted)
        return choices, seconds

    async def _choose(self, profile: str, choice: Choose) -> None:
        """Chooses a pod that runs on Spot, if there is one, and has the profile's status say so."""
        chosen = self._chosen.pop(profile, None)
        if chosen and chosen.at >= choice.due:
            self._chosen[profile] = chosen
            return  # its status hasn't been written yet
        query = {"labelSelector": f"{PROFILE_LABEL}={profile},{CAPACITY_PROVIDER_LABEL}={FARGATE_SPOT}"}
        targets = [target async for pod in self._api.list_pages(PODS.list_path(), query) if (target := _read(pod))]
        if target := choose_one(targets, choice.seed):
            self._chosen[profile] = LastDrill(self._clock.now(), target.namespace, target.name, target.uid)
            self.changed.fire()

    def _find_candidate(self, last: LastDrill, until: float) -> list[Candidate]:
        pod = self._caches.pods.find(last.namespace, last.pod)
        if pod is None or pod.uid != last.uid or pod.terminating:
            return []
        if not is_reached(self._caches.namespaces.find("", pod.namespace), pod.profile):
            return []
        workload = pod.controller or pod.uid
        return [Candidate(pod.namespace, pod.name, pod.uid, pod.created, workload, known_until=until)]

    def contribute(self, statuses: Mapping[str, Manifest], now: str) -> dict[str, Contribution]:
        """What to say of each profile; `statuses` are those that they have, `now` is an RFC 3339 time."""
        return {name: self._contribute(name, status) for name, status in statuses.items()}

    def _contribute(self, name: str, status: Manifest) -> Contribution:
        profile = self._caches.profiles.find("", name)
        chosen = self._chosen.get(name)
        told = chosen.write() if chosen else status.get("spotDrill")
        return Contribution(fields={"spotDrill": told} if told and profile and _asks(profile) else {})


def _asks(profile: Manifest) -> bool:
    return get_rate(profile) > 0


def _read(pod: Manifest) -> Target | None:
    try:
        return read_target(pod)
    except InvalidManifest:
        return None
