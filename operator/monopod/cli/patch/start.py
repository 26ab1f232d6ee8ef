"""`kubectl fargate patch RUNTIMECLASS`: writes when its sandbox was patched, and says what comes of it."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from monopod.api.names import PATCH_REASON_ANNOTATION, PATCHED_ANNOTATION, PROFILE_LABEL
from monopod.cli.failure import Missing, UnreadableInput
from monopod.cli.live import NOT_FOUND, Cluster
from monopod.cli.output.rows import write_json
from monopod.cli.output.terminal import build_grid, print_lines
from monopod.kube.client.api import ApiError
from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.kube.objects.resources import PODS, RUNTIME_CLASSES
from monopod.kube.objects.timestamps import format_time
from monopod.patching.rules.settings import PatchingSettings
from monopod.patching.rules.staleness import InvalidDate, Patch, find_stale, read_date
from monopod.patching.rules.windows import find_next


@dataclass(frozen=True, slots=True)
class ProfilePatch:
    """What becomes of a profile's pods; `evictions_from` is when the first may go, None if none has to."""

    profile: str
    stale: int
    pods: int
    evictions_from: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Started:
    """A patch that was written, or would be."""

    runtime_class: str
    date: datetime.datetime
    reason: str
    dry_run: bool
    profiles: tuple[ProfilePatch, ...]


def start_patch(
    cluster: Cluster, name: str, date: str | None, reason: str, now: datetime.datetime, *, dry_run: bool
) -> Started:
    """Writes the date and the reason on the RuntimeClass.

    Raises:
        Missing: there is no such RuntimeClass.
        UnreadableInput: the date can't be read, or lies in the future.
        ApiError: the API server refuses.
        ApiUnreachable: it can't be reached.
    """
    try:
        moment = read_date(date).replace(microsecond=0) if date is not None else now.replace(microsecond=0)
    except InvalidDate as problem:
        raise UnreadableInput(f"--date: {problem}.") from None
    if moment > now:
        raise UnreadableInput("--date: lies in the future; give the time at which the last node was done.")
    profiles = tuple(_list_profiles(cluster, name, moment, now))
    annotations = {PATCHED_ANNOTATION: format_time(moment), PATCH_REASON_ANNOTATION: reason}
    try:
        if dry_run:
            cluster.get(RUNTIME_CLASSES.path(name))
        else:
            cluster.merge(RUNTIME_CLASSES.path(name), {"metadata": {"annotations": annotations}})
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        raise Missing(f"There is no RuntimeClass {name}.") from None
    return Started(name, moment, reason, dry_run, profiles)


def _list_profiles(
    cluster: Cluster, name: str, date: datetime.datetime, now: datetime.datetime
) -> Iterator[ProfilePatch]:
    pods = cluster.list_items(PODS.list_path(), {"labelSelector": PROFILE_LABEL})
    mine = [pod for pod in pods if Part(pod).child("spec").text("runtimeClassName") == name]
    for profile in cluster.list_profiles():
        try:
            settings = PatchingSettings.from_resource(profile)
        except InvalidManifest as problem:
            raise UnreadableInput(f"FargateProfile {profile['metadata']['name']}: {problem}.") from None
        own = [pod for pod in mine if pod["metadata"]["labels"].get(PROFILE_LABEL) == settings.profile]
        if own or settings.runtime_class == name:
            stale = [pod for pod in own if find_stale(pod, Patch(name, date, now), settings.wait, None, now)]
            begins = find_next(settings.windows, now + settings.wait) if stale else None
            yield ProfilePatch(settings.profile, len(stale), len(own), begins)


def write_started(started: Started, output: str) -> None:
    """Writes what was done, as `text` or `json`."""
    if output == "json":
        write_json(build_report(started))
        return
    verb = "would be dated" if started.dry_run else "is dated"
    head = f"RuntimeClass {started.runtime_class} {verb} as patched at {format_time(started.date)}."
    print_lines(head, *((_build_table(started),) if started.profiles else ("No profile runs pods by it.",)))


def _build_table(started: Started) -> Table:
    table = build_grid(4)
    table.add_row("profile", "out of date", "pods", "evictions from", style="dim")
    for each in started.profiles:
        begins = format_time(each.evictions_from) if each.evictions_from else ""
        table.add_row(each.profile, str(each.stale), str(each.pods), begins)
    return table


def build_report(started: Started) -> Mapping[str, Any]:
    """The object that is written as JSON."""
    return {
        "runtimeClassName": started.runtime_class,
        "patched": format_time(started.date),
        "reason": started.reason,
        "dryRun": started.dry_run,
        "profiles": [
            {
                "profile": each.profile,
                "stale": each.stale,
                "pods": each.pods,
                "evictionsFrom": format_time(each.evictions_from) if each.evictions_from else None,
            }
            for each in started.profiles
        ],
    }
