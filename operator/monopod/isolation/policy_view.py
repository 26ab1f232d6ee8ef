"""What the operator keeps of a NetworkPolicy: of Monopod's own a digest, of others what they say."""

from collections.abc import Mapping
from typing import Any

from monopod.api.names import POLICY_LABEL
from monopod.isolation.rules.changes import PolicyView
from monopod.isolation.rules.network_policies import digest_spec
from monopod.isolation.rules.owners_policies import NO_DIRECTIONS, get_opened_directions, read_concern


def read_policy(item: Mapping[str, Any]) -> PolicyView:
    """Which of the two it is: whoever puts our label on a policy hands it over to us."""
    metadata = item["metadata"]
    kind = (metadata.get("labels") or {}).get(POLICY_LABEL) or ""
    owners = metadata.get("ownerReferences") or ()
    return PolicyView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid") or "",
        kind=kind,
        digest=digest_spec(item) if kind else "",
        owner=next((str(owner["uid"]) for owner in owners if owner.get("kind") == "Pod"), ""),
        opened=get_opened_directions(item.get("spec") or {}) if kind else NO_DIRECTIONS,
        held=bool(kind and metadata.get("finalizers")),
        spec=None if kind else item.get("spec") or {},
        concern=None if kind else read_concern(item),
    )
