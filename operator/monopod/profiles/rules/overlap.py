"""Profiles that can't win, because others that come first by name match every pod that they match.

What is decided, and what isn't:

- One selector against one other: exactly (`contains`). Pods are told apart by their namespace and their labels; a
  label has one value, which is why two pairs of a selector can together imply what neither implies alone.
- One selector against several: exactly as far as namespaces go (`a*` is contained in `a` and `a?*` together). Labels
  aren't pieced together from several selectors: `{tier=*}` with `{tier=?*}` and `{tier=}` before it gets no warning.
- A pod's pin is left out: pods that name their profile (`eks.amazonaws.com/fargate-profile`) can still choose one that
  never wins otherwise.
- `monopod.profiles.rules.pattern` says what holds for single patterns. Here is one more limit, of the same kind: a key
pattern
  with more than 25 different letters and digits may cost a warning.

A selector that no valid pod can match is passed over: that is another fault, which the operator's dry run finds.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from monopod.kube.objects.text import list_names
from monopod.pods.rules.selection import (
    WRITTEN_LABELS,
    Profile,
    Selector,
    is_wildcard,
    is_written,
    matches_pattern,
    reaches,
)
from monopod.profiles.rules.pattern import (
    LABEL_KEY,
    LABEL_VALUE,
    NAMESPACE,
    have_common_text,
    is_covered,
    is_satisfiable,
    may_overlap,
)

Pair = tuple[str, str]
Pairs = tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Shadowed:
    """These profiles, which come first by name, together match every pod that this one matches, and more."""

    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Equal:
    """These profiles, before or after it by name, match exactly the pods that this one matches."""

    others: tuple[str, ...]


Overlap = Shadowed | Equal


def describe_overlap(name: str, overlap: Overlap) -> str:
    """The overlap of the profile with this name, as one sentence for a condition."""
    match overlap:
        case Shadowed(by=(single,)):
            return f"profile {single} comes first by name and matches every pod that this one matches, {_UNLESS_PINNED}"
        case Shadowed(by=several):
            listed = list_names(several, most=5)
            return f"profiles {listed} come first by name and match every pod that this one matches, {_UNLESS_PINNED}"
        case Equal(others=others):
            first = min((name, *others), key=str.encode)
            listed = list_names(others, most=5)
            same = f"profile {listed} selects" if len(others) == 1 else f"profiles {listed} select"
            if first == name:
                return f"{same} the same pods; this profile wins them, because it comes first by name"
            return f"{same} the same pods, and {first} wins them: it comes first by name, {_UNLESS_PINNED}"


_UNLESS_PINNED = "so this one wins no pod that isn't pinned to it"


def find_overlaps(profiles: Iterable[Profile], protected: Collection[str] = ()) -> dict[str, Overlap]:
    """The profiles that never win without a pin, and those with equal selectors, by name.

    Args:
        profiles: all profiles that are enforced, in any order.
        protected: namespaces that only their exact name reaches.
    """
    guarded = frozenset(protected)
    index = _Index(guarded)
    shadowed: dict[str, Shadowed] = {}
    equals: defaultdict[str, list[str]] = defaultdict(list)
    for profile in sorted(profiles, key=lambda profile: profile.name.encode()):
        selectors = [selector for selector in profile.selectors if can_match(selector)]
        if not selectors:
            continue
        covering = index.find_covering(selectors)
        for earlier in covering.alone:
            if all(_is_contained(selector, selectors, guarded) for selector in index.selectors[earlier]):
                equals[earlier].append(profile.name)
                equals[profile.name].append(earlier)
        if covering.fewest:
            shadowed[profile.name] = Shadowed(covering.fewest)
        index.add(profile.name, selectors)
    overlaps: dict[str, Overlap] = {}
    for name in sorted({*shadowed, *equals}, key=str.encode):
        # Of a pair of equals the second is told of the first; the first of what covers both, if anything does.
        has_earlier_equal = any(other.encode() < name.encode() for other in equals[name])
        if name in shadowed and not has_earlier_equal:
            overlaps[name] = shadowed[name]
        else:
            overlaps[name] = Equal(tuple(sorted(equals[name], key=str.encode)))
    return overlaps


def contains(cover: Selector, covered: Selector, protected: Collection[str] = ()) -> bool:
    """Whether every pod that `covered` matches is matched by `cover` too."""
    return not can_match(covered) or _is_contained(covered, (cover,), frozenset(protected))


def can_match(selector: Selector) -> bool:
    """Whether a valid pod can match at all.

    Two pairs never stand in each other's way: their keys are different, and a wildcard matches many keys.
    """
    return is_satisfiable(selector.namespace, NAMESPACE) and all(
        not is_written(key) and is_satisfiable(key, LABEL_KEY) and is_satisfiable(value, LABEL_VALUE)
        for key, value in selector.labels
    )


def may_share_pods(one: Profile, other: Profile, protected: Collection[str] = ()) -> bool:
    """Whether a valid pod can match both profiles; yes, too, where wildcards meet in nothing but a protected name."""
    return any(_meet(mine, theirs, protected) for mine in one.selectors for theirs in other.selectors)


def _meet(one: Selector, other: Selector, protected: Collection[str]) -> bool:
    return can_match(one) and can_match(other) and _share_namespace(one, other, protected) and _share_labels(one, other)


def _share_namespace(one: Selector, other: Selector, protected: Collection[str]) -> bool:
    for exact, selector in ((one, other), (other, one)):
        if not is_wildcard(exact.namespace):
            return reaches(selector, exact.namespace, protected)
    return have_common_text((one.namespace, other.namespace), NAMESPACE)


def _share_labels(one: Selector, other: Selector) -> bool:
    """Whether a pod can have the labels of both: only pairs with the same exact key stand in each other's way."""
    bound: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in (*one.labels, *other.labels):
        if not is_wildcard(key):
            bound[key].append(value)
    return all(have_common_text(values, LABEL_VALUE) for values in bound.values())


