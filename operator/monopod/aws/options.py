"""The options of the endpoint's process."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """What stands in ARNs, and the one cluster that there is.

    Attributes:
        id: twelve digits.
        region: "us-east-1".
        cluster: the cluster's name.
        endpoint: where its API server is, for those outside; "" if nobody said.
        certificates: what that API server's certificate is checked by, as PEM; "" if nothing is known.
        zones: the zone that each subnet's ID stands for; empty: any ID, for any zone.
    """

    id: str
    region: str
    cluster: str
    endpoint: str = ""
    certificates: str = ""
    zones: Mapping[str, str] = field(default_factory=dict)
