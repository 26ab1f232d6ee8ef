"""ARNs of the cluster and of its profiles."""

import re
from dataclasses import dataclass
from typing import Final

from monopod.aws.eks.rules.refusals import miss_resource, refuse_tags
from monopod.aws.options import Account
from monopod.aws.rules.arns import build_prefix

_ARN: Final = re.compile(r"arn:[a-z-]+:eks:[a-z0-9-]+:[0-9]{12}:[a-z-]+/\S+")


@dataclass(frozen=True, slots=True)
class ClusterArn:
    """The cluster."""


@dataclass(frozen=True, slots=True)
class ProfileArn:
    """A profile: its name on EKS, and the uid of the object that it is."""

    name: str
    uid: str


def build_cluster_arn(account: Account) -> str:
    """The cluster's ARN."""
    return f"{build_prefix(account, 'eks')}:cluster/{account.cluster}"


def build_profile_arn(account: Account, name: str, uid: str) -> str:
    """A profile's ARN: of another profile of the same name it is another one, as AWS's."""
    return f"{build_prefix(account, 'eks')}:fargateprofile/{account.cluster}/{name}/{uid}"


def parse_arn(account: Account, arn: str) -> ClusterArn | ProfileArn:
    """What an ARN names.

    Raises:
        AwsError: it is none, or names nothing of this cluster.
    """
    if not _ARN.fullmatch(arn):
        raise refuse_tags(f"Invalid ARN: {arn}")
    if arn == build_cluster_arn(account):
        return ClusterArn()
    stem = f"{build_prefix(account, 'eks')}:fargateprofile/{account.cluster}/"
    match arn.removeprefix(stem).split("/"):
        case [name, uid] if arn.startswith(stem) and name and uid:
            return ProfileArn(name, uid)
    raise miss_resource(arn)
