"""In which order a task's containers start, as a pod can have it.

Kubernetes starts init containers one after the other, each when the one before has ended or, if it is a sidecar, has
started (by its startup probe, where it has one); and then the ordinary containers, all at once. So

    a container that others wait for to end (COMPLETE, SUCCESS)  ──► a job: an init container
    one that others wait for to be HEALTHY, and whatever has to run before that or before a job  ──► a sidecar
    all others  ──► ordinary containers, those that others wait for by START first

Where START is all that is waited for, a container stays ordinary: a sidecar is restarted when it ends, and what was to
run once would run twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Final

from monopod.tasks.rules.rule import Finding, note, refused_untold, unavailable
from monopod.tasks.rules.view import View, show

CYCLE = refused_untold(
    "DependencyCycle", "Containers wait for each other: {cycle}.", "Remove one of these dependencies."
)
NO_ESSENTIAL_LEFT = unavailable(
    "EssentialContainersAreSidecars",
    "Others wait for every essential container, so these are sidecars of a pod, which ends with the others.",
    "Have no container wait for one of {names}, or make one that waits essential.",
)
JOB_FIELD = unavailable(
    "FieldOfInitContainer",
    "A container that others wait for to end is an init container of the pod, which has no {field}.",
    "Leave it out.",
)
STARTS_AFTER_JOBS = note(
    "StartsAfterInitContainers",
    "It starts when {jobs} has ended, although it doesn't wait for that: init containers come before all others.",
    "Have {jobs} wait for it if it is needed before.",
)
RESTARTED = note(
    "RestartedAsSidecar",
    "Others wait for it, so it is a sidecar of the pod: if it ends, it is restarted until the task is stopped.",
    "Nothing to do, if it runs as long as the task.",
)

_TO_AN_END: Final = ("COMPLETE", "SUCCESS")


class Role(StrEnum):
    """What a container is in the pod."""

    JOB = "job"
    SIDECAR = "sidecar"
    ORDINARY = "ordinary"


@dataclass(frozen=True, slots=True)
class Place:
    """A container and what it is in the pod.

    Attributes:
        must_be_healthy: whether others wait for it to be HEALTHY.
    """

    container: View
    role: Role
    must_be_healthy: bool


@dataclass(frozen=True, slots=True)
class Order:
    """The containers in an order in which they can start."""

    places: tuple[Place, ...]
    before: Mapping[str, frozenset[str]]
    """By name: all that have to start or end before it."""

    def get(self, *roles: Role) -> tuple[Place, ...]:
        """Those with one of these roles."""
        return tuple(place for place in self.places if place.role in roles)


def name_of(container: View) -> str:
    """A container's name, "" without one."""
    return container.text("name") or ""


def compute_order(root: View) -> Order | tuple[str, ...]:
    """The order; or the names of containers that wait for each other, each for the next.

    Dependencies on containers that don't exist are none.
    """
    containers = {name_of(each): each for each in root.children("containerDefinitions")}
    waits = {name: list(_list_waits(container, containers)) for name, container in containers.items()}
    sorter = TopologicalSorter({name: [target for target, _ in each] for name, each in waits.items()})
    try:
        order = _sort_stably(sorter, list(containers))
    except CycleError as problem:
        return tuple(reversed(problem.args[1]))
    before: dict[str, frozenset[str]] = {}
    for name in order:
        direct = [target for target, _ in waits[name]]
        before[name] = frozenset(direct).union(*(before[target] for target in direct))
    jobs = _list_targets(waits, *_TO_AN_END)
    healthy = _list_targets(waits, "HEALTHY")
    early = (jobs | healthy).union(*(before[name] for name in jobs | healthy))
    roles = {name: Role.JOB if name in jobs else Role.SIDECAR if name in early else Role.ORDINARY for name in order}
    return Order(tuple(Place(containers[name], roles[name], name in healthy) for name in order), before)


def _list_waits(container: View, containers: Mapping[str, View]) -> Iterator[tuple[str, str]]:
    for dependency in container.children("dependsOn"):
        name, condition = dependency.text("containerName"), dependency.text("condition")
        if name in containers and name is not None:
            yield name, condition or "START"


def _list_targets(waits: Mapping[str, Sequence[tuple[str, str]]], *conditions: str) -> frozenset[str]:
    return frozenset(target for each in waits.values() for target, condition in each if condition in conditions)


def _sort_stably(sorter: TopologicalSorter[str], names: Sequence[str]) -> list[str]:
    """Those that may start, in the definition's order, again and again."""
    place = {name: index for index, name in enumerate(names)}
    order: list[str] = []
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        order += ready
        sorter.done(*ready)
    return order


def check_order(root: View) -> Iterator[Finding]:
    """Whether there is an order, and what the pod makes of it."""
    order = compute_order(root)
    if not isinstance(order, Order):
        yield CYCLE.at("containerDefinitions", cycle=" → ".join(map(show, order)))
        return
    essential = [place for place in order.places if place.container.fields.get("essential") is not False]
    if essential and all(place.role is Role.SIDECAR for place in essential):
        names = ", ".join(show(name_of(place.container)) for place in essential)
        yield NO_ESSENTIAL_LEFT.at("containerDefinitions", names=names)
    jobs = [name_of(place.container) for place in order.get(Role.JOB)]
    for place in order.places:
        yield from _check_place(place, order, jobs)


def _check_place(place: Place, order: Order, jobs: Sequence[str]) -> Iterator[Finding]:
    container = place.container
    match place.role:
        case Role.JOB:
            for key in ("healthCheck", "restartPolicy"):
                if container.has(key):
                    yield JOB_FIELD.at(container.path_of(key), field=key)
        case Role.SIDECAR:
            yield RESTARTED.at(container.path)
        case Role.ORDINARY:
            others = [show(name) for name in jobs if name not in order.before[name_of(container)]]
            if others:
                yield STARTS_AFTER_JOBS.at(container.path, jobs=" and ".join(others))
