"""Which of Monopod's NetworkPolicies have to be written or deleted, given those that should be and those that are.

Only policies that carry Monopod's label are touched; other people's are theirs. Says nothing about what is in a policy
(`monopod.isolation.rules.network_policies`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monopod.isolation.rules.network_policies import digest_spec
from monopod.isolation.rules.owners_policies import NO_DIRECTIONS, Concern, Directions


@dataclass(frozen=True, slots=True)
class PolicyView:
    """What matters of a NetworkPolicy: of ours whether it is as we wrote it, of another all that it says.

    Attributes:
        kind: what the label says that it is (`base`, `pod`, `groups`), "" for other people's.
        digest: of one of ours.
        owner: the uid of the pod that it belongs to.
        opened: of one of ours, the directions in which it opens anything.
        held: whether finalizers would keep it from going; ours have none.
        spec: of other people's.
        concern: of other people's, what they are about.
    """

    namespace: str
    name: str
    uid: str
    kind: str = ""
    digest: str = ""
    owner: str = ""
    opened: Directions = NO_DIRECTIONS
    held: bool = False
    spec: Mapping[str, Any] | None = None
    concern: Concern | None = None


@dataclass(frozen=True, slots=True)
class Apply:
    """This policy is to be written."""

    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delete:
    """This policy is to be deleted."""

    view: PolicyView


PolicyChange = Apply | Delete


def decide_policies(desired: Sequence[Mapping[str, Any]], existing: Iterable[PolicyView]) -> tuple[PolicyChange, ...]:
    """What to do, in this order: nothing is deleted before its successor is there, so that no pod is cut off between.

    Args:
        desired: the policies that should be.
        existing: those of ours in the namespace, or of the pod, that is compared. One that has lost its label isn't
            among them, and is written again.
    """
    views = {view.name: view for view in existing}
    wanted = {policy["metadata"]["name"]: policy for policy in desired}
    applied = [
        Apply(policy)
        for name, policy in wanted.items()
        if name not in views or views[name].digest != digest_spec(policy)
    ]
    deleted = [Delete(view) for name, view in views.items() if name not in wanted]
    return (*applied, *deleted)
