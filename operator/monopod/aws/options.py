"""The options of the endpoint's process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """What stands in ARNs, and the one cluster that there is.

    Attributes:
        id: twelve digits.
        region: "us-east-1".
        cluster: the cluster's name.
        endpoint: where its API server is, for those outside; "" if nobody said.
    """

    id: str
    region: str
    cluster: str
    endpoint: str = ""
