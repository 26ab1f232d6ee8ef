"""Refusals, in CloudWatch Logs' words where they are known, and else in our own."""

from collections.abc import Iterable

from monopod.aws.wire.call import AwsError


def refuse_parameter(message: str) -> AwsError:
    """A request that would be wrong at any time."""
    return AwsError("InvalidParameterException", message)


def refuse_unread(members: Iterable[str]) -> AwsError:
    """Parameters that mean nothing here: they aren't stored, so they aren't accepted either."""
    named = ", ".join(sorted(members))
    return refuse_parameter(f"The following parameters are not supported by Monopod: {named}")


def miss_group() -> AwsError:
    """A group that no task definition and no task names."""
    return AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def miss_stream() -> AwsError:
    """A stream that no task has."""
    return AwsError("ResourceNotFoundException", "The specified log stream does not exist.")


def refuse_token() -> AwsError:
    """A token of another request, or none at all."""
    return refuse_parameter("The specified nextToken is invalid.")
