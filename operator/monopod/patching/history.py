"""What is remembered of a profile's pods from one look to the next: since when they wait, and what has been tried.

It is forgotten with the process. The next one waits again from the beginning, which is late and never early.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from monopod.kube.clock import Clock
from monopod.kube.controller import Backoff
from monopod.patching.rules.scan import ProfileScan

# After that long, what lacks Ready pods, or is refused meanwhile, holds up no others.
PATIENCE_SECONDS: Final = 600.0
# As long as no pod has come up since a patch, one more may try it after each of these pauses.
FIRST_PODS: Final = Backoff(first=PATIENCE_SECONDS, longest=3600.0)

Key = tuple[str, str]


class History:
    """Holds nothing of pods, workloads and profiles that are gone; see `retain`.

    Attributes:
        expected: how many pods workloads of unknown kinds had, by uid.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.expected: dict[str, int] = {}
        self._since: dict[Key, float] = {}
        self._first_pods: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.expected) + len(self._since) + len(self._first_pods)

    def observe(self, scan: ProfileScan) -> None:
        """Remembers how many pods there were."""
        for uid, pods in scan.group().items():
            if scan.workloads[uid].desired is None and not scan.workloads[uid].is_bare:
                there = sum(not pod.is_terminating for pod in pods)
                self.expected[uid] = max(self.expected.get(uid, 0), there)

    def select_lasting(self, what: str, of: Iterable[str], those: Collection[str]) -> set[str]:
        """Of those of which something is so now, by uid, the ones of which it has been for long."""
        now = self._clock.monotonic()
        found = set()
        for uid in of:
            if uid not in those:
                self._since.pop((what, uid), None)
            elif now - self._since.setdefault((what, uid), now) >= PATIENCE_SECONDS:
                found.add(uid)
        return found

    def is_overtaken(self, profile: str, *, is_doubtful: bool, is_under_way: bool) -> bool:
        """Whether pods that don't come up have held up the first pod of others for long enough.

        Args:
            profile: theirs.
            is_doubtful: whether no pod is Ready in a sandbox from after the patch.
            is_under_way: whether some pod may become so.
        """
        key, now = ("first", profile), self._clock.monotonic()
        if is_doubtful:
            self._first_pods.setdefault(profile, 0)  # before any pod is under way: the first one counts, too
        else:
            self._first_pods.pop(profile, None)
        if not (is_doubtful and is_under_way):
            self._since.pop(key, None)
            return False
        tried = self._first_pods[profile]
        return now - self._since.setdefault(key, now) >= FIRST_PODS.after(max(1, tried))

    def note_eviction(self, profile: str) -> None:
        """A pod of the profile was evicted. While it isn't known whether another comes up, that was a first one."""
        self._since.pop(("first", profile), None)
        if profile in self._first_pods:
            self._first_pods[profile] += 1

    def retain(self, scans: Mapping[str, ProfileScan | None]) -> None:
        """Forgets what is in none of these, which are by the profiles' names."""
        known = {*scans}
        for scan in scans.values():
            if scan:
                known.update(scan.workloads, (pod.uid for pod in scan.pods))
        self.expected = {uid: count for uid, count in self.expected.items() if uid in known}
        self._since = {key: since for key, since in self._since.items() if key[1] in known}
        self._first_pods = {name: count for name, count in self._first_pods.items() if name in known}
