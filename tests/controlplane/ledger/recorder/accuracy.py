"""How far what is kept is from the truth, by what was going on when a pod went."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from monopod.usage.rules.lifetime import Lifetime
from tests.controlplane.ledger.recorder.crowd import Truth

QUIET = "both recorders there"

LATENCY_MS = 2000
"""Between two writes of a recorder, on a machine that has more to do."""

EVENT_MS = 10_000
"""Between a deletion's request and its event, on such a machine: far less than until the next list."""

COMMIT_MS = 2000
"""What was seen a moment before a kill isn't committed yet."""

EARLIER_MS = 30_000
"""Where no pod moves, the moment up to which nothing was missed is that much behind at most."""


@dataclass(frozen=True)
class Span:
    """What was going on, and what may be said of an end in it.

    Attributes:
        situation: its name in the table.
        is_watched: whether a recorder watched all the time, so that ends are exact.
        is_forgotten: whether the API server forgot what happened, so that a pod of this time only may be unknown.
    """

    situation: str
    since: int
    until: int
    is_watched: bool = True
    is_forgotten: bool = False

    def holds(self, moment: int) -> bool:
        return self.since - COMMIT_MS <= moment <= self.until

    @property
    def widest_ms(self) -> int:
        """The widest interval that an end may have."""
        return EARLIER_MS + (0 if self.is_watched else self.until - self.since)


@dataclass
class Line:
    """What the table says of one situation."""

    situation: str
    unknown: int = 0
    widths: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    widest_ms: int = EARLIER_MS
    is_watched: bool = True

    def __str__(self) -> str:
        exact = sum(width == 0 for width in self.widths)
        widths, errors = self.widths or [0], self.errors or [0]
        return (
            f"{self.situation:<44} {len(self.widths):>6} {exact:>6} {self.unknown:>8} {median(widths) / 1000:>8.1f} s "
            f"{max(widths) / 1000:>8.1f} s {self.widest_ms / 1000:>7.0f} s {max(errors) / 1000:>8.2f} s"
        )


HEADER = (
    f"{'while':<44} {'ended':>6} {'exact':>6} {'unknown':>8} {'median':>10} {'widest':>10} {'bound':>9} {'outside':>10}"
)
"""Ends that are exact; pods of which nothing is known; intervals of ends; how far the truth is outside of them."""


def tabulate(spans: Iterable[Span], truths: Mapping[str, Truth], kept: Mapping[str, Lifetime]) -> list[Line]:
    """A line for each situation, in their order; where several hold of a moment, the last one counts."""
    all_spans = [*spans]
    lines = {situation: Line(situation) for situation in (QUIET, *(span.situation for span in all_spans))}
    for uid, truth in truths.items():
        if truth.deleted is None:
            continue
        span = next((each for each in reversed(all_spans) if each.holds(truth.deleted[1])), None)
        line = lines[span.situation if span else QUIET]
        if span:
            line.is_watched = span.is_watched
            line.widest_ms = max(line.widest_ms, span.widest_ms)
        lifetime = kept.get(uid)
        if lifetime is None:
            line.unknown += 1
        elif end := lifetime.end:
            line.widths.append(end.latest - end.earliest)
            line.errors.append(max(0, end.earliest - truth.deleted[1], truth.deleted[0] - end.latest))
    return [*lines.values()]
