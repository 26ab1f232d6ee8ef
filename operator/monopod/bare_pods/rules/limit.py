"""How many pods without a controller are under way at a time: which of those to be moved are stored next.

A pod may hang for as long as somebody likes, by a budget or a finalizer. It takes no room from pods of other namespaces
then; and of its own namespace there are never more than a few, because each is observed every two seconds.
"""

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence

from monopod.bare_pods.rules.steps import FOR_A_PERSON, BarePod, StoredPod
from monopod.kube.objects.timestamps import read_time

MOST_STORED = 50
"""More than are evicted in the time that one takes; the others wait for their turn."""
MOST_OF_A_NAMESPACE = 25
HANGING_SECONDS = 60.0


def find_next(stored: Sequence[StoredPod], wanted: Iterable[BarePod], now: str) -> list[BarePod]:
    """Those of the wanted pods that may be stored now, in their order; `now` is an RFC 3339 time."""
    active = [each for each in stored if each.phase not in FOR_A_PERSON]
    taken = Counter(each.namespace for each in active)
    capacity = MOST_STORED - sum(not _hangs(each, now) for each in active)
    found: list[BarePod] = []
    for pod in wanted:
        if len(found) < capacity and taken[pod.namespace] < MOST_OF_A_NAMESPACE:
            found.append(pod)
            taken[pod.namespace] += 1
    return found


def _hangs(stored: StoredPod, now: str) -> bool:
    since, clock = read_time(stored.since), read_time(now)
    late = since is not None and clock is not None and clock >= since + datetime.timedelta(seconds=HANGING_SECONDS)
    return late and stored.phase == "Evicting"
