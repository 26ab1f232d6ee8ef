"""What a pod was that is known by its name only: what others of its workload were, made before it and after it.

Events have no size, and guessing one would be making up a bill. But a workload's pods are alike until its template, its
namespace or its profile changes. So a pod between two others that are alike was like them. The owner's template would
tell less: not what admission made of it, nor with which profile, and it is gone with its owner.
"""

import bisect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from monopod.usage.rules.lifetime import Description, Lifetime
from monopod.usage.rules.sighting import name_cron_job

_GENERATED: Final = re.compile("(.+)-[bcdfghjklmnpqrstvwxz2456789]{5}")
"""What Kubernetes appends to a name; it leaves out vowels, and what looks alike."""

_CUT: Final = 57
"""A name is cut here before something is appended, so that owners of different names may share it."""

_NUMBERED: Final = re.compile("(.+)-(0|[1-9][0-9]{0,8})")
_BARE: Final = "Pod/"


class Siblings:
    """All pods that are known, by what they have in common.

    Args:
        lifetimes: of pods that were seen, whether they exist or not.
    """

    def __init__(self, lifetimes: Iterable[Lifetime]) -> None:
        self._known: dict[tuple[str, str], _Members] = {}
        for lifetime in sorted({each.uid: each for each in lifetimes}.values(), key=_get_age):
            about = lifetime.description
            if not about.workload.startswith(_BARE):
                for key in {about.workload, _cut_suffix(about.name)} - {""}:
                    self._known.setdefault((about.namespace, key), _Members()).add(lifetime)

    def infer(self, namespace: str, name: str, made: int) -> Description | None:
        """What a pod was; None unless that is certain.

        Args:
            namespace: the pod's.
            name: the pod's, as its owner built it.
            made: when it was made, to the second.
        """
        keys = [(namespace, key) for key in _list_keys(name, made)]
        found = [self._known[key] for key in keys if key in self._known]
        if len(set[tuple[object, ...]]().union(*(each.kinds for each in found))) != 1:
            return None
        before = max((last for each in found if (last := each.find_last(made))), key=_get_age, default=None)
        if before is None:
            return None
        after = min(
            (first for each in found if (first := each.find_first(made, before.uid))), key=_get_age, default=None
        )
        if after is None:
            return None
        one, other = before.description, after.description
        labels = tuple(sorted(set(one.labels) & set(other.labels)))
        return replace(one, version=0, name=name, node="", labels=labels)


@dataclass(slots=True)
class _Members:
    """Pods that have something in common, by age: there may be very many, and as many questions."""

    by_age: list[Lifetime] = field(default_factory=list)
    kinds: set[tuple[object, ...]] = field(default_factory=set)

    def add(self, lifetime: Lifetime) -> None:
        """The next by age."""
        self.by_age.append(lifetime)
        self.kinds.add(_describe_kind(lifetime.description))

    def find_last(self, made: int) -> Lifetime | None:
        """The last that was made until then."""
        index = bisect.bisect_right(self.by_age, made, key=_get_created)
        return self.by_age[index - 1] if index else None

    def find_first(self, made: int, other: str) -> Lifetime | None:
        """The first that was made since then, but for one of them."""
        start = bisect.bisect_left(self.by_age, made, key=_get_created)
        return next((each for each in islice(self.by_age, start, start + 2) if each.uid != other), None)


def _get_age(lifetime: Lifetime) -> tuple[int, str]:
    return lifetime.created, lifetime.uid


def _get_created(lifetime: Lifetime) -> int:
    return lifetime.created


def _describe_kind(about: Description) -> tuple[object, ...]:
    """What a bill depends on, and whose pod it is."""
    size = (about.cpu_millis, about.memory_mib, about.storage_gib)
    return (about.profile, about.workload, about.capacity, about.architecture, *size)


def _cut_suffix(name: str) -> str:
    """What a controller called the pod before the API server made its name unique; "" if it didn't."""
    generated = _GENERATED.fullmatch(name)
    return generated[1] if generated and len(generated[1]) < _CUT else ""


def _list_keys(name: str, made: int) -> Iterator[str]:
    """What pods have in common that may be of the same owner.

    Pods of a ReplicaSet or a Job have the owner's name and a suffix; of a CronJob's Jobs also the minute that they were
    due at, of an indexed Job a number. A StatefulSet numbers its pods.
    """
    if stem := _cut_suffix(name):
        yield stem
        if due := name_cron_job(stem, made):
            yield f"CronJob/{due}"
        elif numbered := _NUMBERED.fullmatch(stem):
            yield f"Job/{numbered[1]}"
    elif numbered := _NUMBERED.fullmatch(name):
        yield f"StatefulSet/{numbered[1]}"
