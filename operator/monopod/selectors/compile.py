r"""The data that the policies read: profiles compiled to one line of text per selector.

The lines stand in an annotation of each namespace that a profile reaches, and, for namespaces that don't exist yet, in
a ConfigMap. CEL can parse neither JSON nor YAML, so the lines are made for `split`:

    web|kata|Pend|tier=web app=shop|team~a.* example\.com/.*=yes
    │   │    │    │                 └ label patterns: `key~value` where only the value has wildcards, as a regular
    │   │    │    │                   expression for the value; else a regular expression for any label's `key=value`
    │   │    │    └ label pairs without wildcards: no regular expression has to be compiled for them
    │   │    └ what happens to pods that Fargate can't run: Pend or Reject
    │   └ RuntimeClass
    └ profile

A profile with zones has a sixth field, `…|eu-1a,eu-1b`; one with security groups a seventh, `…||web,db`; one that lets
pods choose theirs an eighth, `…|||Allow`; one that allows annotations a ninth, `…||||run.oci.*`; one that allows
SELinux options a tenth, `…|||||Allow`; one that refuses pods that opt out an eleventh, `…||||||Refuse`; one on Spot a
twelfth, `…|||||||Spot`; and every profile a thirteenth, where Spot's nodes have a label, `…||||||||kind=spot`. One that
allows capabilities has a fourteenth, `…|||||||||SYS_PTRACE`, one that lets pods choose their capacity provider a
fifteenth, `…||||||||||Allow`, and one that may have pods on Spot a sixteenth, where these don't give way,
`…|||||||||||Keep`. Empty fields at the end are left out, so that policies and compiled selectors of different releases
understand each other while Monopod is upgraded.

Lines are sorted by profile name, the order in which profiles win, so that the policy takes the first that matches.
Names and patterns hold none of the separators; a label pattern that does (the API refuses it) matches no label.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from monopod.cel.compiled_selectors import (
    ANNOTATION_SEPARATOR,
    CAPABILITY_SEPARATOR,
    FIXED_FIELDS,
    FOREIGN,
    GROUP_SEPARATOR,
    GROUPS_ALLOWED,
    LINE_SEPARATOR,
    OPT_OUT_REFUSED,
    PAIR_SEPARATOR,
    PATTERNS_KEY,
    PROTECTED_KEY,
    PROVIDER_ALLOWED,
    SELINUX_ALLOWED,
    SEPARATOR,
    SPOT,
    SPOT_KEPT,
    VALUE_SEPARATOR,
    ZONE_SEPARATOR,
)
from monopod.pods.rules.selection import Profile, Selector, is_wildcard, is_written, pattern_to_regex
from monopod.selectors.capacity import Allocation, Bound, CapacityRequest, CompiledSelector, CompiledSelectors, allocate
from monopod.selectors.reach import Reach

MAX_COMPILED: Final = 2000
"""Compiled selectors of a namespace. Admission takes some milliseconds per hundred, and CEL has a cost budget per
expression."""

MAX_WILDCARD_CHARACTERS: Final = 5_000
"""Length of all label patterns with wildcards in keys in a namespace, and five more for each. They are tested against
all labels of a pod. Kubernetes bounds the cost of an expression, and that of a regular expression is its length times
that of the text: pods are refused beyond the budget, which is reached at 7,800 characters of labels. Promised, and
tested, are 4,000. Patterns for the value of one label cost so little that MAX_ROWS_BYTES bounds them enough."""

MAX_COMPILED_BYTES: Final = 176 * 1024
"""Kubernetes allows 256 KiB for all annotations of an object together; others need room too."""

MAX_PATTERNS: Final = 5000
"""Selectors of the whole cluster. With 20,000 the creation of a namespace would exceed CEL's budget."""

MAX_NAMESPACE_CHARACTERS: Final = 250_000
"""Length of all their namespace patterns with wildcards. With twice as much it would exceed the budget, too."""

MAX_PATTERNS_BYTES: Final = 960 * 1024
"""A ConfigMap holds 1 MiB."""

