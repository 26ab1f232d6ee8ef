"""What all ARNs begin with."""

from typing import Final

from monopod.aws.options import Account

_PARTITIONS: Final = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("us-isob-", "aws-iso-b"), ("us-iso-", "aws-iso"))


def build_prefix(account: Account, service: str) -> str:
    """The part of an ARN before the resource, without the colon between them."""
    partition = next((name for prefix, name in _PARTITIONS if account.region.startswith(prefix)), "aws")
    return f"arn:{partition}:{service}:{account.region}:{account.id}"
