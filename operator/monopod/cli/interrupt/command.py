"""`kubectl fargate interrupt`: chooses pods, and interrupts them with the rights of whoever types it."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from monopod.api.names import PROFILE_LABEL
from monopod.cli.failure import ApiFailure, Missing, describe
from monopod.cli.live import Cluster
from monopod.eviction.api import build_eviction, read_failure
from monopod.eviction.rules.order import (
    Candidate,
    Changed,
    Evicted,
    Gone,
    OverBudget,
    Refused,
    SeveralBudgets,
    Unanswered,
)
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.objects.resources import PODS
from monopod.spot.rules.drill import Target, build_condition, choose_targets, read_target


class Outcome(StrEnum):
    """What became of a pod."""

    WOULD_BE_INTERRUPTED = "WouldBeInterrupted"
    INTERRUPTED = "Interrupted"
    BLOCKED = "Blocked"
    GONE = "Gone"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Interruption:
    """A pod, and what became of it; `message` says why it wasn't interrupted."""

    target: Target
    outcome: Outcome
    message: str = ""


@dataclass(frozen=True, slots=True)
class Drill:
    """Which pods are to be interrupted.

    Attributes:
        candidates: how many pods they were chosen from.
        seed: what they were chosen by; "" if they were named.
    """

    targets: tuple[Target, ...]
    candidates: int
    seed: str = ""


def name_targets(cluster: Cluster, names: Sequence[str], namespace: str) -> Drill:
    """The pods of these names.

    Raises:
        Missing: one doesn't exist.
        ApiFailure: one can't be interrupted.
        ApiError: the API server refuses.
        ApiUnreachable: it can't be reached.
    """
    targets = []
    for name in dict.fromkeys(names):
        target = read_target(cluster.read_pod(name, namespace))
        if target is None:
            raise ApiFailure(f"Pod {name} in namespace {namespace} isn't a running pod of a profile.")
        targets.append(target)
    return Drill(tuple(targets), len(targets))


def draw_targets(cluster: Cluster, profile: str, namespace: str | None, percent: int, seed: str) -> Drill:
    """A share of a profile's pods.

    Raises:
        Missing: there is no such profile, or it has no running pods.
        ApiError: the API server refuses.
        ApiUnreachable: it can't be reached.
    """
    query = {"labelSelector": f"{PROFILE_LABEL}={profile}"}
    found = (read_target(pod) for pod in cluster.list_items(PODS.list_path(namespace or ""), query))
    targets = [target for target in found if target]
    if not targets:
        cluster.read_profile(profile)  # it says so if there is none
        raise Missing(
            f"No pod runs by FargateProfile {profile}" + (f" in namespace {namespace}." if namespace else ".")
        )
    return Drill(choose_targets(targets, percent, seed), len(targets), seed)


def interrupt(cluster: Cluster, drill: Drill, *, respect_budgets: bool, dry_run: bool) -> Iterator[Interruption]:
    """Interrupts one pod after the other, and says of each what became of it."""
    for target in drill.targets:
        if dry_run:
            yield Interruption(target, Outcome.WOULD_BE_INTERRUPTED)
        else:
            yield _evict(cluster, target) if respect_budgets else _interrupt(cluster, target)


def _interrupt(cluster: Cluster, target: Target) -> Interruption:
    """Says on the pod that it is disrupted, then deletes it: as the scheduler does that takes its place."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    path = PODS.path(target.name, target.namespace)
    try:
        cluster.apply(f"{path}/status", build_condition(target, now))
        cluster.delete(path, target.uid, grace_seconds=target.grace_seconds)
    except ApiError as error:
        if error.status == 404 or (error.status == 409 and "uid" in str(error).lower()):
            return Interruption(target, Outcome.GONE)
        return Interruption(target, Outcome.FAILED, describe(error))
    except ApiUnreachable as error:
        return Interruption(target, Outcome.FAILED, describe(error))
    return Interruption(target, Outcome.INTERRUPTED)


def _evict(cluster: Cluster, target: Target) -> Interruption:
    pod = Candidate(target.namespace, target.name, target.uid)
    try:
        path = PODS.path(target.name, target.namespace, "eviction")
        cluster.create(path, build_eviction(pod, target.grace_seconds))
    except (ApiError, ApiUnreachable) as error:
        match read_failure(error):
            case OverBudget(message=said):
                return Interruption(target, Outcome.BLOCKED, said)
            case SeveralBudgets():
                return Interruption(target, Outcome.BLOCKED, "several PodDisruptionBudgets select it")
            case Gone():
                return Interruption(target, Outcome.GONE)
            case Refused(message=said) | Unanswered(message=said):
                return Interruption(target, Outcome.FAILED, said)
            case Evicted() | Changed():  # no failures of a request that names no version
                return Interruption(target, Outcome.FAILED, describe(error))
    return Interruption(target, Outcome.INTERRUPTED)


def build_row(done: Interruption) -> dict[str, object]:
    """What is told of one pod."""
    target = done.target
    return {
        "namespace": target.namespace,
        "pod": target.name,
        "uid": target.uid,
        "profile": target.profile,
        "capacityProvider": target.provider,
        "graceSeconds": target.grace_seconds,
        "outcome": done.outcome.value,
        "message": done.message or None,
    }


def compute_exit_status(done: Sequence[Interruption]) -> int:
    """0 if every pod is on its way out, or would be."""
    return 1 if any(each.outcome in (Outcome.BLOCKED, Outcome.FAILED) for each in done) else 0
