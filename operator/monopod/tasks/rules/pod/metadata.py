"""How a task's containers reach the task metadata endpoint: by which address, and past their security groups.

On AWS that endpoint is on the other side of the task's own link, where no security group is. Here it's a Service, so a
NetworkPolicy of each cluster's namespace opens its port to the tasks' pods, whatever their groups say.
"""

from collections.abc import Mapping
from typing import Any, Final

from monopod.api.ecs.names import ECS_TASK_LABEL, METADATA_LABEL
from monopod.api.names import POLICY_LABEL, PROFILE_LABEL, TASKS_POLICY, TASKS_POLICY_KIND

Json = dict[str, Any]

METADATA_PORT: Final = 51679
"""The port of the endpoint's pods; the agent's own, on AWS."""


def build_metadata_uri(url: str, metadata: Mapping[str, Any]) -> str:
    """Where a task is asked about, without the number of the container that asks.

    Its uid is in it, which API servers draw at random: no other task can guess the path, nor has this one's address.

    Args:
        url: where the endpoint is.
        metadata: the ECSTask's.
    """
    return f"{url.rstrip('/')}/v4/{metadata['namespace']}/{metadata['name']}/{metadata['uid']}"


def build_metadata_policy(namespace: str, system_namespace: str) -> Json:
    """The NetworkPolicy that opens the endpoint's port to the tasks' pods of a namespace.

    Args:
        namespace: a cluster's.
        system_namespace: Monopod's own.
    """
    exist = [{"key": key, "operator": "Exists"} for key in sorted((ECS_TASK_LABEL, PROFILE_LABEL))]
    endpoint = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": system_namespace}},
        "podSelector": {"matchExpressions": [{"key": METADATA_LABEL, "operator": "Exists"}]},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": TASKS_POLICY, "namespace": namespace, "labels": {POLICY_LABEL: TASKS_POLICY_KIND}},
        "spec": {
            "podSelector": {"matchExpressions": exist},
            "policyTypes": ["Egress"],
            "egress": [{"to": [endpoint], "ports": [{"port": METADATA_PORT, "protocol": "TCP"}]}],
        },
    }
