"""Which profiles there is capacity for: what doesn't fit into the bounds of admission isn't published, the rest is.

Kubernetes bounds what an object carries and what a policy may spend on reading it, so a namespace holds only so many
compiled selectors, and so does the ConfigMap for new namespaces. A profile that doesn't fit is held back as a whole:
one that is enforced in some of its namespaces, and without a word not in others, would be believed to be enforced.

- What is enforced keeps its place, whatever comes; of the others the older ones come first. So a profile is never
  ousted, and whoever works this out again comes to the same result.
- An enforced profile that was changed, and doesn't fit any more, keeps the compiled selectors that it has.
- What counts are the profiles, not the namespaces that exist: the creation of a namespace brings no trouble. For names
  that no selector spells out, wildcard patterns count as if they met in one name, unless they begin differently:
  `team-a-*` and `team-b-*` never meet.

What compiled selectors look like and how much of them fits isn't known here (see `monopod.selectors.compile`).
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monopod.kube.objects.fields import InvalidProfile, Part
from monopod.pods.rules.selection import is_wildcard
from monopod.selectors.reach import each_head, get_head, reaches_by_pattern


@dataclass(frozen=True, slots=True, order=True)
class Registration:
    """When a profile was created, and its name; in the order in which profiles count against the quota.

    `created` is metadata.creationTimestamp as the API server writes it (UTC, whole seconds), so it sorts as text.
    """

    created: str
    name: str

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "Registration":
        """Reads a FargateProfile as the API server sends it.

        Raises:
            InvalidProfile: a field is of the wrong type.
        """
        metadata = Part(resource, error=InvalidProfile).child("metadata")
        return cls(metadata.text("creationTimestamp"), metadata.text("name"))


Load = tuple[int, ...]
"""What compiled selectors take, of each bound of a place."""

CONFIGMAP: Final = ""
"""The place that holds the compiled selectors of all profiles, for namespaces to come."""

_AFTER: Final = "\uffff"
"""Sorts after all that a name holds."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How much of something fits."""

    what: str
    most: int


@dataclass(frozen=True, slots=True)
class CompiledSelector:
    """A selector, compiled: for namespaces that match the pattern, and what it takes of one, and of the ConfigMap."""

    namespace: str
    text: str
    load: Load
    load_of_configmap: Load


CompiledSelectors = tuple[CompiledSelector, ...]


@dataclass(frozen=True, slots=True)
class CapacityRequest:
    """A profile that asks for capacity.

    Attributes:
        compiled: those that it should have.
        enforced: whether it has compiled selectors already.
        old: which, if that is known.
    """

    registration: Registration
    compiled: CompiledSelectors
    enforced: bool = False
    old: CompiledSelectors | None = None


@dataclass(frozen=True, slots=True)
class Overflow:
    """Why it doesn't fit: the place (a namespace's name, a pattern like `team-*`, or CONFIGMAP), and its bound."""

    place: str
    found: int
    bound: Bound

    def __str__(self) -> str:
        if self.place == CONFIGMAP:
            place = "the ConfigMap for new namespaces"
        else:
            place = f"namespaces {self.place}" if is_wildcard(self.place) else f"namespace {self.place}"
        return f"{place} would have {self.found} {self.bound.what}, and the capacity is {self.bound.most}"

    def concerns(self, namespace: str) -> bool:
        """Whether the place is this namespace, or a pattern that it matches."""
        return self.place != CONFIGMAP and reaches_by_pattern(self.place, namespace, ())


@dataclass(frozen=True, slots=True)
class Allocation:
    """Which compiled selectors each profile gets, by its name; one that doesn't fit gets none, or keeps its own."""

    compiled: Mapping[str, CompiledSelectors]
    overflow: Mapping[str, Overflow]


def allocate(
    requests: Iterable[CapacityRequest],
    of_namespace: Sequence[Bound],
    of_configmap: Sequence[Bound],
    protected: Collection[str],
) -> Allocation:
    """Gives capacity to what is enforced, then to the older, then to the newer profiles."""
    capacity = _Capacity(of_namespace, of_configmap, protected)
    compiled: dict[str, CompiledSelectors] = {}
    overflow: dict[str, Overflow] = {}
    ordered = sorted(requests, key=lambda request: (not request.enforced, request.registration))
    settled = [request for request in ordered if request.enforced]
    for request in settled:
        compiled[request.registration.name] = kept = request.compiled if request.old is None else request.old
        if (found := capacity.add(kept)) and kept == request.compiled:
            overflow[request.registration.name] = found
    for request in ordered:
        name = request.registration.name
        held = compiled.get(name, ())
        if held == request.compiled:
            continue
        capacity.remove(held)
        if found := capacity.add(request.compiled):
            capacity.remove(request.compiled)
            capacity.add(held)
            overflow[name] = found
        else:
            compiled[name] = request.compiled
    return Allocation(compiled, overflow)


