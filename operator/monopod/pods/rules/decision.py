"""The whole admission decision on one pod: selected, exempt, sandboxed at a size, or impossible to run.

a profile reaches the namespace, and the pod is larger than admission looks at ──► OutOfBounds   (refused)
no profile matches ─────────────────────► Unmatched
matched, but the pod is exempt ─────────► Skipped
matched, exempt by its author's choice, and a profile that matches refuses that ─► OptOutRefused   (refused)
matched, and asks for no capacity provider that there is ─► ProviderRefused   (refused)
matched, and Fargate can't run it ──────► Unsupported   (stays Pending, or is refused: the profile says which)
matched ────────────────────────────────► Sandboxed
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from monopod.kube.objects.fields import Part
from monopod.pods.rules.bounds import compute_excess
from monopod.pods.rules.exemptions import Skip, compute_skip, describe_refusal
from monopod.pods.rules.selection import Profile, choose_profile, find_matches, reaches_any
from monopod.pods.rules.size import Need, PodSize, Size, compute_pod_size, measure_need
from monopod.pods.rules.spot import choose_provider, refuse_provider
from monopod.pods.rules.support import compute_unsupported, format_unsupported
from monopod.pods.rules.volumes import get_claims


@dataclass(frozen=True, slots=True)
class Unmatched:
    """No profile matches; the pod is none of Monopod's business."""


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """The namespace is reached, and the pod is too large to be looked at: it is refused, whichever profile matches."""

    text: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """The profile matches, but pods of this sort are left alone."""

    skip: Skip
    profile: Profile
    selector_index: int


@dataclass(frozen=True, slots=True)
class OptOutRefused:
    """The pod opts out, and is refused: a profile that matches it says so, if not the one that wins.

    Attributes:
        profile: the one that wins.
        text: what the API server says, with the name of the one that refuses.
    """

    profile: Profile
    text: str


@dataclass(frozen=True, slots=True)
class ProviderRefused:
    """The pod may choose its capacity provider, and names none that there is: it is refused."""

    profile: Profile
    text: str


@dataclass(frozen=True, slots=True)
class Sandboxed:
    """The pod runs in a sandbox of its own, at this size.

    Attributes:
        profile: the one that wins, with the capacity provider that the pod itself runs on.
        claims: the persistent volume claims that it waits for (see `volumes`), by name; admission doesn't know them.
    """

    profile: Profile
    selector_index: int
    runtime_class: str
    size: Size
    pinned: bool
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The profile matches, and Fargate can't run the pod.

    Attributes:
        profile: as of a pod that runs.
        size: what it would get, or None if no size is large enough.
        messages: the reasons, in AWS's words.
        text: the reasons as one sentence, as it stands on the pod.
    """

    profile: Profile
    selector_index: int
    runtime_class: str
    size: Size | None
    messages: tuple[str, ...]
    text: str
    pinned: bool


Decision = OutOfBounds | Unmatched | Skipped | OptOutRefused | ProviderRefused | Sandboxed | Unsupported


def decide(
    pod: Mapping[str, object],
    namespace: str,
    profiles: Sequence[Profile],
    *,
    username: str = "",
    protected: Collection[str] = frozenset(),
    on_demand: str = "",
) -> Decision:
    """Decides on a pod that is being created.

    Args:
        pod: the manifest, with or without the API server's defaults.
        namespace: where it is created; a manifest need not say.
        profiles: all profiles of the cluster, in any order.
        username: who creates the pod.
        protected: namespaces that only their exact name reaches, never a wildcard.
        on_demand: what the namespace's annotation says of workloads that Spot lacks room for.

    Raises:
        InvalidPod: a field holds what the API server would never store. Stored pods never raise.
    """
    excess = compute_excess(pod)
    if excess and reaches_any(profiles, namespace, protected):
        return OutOfBounds(excess)
    labels = Part(pod).child("metadata").text_map("labels")
    choice = choose_profile(labels, namespace, profiles, protected)
    if choice is None:
        return Unmatched()
    profile, index = choice.match.profile, choice.match.selector_index
    skip = compute_skip(pod, username)
    if skip and skip.is_opt_out:
        matching = (match.profile for match in find_matches(labels, namespace, profiles, protected))
        if refusing := next((each for each in matching if each.opt_out == "Refuse"), None):
            return OptOutRefused(profile, describe_refusal(pod, refusing.name))
    if skip:
        return Skipped(skip, profile, index)
    if refusal := refuse_provider(pod, profile):
        return ProviderRefused(profile, refusal)
    profile = choose_provider(pod, profile, on_demand)
    need = measure_need(pod, profile.runtime_class)
    row = compute_pod_size(need)
    messages = compute_unsupported(pod, need, profile)
    if row is None or messages:
        return Unsupported(
            profile, index, profile.runtime_class, _build_size(need, row), messages, format_unsupported(messages),
            choice.pinned,
        )  # fmt: skip
    return Sandboxed(profile, index, profile.runtime_class, Size(need, row), choice.pinned, get_claims(pod))


def _build_size(need: Need, row: PodSize | None) -> Size | None:
    return Size(need, row) if row else None
