"""Has images pulled on the sandbox's nodes and kept there, and tells profiles what came of it.

    every few seconds, and when a profile changes: what profiles ask for ──► a DaemonSet for each source of images
        └── what differs is written, what no one asks for any more is deleted
        └── DaemonSets, and their pods where these aren't all Ready ──► what is said of each profile

All is in the cluster: an operator that has just started applies each DaemonSet once, which changes nothing where it is
as it should be. With a profile that is gone its DaemonSets go by their owner, whether or not an operator runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monopod.capacity.caches import Caches
from monopod.capacity.images.gather import fetch_keepers, fetch_rollouts, fetch_sandboxes, fetch_used
from monopod.capacity.options import CapacityOptions
from monopod.capacity.rules.images.daemon_set import Place, build_daemon_set
from monopod.capacity.rules.images.observation import Keeper, Rollout, observe_images
from monopod.capacity.rules.images.report import NOT_READ, Kept, NoSandbox, Outcome, Unwritten, contribute_images
from monopod.capacity.rules.images.wish import Source, Wish
from monopod.capacity.rules.sandbox import Sandbox
from monopod.kube.cache import Key
from monopod.kube.client.api import Api, ApiError
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Incomplete, Result
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.conditions import Contribution
from monopod.kube.objects.fields import InvalidManifest
from monopod.kube.objects.resources import DAEMON_SETS
from monopod.kube.signals import Signal

PULLING_SECONDS: Final = 2.0
POLL_SECONDS: Final = 10.0
"""How often to look: while nodes pull, and where all is there or fails."""
USED_SECONDS: Final = 60.0
"""How often the images of running pods are looked up, so that a roll-out of theirs is one change and not many."""

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Asking:
    """A profile that asks for images, the RuntimeClass that it has if there is one, and the images by source."""

    wish: Wish
    place: Place | None
    chosen: Mapping[Source, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Written:
    """What was applied last, and what the API server has called that: whoever changes it raises its generation."""

    body: Manifest
    uid: str
    generation: int


@dataclass(slots=True)
class _Used:
    """The images of a profile's running pods, and when they were looked up."""

    at: float
    counts: Mapping[str, int] = field(default_factory=dict)


