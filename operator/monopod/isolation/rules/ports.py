"""Which ports a rule opens: all, those of a protocol, a range of them, or one by its name.

A named port stands for the number that a pod's container gives it, which no one knows before the pod is there: it is
only ever equal to itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of one protocol, or everything; `last` is the same as `first` for a single port, None where no number is.

    Without a protocol every port of every protocol is meant, and whatever else there is (ICMP, for one).
    """

    protocol: str | None = None
    first: int | str | None = None
    last: int | None = None

    @classmethod
    def of(cls, protocol: str | None, port: int | str | None = None, end_port: int | None = None) -> "Ports":
        """The ports of a rule that is written as Kubernetes does, where a single port has no end."""
        return cls(protocol, port, (end_port or port) if isinstance(port, int) else None)

    def covers(self, other: "Ports") -> bool:
        """Whether every connection that the other opens is opened by this one, whatever names stand for."""
        if self.protocol is None:
            return True
        if self.protocol != other.protocol:
            return False
        if isinstance(self.first, int) and isinstance(other.first, int):
            return self.first <= other.first and (other.last or other.first) <= (self.last or self.first)
        return self.first is None or self.first == other.first

    def intersect(self, other: "Ports") -> "Ports | None":
        """What both open, as far as it is known: a name and a number may be the same, but need not be."""
        if self.covers(other):
            return other
        if other.covers(self):
            return self
        if self.protocol != other.protocol or not (isinstance(self.first, int) and isinstance(other.first, int)):
            return None
        first = max(self.first, other.first)
        last = min(self.last or self.first, other.last or other.first)
        return Ports(self.protocol, first, last) if first <= last else None

    def as_dict(self) -> dict[str, Any]:
        """An entry of `ports`; there is none for everything, which is said by leaving `ports` out."""
        entry: dict[str, Any] = {"protocol": self.protocol}
        if self.first is not None:
            entry["port"] = self.first
        if self.last is not None and self.last != self.first:
            entry["endPort"] = self.last
        return entry

    def __str__(self) -> str:
        if self.protocol is None:
            return "all"
        if self.first is None:
            return self.protocol
        end = f"-{self.last}" if self.last is not None and self.last != self.first else ""
        return f"{self.protocol} {self.first}{end}"


EVERYTHING = Ports()


def merge_ports(several: Iterable[Ports]) -> tuple[Ports, ...]:
    """The fewest that open the same, in order: by protocol, numbers before names."""
    left = set(several)
    if EVERYTHING in left:
        return (EVERYTHING,)
    protocols: dict[str, list[Ports]] = {}
    for each in left:
        protocols.setdefault(each.protocol or "", []).append(each)
    return tuple(merged for protocol in sorted(protocols) for merged in _merge_protocol(protocol, protocols[protocol]))


def _merge_protocol(protocol: str, several: list[Ports]) -> Iterator[Ports]:
    whole = Ports(protocol)
    if whole in several:
        yield whole
        return
    ranges = sorted((each.first, each.last or each.first) for each in several if isinstance(each.first, int))
    while ranges:
        first, last = ranges.pop(0)
        while ranges and ranges[0][0] <= last + 1:
            last = max(last, ranges.pop(0)[1])
        yield Ports(protocol, first, last)
    for name in sorted(each.first for each in several if isinstance(each.first, str)):
        yield Ports(protocol, name)
