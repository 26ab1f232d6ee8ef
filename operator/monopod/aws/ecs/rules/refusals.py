"""Refusals, in AWS's words where they are known.

Those are from public reports of real answers. Where none is known, the words are our own.
"""

from collections.abc import Iterable
from typing import Final

from monopod.aws.wire.call import AwsError
from monopod.aws.wire.models import load_model

REMOVAL_REFUSED: Final = "The specified capacity provider is in use and cannot be removed."


def refuse_parameter(message: str) -> AwsError:
    """A request that would be wrong at any time."""
    return AwsError("InvalidParameterException", message)


def refuse_client(message: str) -> AwsError:
    """The same, where ECS says so by its other code."""
    return AwsError("ClientException", message)


def refuse_unread(members: Iterable[str]) -> AwsError:
    """Parameters that mean nothing here: they aren't stored, so they aren't accepted either."""
    named = ", ".join(sorted(members))
    message = f"The following parameters are not supported by Monopod: {named}"
    return AwsError("UnsupportedFeatureException", message)


def refuse_page_size(most: int) -> AwsError:
    """A page size out of range."""
    return refuse_parameter(f"maxResults must be between 1 and {most}.")


def refuse_repetition() -> AwsError:
    """A cluster that exists already, and differs from what is asked for."""
    return refuse_parameter(
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
    )


def miss_cluster() -> AwsError:
    """A cluster that doesn't exist, or no longer."""
    return AwsError("ClusterNotFoundException", "Cluster not found.")


def refuse_inactive() -> AwsError:
    """A cluster that was deleted."""
    return AwsError("ClusterNotFoundException", "The referenced cluster was inactive.")


def miss_task() -> AwsError:
    """A task that doesn't exist, or no longer."""
    return refuse_parameter("The referenced task was not found.")


def miss_resource(operation: str, arn: str) -> AwsError:
    """Something with tags that doesn't exist; not every operation has a code of its own for that."""
    known = load_model("ecs").operations[operation]
    code = known.choose_code(("ResourceNotFoundException",), "InvalidParameterException")
    return AwsError(code, f"The specified resource wasn't found: {arn}")


def refuse_cluster_deletion() -> AwsError:
    """A cluster in which tasks run."""
    return AwsError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")


def refuse_provider(name: str) -> AwsError:
    """A capacity provider that doesn't exist."""
    return refuse_parameter(
        f"The specified capacity provider '{name[:100]}' was not found. Specify FARGATE or FARGATE_SPOT and try again."
    )


def refuse_strategy() -> AwsError:
    """A strategy that names what the cluster doesn't have."""
    return refuse_parameter(
        "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the "
        "cluster. Associate the capacity provider with the cluster and try again."
    )


def refuse_removal() -> AwsError:
    """A capacity provider that tasks have."""
    return AwsError("ResourceInUseException", REMOVAL_REFUSED)


def miss_definition() -> AwsError:
    """A task definition that doesn't exist."""
    return refuse_client("Unable to describe task definition.")


def miss_deregistered() -> AwsError:
    """The same, of one that is to be deregistered: tools that clean up know it by this sentence."""
    return refuse_client("The specified task definition does not exist.")


def miss_revision() -> AwsError:
    """A task definition without a revision, where one is needed."""
    return refuse_client("Revision is missing.")


def refuse_family(family: str) -> AwsError:
    """What can't be the name of a family."""
    return refuse_parameter(f"family must match ^[a-zA-Z0-9\\-_]+$, but was {family[:300]}")


def refuse_length(length: int, most: int) -> AwsError:
    """A task definition that is too long."""
    return refuse_client(f"Actual length: '{length}'. Max allowed length is '{most}' bytes.")


def refuse_concurrency() -> AwsError:
    """A revision number that others took each time; clients ask again by themselves."""
    return refuse_client("Too many concurrent attempts to create a new revision of the specified family.")


def translate_invalid(message: str, causes: Iterable[tuple[str, str]]) -> AwsError:
    """What the API server refuses in an object.

    Args:
        message: the API server's.
        causes: of each field that is wrong its path and what is said of it.
    """
    return refuse_parameter("; ".join(f"{field}: {told}" for field, told in causes if field) or message)
