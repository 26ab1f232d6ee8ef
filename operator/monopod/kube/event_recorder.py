"""Kubernetes Events about profiles and pods: each is posted once, repetitions are counted, and there are bounds.

    state       ──► posted within the hour? ── yes: nothing to do
                       └── no ──► within the bounds? ── no: recorded again later
                                     └── yes ──► posted; one that exists is left as it is
    occurrence  ──► within the bounds? ── no: counted with the next
                       └── yes ──► posted; one that exists is counted ("x2 over 5m")

An event's name follows from what it says and of which object, so an operator that starts again, and remembers nothing,
posts no second copy. What it may not do is read events: an empty patch answers with the event instead.
"""

import datetime
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.api.names import EVENT_SOURCE
from monopod.api.reasons import Documented, EventType
from monopod.kube.client.api import Api, ApiError, ServerTrouble
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import EVENTS

# Events of cluster-scoped objects live in this namespace, by Kubernetes' convention.
CLUSTER_NAMESPACE = "default"
MESSAGE_LIMIT = 1024
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
# An operator that was killed before a status could say that something happened records it again when it is back.
SAME_OCCURRENCE_SECONDS = 300.0
# How long a namespace isn't asked again that refused an event, because it is being deleted or has a quota, or where the
# API server had trouble with one, perhaps with a webhook.
REFUSED_SECONDS = 60.0
# The API server has forgotten an event by then, if it keeps them for an hour, as it does by default.
FORGOTTEN_SECONDS = 3900.0
MOST_REMEMBERED = 20_000

Reference = Mapping[str, str]
"""An object reference: apiVersion, kind, name, uid, namespace."""

Recording = Callable[[Reference, EventType, Documented, str], Awaitable[object]]
"""Either of the recorder's methods."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many at once, and after that one in how many seconds."""

    burst: float
    every: float


# As client-go's recorder has it.
OF_AN_OBJECT = Rate(25, 300.0)
# The owners of a namespace may create, delete and change pods without end. Events of cluster-scoped objects have no
# such bound: only administrators create profiles.
OF_A_NAMESPACE = Rate(200, 0.1)
# A controller that records the states of thousands of pods has other work, too.
OF_ALL_NAMESPACES = Rate(300, 0.03)


