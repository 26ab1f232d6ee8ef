"""Which nodes are about to be taken away, by what they tell: a cordon, taints, conditions; and which pods leave them.

A pod whose replacement might come to the same node stays, or it would be evicted again and again: one that tolerates
all of the node's taints, unless its sandbox is from before the node's condition. So a condition moves each pod once.

Sources: Karpenter's and AWS's node termination handler's own taints; KEP-5683 for the conditions, which administrators
write.
"""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, Final

from monopod.kube.objects.fields import Part
from monopod.kube.objects.timestamps import read_time
from monopod.kube.objects.views import CORDONED, NodeView
from monopod.pods.rules.node_demand import list_untolerated

TAINTS: Final = frozenset(
    (
        CORDONED[0],
        "karpenter.sh/disrupted",
        "aws-node-termination-handler/asg-lifecycle-termination",
        "aws-node-termination-handler/rebalance-recommendation",
        "aws-node-termination-handler/scheduled-maintenance",
        "aws-node-termination-handler/spot-itn",
    )
)


def find_leaving(nodes: Iterable[NodeView]) -> dict[str, NodeView]:
    """The nodes whose pods had better go before the node does, by name."""
    return {node.name: node for node in nodes if node.maintenance_since or _is_tainted(node)}


def _is_tainted(node: NodeView) -> bool:
    return any(key in TAINTS for key, _, _ in node.taints)


def leaves(pod: Mapping[str, Any], started: datetime.datetime, node: NodeView) -> bool:
    """Whether the pod goes from a node that is about to be taken away.

    Args:
        pod: as the API server sends it.
        started: when its sandbox was made.
        node: one of `find_leaving`.
    """
    if list_untolerated(node, Part(pod).child("spec").children("tolerations")):
        return True
    since = read_time(node.maintenance_since)
    return since is not None and started < since
