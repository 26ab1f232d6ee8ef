"""What the API server's refusals are in AWS's words, where all services have the same ones."""

from http import HTTPStatus

from monopod.aws.wire.call import AwsError
from monopod.kube.client.api import ApiError, ApiUnreachable, ServerTrouble


def translate_failure(failure: ApiError | ApiUnreachable) -> AwsError:
    """The error that a caller gets; what a service says of 404, 409 and 422 it says before.

    The API server's own sentence is in it: it names the user, the verb and the resource, which is what an
    administrator needs for a Role.
    """
    match failure:
        case ApiError(status=HTTPStatus.FORBIDDEN):
            return AwsError("AccessDeniedException", failure.message, status=HTTPStatus.FORBIDDEN)
        case ServerTrouble(status=HTTPStatus.TOO_MANY_REQUESTS):
            return AwsError("ThrottlingException", "Rate exceeded", status=HTTPStatus.TOO_MANY_REQUESTS)
        case ApiError(status=HTTPStatus.UNAUTHORIZED) | ApiUnreachable():
            message = "The Kubernetes API server can't be asked now."
            return AwsError("ServiceUnavailableException", message, status=HTTPStatus.SERVICE_UNAVAILABLE)
        case ApiError():
            message = f"The Kubernetes API server refused: {failure}"
            return AwsError("InternalFailure", message, status=HTTPStatus.INTERNAL_SERVER_ERROR)