STALE_SECONDS: Final = 3.0
"""How long admission may still read compiled selectors or the mark of isolation after they were taken off a namespace.

Of 300 withdrawals at a busy API server none was read by the next request. Another API server of the cluster learns of
it through a watch, which takes milliseconds unless it is overloaded; the rest is room for that.
"""


NAMESPACE_BOUNDS: Final = (
    Bound("selectors", MAX_COMPILED),
    Bound("characters of label patterns with wildcards in keys", MAX_WILDCARD_CHARACTERS),
    Bound("bytes of selectors", MAX_COMPILED_BYTES),
)
CONFIGMAP_BOUNDS: Final = (
    Bound("selectors", MAX_PATTERNS),
    Bound("characters of namespace patterns with wildcards", MAX_NAMESPACE_CHARACTERS),
    Bound("bytes of selectors", MAX_PATTERNS_BYTES),
)


def compile_profile(profile: Profile) -> CompiledSelectors:
    """One compiled selector for each selector that a label can match."""
    texts = [
        (selector.namespace, text) for selector in profile.selectors for text in _compile_selector(profile, selector)
    ]
    return tuple(_build_selector(namespace, text) for namespace, text in texts if not FOREIGN.search(namespace))


def _build_selector(namespace: str, text: str) -> CompiledSelector:
    pattern = _compile_namespace(namespace)
    size = len(text.encode()) + 1
    wildcards = len(pattern) if is_wildcard(namespace) else 0
    return CompiledSelector(namespace, text, (1, _weigh_patterns(text), size), (1, wildcards, len(pattern) + 1 + size))


def compile_selectors(namespace: str, profiles: Iterable[Profile], protected: Collection[str]) -> str:
    """The text of the profiles that reach a namespace, whether or not it fits; empty if none does.

    Args:
        namespace: its name.
        profiles: all profiles, in any order.
        protected: namespaces that only their exact name reaches, never a wildcard.
    """
    compiled = order_selectors({profile.name: compile_profile(profile) for profile in profiles})
    return join_selectors(Reach(((selector.namespace, selector) for selector in compiled), protected).find(namespace))


def order_selectors(compiled: Mapping[str, CompiledSelectors]) -> tuple[CompiledSelector, ...]:
    """The compiled selectors of all profiles, by whose name they are given, in the order in which profiles win."""
    return tuple(selector for name in sorted(compiled, key=str.encode) for selector in compiled[name])


def join_selectors(compiled: Iterable[CompiledSelector]) -> str:
    """The compiled selectors as a namespace carries them."""
    return LINE_SEPARATOR.join(selector.text for selector in compiled)


def pick_selectors_of(text: str, profile: str) -> str:
    """One profile's compiled selectors, of all that a namespace carries."""
    own = profile + SEPARATOR
    return LINE_SEPARATOR.join(line for line in text.split(LINE_SEPARATOR) if line.startswith(own))


def compute_allocation(requests: Iterable[CapacityRequest], protected: Collection[str]) -> Allocation:
    """Which compiled selectors each profile gets within the bounds."""
    return allocate(requests, NAMESPACE_BOUNDS, CONFIGMAP_BOUNDS, protected)


def _weigh_patterns(selector: str) -> int:
    """What the compiled selector takes of MAX_WILDCARD_CHARACTERS."""
    patterns = selector.split(SEPARATOR)[4].split(PAIR_SEPARATOR)
    return sum(len(pattern) + 5 for pattern in patterns if pattern and VALUE_SEPARATOR not in pattern)


def has_selector_of(compiled: str, profile: str) -> bool:
    """Whether any of a namespace's compiled selectors is the profile's."""
    return any(line.startswith(profile + SEPARATOR) for line in compiled.split(LINE_SEPARATOR))


