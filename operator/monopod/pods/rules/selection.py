"""Which profile a pod belongs to: selectors, wildcards, the pin label and the order of names.

Source: EKS user guide, Fargate profiles. Wildcards are `*` (zero or more characters) and `?` (exactly one), in
namespaces, label keys and label values; there are no regular expressions. Of several matching profiles the
alphanumerically first wins, unless the pod names one that matches it. Says nothing about whether a pod is exempt (see
`exemptions`) or can run (see `support`).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from monopod.api.names import (
    CAPACITY_PROVIDER_LABEL,
    EKS_PROFILE_LABEL,
    FARGATE,
    FARGATE_SPOT,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    PROFILE_LABEL,
    SPOT_KEPT_CLASS,
    SPOT_PRIORITY_CLASS,
    TASK_LABEL,
)
from monopod.kube.objects.fields import InvalidProfile, Part

UnsupportedPods = Literal["Pend", "Reject"]
Isolation = Literal["PerPod", "PerGroup"]
PodSecurityGroups = Literal["Ignore", "Allow"]
SELinuxOptions = Literal["Unsupported", "Allow"]
OptOut = Literal["Allow", "Refuse"]
CapacityProvider = Literal["FARGATE", "FARGATE_SPOT"]
PodChoice = Literal["Ignore", "Allow"]
SpotReclaim = Literal["Preemption", "None"]

WRITTEN_LABELS: Final = (PROFILE_LABEL, EKS_PROFILE_LABEL, GROUP_COUNT_LABEL, TASK_LABEL, CAPACITY_PROVIDER_LABEL)
"""Labels that admission writes, and one per security group (see `is_written`); no selector sees them. Admission runs
on its own work again (after webhooks, on copied manifests), and must not undo its decision then: a selector `*: ""`
would match an empty pin, and no longer the name that replaces it. A pin counts by name only."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A namespace pattern and pairs of label key pattern and value pattern, all of which must hold."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """As `kubectl get fp` shows it: `prod-*{tier=web}`."""
        pairs = ",".join(f"{key}={value}" for key, value in self.labels)
        return f"{self.namespace}{{{pairs}}}" if pairs else self.namespace


