"""Groups as AWS names and describes them."""

from collections.abc import Iterable
from typing import Any, Final

from monopod.aws.logs.rules.refusals import miss_group, refuse_parameter
from monopod.aws.logs.rules.streams import Stream
from monopod.aws.options import Account
from monopod.aws.rules.arns import build_prefix
from monopod.aws.wire.call import Params

STANDARD: Final = "STANDARD"
_ALL: Final = ":*"


def build_group_arn(account: Account, group: str) -> str:
    """A group's ARN."""
    return f"{build_prefix(account, 'logs')}:log-group:{group}"


def read_group(params: Params, account: Account) -> str:
    """The name of the group that is asked for.

    Raises:
        AwsError: none is, or two are, or one of another account.
    """
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if name is None and identifier is None:
        raise refuse_parameter("Either logGroupName or logGroupIdentifier must be provided.")
    if name is not None and identifier is not None:
        raise refuse_parameter("logGroupName and logGroupIdentifier can't be provided both.")
    return str(name) if identifier is None else read_identifier(str(identifier), account)


def read_identifier(identifier: str, account: Account) -> str:
    """The name of a group in its ARN, or where the name itself was given.

    Raises:
        AwsError: it is an ARN of something else.
    """
    if not identifier.startswith("arn:"):
        return identifier
    before = build_group_arn(account, "")
    if not identifier.startswith(before):
        raise miss_group()
    return identifier.removeprefix(before)


def choose_groups(groups: Iterable[str], params: Params, account: Account) -> list[str]:
    """Those that DescribeLogGroups is asked for.

    Raises:
        AwsError: by several means at once.
    """
    given = {"logGroupNamePrefix", "logGroupNamePattern", "logGroupIdentifiers"} & params.keys()
    if len(given) > 1:
        raise refuse_parameter(f"{' and '.join(sorted(given))} are mutually exclusive parameters.")
    prefix, part = params.get("logGroupNamePrefix", ""), params.get("logGroupNamePattern", "")
    named = params.get("logGroupIdentifiers")
    names = None if named is None else {read_identifier(each, account) for each in named}
    if params.get("logGroupClass", STANDARD) != STANDARD:
        return []
    return [each for each in groups if each.startswith(prefix) and part in each and (names is None or each in names)]


def describe_group(group: str, since: int, account: Account) -> Params:
    """A group as DescribeLogGroups tells it. How much is in it isn't counted."""
    arn = build_group_arn(account, group)
    return {
        "logGroupName": group,
        "creationTime": since,
        "metricFilterCount": 0,
        "arn": f"{arn}{_ALL}",
        "logGroupClass": STANDARD,
        "logGroupArn": arn,
    }


def describe_stream(stream: Stream, first: int | None, last: int | None, account: Account) -> dict[str, Any]:
    """A stream as DescribeLogStreams tells it.

    Args:
        stream: the stream.
        first: the time of its first event, in milliseconds; None if there is none.
        last: of its last one.
        account: what stands in ARNs.
    """
    times = {"firstEventTimestamp": first, "lastEventTimestamp": last, "lastIngestionTime": last}
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        **{key: value for key, value in times.items() if value is not None},
        "arn": f"{build_group_arn(account, stream.group)}:log-stream:{stream.name}",
        "storedBytes": 0,  # AWS counts it for groups only
    }
