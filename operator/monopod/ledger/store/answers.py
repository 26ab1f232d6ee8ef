"""What the store is asked, and what it answers."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from monopod.usage.rules.bill import Usage
from monopod.usage.rules.lifetime import Lifetime, Watched


class StoreUnavailableError(Exception):
    """The database can't be read or written for now: it is away, its disk is full. Nothing of the call was kept."""


class SpoolFullError(Exception):
    """Neither the database nor the spool takes more. Nothing of the call was kept: read no further, and repeat it."""


class TooManyGroupsError(Exception):
    """The answer would have more groups than may be held in memory."""


class TooManyLifetimesError(Exception):
    """More lifetimes were found than were asked for."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far something was read: a watch (its resourceVersion) or a peer's changes (its store and sequence).

    Attributes:
        source: who reads what, a recorder's name for instance; one position is kept of each.
        version: where it goes on; only `source` knows what it means.
    """

    source: str
    version: str


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of what changed in a store.

    Attributes:
        store: the store's id. Another one than last time means a new disk: begin at 0 again.
        lifetimes: as they are now, in the order of their last change.
        watched: all windows, with the last page only: what lies in them is then known to the reader.
        last: the number to ask with next.
        is_end: whether there is nothing more for now.
    """

    store: str
    lifetimes: tuple[Lifetime, ...]
    watched: tuple[Watched, ...]
    last: int
    is_end: bool


class Dimension(Enum):
    """By what usage is summed."""

    NAMESPACE = "namespace"
    """Key: (namespace,)"""

    PROFILE = "profile"
    """Key: (profile,)"""

    SERIES = "series"
    """Key: (namespace, profile), as metrics have it."""

    WORKLOAD = "workload"
    """Key: (namespace, workload)"""

    POD = "pod"
    """Key: (namespace, name, uid)"""

    LABEL = "label"
    """Key: (value,); "" for pods without the label."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """By what usage is summed; `label` is the label's key, with `Dimension.LABEL`."""

    dimension: Dimension
    label: str = ""


BY_NAMESPACE: Final = Grouping(Dimension.NAMESPACE)
BY_PROFILE: Final = Grouping(Dimension.PROFILE)
BY_SERIES: Final = Grouping(Dimension.SERIES)
BY_WORKLOAD: Final = Grouping(Dimension.WORKLOAD)
BY_POD: Final = Grouping(Dimension.POD)


@dataclass(frozen=True, slots=True)
class Group:
    """What some pods used, all of one price: least, billed and most by the ends of their lifetimes' intervals.

    A key has as many groups as its pods have capacities and architectures, which prices differ by. A price that changes
    at a moment is for the caller: sums of adjacent periods are exact, so ask for each version's period.
    """

    key: tuple[str, ...]
    capacity: str
    architecture: str
    least: Usage
    billed: Usage
    most: Usage


@dataclass(frozen=True, slots=True)
class Difference:
    """Where what is kept isn't what its lifetimes say.

    Attributes:
        what: a lifetime's uid, or the group and hour of a sum.
        kept: as stored.
        computed: as it should be.
    """

    what: str
    kept: str
    computed: str