@dataclass(frozen=True, slots=True)
class Profile:
    """What admission and isolation need to know of a FargateProfile.

    Attributes:
        zones: those that its subnets name.
        security_groups: the groups of its pods; none: the default group.
        isolation: whether each pod has a NetworkPolicy of its own.
        pod_security_groups: whether a pod may choose its groups by an annotation.
        allowed_annotations: annotations that no other profile's pods may have: names, or how they begin and a `*`.
        selinux_options: whether a pod may choose its SELinux label.
        opt_out: whether a pod's author may keep it out of the profile.
        capacity_provider: what its pods run on.
        spot_node_label: the label of Spot's nodes, `key=value`; "" if no nodes are Spot's.
        pod_choice: whether a pod may choose its capacity provider by an annotation.
        allowed_capabilities: what a container may add to the capabilities that every container has.
        spot_reclaim: how pods on Spot give way to others in this cluster.
    """

    name: str
    selectors: tuple[Selector, ...]
    runtime_class: str
    unsupported: UnsupportedPods = "Pend"
    zones: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    isolation: Isolation = "PerPod"
    pod_security_groups: PodSecurityGroups = "Ignore"
    allowed_annotations: tuple[str, ...] = ()
    selinux_options: SELinuxOptions = "Unsupported"
    opt_out: OptOut = "Allow"
    capacity_provider: CapacityProvider = "FARGATE"
    spot_node_label: str = ""
    pod_choice: PodChoice = "Ignore"
    allowed_capabilities: tuple[str, ...] = ()
    spot_reclaim: SpotReclaim = "Preemption"

    @property
    def may_use_spot(self) -> bool:
        """Whether it may have pods on Spot."""
        return self.is_spot or self.pod_choice == "Allow"

    @property
    def spot_class(self) -> str:
        """The PriorityClass of its pods on Spot."""
        return SPOT_KEPT_CLASS if self.spot_reclaim == "None" else SPOT_PRIORITY_CLASS

    @property
    def is_spot(self) -> bool:
        """Whether its pods run on Spot."""
        return self.capacity_provider == FARGATE_SPOT

    @classmethod
    def from_resource(
        cls,
        resource: Mapping[str, object],
        default_runtime_class: str,
        spot_node_label: str = "",
        spot_reclaim: SpotReclaim = "Preemption",
    ) -> "Profile":
        """Reads a FargateProfile as the API server sends it; a profile without a sandbox gets the default one.

        Raises:
            InvalidProfile: a field is missing or of the wrong type.
        """
        root = Part(resource, error=InvalidProfile)
        name = root.child("metadata").text("name")
        if not name:
            raise root.fail("metadata.name", "is required")
        spec = root.child("spec")
        selectors = tuple(_read_selector(part) for part in spec.children("selectors"))
        if not selectors:
            raise spec.fail("selectors", "Fargate Profile requires at least one selector.")
        return cls(
            name,
            selectors,
            spec.text("runtimeClassName") or default_runtime_class,
            "Reject" if _read_choice(spec, "unsupportedPods", "Pend", "Reject") else "Pend",
            spec.texts("subnets"),
            spec.texts("securityGroups"),
            "PerGroup" if _read_choice(spec, "isolation", "PerPod", "PerGroup") else "PerPod",
            "Allow" if _read_choice(spec, "podSecurityGroups", "Ignore", "Allow") else "Ignore",
            spec.texts("allowedAnnotations"),
            "Allow" if _read_choice(spec, "seLinuxOptions", "Unsupported", "Allow") else "Unsupported",
            "Refuse" if _read_choice(spec, "optOut", "Allow", "Refuse") else "Allow",
            _read_capacity_provider(spec),
            spot_node_label,
            "Allow" if _read_choice(spec.child("spot"), "podChoice", "Ignore", "Allow") else "Ignore",
            spec.texts("allowedCapabilities"),
            # On nodes that they share with others pods on Spot would have Spot's price for an ordinary place.
            spot_reclaim if spot_node_label else "Preemption",
        )


def _read_choice(spec: Part, key: str, default: str, other: str) -> bool:
    """Whether a field with two values has the one that isn't its default."""
    chosen = spec.text(key) or default
    if chosen not in (default, other):
        raise spec.fail(key, f"must be {default} or {other}, not {chosen!r}")
    return chosen == other


def _read_capacity_provider(spec: Part) -> CapacityProvider:
    """The one that has a weight; the API server refuses a mixture."""
    used = set[str]()
    for item in spec.children("capacityProviderStrategy"):
        provider = item.text("capacityProvider")
        if provider not in (FARGATE, FARGATE_SPOT):
            raise item.fail("capacityProvider", f"must be {FARGATE} or {FARGATE_SPOT}, not {provider!r}")
        if item.number("weight") > 0 or "weight" not in item.fields:
            used.add(provider)
    if len(used) > 1:
        raise spec.fail("capacityProviderStrategy", "a profile runs all of its pods on one capacity provider")
    return "FARGATE_SPOT" if FARGATE_SPOT in used else "FARGATE"


def _read_selector(part: Part) -> Selector:
    namespace = part.text("namespace")
    if not namespace:
        raise part.fail("namespace", "is required")
    return Selector(namespace, tuple(sorted(part.text_map("labels").items())))


@dataclass(frozen=True, slots=True)
class NamespaceDiffers:
    """The pod's namespace doesn't match the selector's pattern."""

    pattern: str
    namespace: str


@dataclass(frozen=True, slots=True)
class NamespaceProtected:
    """The pattern matches, but only by a wildcard, and this namespace must be named exactly."""

    pattern: str
    namespace: str


@dataclass(frozen=True, slots=True)
class LabelMissing:
    """No label of the pod has a matching key."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class LabelDiffers:
    """Labels with a matching key exist (`found`), but none of them has a matching value."""

    key: str
    value: str
    found: tuple[tuple[str, str], ...]


Mismatch = NamespaceDiffers | NamespaceProtected | LabelMissing | LabelDiffers


@dataclass(frozen=True, slots=True)
class Match:
    """A profile that matches a pod, and the first of its selectors that does."""

    profile: Profile
    selector_index: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The profile that a pod belongs to; `pinned` if the pod's own label decided it."""

    match: Match
    pinned: bool