class ImageWarmer:
    """Keeps images on nodes for all profiles that ask for it.

    Args:
        api: the API server.
        caches: what the operator has seen.
        options: the pause image, and Monopod's own namespace.
        choose_sandbox: the RuntimeClass of a profile that names none, by the handlers of all and the one that it has.
        problems: the log of problems.
        clock: tells the time.
    """

    def __init__(
        self,
        api: Api,
        caches: Caches,
        options: CapacityOptions,
        choose_sandbox: Callable[[Mapping[str, str], str], str],
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self._options = options
        self._choose_sandbox = choose_sandbox
        self._problems = problems
        self._clock = clock
        self._written: dict[str, _Written] = {}
        self._refused: set[str] = set()
        self._used: dict[str, _Used] = {}
        self._outcomes: dict[str, Outcome] = {}
        self.changed = Signal()
        """What is to be said of some profile is another than before."""
        backoff = Backoff(first=PULLING_SECONDS, longest=3 * POLL_SECONDS)
        self.controller: Controller[str] = Controller(
            "warm-images", self._reconcile, problems, backoff=backoff, clock=clock
        )
        caches.profiles.listeners.append(self._notice_profile)

    def begin(self) -> None:
        """Has images kept from now on."""
        self.controller.enqueue(WHOLE)

    def _notice_profile(self, _: Key, old: Manifest | None, new: Manifest | None) -> None:
        """A status that is written changes nothing here."""
        if _read_spec(old) != _read_spec(new):
            self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        namespace = self._options.namespace
        rollouts = await fetch_rollouts(self._api, namespace)
        asking = await self._fetch_asking()
        failures = await self._write(asking, rollouts)
        of_profile = {name: [each for each in rollouts.values() if each.profile == name] for name in asking}
        keepers = await self._fetch_keepers(of_profile)
        outcomes = {
            name: self._observe(name, each, of_profile[name], keepers.get(name, ()), failures.get(name, ""))
            for name, each in asking.items()
        }
        if outcomes != self._outcomes:
            self._outcomes = outcomes
            self.changed.fire()
        if failures:
            raise Incomplete
        pulling = any(isinstance(each, Kept) and each.warmth.is_pulling for each in outcomes.values())
        return After(PULLING_SECONDS if pulling else POLL_SECONDS)

    async def _fetch_asking(self) -> dict[str, _Asking]:
        wishes = dict[str, tuple[Manifest, Wish]]()
        for profile in self._caches.profiles.views():
            try:
                wish = Wish.from_resource(profile)
            except InvalidManifest:  # the condition Valid says so
                continue
            if wish and "deletionTimestamp" not in profile["metadata"]:
                wishes[profile["metadata"]["name"]] = profile, wish
        self._used = {name: used for name, used in self._used.items() if name in wishes}
        if not wishes:
            return {}
        sandboxes = await fetch_sandboxes(self._api)
        asking = {}
        for name, (resource, wish) in wishes.items():
            used = await self._fetch_used(name) if wish.from_workloads else dict[str, int]()
            asking[name] = _Asking(wish, self._find_place(resource, sandboxes), wish.choose(used))
        return asking

    async def _fetch_used(self, profile: str) -> Mapping[str, int]:
        now, used = self._clock.monotonic(), self._used.get(profile)
        if used is None or now - used.at >= USED_SECONDS:
            used = self._used[profile] = _Used(now, await fetch_used(self._api, profile))
            self.controller.note_progress()
        return used.counts

    def _find_place(self, profile: Manifest, sandboxes: Mapping[str, Sandbox]) -> Place | None:
        metadata, spec = profile["metadata"], profile.get("spec") or {}
        current = str((profile.get("status") or {}).get("runtimeClassName") or "")
        handlers = {name: sandbox.handler for name, sandbox in sandboxes.items()}
        sandbox = sandboxes.get(str(spec.get("runtimeClassName") or self._choose_sandbox(handlers, current)))
        zones = tuple(spec.get("subnets") or ())
        return Place(metadata["name"], metadata["uid"], sandbox, zones) if sandbox else None

    async def _write(self, asking: Mapping[str, _Asking], rollouts: dict[str, Rollout]) -> dict[str, str]:
        """Applies what differs and deletes what is left over; what the API server refuses, by profile.

        `rollouts` are those that there are, and afterwards those that there are then.
        """
        wanted, failures = set[str](), dict[str, str]()
        for name, each in asking.items():
            for body in self._build(each):
                if failure := await self._apply(body, rollouts):
                    failures[name] = failure
                wanted.add(body["metadata"]["name"])
        for name in rollouts.keys() - wanted:
            rollout = rollouts.pop(name)
            if not rollout.is_going:
                await self._api.delete(DAEMON_SETS.path(name, self._options.namespace), rollout.uid)
        self._written = {name: written for name, written in self._written.items() if name in wanted}
        self._refused &= wanted
        return failures

    def _build(self, asking: _Asking) -> list[dict[str, Any]]:
        """The DaemonSets that a profile asks for."""
        pause, namespace, built = self._options.pause_image, self._options.namespace, list[dict[str, Any]]()
        for source, images in asking.chosen.items():
            if asking.place and images:
                secrets = asking.wish.secrets if source is Source.SPEC else ()
                built.append(build_daemon_set(asking.place, source, images, secrets, pause, namespace))
        return built

    async def _apply(self, body: dict[str, Any], rollouts: dict[str, Rollout]) -> str:
        """Applies a DaemonSet that isn't as it was applied last; why that is refused, "" if it isn't."""
        name, namespace = body["metadata"]["name"], self._options.namespace
        known, existing = self._written.get(name), rollouts.get(name)
        if existing and known == _Written(body, existing.uid, existing.generation):
            return ""
        path, subject = DAEMON_SETS.path(name, namespace), f"DaemonSet {name}"
        try:
            if existing and (name in self._refused or (known and known.body == body)):
                # Someone has changed it, perhaps by fields that an apply leaves as they are and the policy refuses.
                await self._api.delete(path, existing.uid)
            answer = await self._api.apply(path, body)
        except ApiError as error:
            WRITES.labels("daemonsets", "failed").inc()
            self._problems.report(subject, str(error))
            self._refused.add(name)
            return f"DaemonSet {name} of {namespace} can't be written: {error.message}"
        WRITES.labels("daemonsets", "ok").inc()
        self._problems.clear(subject)
        self._refused.discard(name)
        rollout = rollouts[name] = Rollout.from_resource(answer)
        self._written[name] = _Written(body, rollout.uid, rollout.generation)
        return ""

    async def _fetch_keepers(self, of_profile: Mapping[str, list[Rollout]]) -> Mapping[str, list[Keeper]]:
        if all(rollout.is_complete for rollouts in of_profile.values() for rollout in rollouts):
            return {}
        return await fetch_keepers(self._api, self._options.namespace, self._options.pause_image)

    def _observe(
        self, profile: str, asking: _Asking, rollouts: list[Rollout], keepers: Sequence[Keeper], failure: str
    ) -> Outcome:
        if asking.place is None:
            return NoSandbox()
        if failure:
            return Unwritten(failure)
        before = self._outcomes.get(profile)
        images = sorted(image for chosen in asking.chosen.values() for image in chosen)
        warmth = observe_images(images, rollouts, keepers, before.warmth if isinstance(before, Kept) else None)
        return Kept(asking.chosen, warmth)

    def contribute(self, statuses: Mapping[str, Manifest], now: str) -> dict[str, Contribution]:
        """What to say of each profile; `statuses` are those that they have, `now` is an RFC 3339 time."""
        return {name: self._contribute(name, status) for name, status in statuses.items()}

    def _contribute(self, name: str, status: Manifest) -> Contribution:
        profile = self._caches.profiles.find("", name)
        if not (profile and (profile.get("spec") or {}).get("warmImages") is not None):
            return Contribution()
        if outcome := self._outcomes.get(name):
            return contribute_images(outcome)
        kept = status.get("warmImages")
        return Contribution((NOT_READ,), {"warmImages": kept} if kept else {})


def _read_spec(profile: Manifest | None) -> tuple[object, ...]:
    metadata = (profile or {}).get("metadata") or {}
    return metadata.get("uid"), metadata.get("deletionTimestamp"), (profile or {}).get("spec")
