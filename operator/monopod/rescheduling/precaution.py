"""Remembers since when replacements are on their way, and considers all namespaces at once.

What follows is decided in `monopod.rescheduling.rules.caution`.

What is forgotten with the process costs time only: a deadline begins again, and so does a profile's canary, unless
Ready pods in its sandbox prove it at the first look.
"""

from collections.abc import Collection, Iterable, Sequence

from monopod.kube.clock import Clock
from monopod.rescheduling.rules.caution import Evidence, Key, get_key, limit
from monopod.rescheduling.rules.plans import WorkloadPlan


class Precaution:
    """Holds what is known between scans; a replacement that isn't Ready after `deadline` seconds is late."""

    def __init__(self, clock: Clock, deadline: float) -> None:
        self._clock = clock
        self._deadline = deadline
        self._proven: set[tuple[str, str]] = set()
        self._since: dict[Key, tuple[int, float]] = {}
        self._broken: set[Key] = set()
        self._chosen: set[Key] = set()
        self._seen: dict[str, tuple[frozenset[Key], frozenset[Key]]] = {}
        """What the last two scans of a namespace showed."""

    def forget(self, profiles: Iterable[str]) -> None:
        """What was known of profiles that are no longer the same."""
        gone = set(profiles)
        self._proven = {each for each in self._proven if each[0] not in gone}
        self._drop({key for scans in self._seen.values() for key in frozenset().union(*scans) if key[0] in gone})

    def retain(self, namespaces: Collection[str]) -> None:
        """Forgets workloads of all other namespaces."""
        for namespace in self._seen.keys() - set(namespaces):
            self._drop(frozenset().union(*self._seen.pop(namespace)))

    def _drop(self, keys: Collection[Key]) -> None:
        self._since = {key: each for key, each in self._since.items() if key not in keys}
        self._broken -= set(keys)
        self._chosen -= set(keys)

    def observe(self, namespace: str, proven: Iterable[str], plans: Sequence[WorkloadPlan]) -> None:
        """Records what a scan shows; a workload that two in a row don't show is gone, or done."""
        self._proven |= {(profile, namespace) for profile in proven}
        keys = frozenset(map(get_key, plans))
        older, last = self._seen.get(namespace, (keys, keys))
        if gone := older - last - keys:
            self._drop(gone)
        self._seen[namespace] = last, keys
        for plan in plans:
            key = get_key(plan)
            if plan.is_broken:
                self._broken.add(key)
            if not plan.replacing:
                self._since.pop(key, None)
                continue
            waiting = len(plan.now) + len(plan.later)
            if self._since.get(key, (-1, 0.0))[0] != waiting:
                self._since[key] = waiting, self._clock.monotonic()

    def limit(self, plans: Sequence[WorkloadPlan], refused: Collection[str]) -> tuple[WorkloadPlan, ...]:
        """No more than is safe now, where budgets refuse the evictions of some pods (NAMESPACE/NAME)."""
        now = self._clock.monotonic()
        late = {key for key, (_, since) in self._since.items() if now - since >= self._deadline}
        held = {get_key(each) for each in plans if each.now and str(each.now[0]) in refused}
        found = limit(plans, Evidence(self._proven, late, self._broken, self._chosen, held))
        unproven = (each for each in found if (each.profile, each.workload.namespace) not in self._proven)
        self._chosen |= {get_key(each) for each in unproven if each.now}
        return found
