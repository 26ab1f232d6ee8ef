"""When the pods of a profile are replaced because their sandboxes are out of date: `spec.patching`, and its status.

The rules refuse what CEL can read of a schedule. What it can't (ranges that run backwards, a 30 February) the condition
Patched says.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, WithJsonSchema

from monopod.api.parts import ATOMIC_LIST, Part
from monopod.api.rules import Rule

MAX_WINDOWS: Final = 10
MAX_TERMINATIONS: Final = 200
"""How many scheduled terminations a profile's status has room for. Pods beyond have theirs once others have gone."""

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def _build_field(item: str) -> str:
    part = rf"([*]|({item})(-({item}))?)(/[0-9]{{1,2}})?"
    return f"{part}(,{part})*"


_NUMBERS: Final = {
    "minute": "[0-5]?[0-9]",
    "hour": "[01]?[0-9]|2[0-3]",
    "day": "0?[1-9]|[12][0-9]|3[01]",
    "month": "0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec",
    "weekday": "[0-7]|sun|mon|tue|wed|thu|fri|sat",
}
_FIELDS: Final = "[ ]+".join(map(_build_field, _NUMBERS.values()))
_SCHEDULE: Final = f"^(?i)({_FIELDS}|@(hourly|daily|midnight|weekly|monthly))$"

_IN_MINUTES: Final = """int(self.substring(0, self.size() - 1)) *
    (self.endsWith('d') ? 1440 : self.endsWith('h') ? 60 : 1)"""


def _lasts(least: int, most: int | None, words: str) -> Rule:
    bound = "" if most is None else f" && {_IN_MINUTES} <= {most}"
    return Rule(
        f"self.matches('^[0-9]{{1,5}}[dhm]$') && {_IN_MINUTES} >= {least}{bound}",
        f"must be a number of days, hours or minutes, as in 7d, 36h or 90m, {words}",
    )


Wait = Annotated[str, Field(max_length=6), _lasts(0, 14 * 1440, "at most 14 days")]
Duration = Annotated[str, Field(max_length=6), _lasts(15, 7 * 1440, "from 15 minutes to 7 days")]
Age = Annotated[str, Field(max_length=6), _lasts(60, None, "at least an hour")]


class PatchWindow(Part):
    """A time in which pods may be evicted, again and again."""

    schedule: Annotated[
        str,
        Field(max_length=100),
        Rule(
            f"self.matches('{_SCHEDULE}')",
            "must be a schedule of cron's five fields (minute, hour, day of the month, month, day of the week), as in "
            "0 2 * * SAT, or one of @hourly, @daily, @weekly and @monthly",
        ),
    ]
    """When it opens, in cron's five fields: `0 2 * * SAT`."""

    duration: Duration
    """How long it stays open: `4h`; from 15 minutes to 7 days."""

    time_zone: Annotated[
        str,
        Field(max_length=64),
        Rule(
            "self.matches('^[A-Z][-A-Za-z0-9_+]*(/[-A-Za-z0-9_+]+){0,2}$') && "
            "timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0",
            "must be the name of a time zone, as in Europe/Berlin",
        ),
    ] = "UTC"
    """Whose clocks the schedule means: `Europe/Berlin`."""


class Patching(Part):
    """When pods are evicted because their sandboxes are older than the date of the last patch, which the annotation
    monopod.dev/patched of their RuntimeClass says.
    """

    wait: Wait = "7d"
    """From the notice of a patch to the first eviction; at most 14 days. Meanwhile pods that their owners replace
    themselves are done with."""

    windows: Annotated[list[PatchWindow], Field(max_length=MAX_WINDOWS, json_schema_extra=ATOMIC_LIST)] = Field(
        default_factory=list
    )
    """When pods may be evicted; at most 10. Default: at any time."""

    max_pod_age: Age | None = None
    """How old a sandbox may become, whether or not there was a patch: `720h`; at least an hour. Default: any age."""

    on_node_maintenance: Literal["Ignore", "Move"] = "Ignore"
    """What becomes of pods on a node that is about to be taken away: cordoned, tainted by Karpenter or AWS's node
    termination handler, or with the condition MaintenancePlanned. Ignore: nothing. Move: they are evicted, without
    waiting for a window."""

    overdue: Literal["Keep", "Delete"] = "Keep"
    """What becomes of a pod that still can't be evicted when its scheduled termination has come, three days after the
    first refusal. Keep: it stays, and the profile says so. Delete, as on EKS: it is deleted, whatever its
    PodDisruptionBudgets say."""


