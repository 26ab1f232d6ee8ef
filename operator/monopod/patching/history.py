"""What is remembered of a profile's pods from one look to the next: since when they wait, and what has been tried.

It is lost with the process. The next one waits again from the beginning, so pods go later; only the pauses between
first pods are short again.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from monopod.eviction.rules.order import Candidate
from monopod.kube.clock import Clock
from monopod.kube.controller import Backoff
from monopod.patching.rules.scan import ProfileScan

# After this time a workload that lacks Ready pods, or whose pods are refused, holds up no others; nor does a namespace
# in which evictions have no answer.
PATIENCE_SECONDS: Final = 600.0
# So long after a request without an answer the API server may still grant it: it gives up on its own after a minute.
DOUBT_SECONDS: Final = 75.0
# As long as no pod has become Ready since a patch, one more may be evicted after each of these pauses.
FIRST_PODS: Final = Backoff(first=PATIENCE_SECONDS, longest=3600.0)

Key = tuple[str, str]
"""What is so, or the profile, and the uid of the pod or workload, or the name of what else, of which it is so."""


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
        """Until when pods may be evicted whose evictions had no answer."""
        self._silent: dict[Key, tuple[float, float]] = {}
        """Of namespaces whose pods' evictions have no answer, since when that is so, and when one hadn't last."""

    def __len__(self) -> int:
        counts = len(self.expected), len(self._since), len(self._first_pods), len(self._evicted)
        return sum(counts) + len(self._doubts) + len(self._silent)

    def begin_look(self, profile: str) -> None:
        """Pods of the profile are about to be listed."""
        self._evicted[profile] = set()

    def get_evicted(self, profile: str) -> Collection[str]:
        """The uids of pods that were evicted since then, or may be, which the list may show as if they weren't."""
        return self._list_doubtful(profile, 0.0) | self._evicted.get(profile, set())

    def _list_doubtful(self, profile: str, seconds_after: float) -> set[str]:
        now = self._clock.monotonic() - seconds_after
        return {uid for (name, uid), until in self._doubts.items() if name == profile and now < until}

    def list_unanswered(self, scan: ProfileScan, profile: str, refused: Collection[str]) -> set[str]:
        """The uids of pods in namespaces whose pods' evictions have had no answer for too long, as of a webhook.

        They are left alone for as long, and then tried as any others; of those that were refused, which hold up no
        others anyway, only the ones that have had no answer since.
        """
        silent = {
            namespace
            for (name, namespace), (since, last) in self._silent.items()
            if name == profile and last - since >= PATIENCE_SECONDS and not self._is_past(last)
        }
        wanted = self._list_doubtful(profile, PATIENCE_SECONDS)
        pods = (pod for pod in scan.pods if pod.candidate.namespace in silent)
        return {pod.uid for pod in pods if pod.uid in wanted or pod.uid not in refused}

    def _is_past(self, last: float) -> bool:
        return self._clock.monotonic() - last >= DOUBT_SECONDS + PATIENCE_SECONDS

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

    def note_eviction(self, profile: str, pod: Candidate) -> None:
        """A pod of the profile was evicted. While it isn't known whether another comes up, that was a first one."""
        if profile in self._evicted:
            self._evicted[profile].add(pod.uid)
        self._silent.pop((profile, pod.namespace), None)
        self._since.pop(("first", profile), None)
        if profile in self._first_pods:
            self._first_pods[profile] += 1

    def note_doubt(self, profile: str, pod: Candidate) -> None:
        """A pod of the profile may have been evicted, or be yet: no answer came."""
        now = self._clock.monotonic()
        self._doubts[profile, pod.uid] = now + DOUBT_SECONDS
        since, last = self._silent.get((profile, pod.namespace), (now, now))
        self._silent[profile, pod.namespace] = (now if self._is_past(last) else since, now)

    def retain(self, scans: Mapping[str, ProfileScan | None]) -> None:
        """Forgets what is in none of these scans, which are by the names of profiles."""
        known = {*scans}
        for scan in scans.values():
            if scan:
                known.update(scan.workloads, (pod.uid for pod in scan.pods))
        self.expected = {uid: count for uid, count in self.expected.items() if uid in known}
        self._since = {key: since for key, since in self._since.items() if key[1] in known}
        self._doubts = {key: until for key, until in self._doubts.items() if key[1] in known}
        self._silent = {
            key: times for key, times in self._silent.items() if key[0] in known and not self._is_past(times[1])
        }
        self._first_pods = {name: count for name, count in self._first_pods.items() if name in known}
        self._evicted = {name: uids for name, uids in self._evicted.items() if name in known}
