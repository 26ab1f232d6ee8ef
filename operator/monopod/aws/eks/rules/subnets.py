"""Subnets are zones here: which zones a list of subnets stands for.

The administrator says in the chart which subnet is in which zone. Where nothing is said of any, an ID stands for any
zone, so that what was written for AWS works on a cluster that has but one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from monopod.aws.eks.rules.refusals import refuse_parameter

ID_PREFIX: Final = "subnet-"

_ID: Final = re.compile(r"subnet-[0-9a-f]{1,40}")


def find_zones(subnets: Sequence[str], zones: Mapping[str, str]) -> tuple[str, ...]:
    """The zones of subnets, each once; empty for any.

    Args:
        subnets: IDs, or the names of zones themselves.
        zones: the zone of each subnet of which the administrator says one.

    Raises:
        AwsError: there is no such subnet, or the list has zones next to IDs that may be in any.
    """
    found = [_find_zone(each, zones) for each in subnets]
    named = tuple(dict.fromkeys(zone for zone in found if zone))
    if named and not all(found):
        loose = next(each for each, zone in zip(subnets, found, strict=True) if not zone)
        raise refuse_parameter(f"Subnet {loose} is in no known zone, so it can't be listed together with zones")
    return named


def _find_zone(subnet: str, zones: Mapping[str, str]) -> str:
    if zone := zones.get(subnet):
        return zone
    if not subnet.startswith(ID_PREFIX):
        return subnet
    if zones or not _ID.fullmatch(subnet):
        raise refuse_parameter(f"The subnet ID '{subnet}' does not exist")
    return ""