class ScheduledTermination(Part):
    """A pod whose eviction was refused."""

    namespace: str
    """The pod's namespace."""

    name: str
    """The pod's name."""

    uid: str
    """The pod's uid."""

    refused_at: Time
    """When its eviction was refused for the first time."""

    scheduled_termination_time: Time
    """When it is to be terminated: three days later, in a window."""

    evict_error_message: Annotated[str, Field(max_length=512)] = ""
    """Why its eviction was refused, in the words of the API server."""

    announced: bool = False
    """Whether the event about it has been posted. There is one and no second."""


class PatchBlocker(Part):
    """Why some pods aren't replaced."""

    reason: str
    """The reason, as one CamelCase word."""

    message: str
    """The same for a person."""

    pods: Annotated[int, Field(ge=0)]
    """The number of pods concerned."""

    examples: Annotated[list[str], Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """Some of them, as NAMESPACE/NAME."""


class PatchNotice(Part):
    """A patch that the operator noticed: a date, and pods that are older."""

    runtime_class_name: str
    """The RuntimeClass that was patched, in which pods of the profile ran."""

    patched: Time
    """Its date."""

    noticed_at: Time
    """When it was noticed; the wait of these pods counts from here."""


class ProfilePatching(Part):
    """Where the replacement of out-of-date sandboxes stands. pods = replaced + stale."""

    phase: Literal["Noticed", "Waiting", "Evicting", "Overdue", "Done"]
    """Noticed: sandboxes are out of date, and the wait isn't over. Waiting: pods may be evicted, and no window is open.
    Evicting: they are. Overdue: all that are left were refused, and should have gone since. Done: none is left."""

    patched: Time | None = None
    """The date of the patch that was noticed last; absent if there was none."""

    noticed_at: Time | None = None
    """When the operator noticed that patch, and that pods are older; the round began then."""

    evictions_from: Time | None = None
    """When the next pod may be evicted; absent while pods are."""

    finished_at: Time | None = None
    """When no pod from before a patch was left for the first time."""

    notices: Annotated[list[PatchNotice], Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """The patches of each RuntimeClass that pods of the profile ran in: the profile's, and those that it had before."""

    progress: str
    """`replaced/pods`, for tables."""

    pods: Annotated[int, Field(ge=0)]
    """How many pods there were to replace in this round."""

    replaced: Annotated[int, Field(ge=0)]
    """How many of them have gone."""

    stale: Annotated[int, Field(ge=0)]
    """How many are left, those that can't be evicted among them."""

    blocked: Annotated[int, Field(ge=0)]
    """How many of these can't be evicted now."""

    left: Annotated[int, Field(ge=0)]
    """How many more are out of date, and stay, because nothing would replace them or because they work towards an
    end."""

    zone: str | None = None
    """The zone whose pods are evicted now."""

    blockers: Annotated[list[PatchBlocker], Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """Why pods are blocked or left."""

    terminations: Annotated[
        list[ScheduledTermination], Field(max_length=MAX_TERMINATIONS, json_schema_extra=ATOMIC_LIST)
    ] = Field(default_factory=list)
    """The pods whose evictions were refused, with the times at which they are to be terminated; at most 200. Others
    have theirs when some of these have gone."""