class _Capacity:
    """What is taken, by the namespaces that selectors spell out, and by what wildcard patterns begin with."""

    def __init__(
        self, of_namespace: Sequence[Bound], of_configmap: Sequence[Bound], protected: Collection[str]
    ) -> None:
        self._of_namespace = of_namespace
        self._of_configmap = of_configmap
        self._protected = protected
        self._patterns: defaultdict[str, list[CompiledSelector]] = defaultdict(list)
        """Compiled selectors with wildcards, by what these begin with."""
        self._heads = _Places()
        self._names = _Places()
        self._configmap = [0] * len(of_configmap)

    def add(self, compiled: CompiledSelectors) -> Overflow | None:
        """Adds the compiled selectors, whether or not they fit; returns the first bound that they exceed."""
        found = [each for selector in compiled for each in self._put(selector)]
        for selector in compiled:
            _add(self._configmap, selector.load_of_configmap)
        found += _find_excess(CONFIGMAP, self._configmap, self._of_configmap)
        return found[0] if found else None

    def remove(self, compiled: CompiledSelectors) -> None:
        """Removes compiled selectors that were added."""
        for selector in compiled:
            for _, taken in self._compute_places(selector):
                _add(taken, selector.load, -1)
            if is_wildcard(selector.namespace):
                self._patterns[get_head(selector.namespace)].remove(selector)
            _add(self._configmap, selector.load_of_configmap, -1)

    def _put(self, selector: CompiledSelector) -> Iterator[Overflow]:
        head = get_head(selector.namespace)
        if is_wildcard(selector.namespace):
            self._heads.open(head, len(self._of_namespace), self._get_selectors(head))
            self._patterns[head].append(selector)
        else:
            reaching = (each for each in self._get_selectors(head) if self._reaches(each, head))
            self._names.open(head, len(self._of_namespace), reaching)
        for place, taken in self._compute_places(selector):
            _add(taken, selector.load)
            yield from _find_excess(place, taken, self._of_namespace)

    def _get_selectors(self, text: str) -> Iterator[CompiledSelector]:
        """Compiled selectors with wildcards that begin as the text does."""
        return (selector for head in each_head(text) for selector in self._patterns.get(head, ()))

    def _compute_places(self, selector: CompiledSelector) -> Iterator[tuple[str, list[int]]]:
        """What the compiled selector counts in, each with a name for a message."""
        head = get_head(selector.namespace)
        if not is_wildcard(selector.namespace):
            yield head, self._names.find(head)
            return
        for longer in self._heads.each_beginning(head):
            yield f"{longer}*", self._heads.find(longer)
        for name in self._names.each_beginning(head):
            if self._reaches(selector, name):
                yield name, self._names.find(name)

    def _reaches(self, selector: CompiledSelector, name: str) -> bool:
        return reaches_by_pattern(selector.namespace, name, self._protected)


class _Places:
    """What is taken of each place, and the places in the order of their names, so that a beginning finds its own."""

    def __init__(self) -> None:
        self._taken: dict[str, list[int]] = {}
        self._sorted: list[str] = []

    def open(self, place: str, bounds: int, compiled: Iterable[CompiledSelector]) -> None:
        """Adds the place, with what these compiled selectors take of it, unless it is there."""
        if place in self._taken:
            return
        insort(self._sorted, place)
        self._taken[place] = taken = [0] * bounds
        for selector in compiled:
            _add(taken, selector.load)

    def find(self, place: str) -> list[int]:
        return self._taken[place]

    def each_beginning(self, head: str) -> list[str]:
        return self._sorted[bisect_left(self._sorted, head) : bisect_left(self._sorted, head + _AFTER)]


def _add(taken: list[int], load: Load, sign: int = 1) -> None:
    for index, amount in enumerate(load):
        taken[index] += sign * amount


def _find_excess(place: str, taken: Sequence[int], bounds: Sequence[Bound]) -> Iterator[Overflow]:
    return (Overflow(place, amount, bound) for amount, bound in zip(taken, bounds, strict=True) if amount > bound.most)
