"""What the operator sees of a profile's pods for patching: each pod reduced to what decides, and what controls it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monopod.api.ecs.names import ECS_TASK_LABEL, NAMESPACE_PREFIX
from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Candidate
from monopod.kube.objects.fields import Part
from monopod.patching.rules.settings import PatchingSettings
from monopod.patching.rules.staleness import StalePod
from monopod.pods.rules.state import is_ready
from monopod.workloads.rules.replacement import Workload

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod of the profile that hasn't ended.

    Attributes:
        workload: the uid of what controls it, of the Deployment where there is one; see `build_bare_workload` for pods
            without any.
        is_ready: whether it is Ready and stays.
        is_fresh: whether its sandbox is the profile's and was made after the patch; of a pod that has none yet, whether
            it was created then.
        stale: why its sandbox is to be replaced; None if it isn't.
        left: why it stays although its sandbox is out of date; None if it doesn't.
    """

    candidate: Candidate
    workload: str
    is_ready: bool
    is_terminating: bool
    is_fresh: bool
    stale: StalePod | None = None
    left: Reason | None = None

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return self.candidate.uid

    def __str__(self) -> str:
        return str(self.candidate)


@dataclass(frozen=True, slots=True)
class ProfileScan:
    """The pods of a profile as they were listed.

    Attributes:
        pods: in any order.
        workloads: by uid; those that are going are missing, and their pods with them.
        at: when all of that had been read, on the monotonic clock.
        classes: the RuntimeClasses that the pods run in: the profile's, and others that it had before.
        manifests: of each workload one pod that is to be replaced, and all such pods that nothing controls, by uid.
    """

    pods: tuple[PodState, ...] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    at: float = field(default=0.0, compare=False)
    manifests: Mapping[str, Manifest] = field(default_factory=dict, compare=False, repr=False)
    classes: frozenset[str] = frozenset()

    @property
    def stale(self) -> tuple[StalePod, ...]:
        """All whose sandboxes are replaced in turn."""
        return tuple(pod.stale for pod in self.pods if pod.stale and not pod.left)

    @property
    def left(self) -> dict[Reason, tuple[str, ...]]:
        """Those that stay, by the reason, as NAMESPACE/NAME."""
        found: defaultdict[Reason, list[str]] = defaultdict(list)
        for pod in self.pods:
            if pod.stale and pod.left:
                found[pod.left].append(str(pod))
        return {reason: tuple(sorted(names)) for reason, names in sorted(found.items())}

    def group(self) -> dict[str, list[PodState]]:
        """The pods by the uid of their workload."""
        groups: defaultdict[str, list[PodState]] = defaultdict(list)
        for pod in self.pods:
            groups[pod.workload].append(pod)
        return groups


def observe_pod(
    pod: Manifest, workload: Workload, stale: StalePod | None, settings: PatchingSettings, *, is_fresh: bool
) -> PodState:
    """Reduces a pod that hasn't ended."""
    metadata = Part(pod).child("metadata")
    uid, terminating = metadata.text("uid"), "deletionTimestamp" in metadata.fields
    candidate = Candidate(
        metadata.text("namespace"),
        metadata.text("name"),
        uid,
        metadata.text("creationTimestamp"),
        uid if workload.is_bare else workload.uid,
        patient=True,
        purpose="patching",
    )
    left = _find_exemption(pod, metadata, workload, settings) if stale else None
    return PodState(candidate, workload.uid, is_ready(pod) and not terminating, terminating, is_fresh, stale, left)


def _find_exemption(pod: Manifest, metadata: Part, workload: Workload, settings: PatchingSettings) -> Reason | None:
    """Why a pod whose sandbox is out of date stays."""
    if _is_task(metadata):
        return Reason.ECS_TASKS_LEFT
    if not settings.moves_running_jobs and workload.ends_by_itself(pod):
        return Reason.RUNNING_JOBS_LEFT
    if not workload.is_bare or settings.recreates_bare_pods:
        return None
    return Reason.RECREATION_OFF if settings.lacks_recreation else Reason.BARE_PODS_LEFT


def _is_task(metadata: Part) -> bool:
    """Whether it is as the operator makes the pods of tasks. The label alone anybody may give to a pod."""
    task = metadata.text_map("labels").get(ECS_TASK_LABEL)
    return metadata.text("namespace").startswith(NAMESPACE_PREFIX) and task == metadata.text("name")


def count_ready(pods: Iterable[PodState]) -> int:
    """How many of them serve."""
    return sum(pod.is_ready for pod in pods)


def compute_desired(workload: Workload, pods: Sequence[PodState], expected: int) -> int:
    """How many pods there should be; of a workload that doesn't tell, as many as there were."""
    present = sum(not pod.is_terminating for pod in pods)
    return max(expected, present) if workload.desired is None else workload.desired
