"""What all ARNs begin with."""

from typing import Final

from monopod.aws.options import Account

_PARTITIONS: Final = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("us-isob-", "aws-iso-b"), ("us-iso-", "aws-iso"))


def build_prefix(account: Account, service: str) -> str:
    """The part of an ARN before the resource, without the colon between them."""
    return f"arn:{_find_partition(account)}:{service}:{account.region}:{account.id}"


def build_user_arn(account: Account, user: str) -> str:
    """The ARN of a user of Kubernetes', told as one of IAM's."""
    return f"arn:{_find_partition(account)}:iam::{account.id}:user/{user}"


def _find_partition(account: Account) -> str:
    return next((name for prefix, name in _PARTITIONS if account.region.startswith(prefix)), "aws")
