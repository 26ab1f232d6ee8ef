"""What the API server says becomes what AWS's clients know."""

import pytest

from monopod.aws.access.failures import translate_failure
from monopod.kube.client.api import ApiError, ApiUnreachable, ServerTrouble

FORBIDDEN = 'fargateprofiles.monopod.dev is forbidden: User "ana" cannot create resource "fargateprofiles"'


@pytest.mark.parametrize(
    ("failure", "code", "status"),
    [
        (ApiError(403, "Forbidden", FORBIDDEN), "AccessDeniedException", 403),
        (ServerTrouble(429, "TooManyRequests", "busy"), "ThrottlingException", 429),
        (ServerTrouble(503, "", "starting"), "ServiceUnavailableException", 503),
        (ServerTrouble(500, "InternalError", "etcd"), "ServiceUnavailableException", 503),
        (ApiUnreachable("away"), "ServiceUnavailableException", 503),
        (ApiError(401, "Unauthorized", "expired"), "ServiceUnavailableException", 503),
        (ApiError(410, "Expired", "gone"), "InternalFailure", 500),
    ],
)
def test_a_failure_has_aws_code(failure: ApiError | ApiUnreachable, code: str, status: int) -> None:
    error = translate_failure(failure)
    assert (error.code, error.status) == (code, status)


def test_a_missing_right_is_named() -> None:
    assert translate_failure(ApiError(403, "Forbidden", FORBIDDEN)).message == FORBIDDEN