def is_wildcard(pattern: str) -> bool:
    """Whether the pattern can match anything but itself."""
    return "*" in pattern or "?" in pattern


def is_written(label: str) -> bool:
    """Whether admission writes labels of this name, so that no selector sees them."""
    return label in WRITTEN_LABELS or label.startswith(GROUP_LABEL_PREFIX)


def pattern_to_regex(pattern: str) -> str:
    """The pattern as an anchored regular expression that Python and RE2 (CEL's `matches`) read alike."""
    translated = "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern)
    return f"^{translated}$"


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern_to_regex(pattern))


def matches_pattern(pattern: str, text: str) -> bool:
    """Whether the whole text matches; an empty pattern matches only an empty text."""
    if not is_wildcard(pattern):
        return pattern == text
    return _compile(pattern).fullmatch(text) is not None


def reaches(selector: Selector, namespace: str, protected: Collection[str]) -> bool:
    """Whether the selector covers pods of this namespace; protected namespaces are reached only by their exact name."""
    return next(_find_namespace_mismatch(selector, namespace, protected), None) is None


def reaches_any(profiles: Iterable[Profile], namespace: str, protected: Collection[str]) -> bool:
    """Whether one of the profiles reaches the namespace."""
    return any(reaches(selector, namespace, protected) for profile in profiles for selector in profile.selectors)


def find_mismatches(
    selector: Selector, labels: Mapping[str, str], namespace: str, protected: Collection[str] = ()
) -> Iterator[Mismatch]:
    """Every reason why the selector doesn't match, the namespace first; none if it matches."""
    yield from _find_namespace_mismatch(selector, namespace, protected)
    for key, value in selector.labels:
        yield from _find_label_mismatch(key, value, labels)


def _find_namespace_mismatch(selector: Selector, namespace: str, protected: Collection[str]) -> Iterator[Mismatch]:
    if not matches_pattern(selector.namespace, namespace):
        yield NamespaceDiffers(selector.namespace, namespace)
    elif selector.namespace != namespace and namespace in protected:
        yield NamespaceProtected(selector.namespace, namespace)


def _find_label_mismatch(key: str, value: str, labels: Mapping[str, str]) -> Iterator[Mismatch]:
    candidates = ((name, text) for name, text in labels.items() if not is_written(name))
    found = tuple((name, text) for name, text in candidates if matches_pattern(key, name))
    if not found:
        yield LabelMissing(key, value)
    elif not any(matches_pattern(value, text) for _, text in found):
        yield LabelDiffers(key, value, found)


def find_match(
    profile: Profile, labels: Mapping[str, str], namespace: str, protected: Collection[str] = ()
) -> Match | None:
    """The profile's first matching selector, if there is one: any selector suffices."""
    for index, selector in enumerate(profile.selectors):
        if next(find_mismatches(selector, labels, namespace, protected), None) is None:
            return Match(profile, index)
    return None


def find_matches(
    labels: Mapping[str, str], namespace: str, profiles: Sequence[Profile], protected: Collection[str] = ()
) -> tuple[Match, ...]:
    """All profiles that match, in the order in which they win."""
    ordered = sorted(profiles, key=lambda profile: profile.name.encode())
    found = (find_match(profile, labels, namespace, protected) for profile in ordered)
    return tuple(match for match in found if match)


def choose_profile(
    labels: Mapping[str, str], namespace: str, profiles: Sequence[Profile], protected: Collection[str] = ()
) -> Choice | None:
    """The profile that wins the pod: the one it is pinned to if that one matches, else the first by name."""
    matches = find_matches(labels, namespace, profiles, protected)
    pin = labels.get(EKS_PROFILE_LABEL)
    for match in matches:
        if match.profile.name == pin:
            return Choice(match, pinned=True)
    return Choice(matches[0], pinned=False) if matches else None
