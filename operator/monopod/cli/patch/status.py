"""`kubectl fargate patch status`: where the patching of profiles stands, as their statuses say."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from monopod.api.reasons import ConditionType, Reason
from monopod.cli.live import Cluster
from monopod.cli.output.rows import write_json
from monopod.cli.output.terminal import build_grid, print_lines

Json = Mapping[str, Any]

_STANDING_STILL: Final = (
    Reason.PATCH_WINDOW_INVALID,
    Reason.PATCH_DATE_INVALID,
    Reason.PAUSED,
    Reason.PODS_NOT_LISTED,
)
"""Reasons of the condition for which nothing goes on, and which no column shows."""


def fetch_statuses(cluster: Cluster, names: Sequence[str]) -> list[Json]:
    """What the statuses of these profiles say, of all if none is named.

    Raises:
        Missing: there is no such profile.
        ApiError: the API server refuses.
        ApiUnreachable: it can't be reached.
    """
    profiles = [cluster.read_profile(name) for name in names] if names else cluster.list_profiles(deleting=True)
    return [_build_report(profile) for profile in profiles]


def _build_report(profile: Json) -> Json:
    status = profile.get("status") or {}
    told = status.get("patching") or {}
    conditions = status.get("conditions") or ()
    none: Json = {}
    condition = next((one for one in conditions if one["type"] == ConditionType.PATCHED), none)
    return {
        "profile": profile["metadata"]["name"],
        "runtimeClassName": status.get("runtimeClassName"),
        "phase": told.get("phase"),
        "reason": condition.get("reason"),
        "message": condition.get("message"),
        **{key: told.get(key) for key in ("patched", "noticedAt", "evictionsFrom", "finishedAt", "zone")},
        **{key: told.get(key, 0) for key in ("pods", "replaced", "stale", "blocked", "left")},
        "blockers": told.get("blockers", []),
        "terminations": told.get("terminations", []),
    }


def write_statuses(reports: Sequence[Json], output: str) -> None:
    """Writes them, as `text` or `json`."""
    if output == "json":
        write_json({"profiles": reports})
    elif reports:
        print_lines(_build_table(reports), *_describe(reports))
    else:
        print_lines("There are no profiles.")


def _build_table(reports: Sequence[Json]) -> Table:
    table = build_grid(7)
    table.add_row("profile", "phase", "replaced", "blocked", "left", "patched", "evictions from", style="dim")
    for each in reports:
        if each["phase"] is None:
            # Nothing was ever to be replaced, or no one knows.
            table.add_row(each["profile"], "-" if each["reason"] == Reason.SANDBOXES_CURRENT else "unknown", *"-----")
            continue
        counts = f"{each['replaced']}/{each['pods']}", str(each["blocked"]), str(each["left"])
        phase = Text(each["phase"], "red" if each["phase"] == "Overdue" else "")
        table.add_row(each["profile"], phase, *counts, each["patched"] or "-", each["evictionsFrom"] or "-")
    return table


def _describe(reports: Sequence[Json]) -> Iterator[str]:
    """Why nothing goes on, why pods stay, and which are to be terminated when."""
    for each in reports:
        if each["reason"] in _STANDING_STILL:
            yield f"{each['profile']}: {each['reason']}: {each['message']}"
        for blocker in each["blockers"]:
            yield f"{each['profile']}: {blocker['pods']} × {blocker['reason']}: {blocker['message']}"
        for one in each["terminations"]:
            pod, at = f"{one['namespace']}/{one['name']}", one["scheduledTerminationTime"]
            yield f"{each['profile']}: {pod} can't be evicted; its scheduled termination is {at}"