def _is_contained(covered: Selector, covers: Iterable[Selector], protected: frozenset[str]) -> bool:
    """Whether the selector, which can match, is contained in one of the covers or in several together."""
    suited = [cover.namespace for cover in covers if _imply_all(covered.labels, cover.labels)]
    return _is_namespace_covered(covered.namespace, suited, protected)


def _is_namespace_covered(namespace: str, covers: Sequence[str], protected: frozenset[str]) -> bool:
    if namespace in protected:
        return namespace in covers
    if not is_wildcard(namespace):
        return any(matches_pattern(cover, namespace) for cover in covers)
    # What a wildcard would match of the protected namespaces it doesn't reach, so no one needs to cover it.
    spared = sorted(name for name in protected if matches_pattern(namespace, name))
    able = sorted({cover for cover in covers if may_overlap(cover, namespace)})
    return bool(able) and is_covered(namespace, (*able, *spared), NAMESPACE)


@lru_cache(maxsize=65536)
def _imply_all(given: Pairs, wanted: Pairs) -> bool:
    """Whether every pod that has all given pairs has all wanted ones too. The given ones can be had."""
    return all(pair in given or _imply(given, pair) for pair in wanted)


def _imply(given: Pairs, wanted: Pair) -> bool:
    """Whether the given pairs leave no way round the wanted one.

    Each given pair needs a label that isn't of the wanted sort. An exact key has but one, and a wildcard key with a
    value outside the wanted pattern has many. A wildcard key whose values are all wanted needs a key outside the
    wanted key pattern: none (the pair implies the wanted one), exactly one (see `_find_only_way_out`), or many. With
    many keys to choose from, pairs keep out of each other's way. So only those with one way out can collide: with an
    exact key of another value, or with each other.
    """
    bound: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in given:
        all_wanted = is_covered(value, (wanted[1],), LABEL_VALUE)
        if all_wanted and _is_key_covered(key, wanted[0]):
            return True
        if not is_wildcard(key):
            bound[key].append(value)
        elif all_wanted and (only := _find_only_way_out(key, wanted[0])):
            bound[only].append(value)
    return any(len(values) > 1 and not have_common_text(values, LABEL_VALUE) for values in bound.values())