def build_patterns(compiled: Iterable[CompiledSelector], protected: Collection[str]) -> dict[str, str]:
    """The data of the ConfigMap from which a new namespace gets its compiled selectors.

    Each line is a compiled selector after one more field: the namespace that the selector names, or, for a wildcard, an
    anchored regular expression, which begins with `^`.
    """
    lines = (f"{_compile_namespace(selector.namespace)}{SEPARATOR}{selector.text}" for selector in compiled)
    return {PATTERNS_KEY: LINE_SEPARATOR.join(lines), PROTECTED_KEY: LINE_SEPARATOR.join(sorted(protected))}


def compile_namespace_patterns(profiles: Iterable[Profile], protected: Collection[str]) -> dict[str, str]:
    """The same from profiles, whether or not they fit."""
    return build_patterns(order_selectors({profile.name: compile_profile(profile) for profile in profiles}), protected)


def read_patterns(data: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """The ConfigMap's lines, by profile: namespace and compiled selector."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in data.get(PATTERNS_KEY, "").split(LINE_SEPARATOR):
        namespace, _, selector = line.partition(SEPARATOR)
        if selector:
            found.setdefault(selector.partition(SEPARATOR)[0], []).append((namespace, selector))
    return found


def match_old_selectors(compiled: CompiledSelectors, lines: Sequence[tuple[str, str]]) -> CompiledSelectors | None:
    """What a profile has in the ConfigMap, if it is compiled from the same selectors: those never change."""
    if [namespace for namespace, _ in lines] != [_compile_namespace(selector.namespace) for selector in compiled]:
        return None
    return tuple(_build_selector(selector.namespace, text) for selector, (_, text) in zip(compiled, lines, strict=True))


def _compile_selector(profile: Profile, selector: Selector) -> tuple[str, ...]:
    """The selector as text; none if no label can ever match it."""
    if any(is_written(key) or FOREIGN.search(key) or FOREIGN.search(value) for key, value in selector.labels):
        return ()
    exact = [f"{key}={value}" for key, value in selector.labels if not (is_wildcard(key) or is_wildcard(value))]
    wild = [
        f"{_compile_label(key)}={_compile_label(value)}"
        if is_wildcard(key)
        else f"{key}{VALUE_SEPARATOR}{_compile_label(value)}"
        for key, value in selector.labels
        if is_wildcard(key) or is_wildcard(value)
    ]
    fields = (
        profile.name,
        profile.runtime_class,
        profile.unsupported,
        PAIR_SEPARATOR.join(exact),
        PAIR_SEPARATOR.join(wild),
        ZONE_SEPARATOR.join(profile.zones),
        GROUP_SEPARATOR.join(profile.security_groups),
        GROUPS_ALLOWED if profile.pod_security_groups == GROUPS_ALLOWED else "",
        ANNOTATION_SEPARATOR.join(profile.allowed_annotations),
        SELINUX_ALLOWED if profile.selinux_options == SELINUX_ALLOWED else "",
        OPT_OUT_REFUSED if profile.opt_out == OPT_OUT_REFUSED else "",
        SPOT if profile.is_spot else "",
        profile.spot_node_label,
        CAPABILITY_SEPARATOR.join(profile.allowed_capabilities),
        PROVIDER_ALLOWED if profile.pod_choice == PROVIDER_ALLOWED else "",
        SPOT_KEPT if profile.spot_reclaim == "None" and profile.may_use_spot else "",
    )
    used = max(FIXED_FIELDS, *(place for place, field in enumerate(fields, 1) if field))
    return (SEPARATOR.join(fields[:used]),)


# "." matches no line break, and "-" needs no backslash outside brackets: the shorter, the cheaper.
_LABEL_WILDCARDS: Final[Mapping[str, str]] = {"*": ".*", "?": ".", "-": "-"}


def _compile_label(pattern: str) -> str:
    """A key or value pattern as a regular expression that stays inside one line `key=value` of the policy's text."""
    return "".join(_LABEL_WILDCARDS.get(char) or re.escape(char) for char in pattern)


def _compile_namespace(pattern: str) -> str:
    return pattern_to_regex(pattern) if is_wildcard(pattern) else pattern
