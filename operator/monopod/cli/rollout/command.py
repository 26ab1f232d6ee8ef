"""`kubectl fargate rollout`: how far a profile's rescheduling is, as the profile's own status tells it.

    profile's status ──► Rollout ──► text, JSON, or a progress bar until it is done or can't go on

The operator decides all of it; here is only read, and on request `spec.paused` written.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import click

from monopod.api.reasons import ConditionType, Reason
from monopod.cli.failure import Missing, UnreadableInput
from monopod.cli.live import Cluster, describe_deletion
from monopod.cli.rollout.state import Blocker, Rollout, State
from monopod.kube.client.api import ApiUnreachable
from monopod.kube.objects.fields import InvalidProfile, Part
from monopod.kube.objects.resources import PROFILES

POLL_SECONDS: Final = 1.0
BLOCKED_SECONDS: Final = 30.0
"""How long nothing must have moved before a watch of blocked pods ends: a budget may refuse for a moment only."""
STALLED_SECONDS: Final = 900.0
"""After so long without any change a watch ends: longer than a replacement is given to become Ready."""
UNREACHABLE_SECONDS: Final = 60.0
"""For so long an API server that doesn't answer doesn't end the watch: it may be restarting."""


def read_rollout(resource: Mapping[str, object]) -> Rollout:
    """Reads a FargateProfile as the API server sends it.

    Raises:
        InvalidProfile: its status isn't one that the operator writes.
    """
    root = Part(resource, error=InvalidProfile)
    metadata, status = root.child("metadata"), root.child("status")
    found = next(
        (each for each in status.children("conditions") if each.text("type") == ConditionType.RESCHEDULED), None
    )
    told = status.child("rescheduling")
    # A status of before the last change, such as a resume, says nothing about it.
    current = status.number("observedGeneration") >= metadata.number("generation")
    return Rollout(
        metadata.text("name"),
        _compute_state(found) if found and current else State.UNKNOWN,
        found.text("message") if found else "the operator hasn't looked for pods of this profile yet",
        pods=told.number("pods"),
        moved=told.number("moved"),
        waiting=told.number("waiting"),
        blocked=told.number("blocked"),
        left=told.number("left"),
        started=told.text("startedAt"),
        blockers=tuple(
            Blocker(each.text("reason"), each.text("message"), each.number("pods"), each.texts("examples"))
            for each in told.children("blockers")
        ),
    )


def _compute_state(condition: Part) -> State:
    if condition.text("status") == "True":
        return State.DONE
    reason = condition.text("reason")
    if reason == Reason.RECREATION_OFF:
        return State.BLOCKED  # for as long as the installation stays as it is
    return State(reason) if reason in (State.MOVING, State.PAUSED, State.BLOCKED) else State.UNKNOWN


def fetch_rollout(cluster: Cluster, name: str) -> Rollout:
    """Asks the cluster.

    Raises:
        Missing: there is no such profile, or no longer.
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
        UnreadableInput: the profile's status isn't one that the operator writes.
    """
    try:
        return read_rollout(_read_profile(cluster, name))
    except InvalidProfile as problem:
        raise UnreadableInput(f"FargateProfile {name}: {problem}") from None


def _read_profile(cluster: Cluster, name: str) -> Mapping[str, Any]:
    resource = cluster.read_profile(name)
    if "deletionTimestamp" in resource["metadata"]:
        raise Missing(describe_deletion(name))
    return resource


def follow(
    fetch: Callable[[], Rollout], clock: Callable[[], float], wait: Callable[[float], None]
) -> Iterator[Rollout]:
    """Every state of a rescheduling until it is done, is paused, or has been blocked for some time.

    Args:
        fetch: asks the cluster.
        clock: any steady clock, in seconds.
        wait: waits for a number of seconds.

    Raises:
        ApiUnreachable: the API server has been away for some time.
    """
    stuck_since: float | None = None
    seen: Rollout | None = None
    answered = changed = clock()
    while True:
        try:
            rollout = fetch()
        except ApiUnreachable:
            if clock() - answered > UNREACHABLE_SECONDS:
                raise
            wait(POLL_SECONDS)
            continue
        answered = clock()
        if rollout.state is not State.BLOCKED or (seen and rollout.moved != seen.moved):
            stuck_since = None
        elif stuck_since is None:
            stuck_since = answered
        if seen is None or _count(rollout) != _count(seen):
            changed = answered
        seen = rollout
        yield rollout
        stuck = stuck_since is not None and answered - stuck_since >= BLOCKED_SECONDS
        stuck = stuck or answered - changed >= STALLED_SECONDS
        if rollout.state in (State.DONE, State.PAUSED) or stuck:
            return
        wait(POLL_SECONDS)


def _count(rollout: Rollout) -> tuple[object, ...]:
    return rollout.state, rollout.moved, rollout.waiting, rollout.blocked, rollout.left


def report(cluster: Cluster, name: str, output: str) -> None:
    """Writes how the rescheduling stands to stdout, as `text` or `json`. Raises as `fetch_rollout` does."""
    from monopod.cli.rollout.output import write_json, write_text

    (write_json if output == "json" else write_text)(fetch_rollout(cluster, name))


def watch(cluster: Cluster, name: str) -> int:
    """Shows the rescheduling until it ends; the exit status. Raises as `follow` does."""
    from monopod.cli.rollout.output import show, write_blockers

    last = show(follow(lambda: fetch_rollout(cluster, name), time.monotonic, time.sleep))
    if last.blockers:
        write_blockers(last)
    return 0 if last.state is State.DONE else 1


def pause(cluster: Cluster, name: str, paused: bool) -> None:
    """Has the operator move no more of the profile's pods, or go on.

    Raises:
        Missing: there is no such profile, or no longer.
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
    """
    _read_profile(cluster, name)
    cluster.merge(PROFILES.path(name), {"spec": {"paused": paused}})
    click.echo(f"{name}: {'paused: no more pods are moved' if paused else 'resumed'}")