def _is_key_covered(key: str, cover: str) -> bool:
    # The labels that admission writes don't count in selection, so no one needs to cover them.
    spared = (name for name in WRITTEN_LABELS if matches_pattern(key, name))
    return is_covered(key, (cover, *spared), LABEL_KEY)


def _find_only_way_out(key: str, cover: str) -> str | None:
    """The only key that `key` matches and `cover` doesn't, or None if there are more.

    A key that fills a wildcard isn't alone: another letter in the same place makes another. So it is the key in which
    every `*` stands for nothing, as `a` in `a*` beside `a?*`.
    """
    if "?" in key:
        return None
    stars = [index for index, char in enumerate(key) if char == "*"]
    if all(_is_key_covered(f"{key[:index]}?{key[index:]}", cover) for index in stars):
        return key.replace("*", "")
    return None


@dataclass(frozen=True, slots=True)
class _Covering:
    alone: tuple[str, ...]
    """Profiles each of which covers all selectors by one of its own each, by name."""
    fewest: tuple[str, ...]
    """A few profiles that cover all selectors together; empty if there are none."""


_Key = tuple[str | None, Pair | None]


@dataclass
class _Index:
    """The selectors of the profiles so far, found by what a selector shares with every other that it contains.

    That is its namespace, unless that is a wildcard, and any of its exact pairs, if it has one.
    """

    protected: frozenset[str]
    selectors: dict[str, list[Selector]] = field(default_factory=dict)
    _buckets: dict[_Key, list[tuple[str, Selector]]] = field(default_factory=lambda: defaultdict(list))
    _namespaces: set[str] = field(default_factory=set)

    def add(self, name: str, selectors: list[Selector]) -> None:
        """Adds a profile; profiles come in the order of their names."""
        self.selectors[name] = selectors
        for selector in selectors:
            exact = next((pair for pair in selector.labels if not is_wildcard(pair[0] + pair[1])), None)
            namespace = None if is_wildcard(selector.namespace) else selector.namespace
            self._buckets[namespace, exact].append((name, selector))
            if namespace:
                self._namespaces.add(namespace)

    def find_covering(self, selectors: Sequence[Selector]) -> _Covering:
        """The profiles that cover these selectors."""
        candidates = [self._find_candidates(selector) for selector in selectors]
        singles = [
            {name for name, other in found if _is_contained(selector, (other,), self.protected)}
            for selector, found in zip(selectors, candidates, strict=True)
        ]
        alone = tuple(sorted(set.intersection(*singles), key=str.encode))
        if alone:
            return _Covering(alone, alone[:1])
        used: set[str] = set()
        for selector, containers, found in zip(selectors, singles, candidates, strict=True):
            parts = sorted(containers, key=str.encode)[:1] or self._compute_parts(selector, found)
            if not parts:
                return _Covering((), ())
            used.update(parts)
        return _Covering((), tuple(sorted(used, key=str.encode)))

    def _compute_parts(self, selector: Selector, candidates: list[tuple[str, Selector]]) -> list[str]:
        """Profiles whose selectors contain this one together; none of them can be left out."""
        if not _is_contained(selector, [other for _, other in candidates], self.protected):
            return []
        parts = sorted(candidates, key=lambda candidate: candidate[0].encode())
        for part in reversed(parts):
            rest = [each for each in parts if each is not part]
            if _is_contained(selector, [other for _, other in rest], self.protected):
                parts = rest
        return [name for name, _ in parts]

    def _find_candidates(self, selector: Selector) -> list[tuple[str, Selector]]:
        """The selectors that can have a part in containing this one."""
        namespaces: set[str | None] = {None, selector.namespace}
        if is_wildcard(selector.namespace):
            namespaces.update(name for name in self._namespaces if matches_pattern(selector.namespace, name))
        return [
            (name, other)
            for namespace in namespaces
            for pair in (*selector.labels, None)
            for name, other in self._buckets.get((namespace, pair), ())
            if may_overlap(selector.namespace, other.namespace)
        ]
