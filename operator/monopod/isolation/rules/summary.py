"""How far a profile's pods are isolated, in numbers, for its status."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Isolation:
    """What isn't as security groups say; pods are counted, and causes named.

    Attributes:
        closed: pods that have a group that can't be used.
        groups: those groups.
        widened: pods that NetworkPolicies of others may open further.
        policies: those policies, `NAMESPACE/NAME`.
        unwritten: pods whose policies or labels can't be written.
    """

    closed: int = 0
    groups: tuple[str, ...] = ()
    widened: int = 0
    policies: tuple[str, ...] = ()
    unwritten: int = 0
