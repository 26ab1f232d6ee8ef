"""What a SecurityGroup's status says: how many pods belong to it, who names it, and whether its rules do what they say.

A group that is named by anyone can't be deleted (`monopod.isolation.cel.security_groups` reads it from here).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monopod.api.reasons import GroupReason
from monopod.isolation.rules.security_group import SecurityGroup
from monopod.kube.objects.conditions import Finding, merge_conditions
from monopod.kube.objects.text import list_names

# A list for people; that there is any is what protects the group.
USERS_LISTED = 100


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """All that a group's status follows from.

    Attributes:
        group: the group, or why it can't be used.
        users: who names it, `FargateProfile/web`.
        unknown_peers: groups that its rules name and that don't exist.
        void_peers: peers of its rules that open nothing, each as a sentence.
    """

    generation: int
    group: SecurityGroup | str
    pods: int = 0
    users: tuple[str, ...] = ()
    unknown_peers: tuple[str, ...] = ()
    void_peers: tuple[str, ...] = ()


def decide_group_status(facts: GroupFacts, previous: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The whole status that the group should have; `now` is an RFC 3339 time, used where its condition changes."""
    reason, message = _compute_readiness(facts)
    ready = Finding("Ready", reason is GroupReason.RULES_ENFORCED, reason, message)
    return {
        "pods": facts.pods,
        "usedBy": list(facts.users[:USERS_LISTED]),
        "observedGeneration": facts.generation,
        "conditions": merge_conditions([ready], previous, facts.generation, now),
    }


def _compute_readiness(facts: GroupFacts) -> tuple[GroupReason, str]:
    if isinstance(facts.group, str):
        return GroupReason.GROUP_INVALID, f"{facts.group}; its pods are denied all traffic"
    if facts.unknown_peers:
        names = list_names(facts.unknown_peers)
        return GroupReason.PEER_NOT_FOUND, f"its rules name groups that don't exist: {names}; they allow nothing there"
    if facts.void_peers:
        return GroupReason.PEER_OPENS_NOTHING, list_names(facts.void_peers)
    return GroupReason.RULES_ENFORCED, "its rules are in the NetworkPolicies of its pods"
