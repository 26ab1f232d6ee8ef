"""Where a task is in the network: subnets, which are zones here, and security groups.

The administrator says which subnet is in which zone. Where nothing is said of any, an ID stands for any zone, so that
what was written for AWS works on a cluster that has but one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monopod.tasks.rules.running.refusal import Refusal

MOST_SUBNETS: Final = 16
MOST_GROUPS: Final = 5

_ID: Final = re.compile(r"subnet-[0-9A-Za-z]{1,40}")
_ZONE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def build_network(params: Mapping[str, Any], zones: Mapping[str, str]) -> dict[str, Any]:
    """The task's `network`.

    Args:
        params: of RunTask.
        zones: the zone of each subnet of which the administrator says one.

    Raises:
        Refusal: nothing is said of it, or there is no such subnet.
    """
    given = (params.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if given is None:
        raise Refusal("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    subnets, groups = list(given.get("subnets") or ()), list(given.get("securityGroups") or ())
    if not subnets:
        raise Refusal("subnets can not be empty.")
    if len(subnets) > MOST_SUBNETS:
        raise Refusal(f"subnets can have at most {MOST_SUBNETS} items.")
    if len(groups) > MOST_GROUPS:
        raise Refusal(f"securityGroups can have at most {MOST_GROUPS} items.")
    return {
        "subnets": subnets,
        "zones": list(find_zones(subnets, zones)),
        "securityGroups": groups,
        "assignPublicIp": given.get("assignPublicIp") or "DISABLED",
    }


def find_zones(subnets: Sequence[str], zones: Mapping[str, str]) -> tuple[str, ...]:
    """The zones of subnets, each once; empty if one of them may be any.

    Raises:
        Refusal: there is no such subnet.
    """
    found = [_find_zone(each, zones) for each in subnets]
    return tuple(dict.fromkeys(found)) if all(found) else ()


def _find_zone(subnet: str, zones: Mapping[str, str]) -> str:
    if zone := zones.get(subnet):
        return zone
    is_id = subnet.startswith("subnet-")
    if is_id and not zones and _ID.fullmatch(subnet):
        return ""
    if is_id or not _ZONE.fullmatch(subnet):
        raise refuse_subnet(subnet)
    return subnet


def refuse_subnet(subnet: str) -> Refusal:
    """A subnet that doesn't exist."""
    return Refusal(
        f"Error retrieving subnet information for [{subnet}]: The subnet ID '{subnet}' does not exist "
        "(ErrorCode: InvalidSubnetID.NotFound)"
    )


def refuse_group(group: str) -> Refusal:
    """A security group that doesn't exist."""
    return Refusal(
        f"Error retrieving security group information for [{group}]: The security group '{group}' does not exist "
        "(ErrorCode: InvalidGroup.NotFound)"
    )
