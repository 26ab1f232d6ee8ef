"""Which directions of a pod's connections the NetworkPolicies of its namespace's owners decide alone.

NetworkPolicies add up, so a security group that no one chose would allow again what the owners of a namespace have
denied. Where a pod has the default group because no one chose, a direction that any policy of theirs is about is left
to their policies, as it would be without Monopod: ours allows nothing there. Groups that someone chose add up instead.

    no policy of the owners is about the pod's ingress        the default group's rules
    one is, or several                                        what these allow, and nothing else
    its egress                                                likewise, by itself
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from monopod.api.names import DEFAULT_GROUP
from monopod.isolation.rules.membership import Groups, GroupSource
from monopod.isolation.rules.network_policies import Rules
from monopod.isolation.rules.policy_rules import DIRECTIONS, closes
from monopod.isolation.rules.security_group import Direction
from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.kube.objects.label_selector import LabelSelector

Directions = frozenset[Direction]

NO_DIRECTIONS: Final[Directions] = frozenset()
DEFAULT_GROUPS: Final = (DEFAULT_GROUP,)


@dataclass(frozen=True, slots=True)
class Concern:
    """What one NetworkPolicy is about; `pods` is None if that can't be read, and all pods are meant then."""

    pods: LabelSelector | None
    directions: Directions

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it is about pods with these labels."""
        return self.pods is None or self.pods.matches(labels)


def read_concern(policy: Mapping[str, Any]) -> Concern:
    """What the policy is about, whoever wrote it. What can't be read counts as about everything."""
    try:
        selector = LabelSelector.from_dict(Part(policy).child("spec").child("podSelector").fields)
        return Concern(selector, frozenset(way for way in DIRECTIONS if closes(policy, way)))
    except InvalidManifest:
        return Concern(None, frozenset(DIRECTIONS))


def is_left_to_owners(groups: Groups) -> bool:
    """Whether the owners' policies take precedence: no one chose the pod's groups."""
    return groups.source is GroupSource.DEFAULT and groups.names == DEFAULT_GROUPS


def find_left_directions(groups: Groups, concerns: Iterable[Concern], labels: Mapping[str, str]) -> Directions:
    """The directions of a pod of these groups that are left to the owners' policies, whose concerns are given."""
    if not is_left_to_owners(groups):
        return NO_DIRECTIONS
    return NO_DIRECTIONS.union(*(each.directions for each in concerns if each.selects(labels)))


def leave_directions(rules: Rules, left: Collection[Direction]) -> Rules:
    """The rules without those of the directions that are left to others."""
    return replace(rules, **dict.fromkeys(left, ())) if left else rules


def get_opened_directions(spec: Mapping[str, Any]) -> Directions:
    """The directions in which the spec of a policy opens anything at all."""
    return frozenset(way for way in DIRECTIONS if spec.get(way))
