"""A decision with all its grounds, before it is written as text or JSON."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from monopod.api.names import EKS_PROFILE_LABEL
from monopod.cli.explain.group_sources import NO_SURROUNDINGS, GroupsAnswer, Surroundings, answer_groups
from monopod.cli.explain.live_pod import Admitted
from monopod.cli.input.profiles import get_protected
from monopod.cli.input.schema.kubernetes import compute_pod_level_faults
from monopod.kube.objects.fields import InvalidPod, Part
from monopod.pods.rules.decision import (
    Decision,
    OptOutRefused,
    OutOfBounds,
    ProviderRefused,
    Sandboxed,
    Skipped,
    Unmatched,
    Unsupported,
    decide,
)
from monopod.pods.rules.exemptions import compute_skip
from monopod.pods.rules.nodes import choose_node_selector, rules_out_fargate
from monopod.pods.rules.selection import Choice, Mismatch, Profile, Selector, choose_profile, find_mismatches
from monopod.pods.rules.size import MAX_STORAGE_MIB, Need, measure_need
from monopod.pods.rules.spot import SpotTerms, compute_spot_terms, describe_ignored_choice
from monopod.pods.rules.storage import provision_gib


class Outcome(StrEnum):
    """How one profile fared with a pod."""

    PINNED = "Pinned"
    ONLY_MATCH = "OnlyMatch"
    FIRST_BY_NAME = "FirstByName"
    LATER_BY_NAME = "LaterByName"
    OTHER_PINNED = "OtherPinned"
    NO_MATCH = "NoMatch"


@dataclass(frozen=True, slots=True)
class SelectorVerdict:
    """One selector and the facts on which it failed; none if it matches."""

    selector: Selector
    mismatches: tuple[Mismatch, ...]

    @property
    def matches(self) -> bool:
        """Whether the pod meets the selector."""
        return not self.mismatches


@dataclass(frozen=True, slots=True)
class ProfileVerdict:
    """One profile, how it fared and why."""

    profile: Profile
    outcome: Outcome
    selectors: tuple[SelectorVerdict, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a pod, and why.

    Attributes:
        source: the object that the pod stands in, such as `Deployment/web`.
        need: what the pod asks for; None if it isn't Fargate's to run.
        verdicts: every profile, in the order of names.
        pin: what the pod's own profile label names, or None without the label.
        groups: its security groups and where they come from; None if it isn't Fargate's to run.
        node_selector: the labels that its node must have, besides those that its RuntimeClass asks for.
        off_fargate: whether it asks for a node that none of Fargate's is, so that it stays Pending.
        notes: what else whoever applies it should know, as sentences.
        spot: what Spot makes of it; None if it runs on demand.
    """

    source: str
    namespace: str
    decision: Decision
    need: Need | None
    verdicts: tuple[ProfileVerdict, ...]
    pin: str | None
    groups: GroupsAnswer | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    off_fargate: bool = False
    notes: tuple[str, ...] = ()
    spot: SpotTerms | None = None

    @property
    def refusal(self) -> str:
        """Why admission refuses the pod for what it says of its security groups; "" if it doesn't."""
        return self.groups.refusal if self.groups else ""

    @property
    def winner(self) -> Profile | None:
        """The profile that matched and won, whatever became of the pod then."""
        match self.decision:
            case Sandboxed(profile=profile) | Unsupported(profile=profile):
                return profile
            case Skipped(profile=profile) | OptOutRefused(profile=profile) | ProviderRefused(profile=profile):
                return profile
            case OutOfBounds() | Unmatched():
                return None

    @property
    def storage_gib(self) -> int | None:
        """The ephemeral storage that the pod is given; None if it isn't Fargate's to run, or asks for too much."""
        if self.need is None or self.need.total.storage_mib > MAX_STORAGE_MIB:
            return None
        return provision_gib(self.need)

    @property
    def claims(self) -> tuple[str, ...]:
        """The persistent volume claims that the pod waits for, by name."""
        return self.decision.claims if isinstance(self.decision, Sandboxed) else ()

    @property
    def pin_without_effect(self) -> bool:
        """Whether the pod names a profile that doesn't match it."""
        return self.pin is not None and (self.winner is None or self.winner.name != self.pin)


def build_explanation(
    source: str,
    pod: Mapping[str, object],
    namespace: str,
    profiles: Sequence[Profile],
    *,
    username: str = "",
    protected: Collection[str] | None = None,
    surroundings: Surroundings = NO_SURROUNDINGS,
    refused: str = "",
) -> Explanation:
    """Decides on the pod and collects the grounds.

    `refused` is why the namespace's new pods are refused, "" if they aren't; those that no profile ever takes pass.

    Raises:
        InvalidPod: a field holds what the API server would never store.
    """
    protected = get_protected() if protected is None else protected
    labels = Part(pod).child("metadata").text_map("labels")
    decision = decide(pod, namespace, profiles, username=username, protected=protected)
    if not isinstance(decision, Sandboxed) and (
        faults := list(compute_pod_level_faults(Part(pod).child("spec").fields))
    ):
        raise InvalidPod("; ".join(map(str, faults)))
    choice = choose_profile(labels, namespace, profiles, protected)
    judged = [
        (profile, tuple(_judge(selector, labels, namespace, protected) for selector in profile.selectors))
        for profile in sorted(profiles, key=lambda profile: profile.name.encode())
    ]
    verdicts = tuple(ProfileVerdict(profile, _rate(profile, judged, choice), seen) for profile, seen in judged)
    need, groups, nodes, off_fargate, spot = None, None, dict[str, str](), False, None
    ignored = ""
    if isinstance(decision, Sandboxed | Unsupported):
        need, groups = measure_need(pod, decision.runtime_class), answer_groups(pod, decision.profile, surroundings)
        nodes, off_fargate = choose_node_selector(pod), rules_out_fargate(pod)
        spot = compute_spot_terms(pod) if decision.profile.is_spot else None
        ignored = describe_ignored_choice(pod, decision.profile)
    pin = labels.get(EKS_PROFILE_LABEL)
    passes = (skip := compute_skip(pod, username)) is not None and not skip.is_opt_out
    for_now = f"The API server refuses it for now: {refused}" if refused and not passes else ""
    notes = tuple(note for note in (for_now, ignored) if note)
    return Explanation(source, namespace, decision, need, verdicts, pin, groups, nodes, off_fargate, notes, spot)


def _rate(
    profile: Profile, judged: Sequence[tuple[Profile, tuple[SelectorVerdict, ...]]], choice: Choice | None
) -> Outcome:
    matching = [each for each, selectors in judged if any(selector.matches for selector in selectors)]
    if choice is None or profile not in matching:
        return Outcome.NO_MATCH
    if profile is not choice.match.profile:
        return Outcome.OTHER_PINNED if choice.pinned else Outcome.LATER_BY_NAME
    if choice.pinned:
        return Outcome.PINNED
    return Outcome.ONLY_MATCH if len(matching) == 1 else Outcome.FIRST_BY_NAME


def _judge(
    selector: Selector, labels: Mapping[str, str], namespace: str, protected: Collection[str]
) -> SelectorVerdict:
    return SelectorVerdict(selector, tuple(find_mismatches(selector, labels, namespace, protected)))


@dataclass(frozen=True, slots=True)
class LiveExplanation:
    """A pod of the cluster: what admission decided, and what today's profiles would."""

    admitted: Admitted | None
    today: Explanation


Report = Sequence[Explanation] | LiveExplanation
