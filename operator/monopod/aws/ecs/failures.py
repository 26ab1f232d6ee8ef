"""What the API server's failures are on ECS."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from monopod.aws.access.failures import translate_failure
from monopod.aws.ecs.rules.refusals import translate_invalid
from monopod.kube.client.api import ApiError, ApiUnreachable

_INVALID: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


@contextlib.contextmanager
def translating() -> Iterator[None]:
    """Raises `AwsError` for what the API server refuses, and where it can't be asked."""
    try:
        yield
    except ApiError as error:
        if error.status in _INVALID:
            causes = ((cause.field, cause.message) for cause in error.causes)
            raise translate_invalid(error.message, causes) from error
        raise translate_failure(error) from error
    except ApiUnreachable as failure:
        raise translate_failure(failure) from failure
