"""The data that the policies read: profiles compiled to one line of text per selector.

The lines stand in an annotation of each namespace that a profile reaches, and, for namespaces that don't exist yet, in
a ConfigMap. CEL can parse neither JSON nor YAML, so the lines are made for `split`:

    web|kata|Pend|tier=web app=shop|team=[^,=]*
    │   │    │    │                 └ label patterns, as regular expressions over `key=value`
    │   │    │    └ label pairs without wildcards: no regular expression has to be compiled for them
    │   │    └ what happens to pods that Fargate can't run: Pend or Reject
    │   └ RuntimeClass
    └ profile

A profile with zones has a sixth field, `…|eu-1a,eu-1b`; one with security groups a seventh, `…||web,db`; one that lets
pods choose theirs an eighth, `…|||Allow`. Empty fields at the end are left out, so that policies and rows of different
releases understand each other while Monopod is upgraded.

Lines are sorted by profile name, the order in which profiles win, so that the policy takes the first that matches.
Names and patterns hold none of the separators; a label pattern that does (the API refuses it) matches no label.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from monopod.domain.selection import Profile, Selector, is_wildcard, pattern_to_regex, reaches

LINE_SEPARATOR: Final = "\n"
SEPARATOR: Final = "|"
PAIR_SEPARATOR: Final = " "
ZONE_SEPARATOR: Final = ","
GROUP_SEPARATOR: Final = ","
GROUPS_ALLOWED: Final = "Allow"
FIXED_FIELDS: Final = 5
"""Fields that every row has, empty or not."""

MAX_ROWS: Final = 2000
"""Rows in a namespace. Admission takes some milliseconds per hundred, and CEL has a budget of cost per expression."""

MAX_WILDCARD_CHARACTERS: Final = 12_000
"""Length of all label patterns with wildcards in a namespace. Kubernetes bounds the cost of an expression, and that of
a regular expression is its length times that of the text: this much leaves room for 2,000 characters of labels on a
pod. Beyond the budget, pods would be refused."""

MAX_ROWS_BYTES: Final = 176 * 1024
"""Kubernetes allows 256 KiB for all annotations of an object together; others need room too."""

MAX_PATTERNS: Final = 5000
"""Selectors of the whole cluster. With 20,000 the creation of a namespace would exceed CEL's budget."""

MAX_PATTERNS_BYTES: Final = 960 * 1024
"""A ConfigMap holds 1 MiB."""

PATTERNS_KEY: Final = "rows"
PROTECTED_KEY: Final = "protected"

FOREIGN: Final = re.compile(r"[|=,\s]")
"""What no label's key or value holds."""


class RowsTooLarge(ValueError):
    """More than Kubernetes lets an object carry, or lets a policy spend on reading it."""


def compile_rows(namespace: str, profiles: Iterable[Profile], protected: Collection[str]) -> str:
    """The rows of the profiles that reach a namespace, one per line; empty if none does.

    Args:
        namespace: its name.
        profiles: all profiles, in any order.
        protected: namespaces that only their exact name reaches, never a wildcard.

    Raises:
        RowsTooLarge: they don't fit into an annotation, or are too many.
    """
    lines = [
        row
        for profile, selector in _each_selector(profiles)
        if reaches(selector, namespace, protected)
        for row in _compile_row(profile, selector)
    ]
    place = f"namespace {namespace}"
    wildcards = sum(len(line.split(SEPARATOR)[4]) for line in lines)
    check_room(wildcards, MAX_WILDCARD_CHARACTERS, f"{_HAVE} {{}} characters of label patterns with wildcards", place)
    return _join_within(lines, MAX_ROWS, MAX_ROWS_BYTES, place)


def has_row_of(rows: str, profile: str) -> bool:
    """Whether any of a namespace's rows is the profile's."""
    return any(line.startswith(profile + SEPARATOR) for line in rows.split(LINE_SEPARATOR))


def compile_namespace_patterns(profiles: Sequence[Profile], protected: Collection[str]) -> dict[str, str]:
    """The data of the ConfigMap from which a new namespace gets its rows.

    Each line is a row with one more field before it: the namespace that the selector names, or, for a wildcard, an
    anchored regular expression, which begins with `^`.

    Raises:
        RowsTooLarge: they don't fit into a ConfigMap, or are too many.
    """
    lines = [
        f"{_compile_namespace(selector.namespace)}{SEPARATOR}{row}"
        for profile, selector in _each_selector(profiles)
        if not FOREIGN.search(selector.namespace)
        for row in _compile_row(profile, selector)
    ]
    return {
        PATTERNS_KEY: _join_within(lines, MAX_PATTERNS, MAX_PATTERNS_BYTES, "the ConfigMap for new namespaces"),
        PROTECTED_KEY: LINE_SEPARATOR.join(sorted(protected)),
    }


def _each_selector(profiles: Iterable[Profile]) -> Iterable[tuple[Profile, Selector]]:
    for profile in sorted(profiles, key=lambda each: each.name.encode()):
        for selector in profile.selectors:
            yield profile, selector


def _compile_row(profile: Profile, selector: Selector) -> tuple[str, ...]:
    """The selector's row; none if no label can ever match it."""
    if any(FOREIGN.search(key) or FOREIGN.search(value) for key, value in selector.labels):
        return ()
    exact = [f"{key}={value}" for key, value in selector.labels if not (is_wildcard(key) or is_wildcard(value))]
    wild = [
        f"{_compile_label(key)}={_compile_label(value)}"
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
    )
    used = max(FIXED_FIELDS, *(place for place, field in enumerate(fields, 1) if field))
    return (SEPARATOR.join(fields[:used]),)


_LABEL_WILDCARDS: Final[Mapping[str, str]] = {"*": "[^,=]*", "?": "[^,=]"}


def _compile_label(pattern: str) -> str:
    """A key or value pattern as a regular expression that stays inside one `key=value` of the policy's label text."""
    return "".join(_LABEL_WILDCARDS.get(char) or re.escape(char) for char in pattern)


def _compile_namespace(pattern: str) -> str:
    return pattern_to_regex(pattern) if is_wildcard(pattern) else pattern


_HAVE: Final = "the profiles have"


def _join_within(lines: Sequence[str], most_lines: int, most_bytes: int, place: str) -> str:
    text = LINE_SEPARATOR.join(lines)
    check_room(len(lines), most_lines, f"{_HAVE} {{}} selectors", place)
    check_room(len(text.encode()), most_bytes, f"{_HAVE} {{}} bytes of selectors", place)
    return text


def check_room(found: int, most: int, what: str, place: str) -> None:
    """Holds a number to its bound; `what` says with `{}` for the number what there is, `place` where.

    Raises:
        RowsTooLarge: it is above the bound.
    """
    if found > most:
        raise RowsTooLarge(f"{what.format(found)} for {place}; there is room for {most}")
