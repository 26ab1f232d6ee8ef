"""Which nodes are about to be taken away, by what they tell: a cordon, taints, conditions.

Sources: Karpenter's and AWS's node termination handler's own taints; KEP-5683 for the conditions, which administrators
write.
"""

from collections.abc import Iterable
from typing import Final

from monopod.kube.objects.views import CORDONED, NodeView

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


def find_leaving(nodes: Iterable[NodeView]) -> frozenset[str]:
    """The names of nodes whose pods had better go before the node does."""
    return frozenset(
        node.name for node in nodes if node.planned_maintenance or any(key in TAINTS for key, _, _ in node.taints)
    )