def refer_to_pod(namespace: str, name: str, uid: str) -> Reference:
    """A reference to a pod."""
    return {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": uid}


def refer_to_namespace(name: str, uid: str) -> Reference:
    """A reference to a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "name": name, "uid": uid}


class _Allowance:
    """What a rate leaves to each of many keys. Of many thousands the one that was used least recently is forgotten."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count_left(self, key: str) -> float:
        """How many there may be now."""
        now = self._clock.monotonic()
        left, at = self._left.get(key, (self._rate.burst, now))
        return min(self._rate.burst, left + (now - at) / self._rate.every)

    def take(self, key: str) -> None:
        """Counts one more."""
        self._left[key] = (self.count_left(key) - 1, self._clock.monotonic())
        self._left.move_to_end(key)
        if len(self._left) > MOST_REMEMBERED:
            self._left.popitem(last=False)


@dataclass(slots=True)
class _Known:
    """An event that was posted: when, how often it happened, and how often it says that it did."""

    posted_at: float
    count: int = 1
    written: int = 1


class EventRecorder:
    """Posts the events of all controllers."""

    def __init__(self, api: Api, problems: ProblemLog, clock: Clock = SYSTEM_CLOCK) -> None:
        self._api = api
        self._problems = problems
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._refusing: dict[str, float] = {}
        """Namespaces that refused an event, and until when they aren't asked again."""
        self._troubled: dict[str, float] = {}
        """The same of namespaces where the API server had trouble: what there is to say of them isn't said yet."""
        self._of_objects = _Allowance(OF_AN_OBJECT, clock)
        self._of_namespaces = _Allowance(OF_A_NAMESPACE, clock)
        self._of_all = _Allowance(OF_ALL_NAMESPACES, clock)

    async def record_state(self, about: Reference, event_type: EventType, reason: Documented, message: str) -> bool:
        """Records a state: once, however often it is called.

        Returns:
            False if there were too many events, or the API server has trouble with those of the namespace, so that it
            has to be recorded again later.

        Raises:
            ApiUnreachable: no answer, so it has to be recorded again.
        """
        digest = _digest(about, reason, message)
        known = self._known.get(digest)
        if known and self._clock.monotonic() - known.posted_at < FORGOTTEN_SECONDS:
            self._known.move_to_end(digest)
            return True
        if self._is_paused(self._refusing, about):
            return True
        if self._is_paused(self._troubled, about) or not self._is_allowed(about):
            return False
        try:
            await self._create(digest, about, event_type, reason, message)
        except ServerTrouble as trouble:
            # Perhaps a webhook that fails in this namespace alone: other states don't wait for it.
            self._problems.report(_compute_subject(about), str(trouble))
            self._pause(self._troubled, about)
            return False
        return True

    async def record_occurrence(
        self, about: Reference, event_type: EventType, reason: Documented, message: str
    ) -> None:
        """Records that something has happened, or has happened once more. What is beyond the bounds is counted later.

        Raises:
            ApiUnreachable: no answer, so it has to be recorded again.
        """
        digest = _digest(about, reason, message)
        known = self._known.get(digest)
        if known:
            known.count += 1
            self._known.move_to_end(digest)
        if any(self._is_paused(each, about) for each in (self._refusing, self._troubled)):
            return
        if not self._is_allowed(about):
            return
        if known is None:
            if await self._create(digest, about, event_type, reason, message):
                return
            known = await self._fetch_repetition(digest, about)
        if known and not await self._write_count(digest, about, known):
            # The API server has forgotten it: events live for an hour, by default.
            self._known.pop(digest, None)
            await self._create(digest, about, event_type, reason, message)

    def _is_paused(self, pauses: dict[str, float], about: Reference) -> bool:
        namespace = _get_namespace(about)
        if pauses.get(namespace, 0.0) > self._clock.monotonic():
            return True
        pauses.pop(namespace, None)
        return False

    def _pause(self, pauses: dict[str, float], about: Reference) -> None:
        now = self._clock.monotonic()
        for name in [name for name, until in pauses.items() if until <= now]:
            del pauses[name]
        pauses[_get_namespace(about)] = now + REFUSED_SECONDS

    def _is_allowed(self, about: Reference) -> bool:
        allowances = [(self._of_objects, about["uid"])]
        if namespace := about.get("namespace"):
            allowances += [(self._of_namespaces, namespace), (self._of_all, "")]
        if any(allowance.count_left(key) < 1 for allowance, key in allowances):
            return False
        for allowance, key in allowances:
            allowance.take(key)
        return True

    async def _create(
        self, digest: str, about: Reference, event_type: EventType, reason: Documented, message: str
    ) -> bool:
        """Posts an event; False if there is one already."""
        event = build_event(about, event_type, reason, message, self._clock.now())
        self._remember(digest)  # before it is there: another worker may record the same meanwhile
        try:
            await self._api.create(_get_collection(about), event)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return False
            if error.status == 409:
                self._known.pop(digest, None)  # a quota of events that others changed at that moment
            self._note_refusal(about, error)
            return True
        except BaseException:
            self._known.pop(digest, None)
            raise
        self._problems.clear(_compute_subject(about))
        WRITES.labels("events", "ok").inc()
        return True

    def _remember(self, digest: str) -> None:
        self._known[digest] = _Known(self._clock.monotonic())
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _note_refusal(self, about: Reference, error: ApiError) -> None:
        """Doesn't send what was refused again, and leaves the namespace alone for a while."""
        WRITES.labels("events", "failed").inc()
        if error.status == 404 or error.has_cause("NamespaceTerminating"):
            self._pause(self._refusing, about)  # it is being deleted, or is gone, so there is no one to tell
            return
        self._problems.report(_compute_subject(about), str(error))
        if error.status == 403:
            self._pause(self._refusing, about)

    async def _fetch_repetition(self, digest: str, about: Reference) -> _Known | None:
        """An event that exists and that this process hasn't posted, counted once more; None if that would be a copy."""
        event = await self._patch(digest, about, {})
        if event is None:
            return None
        age = self._clock.now() - _read_time(event.get("lastTimestamp"))
        known = self._known.setdefault(digest, _Known(self._clock.monotonic()))
        known.count = known.written = int(event.get("count") or 1)
        if age.total_seconds() <= SAME_OCCURRENCE_SECONDS:
            return None
        known.count += 1
        return known

    async def _write_count(self, digest: str, about: Reference, known: _Known) -> bool:
        """Writes on the event how often it happened; returns False if there is no such event any more."""
        count = known.count
        if count == known.written:
            return True  # another worker has said so
        known.written = count
        patch = {"count": count, "lastTimestamp": self._clock.now().strftime(TIME_FORMAT)}
        return await self._patch(digest, about, patch) is not None

    async def _patch(self, digest: str, about: Reference, patch: dict[str, Any]) -> dict[str, Any] | None:
        """The event after a patch; None if there is none."""
        try:
            event = await self._api.merge(f"{_get_collection(about)}/{_name_event(about, digest)}", patch)
        except ApiError as error:
            if error.status == 404:
                return None
            self._note_refusal(about, error)
            return patch
        WRITES.labels("events", "ok").inc()
        return event


def build_event(
    about: Reference, event_type: EventType, reason: Documented, message: str, now: datetime.datetime
) -> dict[str, Any]:
    """The event, first and last seen now."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": _name_event(about, _digest(about, reason, message)),
            "namespace": _get_namespace(about),
        },
        "involvedObject": dict(about),
        "type": str(event_type),
        "reason": str(reason),
        "message": _cut(message),
        "source": {"component": EVENT_SOURCE},
        "firstTimestamp": now.strftime(TIME_FORMAT),
        "lastTimestamp": now.strftime(TIME_FORMAT),
        "count": 1,
    }


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_LIMIT else f"{message[: MESSAGE_LIMIT - 1]}…"


def _digest(about: Reference, reason: str, message: str) -> str:
    return hashlib.sha256("\0".join((about["uid"], reason, _cut(message))).encode()).hexdigest()[:16]


def _name_event(about: Reference, digest: str) -> str:
    return f"{about['name'][:230]}.{digest}"


def _get_namespace(about: Reference) -> str:
    return about.get("namespace") or CLUSTER_NAMESPACE


def _get_collection(about: Reference) -> str:
    return EVENTS.list_path(_get_namespace(about))


def _compute_subject(about: Reference) -> str:
    return f"events in namespace {_get_namespace(about)}"


def _read_time(value: Any) -> datetime.datetime:
    """When an event was last seen; long ago if it doesn't say so in our format."""
    try:
        return datetime.datetime.strptime(str(value), TIME_FORMAT).replace(tzinfo=datetime.UTC)
    except ValueError:
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)
