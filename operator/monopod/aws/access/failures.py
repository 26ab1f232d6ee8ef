"""The API server's refusals: which is which, and what they are in AWS's words, the same for all services."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from monopod.aws.wire.call import AwsError
from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json, ServerTrouble

DENIED: Final = "AccessDeniedException"


def translate_failure(failure: ApiError | ApiUnreachable) -> AwsError:
    """The error that a caller gets; what a service says of 404, 409 and 422 it says before.

    The API server's own sentence is in it: it names the user, the verb and the resource, which is what an
    administrator needs for a Role.
    """
    match failure:
        case ApiError(status=HTTPStatus.FORBIDDEN):
            return AwsError(DENIED, failure.message, status=HTTPStatus.FORBIDDEN)
        case ServerTrouble(status=HTTPStatus.TOO_MANY_REQUESTS):
            return AwsError("ThrottlingException", "Rate exceeded", status=HTTPStatus.TOO_MANY_REQUESTS)
        case ApiError(status=HTTPStatus.UNAUTHORIZED) | ApiUnreachable():
            message = "The Kubernetes API server can't be asked now."
            return AwsError("ServiceUnavailableException", message, status=HTTPStatus.SERVICE_UNAVAILABLE)
        case ApiError():
            message = f"The Kubernetes API server refused: {failure}"
            return AwsError("InternalFailure", message, status=HTTPStatus.INTERNAL_SERVER_ERROR)


@contextlib.contextmanager
def translating() -> Iterator[None]:
    """Raises `AwsError` for what the API server refuses, and where it can't be asked."""
    try:
        yield
    except (ApiError, ApiUnreachable) as failure:
        raise translate_failure(failure) from failure


async def fetch_existing(api: Api, path: str) -> Json | None:
    """An object; None if it doesn't exist.

    Raises:
        ApiError: the API server refuses.
        ApiUnreachable: it can't be asked.
    """
    try:
        return await api.get(path)
    except ApiError as error:
        if is_missing(error):
            return None
        raise


def is_missing(failure: ApiError) -> bool:
    """Whether the object doesn't exist. A kind that isn't served is another failure."""
    return failure.status == HTTPStatus.NOT_FOUND and not failure.is_unserved


def is_another(failure: ApiError) -> bool:
    """Whether a patch would have changed another object of the name, whose uid differs, or another version of it."""
    return is_conflict(failure) or any(cause.field == "metadata.uid" for cause in failure.causes)


def is_conflict(failure: ApiError) -> bool:
    """Whether the object exists already, or was changed meanwhile."""
    return failure.status == HTTPStatus.CONFLICT
