"""The security group `cluster`: what pods may do for which no one chose a group.

As with EKS's cluster security group, everything inside the cluster may connect, and every connection out is allowed;
that to the instance metadata service and to the nodes themselves is left out of every group (see `network_policies`).
The operator creates it where it is missing, and leaves it to administrators otherwise. Source: EKS user guide, "View
Amazon EKS security group requirements for clusters".
"""

from typing import Any

from monopod.api.names import API_VERSION, DEFAULT_GROUP

DESCRIPTION = "Everything inside the cluster, and all connections out. Pods without another group have it."


def build_default_group() -> dict[str, Any]:
    """The group as the operator creates it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "SecurityGroup",
        "metadata": {"name": DEFAULT_GROUP},
        "spec": {
            "description": DESCRIPTION,
            "ingress": [
                {
                    "description": "all pods, and the nodes: probes, webhooks, what comes in through a node's port",
                    "from": [{"namespaceSelector": {}}, {"entity": "Nodes"}],
                }
            ],
            "egress": [
                {
                    "description": "anywhere",
                    "to": [
                        {"cidr": "0.0.0.0/0"},
                        {"cidr": "::/0"},
                        {"namespaceSelector": {}},
                        {"entity": "APIServer"},
                    ],
                }
            ],
        },
    }
