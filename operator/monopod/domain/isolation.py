"""The NetworkPolicies that isolate pods: what they select, and how two of them are compared.

NetworkPolicies only ever open, and they add up. So a namespace has one that selects all Fargate pods and opens nothing:
the base policy.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from monopod.api.names import BASE_POLICY, POLICY_LABEL, PROFILE_LABEL

Policy = dict[str, Any]


def build_base_policy(namespace: str) -> Policy:
    """The policy that closes all Fargate pods of a namespace, so that only what other policies open is open."""
    # Both lists are written although they are empty, so that an apply takes away what somebody else put there.
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": BASE_POLICY, "namespace": namespace, "labels": {POLICY_LABEL: "base"}},
        "spec": {
            "podSelector": {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "Exists"}]},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [],
        },
    }


def digest_spec(policy: Mapping[str, Any]) -> str:
    """A short text that is equal for policies that do the same, as they were written or as the API server has them."""
    metadata = policy.get("metadata") or {}
    owners = sorted(str(owner.get("uid")) for owner in metadata.get("ownerReferences") or ())
    content = {
        "label": (metadata.get("labels") or {}).get(POLICY_LABEL),
        "owners": owners,
        "spec": _drop_empty(policy.get("spec") or {}),
    }
    return hashlib.sha256(_dump(content).encode()).hexdigest()[:32]


def _drop_empty(value: Any) -> Any:
    """Without what the API server doesn't keep. An empty selector stays: it selects everything, and none nothing."""
    match value:
        case Mapping():
            kept = {key: _drop_empty(each) for key, each in value.items() if each is not None and each != []}
            if kept.get("matchLabels") == {}:
                del kept["matchLabels"]
            return kept
        case [*entries]:
            return [_drop_empty(each) for each in entries]
        case _:
            return value


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
