"""When the sandboxes of RuntimeClasses were patched, as the classes' annotations say."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monopod.kube.objects.views import RuntimeClassView
from monopod.patching.rules.settings import Memory
from monopod.patching.rules.staleness import InvalidDate, Patch, read_date


@dataclass(frozen=True, slots=True)
class PatchDates:
    """The dates by the classes' names.

    Attributes:
        known: those that can be read; a class that was never patched is in neither.
        faults: why the others can't be.
    """

    known: Mapping[str, datetime.datetime] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_views(cls, views: Iterable[RuntimeClassView]) -> "PatchDates":
        """Reads all annotations."""
        known, faults = {}, {}
        for view in views:
            try:
                if view.patched:
                    known[view.name] = read_date(view.patched).replace(microsecond=0)
            except InvalidDate as problem:
                faults[view.name] = f"RuntimeClass/{view.name}: the annotation monopod.dev/patched {problem}"
        return cls(known, faults)

    def find_patch(self, runtime_class: str, memory: Memory) -> Patch | None:
        """The last patch of a class, as it was noticed if it was; None if there was none."""
        date, noticed = self.known.get(runtime_class), memory.notices.get(runtime_class)
        if noticed and noticed.date == date:
            return noticed
        return Patch(runtime_class, date) if date else None

    def find_fault(self, runtime_classes: Iterable[str]) -> str:
        """Why the date of the first of these classes whose date can't be read can't; "" if all can."""
        return next((self.faults[name] for name in runtime_classes if name in self.faults), "")

    def may_precede(self, created: datetime.datetime, runtime_class: str | None, now: datetime.datetime) -> bool:
        """Whether a pod may be from before a patch of its class; None: that may be any class."""
        names = {*self.known, *self.faults} if runtime_class is None else {runtime_class}
        dates = (date for name, date in self.known.items() if name in names)
        return not names.isdisjoint(self.faults) or any(created <= date <= now for date in dates)
