"""Builders of what is seen of pods."""

import datetime

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Candidate
from monopod.patching.rules.scan import PodState, ProfileScan
from monopod.patching.rules.staleness import Cause, StalePod
from monopod.workloads.rules.replacement import Workload

START = datetime.datetime(2026, 3, 20, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def seen(
    name: str,
    workload: str = "web",
    *,
    stale: bool = True,
    ready: bool = True,
    terminating: bool = False,
    left: Reason | None = None,
    cause: Cause = Cause.PATCH,
) -> PodState:
    found = StalePod("prod", name, name, "web", "node-a", START - DAY, cause, START, terminating) if stale else None
    candidate = Candidate("prod", name, name, workload=workload, patient=True, purpose="patching")
    return PodState(candidate, workload, ready and not terminating, terminating, not stale, found, left)


def scan(*pods: PodState, **desired: int | None) -> ProfileScan:
    """The pods, with as many wanted of each workload as there are unless it is said."""
    names = {pod.workload for pod in pods}
    counts = {name: sum(pod.workload == name and not pod.is_terminating for pod in pods) for name in names}
    kinds = {name: "" if name.startswith("bare") else "Deployment" for name in names}
    workloads = {
        name: Workload("prod", kinds[name], name, name, desired.get(name, counts[name])) for name in sorted(names)
    }
    return ProfileScan(pods, workloads)
