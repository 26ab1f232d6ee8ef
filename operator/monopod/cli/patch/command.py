"""`kubectl fargate patch plan`: reads a RuntimeClass, its pods, their nodes and budgets, and decides."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from monopod.api.names import PATCHED_ANNOTATION, PROFILE_LABEL
from monopod.cli.failure import Missing, UnreadableInput
from monopod.cli.live import Cluster, Json
from monopod.cli.patch.forecast import PatchPlan, Terms, build_plan
from monopod.eviction.rules.budgets import Budget
from monopod.kube.client.api import ApiError
from monopod.kube.objects.resources import DISRUPTION_BUDGETS, NODES, PODS, RUNTIME_CLASSES
from monopod.patching.rules.staleness import MAX_WAIT, InvalidDate, Patch, read_date
from monopod.patching.rules.windows import InvalidWindow, Window, build_window, parse_duration

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, as the options say it."""

    runtime_class: str
    date: str | None
    wait: str
    max_age: str | None
    schedules: Sequence[str]
    duration: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class _Settings:
    date: datetime.datetime | None
    wait: datetime.timedelta
    max_age: datetime.timedelta | None
    windows: tuple[Window, ...]


def read_settings(question: Question, now: datetime.datetime) -> _Settings:
    """Reads the options, before anybody is asked; `now` is the time, after which nothing was patched.

    Raises:
        UnreadableInput: one of them can't be read.
    """
    try:
        zone = ZoneInfo(question.time_zone)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError with a path in it
        raise UnreadableInput(f"--time-zone: {question.time_zone!r} is no time zone.") from None
    except KeyError:
        raise UnreadableInput(f"--time-zone: there is no time zone {question.time_zone!r}.") from None
    option = "--date"
    try:
        date = read_date(question.date) if question.date is not None else None
        if date and date > now:
            raise InvalidDate("lies in the future: no sandbox is older yet; give the time at which the nodes were done")
        option = "--wait"
        wait = parse_duration(question.wait)
        if wait > MAX_WAIT:
            raise InvalidWindow(f"is at most {MAX_WAIT.days} days")
        option = "--max-pod-age"
        max_age = parse_duration(question.max_age) if question.max_age is not None else None
        option = "--duration"
        duration = parse_duration(question.duration)
        option = "--window"
        windows = tuple(build_window(schedule, duration, zone) for schedule in question.schedules)
    except (InvalidDate, InvalidWindow) as problem:
        raise UnreadableInput(f"{option}: {problem}.") from None
    return _Settings(date, wait, max_age, windows)


def plan_patch(cluster: Cluster, question: Question, settings: _Settings, now: datetime.datetime) -> PatchPlan:
    """What a patch of the RuntimeClass means for the pods that run by it.

    Raises:
        Missing: there is no such RuntimeClass.
        UnreadableInput: nothing says when it was patched.
        ApiError: the API server refuses.
        ApiUnreachable: it can't be reached.
    """
    runtime_class = _fetch_runtime_class(cluster, question.runtime_class)
    date = settings.date or _read_annotation(runtime_class)
    if date is None and settings.max_age is None:
        raise UnreadableInput(
            f"RuntimeClass {question.runtime_class} doesn't say when it was patched: give --date or --max-pod-age, or "
            f"annotate it with {PATCHED_ANNOTATION}."
        )
    patch = Patch(question.runtime_class, date, now) if date else None
    terms = Terms(question.runtime_class, patch, settings.wait, settings.max_age, settings.windows, now)
    pods = cluster.list_items(PODS.list_path(), {"labelSelector": PROFILE_LABEL})
    nodes = cluster.list_items(NODES.list_path())
    budgets = [Budget.from_resource(each) for each in cluster.list_items(DISRUPTION_BUDGETS.list_path())]
    return build_plan(terms, pods, nodes, budgets)


def _fetch_runtime_class(cluster: Cluster, name: str) -> Json:
    try:
        return cluster.get(RUNTIME_CLASSES.path(name))
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        raise Missing(f"There is no RuntimeClass {name}.") from None


def _read_annotation(runtime_class: Json) -> datetime.datetime | None:
    metadata = runtime_class["metadata"]
    text = (metadata.get("annotations") or {}).get(PATCHED_ANNOTATION)
    try:
        return None if text is None else read_date(text)
    except InvalidDate as problem:
        place = f"RuntimeClass {metadata['name']}: metadata.annotations[{PATCHED_ANNOTATION}]"
        raise UnreadableInput(f"{place}: {problem}.") from None
