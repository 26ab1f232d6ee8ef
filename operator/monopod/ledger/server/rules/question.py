"""What a question about usage says, read strictly: what isn't understood is refused by the name of its parameter.

A parameter that is silently ignored would answer another question than the one that was asked, and look right.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from monopod.kube.objects.label_selector import is_label_key

_DURATION: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_WORKLOAD: Final = re.compile(rf"[A-Z][A-Za-z]{{0,62}}/{_NAME.pattern}")
_TIMES: Final = "a duration such as 24h or 7d, today, month, a date, or a time such as 2026-11-01T00:00:00Z"
_LABEL: Final = "label="
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class InvalidQuestion(Exception):
    """A parameter can't be understood.

    Attributes:
        parameter: its name.
        message: a sentence that names it.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.message = message


class Subject(StrEnum):
    """What costs are summed by."""

    NAMESPACE = "namespace"
    PROFILE = "profile"
    WORKLOAD = "workload"
    POD = "pod"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when, in milliseconds: whole seconds, the end not included."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a span of time.

    Attributes:
        span: from when until when.
        by: what is summed by.
        label: the label's key, if that is it.
        namespaces: those that are asked for; empty: all that the user may see.
        name: the pod's name, if one is asked for.
        workload: the workload, as `Job/x`, if one is asked for.
        uid: the pod's uid, if one is asked for.
    """

    span: Span
    by: Subject = Subject.NAMESPACE
    label: str = ""
    namespaces: frozenset[str] = frozenset()
    name: str = ""
    workload: str = ""
    uid: str = ""


def read_question(query: Sequence[tuple[str, str]], allowed: frozenset[str], now: int) -> Question:
    """Reads a query.

    Args:
        query: its parameters, as they came.
        allowed: the names of those that this kind of question has.
        now: the present, in milliseconds.

    Raises:
        InvalidQuestion: one of them is unknown, given twice, or not understood.
    """
    given: dict[str, str] = {}
    namespaces = set[str]()
    for name, value in query:
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise InvalidQuestion(name, f"There is no parameter {name!r} here; there are: {known}.")
        if name == "namespace":
            namespaces.add(_check(name, value, _NAMESPACE, "the name of a namespace"))
        elif name in given:
            raise InvalidQuestion(name, f"{name} is given twice.")
        else:
            given[name] = value
    by, label = _read_subject(given.get("by", Subject.NAMESPACE))
    return Question(
        _read_span(given, now),
        by,
        label,
        frozenset(namespaces),
        _check("pod", given.get("pod"), _NAME, "the name of a pod"),
        _check("workload", given.get("workload"), _WORKLOAD, "a kind and a name, such as Job/nightly"),
        _check("uid", given.get("uid"), re.compile(r"[0-9A-Za-z-]{1,64}"), "the uid of a pod"),
    )


def _check(name: str, value: str | None, pattern: re.Pattern[str], what: str) -> str:
    if value is None:
        return ""
    if not pattern.fullmatch(value):
        raise InvalidQuestion(name, f"{name} must be {what}, not {value!r}.")
    return value


def _read_subject(text: str) -> tuple[Subject, str]:
    if text.startswith(_LABEL):
        key = text.removeprefix(_LABEL)
        if not is_label_key(key):
            raise InvalidQuestion("by", f"by=label= must be followed by the key of a label, not {key!r}.")
        return Subject.LABEL, key
    if text == Subject.LABEL or text not in set(Subject):
        raise InvalidQuestion("by", f"by must be namespace, profile, workload, pod or label=KEY, not {text!r}.")
    return Subject(text), ""


def _read_span(given: Mapping[str, str], now: int) -> Span:
    present = datetime.fromtimestamp(now // 1000, UTC)
    since = _read_time("since", given.get("since", "month"), present)
    until = min(_read_time("until", given["until"], present), present) if "until" in given else present
    if since > present:
        raise InvalidQuestion("since", f"since is in the future: {since:%Y-%m-%dT%H:%M:%SZ}.")
    if until < since:
        raise InvalidQuestion(
            "until", f"until ({until:%Y-%m-%dT%H:%M:%SZ}) is before since ({since:%Y-%m-%dT%H:%M:%SZ})."
        )
    return Span(int(since.timestamp()) * 1000, int(until.timestamp()) * 1000)


def _read_time(name: str, text: str, now: datetime) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0)
    words = {"now": now, "today": midnight, "month": midnight.replace(day=1)}
    if text in words:
        return words[text]
    try:
        if found := _DURATION.fullmatch(text):
            seconds = int(found[1]) * _SECONDS[found[2]]
            return now - timedelta(seconds=min(seconds, int(now.timestamp())))
        if _DATE.fullmatch(text) or _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text).replace(microsecond=0)
            return max(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC), _EPOCH)
    except (ValueError, OverflowError):
        pass  # the thirtieth of February, or longer ago than there are dates
    raise InvalidQuestion(name, f"{name} must be {_TIMES}, not {text!r}.")
