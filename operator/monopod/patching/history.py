"""What is remembered of a profile's pods from one look to the next: since when they wait, and what has been tried.

It is lost with the process. The next one waits again from the beginning, so pods go later; only the pauses between
first pods are short again.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from monopod.kube.clock import Clock
from monopod.kube.controller import Backoff
from monopod.patching.rules.scan import ProfileScan

# After this time a workload that lacks Ready pods, or whose pods are refused, holds up no others.
PATIENCE_SECONDS: Final = 600.0
# So long after a request without an answer the API server may still grant it: it gives up on its own after a minute.
DOUBT_SECONDS: Final = 75.0
# As long as no pod has become Ready since a patch, one more may be evicted after each of these pauses.
FIRST_PODS: Final = Backoff(first=PATIENCE_SECONDS, longest=3600.0)

Key = tuple[str, str]
"""What is so, and the uid of the pod or workload, or the name of the profile, of which it is so."""


class History:
    """Keeps nothing about pods, workloads and profiles that are gone; see `retain`.

    Attributes:
        expected: how many pods workloads of unknown kinds had, by uid.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.expected: dict[str, int] = {}
        self._since: dict[Key, float] = {}
        self._first_pods: dict[str, int] = {}
        self._evicted: dict[str, set[str]] = {}
        self._doubts: dict[Key, float] = {}

    def __len__(self) -> int:
        counts = len(self.expected), len(self._since), len(self._first_pods), len(self._evicted), len(self._doubts)
        return sum(counts)

    def begin_look(self, profile: str) -> None:
        """Pods of the profile are about to be listed."""
        self._evicted[profile] = set()

    def get_evicted(self, profile: str) -> Collection[str]:
        """The uids of pods that were evicted since then, or may be, which the list may show as if they weren't."""
        now = self._clock.monotonic()
        doubtful = {uid for (name, uid), until in self._doubts.items() if name == profile and now < until}
        return doubtful | self._evicted.get(profile, set())

    def observe(self, scan: ProfileScan) -> None:
        """Remembers how many pods each workload of an unknown kind had at most."""
        for uid, pods in scan.group().items():
            if scan.workloads[uid].desired is None and not scan.workloads[uid].is_bare:
                there = sum(not pod.is_terminating for pod in pods)
                self.expected[uid] = max(self.expected.get(uid, 0), there)

    def select_lasting(self, what: str, every: Iterable[str], current: Collection[str]) -> set[str]:
        """The uids of which something has been so for longer than `PATIENCE_SECONDS`.

        Args:
            what: what is so, in a word.
            every: all uids that were looked at.
            current: those of which it is so now.
        """
        now = self._clock.monotonic()
        found = set()
        for uid in every:
            if uid not in current:
                self._since.pop((what, uid), None)
            elif now - self._since.setdefault((what, uid), now) >= PATIENCE_SECONDS:
                found.add(uid)
        return found

    def is_overtaken(self, profile: str, *, is_doubtful: bool, is_under_way: bool) -> bool:
        """Whether pods that don't become Ready have held up those of other workloads for long enough.

        Args:
            profile: the name of their profile.
            is_doubtful: whether no pod is Ready in a sandbox from after the patch.
            is_under_way: whether some pod may still become Ready in one.
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

    def note_eviction(self, profile: str, uid: str) -> None:
        """A pod of the profile was evicted. While it isn't known whether another comes up, that was a first one."""
        if profile in self._evicted:
            self._evicted[profile].add(uid)
        self._since.pop(("first", profile), None)
        if profile in self._first_pods:
            self._first_pods[profile] += 1

    def note_doubt(self, profile: str, uid: str) -> None:
        """A pod of the profile may have been evicted, or be yet: no answer came."""
        self._doubts[profile, uid] = self._clock.monotonic() + DOUBT_SECONDS

    def retain(self, scans: Mapping[str, ProfileScan | None]) -> None:
        """Forgets what is in none of these scans, which are by the names of profiles."""
        known = {*scans}
        for scan in scans.values():
            if scan:
                known.update(scan.workloads, (pod.uid for pod in scan.pods))
        self.expected = {uid: count for uid, count in self.expected.items() if uid in known}
        self._since = {key: since for key, since in self._since.items() if key[1] in known}
        self._doubts = {key: until for key, until in self._doubts.items() if key[1] in known}
        self._first_pods = {name: count for name, count in self._first_pods.items() if name in known}
        self._evicted = {name: uids for name, uids in self._evicted.items() if name in known}
