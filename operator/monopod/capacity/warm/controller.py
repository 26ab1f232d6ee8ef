"""Keeps room warm for the next pods of profiles that ask for it.

    wanted ──► a CapacityBuffer, where an autoscaler makes the profile's nodes and the kind is served
       │           └── nothing has written its status within a minute ──► balloons, too, until something does
       └─────► else balloons: a Deployment of pods that give way to any other
    no longer wanted, or the profile is being deleted ──► what there is for it is deleted

All is recomputed every few seconds from lists, so nothing is remembered but for what is slow to list. What the
kube-controller-manager does for a Deployment, it does without the operator: a balloon whose place was taken comes back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from monopod.capacity.caches import Caches
from monopod.capacity.options import CapacityOptions
from monopod.capacity.rules.warm import objects
from monopod.capacity.rules.warm.room import count_room
from monopod.capacity.rules.warm.state import (
    Bounded,
    BufferShort,
    NoPriorityClass,
    Refused,
    WarmState,
    build_refused,
    is_answered,
    is_unanswered,
    judge_balloons,
)
from monopod.capacity.rules.warm.wish import Asking, Running, Wish, compute_wishes, read_asking
from monopod.capacity.warm.gather import Found, fetch_running, fetch_uses, fetch_warm
from monopod.capacity.warm.states import WarmStates
from monopod.kube.cache import Key
from monopod.kube.client.api import Api, ApiError
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import CAPACITY_BUFFERS, DEPLOYMENTS, POD_TEMPLATES, Resource

POLL_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 60.0
"""While no profile asks for anything and there is nothing. One that begins to ask is seen at once."""
PODS_SECONDS: Final = 30.0
"""How often pods are listed: all that run of some profiles, or of the cluster."""
SHORT_SECONDS: Final = 10.0
"""The same while nodes are to come."""

Manifest = Mapping[str, Any]


class WarmKeeper:
    """Writes what keeps room warm, and finds out how much of it there is.

    Args:
        api: the API server.
        caches: what the operator has seen.
        options: how much, and by which image.
        list_asking: the profiles that ask for warm capacity; None as long as they aren't known.
        states: takes what is found.
        problems: the log of problems.
        clock: tells the time.
    """

    def __init__(
        self,
        api: Api,
        caches: Caches,
        options: CapacityOptions,
        list_asking: Callable[[], Sequence[Asking] | None],
        states: WarmStates,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self._options = options
        self._list_asking = list_asking
        self._states = states
        self._problems = problems
        self._clock = clock
        self._running: dict[str, Running] = {}
        self._running_of: set[str] = set()
        self._running_at = -PODS_SECONDS
        self._room: dict[str, int] = {}
        self._room_at = -PODS_SECONDS
        self._short: set[str] = set()
        caches.profiles.listeners.append(self._notice_profile)
        backoff = Backoff(first=POLL_SECONDS, longest=POLL_SECONDS)
        self.controller: Controller[str] = Controller(
            "warm-capacity", self._reconcile, problems, backoff=backoff, rest=lambda _: 1.0, clock=clock
        )

    def begin(self) -> None:
        """Has room kept from now on."""
        self.controller.enqueue(WHOLE)

    def _notice_profile(self, _: Key, old: Manifest | None, new: Manifest | None) -> None:
        """While pods come and go, statuses are written all the time, mostly of profiles that ask for nothing."""
        if any(profile and read_asking(profile) for profile in (old, new)):
            self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        asking = self._list_asking()
        if asking is None:
            return After(1.0)
        try:
            found = await fetch_warm(self._api, self._options.namespace)
        except ApiError as refusal:
            self._states.replace({one.profile: build_refused(one, str(refusal)) for one in asking})
            raise
        wishes = compute_wishes(asking, await self._find_running(asking), found.sizes, self._options.warm_bound)
        await self._withdraw(found, {wish.profile for wish in wishes})
        await self._measure_room([wish for wish in wishes if self._is_answered(wish, found)])
        self._states.replace({wish.profile: await self._keep(wish, found) for wish in wishes})
        return After(POLL_SECONDS if wishes or not found.is_empty else IDLE_SECONDS)

    async def _find_running(self, asking: Sequence[Asking]) -> dict[str, Running]:
        """The pods that run, of profiles where they decide; some seconds old, because there may be thousands."""
        profiles = {one.profile for one in asking if one.settings.needs_pods}
        due = self._clock.monotonic() - self._running_at >= PODS_SECONDS
        if profiles and (due or not profiles <= self._running_of):
            self._running = await fetch_running(self._api, profiles)
            self._running_of, self._running_at = profiles, self._clock.monotonic()
        return self._running

    def _is_answered(self, wish: Wish, found: Found) -> bool:
        buffer = (found.buffers or {}).get(wish.profile)
        return wish.grows and buffer is not None and is_answered(buffer)

    async def _measure_room(self, wishes: Sequence[Wish]) -> None:
        """The room of those whose CapacityBuffers work."""
        if not wishes:
            self._room = {}
            return
        now = self._clock.monotonic()
        rest = SHORT_SECONDS if any(self._room.get(wish.profile, 0) < wish.allowed for wish in wishes) else PODS_SECONDS
        if now - self._room_at < rest and self._room.keys() == {wish.profile for wish in wishes}:
            return
        self._short = {wish.profile for wish in wishes if self._room.get(wish.profile, wish.allowed) < wish.allowed}
        self._room = count_room(wishes, self._caches.nodes.views(), await fetch_uses(self._api))
        self._room_at = now

    async def _keep(self, wish: Wish, found: Found) -> WarmState:
        """Writes what a profile's warm capacity needs; what the API server refuses is part of the answer."""
        if not found.owner:
            return WarmState(wish.wanted, 0, NoPriorityClass())
        try:
            state = await self._keep_by_buffer(wish, found) if wish.grows and found.buffers is not None else None
            state = state or await self._keep_by_balloons(wish, found)
        except ApiError as refusal:
            state = WarmState(wish.wanted, 0, Refused(str(refusal)))
        self.controller.note_progress()
        if state.lack is None and wish.allowed < wish.wanted:
            return WarmState(
                state.wanted, state.ready, Bounded(wish.allowed, self._options.warm_bound), state.unanswered
            )
        return state

    async def _keep_by_buffer(self, wish: Wish, found: Found) -> WarmState | None:
        """By a CapacityBuffer; None if nothing implements it."""
        buffers, namespace = found.buffers or {}, self._options.namespace
        template = objects.build_template(wish, self._options.pause_image, namespace, found.owner)
        await self._apply(POD_TEMPLATES, template, found.templates.get(wish.profile))
        buffer = objects.build_buffer(wish, namespace, found.owner)
        await self._apply(CAPACITY_BUFFERS, buffer, buffers.get(wish.profile))
        if not self._is_answered(wish, found):
            unanswered = any(is_unanswered(each, self._clock.now()) for each in buffers.values())
            return None if unanswered else WarmState(wish.wanted, 0)
        await self._delete(DEPLOYMENTS, found.deployments.get(wish.profile))
        ready = self._room.get(wish.profile, 0)
        return WarmState(wish.wanted, ready, BufferShort() if ready < wish.allowed and self._is_short(wish) else None)

    def _is_short(self, wish: Wish) -> bool:
        """Whether it was so the last time, too."""
        return wish.profile in self._short

    async def _keep_by_balloons(self, wish: Wish, found: Found) -> WarmState:
        unanswered = wish.grows and found.buffers is not None
        if not unanswered:
            await self._withdraw_buffer(wish.profile, found)
        image = self._options.pause_image
        deployment = found.deployments.get(wish.profile)
        wanted = objects.build_balloons(wish, image, self._options.namespace, found.owner)
        await self._apply(DEPLOYMENTS, wanted, deployment)
        nodes = {node.name: node for node in self._caches.nodes.views()}
        pods = found.balloons.get(wish.profile, ())
        ready, lack = judge_balloons(wish, deployment, pods, nodes, self._clock.now())
        return WarmState(wish.wanted, ready, lack, unanswered)

    async def _apply(self, resource: Resource, wanted: dict[str, Any], live: Manifest | None) -> None:
        if live is None or not objects.contains(live, wanted):
            metadata = wanted["metadata"]
            await self._api.apply(resource.path(metadata["name"], metadata["namespace"]), wanted)

    async def _withdraw(self, found: Found, wanted: set[str]) -> None:
        """Deletes what is there for profiles that want none."""
        for profile in found.deployments.keys() - wanted:
            await self._delete(DEPLOYMENTS, found.deployments[profile])
        for profile in {*(found.buffers or ()), *found.templates} - wanted:
            await self._withdraw_buffer(profile, found)

    async def _withdraw_buffer(self, profile: str, found: Found) -> None:
        await self._delete(CAPACITY_BUFFERS, (found.buffers or {}).get(profile))
        await self._delete(POD_TEMPLATES, found.templates.get(profile))

    async def _delete(self, resource: Resource, live: Manifest | None) -> None:
        if live:
            metadata = live["metadata"]
            await self._api.delete(resource.path(metadata["name"], metadata["namespace"]), metadata["uid"])
