"""A request for a new profile: what it asks for, and what AWS refuses about it.

Checked here is what AWS has words for and the service's model can't say. All else is the kind's own rules, in the API
server: `refusals.translate_invalid` says what of them becomes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from monopod.api.fargate_profile import MAX_LABELS, MAX_SELECTORS, FargateProfile
from monopod.api.names import API_VERSION
from monopod.aws.eks.rules.names import check_name, compute_object_name
from monopod.aws.eks.rules.record import IDEMPOTENCY, Record, build_marks, hash_request
from monopod.aws.eks.rules.refusals import refuse_parameter, refuse_unread
from monopod.aws.eks.rules.subnets import find_zones
from monopod.aws.eks.rules.tags import find_reserved_key
from monopod.aws.wire.call import Params

_OF_SELECTORS: Final = frozenset({"namespace", "labels"})


def build_profile(params: Params, zones: Mapping[str, str]) -> dict[str, Any]:
    """The object of a new profile.

    Args:
        params: of CreateFargateProfile.
        zones: the zone of each subnet that has one.

    Raises:
        AwsError: the request is refused.
    """
    name = params["fargateProfileName"]
    check_name(name)
    selectors = params.get("selectors") or []
    _check_selectors(selectors)
    role = params["podExecutionRoleArn"]
    if not role:
        raise refuse_parameter(f"Invalid Role Arn: '{role}'")
    tags = params.get("tags")
    if reserved := find_reserved_key(tags or {}):
        raise refuse_parameter(reserved)
    subnets = params.get("subnets")
    found = find_zones(subnets or (), zones)
    record = Record(name, None if subnets is None else tuple(subnets), found, hash_request(params))
    spec = {
        "selectors": selectors,
        "podExecutionRoleARN": role,
        **({"subnets": list(found)} if found else {}),
        **({"tags": tags} if tags else {}),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": FargateProfile.__name__,
        "metadata": {"name": compute_object_name(name), **build_marks(record, params.get(IDEMPOTENCY))},
        "spec": spec,
    }


def _check_selectors(selectors: Sequence[Mapping[str, Any]]) -> None:
    if not selectors:
        raise refuse_parameter("Fargate Profile requires at least one selector.")
    if len(selectors) > MAX_SELECTORS:
        raise refuse_parameter(f"Request contains more than {MAX_SELECTORS} Selectors")
    for selector in selectors:
        if unread := selector.keys() - _OF_SELECTORS:
            raise refuse_unread(f"selectors.{name}" for name in unread)
        if not selector.get("namespace"):
            raise refuse_parameter("Fargate Profile must have at least one selector with at least one namespace value.")
        if len(selector.get("labels") or {}) > MAX_LABELS:
            raise refuse_parameter(f"Request contains Selector with more than {MAX_LABELS} Label pairs")
