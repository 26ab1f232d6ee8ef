"""Refusals, in AWS's words where they are known.

AWS documents few of its messages. Those here are from public reports of real answers; the table of refused requests in
tests/unit/aws/eks names each one's source. Where none is known, the words are our own.
"""

import re
from collections.abc import Iterable
from typing import Final

from monopod.aws.wire.call import AwsError, Params

_SELECTOR: Final = re.compile(r"spec\.selectors\[\d+\]\.(\w+)")
_OF_SELECTORS: Final = {
    "namespace": "The namespace provided is invalid.",
    "labels": "Selector label provided is invalid.",
}
_QUOTA: Final = "The quota of Fargate profiles is used up"


def refuse_parameter(message: str) -> AwsError:
    """A request that would be wrong at any time."""
    return AwsError("InvalidParameterException", message)


def refuse_tags(message: str) -> AwsError:
    """The same of operations on tags, which have a code of their own."""
    return AwsError("BadRequestException", message)


def refuse_repetition() -> AwsError:
    """A token that another request had. The words are EC2's: EKS's own aren't known."""
    return AwsError(
        "InvalidRequestException",
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    )


def miss_cluster(name: str) -> AwsError:
    """A cluster that isn't the one that there is."""
    return AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.")


def miss_profile(cluster: str, name: str) -> AwsError:
    """A profile that doesn't exist, or no longer."""
    fields = {"clusterName": cluster, "fargateProfileName": name}
    return AwsError("ResourceNotFoundException", f"No Fargate Profile found with name: {name}.", fields)


def miss_resource(arn: str) -> AwsError:
    """The same of operations on tags."""
    return AwsError("NotFoundException", f"No resource found for ARN: {arn}.")


def refuse_existing() -> AwsError:
    """A name that another profile has."""
    return AwsError("ResourceInUseException", "A Fargate Profile already exists with this name in this cluster.")


def refuse_deletion() -> AwsError:
    """A profile that is being deleted already."""
    return AwsError("InvalidRequestException", "Fargate Profile is currently not in Active State.")


def refuse_unread(members: Iterable[str]) -> AwsError:
    """Parameters that mean nothing here: they aren't stored, so they aren't accepted either."""
    named = ", ".join(sorted(members))
    return refuse_parameter(f"The following parameters are not supported by Monopod: {named}")


def translate_quota(message: str) -> AwsError | None:
    """A new profile that Monopod's quota refuses; None if it was refused for another reason.

    Args:
        message: the API server's. It calls what a policy refuses forbidden, as what a user may not do.
    """
    found = message.find(_QUOTA)
    return AwsError("ResourceLimitExceededException", message[found:]) if found >= 0 else None


def translate_invalid(message: str, causes: Iterable[tuple[str, str]], params: Params) -> AwsError:
    """A new profile that the API server refuses.

    Args:
        message: the API server's.
        causes: of each field that is wrong its path and what is said of it.
        params: the request's.
    """
    wrong = [(field, told) for field, told in causes if field]
    told = _describe(message, wrong)
    sentence = _find_sentence(wrong[0][0], params) if wrong else ""
    return refuse_parameter(f"{sentence} {told}" if sentence else told)


def translate_tags(message: str, causes: Iterable[tuple[str, str]]) -> AwsError:
    """Tags that the API server refuses; the arguments are as above."""
    return refuse_tags(_describe(message, [(field, told) for field, told in causes if field]))


def _describe(message: str, wrong: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{field}: {told}" for field, told in wrong) or message


def _find_sentence(field: str, params: Params) -> str:
    if field == "spec.podExecutionRoleARN":
        return f"Invalid Role Arn: '{params.get('podExecutionRoleArn', '')}'"
    selector = _SELECTOR.match(field)
    return _OF_SELECTORS.get(selector[1], "") if selector else ""
