"""The one cluster, as EKS tells of it: enough for `aws eks update-kubeconfig`, and nothing that isn't known."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final

from monopod.aws.eks.rules.arns import build_cluster_arn
from monopod.aws.eks.rules.refusals import miss_cluster, refuse_parameter
from monopod.aws.options import Account
from monopod.aws.wire.call import Params

_ALL: Final = "all"


def check_cluster(account: Account, name: str) -> None:
    """Refuses what is asked of any other cluster.

    Raises:
        AwsError: the cluster isn't this one.
    """
    if name != account.cluster:
        raise miss_cluster(name)


def check_included(included: Iterable[str]) -> None:
    """Refuses to list what ListClusters can't include.

    Raises:
        AwsError: something else than `all` is asked for.
    """
    for each in included:
        if each != _ALL:
            raise refuse_parameter(f"The include parameter is invalid: {each}")


def describe_cluster(account: Account, version: Mapping[str, Any]) -> Params:
    """The cluster, as the members of EKS's shape.

    Args:
        account: what the cluster is called, and where it is.
        version: what its API server says of itself.
    """
    digits = [str(version.get(part) or "").rstrip("+") for part in ("major", "minor")]
    certificates = base64.b64encode(account.certificates.encode()).decode()
    return {
        "name": account.cluster,
        "arn": build_cluster_arn(account),
        "version": ".".join(digits),
        **({"endpoint": account.endpoint} if account.endpoint else {}),
        **({"certificateAuthority": {"data": certificates}} if certificates else {}),
        "resourcesVpcConfig": {"subnetIds": sorted(account.zones), "securityGroupIds": []},
        "status": "ACTIVE",
        "tags": {},
        "health": {"issues": []},
    }
