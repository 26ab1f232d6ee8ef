"""What is found out about a pod's connections, before it is written as text or JSON."""

from dataclasses import dataclass
from enum import StrEnum

from monopod.isolation.rules.effective_rules import EffectiveRules
from monopod.isolation.rules.security_group import SecurityGroup


class GroupState(StrEnum):
    """What is known of a pod's security group."""

    FOUND = "Found"
    MISSING = "Missing"
    DELETING = "Deleting"
    INVALID = "Invalid"
    UNREADABLE = "Unreadable"


class Identity(StrEnum):
    """Whether policies of the pod's own can select it."""

    GIVEN = "Given"
    NOT_NEEDED = "NotNeeded"
    MISSING = "Missing"


@dataclass(frozen=True, slots=True)
class GroupFinding:
    """A group that the pod belongs to; `problem` says what is wrong, if it isn't found."""

    name: str
    state: GroupState
    problem: str = ""
    group: SecurityGroup | None = None


@dataclass(frozen=True, slots=True)
class PodIsolation:
    """All that is said about a pod."""

    name: str
    namespace: str
    profile: str
    identity: Identity
    groups: tuple[GroupFinding, ...]
    rules: EffectiveRules
