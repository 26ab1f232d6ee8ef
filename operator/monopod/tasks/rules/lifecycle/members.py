"""A task's containers, as its definition and its overrides say: what each is in the pod, and what hangs on it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.tasks.rules.order import Order, Place, Role, compute_order, name_of
from monopod.tasks.rules.pod.names import name_in_pod
from monopod.tasks.rules.rule import CLIENT
from monopod.tasks.rules.running import effective as running
from monopod.tasks.rules.running.refusal import INVALID, Refusal
from monopod.tasks.rules.view import View, show

Json = dict[str, Any]

_KNOWN: Final = frozenset(
    {
        *("containerOverrides", "cpu", "memory", "ephemeralStorage", "executionRoleArn", "taskRoleArn"),
        "inferenceAcceleratorOverrides",
    }
)
_CHECKS: Final = ("CMD", "CMD-SHELL")
_INTERVAL: Final = 30
_RETRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One container of a task.

    Attributes:
        name: in the task definition.
        in_pod: its name in the pod.
        view: what the definition says of it.
        is_essential: whether its end is the task's.
        is_awaited: whether others wait for it to end or to be healthy.
        is_checked: whether it has a health check.
        restarts: whether its own restart policy has it restarted.
        ignored: the exit codes after which that doesn't.
        before: the names of all that come before it.
    """

    name: str
    in_pod: str
    view: View
    role: Role
    is_essential: bool
    is_awaited: bool
    is_checked: bool
    restarts: bool
    ignored: frozenset[int] = frozenset()
    before: frozenset[str] = frozenset()

    @property
    def start_timeout(self) -> datetime.timedelta | None:
        """How long those that wait for it do so."""
        seconds = self.view.number("startTimeout")
        return None if seconds is None or not self.is_awaited else datetime.timedelta(seconds=seconds)

    @property
    def health_patience(self) -> datetime.timedelta:
        """How long after its start failing checks say nothing yet."""
        check = self.view.child("healthCheck")
        retries, interval = check.number("retries") or _RETRIES, check.number("interval") or _INTERVAL
        return datetime.timedelta(seconds=(check.number("startPeriod") or 0) + retries * interval)


class Unrunnable(ValueError):
    """The task can't run by its definition; the message is what its stoppedReason says."""


def compute_effective(task: Mapping[str, Any], definition: Mapping[str, Any], *, is_judged: bool) -> Json:
    """What the task runs by: its definition with its overrides.

    Args:
        task: the ECSTask. `kubectl` may have written it, so its overrides may have any form.
        definition: as it is registered.
        is_judged: whether it has to be one that can run. A task that has its pod isn't asked again.

    Raises:
        Unrunnable: it isn't, or the overrides are none.
    """
    overrides = (task.get("spec") or {}).get("overrides") or {}
    if not _is_wellformed(overrides):
        raise Unrunnable(f"{INVALID}: the task's overrides haven't the form of RunTask's.")
    if unknown := ", ".join(show(key) for key in overrides if key not in _KNOWN):
        raise Unrunnable(f"{INVALID}: the task's overrides have members that aren't known: {unknown}.")
    if not _are_wellformed(definition.get("containerDefinitions")):
        raise Unrunnable(f"{CLIENT}: the task definition hasn't the form of RegisterTaskDefinition's.")
    try:
        return (running.compute_effective if is_judged else running.merge)(definition, overrides)
    except Refusal as refusal:
        raise Unrunnable(f"{refusal.code}: {refusal}") from None
    except RecursionError:
        raise Unrunnable(f"{CLIENT}: the task's overrides or its task definition are nested too deeply.") from None


def _is_wellformed(overrides: object) -> bool:
    """Whether the overrides have the form that RunTask's model says, as far as they are read as such."""
    if not isinstance(overrides, Mapping):
        return False
    return _are_wellformed(overrides.get("containerOverrides") or [])


def _are_wellformed(containers: object) -> bool:
    return isinstance(containers, list) and all(
        isinstance(each, Mapping)
        and isinstance(each.get("name"), str)
        and _are_variables(each.get("environment") or [])
        for each in containers
    )


def _are_variables(variables: object) -> bool:
    return isinstance(variables, list) and all(
        isinstance(each, Mapping) and isinstance(each.get("name"), str) for each in variables
    )


def compute_members(effective: Mapping[str, Any]) -> tuple[Member, ...]:
    """The containers in the definition's order; none if they wait for each other."""
    root = View(effective)
    order = compute_order(root)
    if not isinstance(order, Order):
        return ()
    places = {name_of(place.container): place for place in order.places}
    names = dict.fromkeys(name_of(each) for each in root.children("containerDefinitions"))
    return tuple(_build(places[name], order) for name in names)


def _build(place: Place, order: Order) -> Member:
    container, role = place.container, place.role
    name, check, policy = name_of(container), container.child("healthCheck"), container.child("restartPolicy")
    command = [text for _, text in check.texts("command")]
    return Member(
        name=name,
        in_pod=name_in_pod(name),
        view=container,
        role=role,
        is_essential=container.fields.get("essential") is not False,
        is_awaited=role is Role.JOB or place.must_be_healthy,
        is_checked=role is not Role.JOB and bool(command) and command[0] in _CHECKS,
        restarts=role is not Role.JOB and policy.is_true("enabled"),
        ignored=frozenset(code for _, code in policy.numbers("ignoredExitCodes")),
        before=order.before[name],
    )
