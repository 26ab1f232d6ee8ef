"""What botocore signs is let through as it was sent, and nothing else is."""

import dataclasses
import datetime
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.credentials import Credentials

from monopod.aws.wire.call import AwsError
from monopod.aws.wire.message import HttpRequest
from monopod.aws.wire.models import SERVICES, load_model
from monopod.aws.wire.sigv4 import MISMATCH, check_signature, read_claim
from tests.unit.aws.wire.clients import build_request, send
from tests.unit.aws.wire.draws import Draw, list_operations

KEY, SECRET, REGION = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1"
ARN = "arn:aws:eks:us-east-1:111122223333:fargateprofile/prod/web/1b2c"


def _sign(
    operation: str = "TagResource",
    params: dict[str, Any] | None = None,
    *,
    service: str = "eks",
    scope_service: str = "",
    region: str = REGION,
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> HttpRequest:
    params = {"resourceArn": ARN, "tags": {"team": "a b/c+d~é"}} if params is None else params
    request = build_request(service, operation, params)
    for name, value in (headers or {}).items():
        request.headers[name] = value
    SigV4Auth(Credentials(KEY, SECRET, token), scope_service or service, region).add_auth(request)
    return send(request)


def _verify(
    request: HttpRequest, secret: str = SECRET, *, service: str = "eks", late: datetime.timedelta = datetime.timedelta()
) -> str:
    claim = read_claim(request, service, REGION, datetime.datetime.now(datetime.UTC) + late)
    check_signature(claim, request, secret)
    return claim.access_key_id


def _replace(request: HttpRequest, name: str, value: str | None) -> HttpRequest:
    headers = [(key, value if key == name else old) for key, old in request.headers]
    kept = tuple((key, each) for key, each in headers if each is not None)
    return dataclasses.replace(request, headers=kept)


def _append(request: HttpRequest, name: str, value: str) -> HttpRequest:
    return dataclasses.replace(request, headers=(*request.headers, (name, value)))


@pytest.mark.parametrize("service", SERVICES)
def test_what_botocore_signs_is_let_through(service: str) -> None:
    model = load_model(service)
    for seed, operation in enumerate(list_operations(model)[:40]):
        request = _sign(operation.name, Draw(seed, 0.6).draw_members(operation.input), service=service)
        assert _verify(request, service=service) == KEY, operation.name


def test_a_request_may_come_again_within_the_window() -> None:
    request = _sign()
    assert [_verify(request), _verify(request, late=datetime.timedelta(minutes=4))] == [KEY, KEY]


def test_no_two_addresses_have_one_signature() -> None:
    """What is read as a space, and what isn't, must not be the same to the signature."""
    request = _sign("UntagResource", {"resourceArn": ARN, "tagKeys": ["a+b"]})
    assert request.query == "tagKeys=a%2Bb"
    assert _verify(request) == KEY
    for query in ("tagKeys=a+b", "tagKeys=a%2bb", "tagKeys=a%20b", "tagKeys=a%2Bb&tagKeys=c", "tagKeys=a%2Bb%00"):
        with pytest.raises(AwsError, match="InvalidSignatureException"):
            _verify(dataclasses.replace(request, query=query))


def _postpone(timestamp: str) -> str:
    form = "%Y%m%dT%H%M%SZ"
    return (datetime.datetime.strptime(timestamp, form) + datetime.timedelta(minutes=1)).strftime(form)


SPOILT: dict[str, Callable[[HttpRequest], HttpRequest]] = {
    "another body": lambda request: dataclasses.replace(request, body=request.body.replace(b"team", b"teem")),
    "no body": lambda request: dataclasses.replace(request, body=b""),
    "another path": lambda request: dataclasses.replace(request, path=request.path.replace("web", "wob")),
    "a path that means the same": lambda request: dataclasses.replace(request, path=request.path.replace("%3A", ":")),
    "a path with dots": lambda request: dataclasses.replace(request, path="/x/.." + request.path),
    "a query": lambda request: dataclasses.replace(request, query="maxResults=1"),
    "another method": lambda request: dataclasses.replace(request, method="DELETE"),
    "another host": lambda request: _replace(request, "host", "elsewhere.example"),
    "a later date": lambda request: _replace(request, "x-amz-date", _postpone(request.get_header("x-amz-date"))),
    "another key": lambda request: _replace(
        request, "authorization", request.get_header("authorization").replace(KEY, "AKIAOTHER00000000000")
    ),
    "another content type": lambda request: _replace(request, "content-type", "text/plain"),
    "another header": lambda request: _append(request, "x-amz-target", "AmazonEC2ContainerServiceV20141113.RunTask"),
    "a header twice": lambda request: _append(request, "x-amz-date", request.get_header("x-amz-date")),
    "a host twice": lambda request: _append(request, "host", "elsewhere.example"),
    "two signatures": lambda request: _append(request, "authorization", request.get_header("authorization")),
    "a hash of another body": lambda request: _append(request, "x-amz-content-sha256", hashlib.sha256(b"").hexdigest()),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_request_that_was_altered_is_refused(how: str) -> None:
    spoilt = SPOILT[how](_sign())
    if how == "another key":  # it names one that signed nothing
        assert _read_code(spoilt, secret="the-others") == "InvalidSignatureException"
    else:
        assert _read_code(spoilt) == "InvalidSignatureException"


def _read_code(request: HttpRequest, **verification: Any) -> str:
    with pytest.raises(AwsError) as refused:
        _verify(request, **verification)
    assert refused.value.status == 403
    return refused.value.code


def test_another_secret_is_refused() -> None:
    with pytest.raises(AwsError) as refused:
        _verify(_sign(), SECRET + "x")
    assert refused.value.message == MISMATCH


@pytest.mark.parametrize("minutes", [5.1, 60, -5.1, -60])
def test_an_expired_signature_is_refused_and_one_of_the_future(minutes: float) -> None:
    with pytest.raises(AwsError) as refused:
        _verify(_sign(), late=datetime.timedelta(minutes=minutes))
    assert refused.value.code == "InvalidSignatureException"
    assert refused.value.message.startswith("Signature expired: " if minutes > 0 else "Signature not yet current: ")


@pytest.mark.parametrize(
    ("signed", "message"),
    [
        ({"scope_service": "sts"}, "Credential should be scoped to correct service: 'eks'."),
        (
            {"scope_service": "secretsmanager"},
            "secretsmanager isn't served by Monopod, but ecs, eks, logs, ssm, sts: point these alone at it, by "
            "AWS_ENDPOINT_URL_ECS and so on.",
        ),
        (
            {"region": "eu-west-1"},
            "Credential should be scoped to a valid region, not 'eu-west-1': here it is 'us-east-1'.",
        ),
        ({"token": "temporary"}, "The security token included in the request is invalid."),
        (
            {"headers": {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}},
            "The hash in x-amz-content-sha256 isn't that of the body.",
        ),
        (
            {"headers": {"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}},
            "The hash in x-amz-content-sha256 isn't that of the body.",
        ),
    ],
)
def test_a_signature_for_something_else_is_refused(signed: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError) as refused:
        _verify(_sign(**signed))
    assert refused.value.message == message


def test_the_bodys_hash_may_be_signed() -> None:
    body = send(build_request("eks", "TagResource", {"resourceArn": ARN, "tags": {"a": "b"}})).body
    headers = {"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
    assert _verify(_sign(params={"resourceArn": ARN, "tags": {"a": "b"}}, headers=headers)) == KEY


@pytest.mark.parametrize("name", ["host", "x-amz-date"])
def test_a_header_that_must_be_signed_and_is_not_is_refused(name: str) -> None:
    request = _sign()
    authorization = request.get_header("authorization")
    left = authorization.replace(f"{name};", "").replace(f";{name}", "")
    assert left != authorization
    with pytest.raises(AwsError, match=f"'{name}' must be a 'SignedHeader'"):
        _verify(_replace(request, "authorization", left))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 ", "Bearer ", "IncompleteSignatureException"),
        ("aws4_request", "aws5_request", "InvalidSignatureException"),
        ("Signature=", "Signature=x", "IncompleteSignatureException"),
        ("SignedHeaders=", "SignedHeaders=zz;", "InvalidSignatureException"),
        ("SignedHeaders=content-type;", "SignedHeaders=x-amz-date;content-type;", "IncompleteSignatureException"),
        ("Credential=", "Credential=" + "A" * 9000, "IncompleteSignatureException"),
        ("/eks/", "/eks/\ud800", "IncompleteSignatureException"),
    ],
)
def test_an_authorization_that_is_none_is_refused(old: str, new: str, code: str) -> None:
    request = _sign()
    authorization = request.get_header("authorization")
    assert old in authorization
    assert _read_code(_replace(request, "authorization", authorization.replace(old, new))) == code


@pytest.mark.parametrize("date", ["", "20260101", "20261301T000000Z", "+0260101T000000Z", "2026-01-01T00:00:00Z", "٢"])
def test_a_date_that_is_none_is_refused(date: str) -> None:
    assert _read_code(_replace(_sign(), "x-amz-date", date)) == "IncompleteSignatureException"


def test_without_a_signature_nothing_is_let_through() -> None:
    unsigned = send(build_request("eks", "ListClusters", {}))
    assert _read_code(unsigned) == "MissingAuthenticationTokenException"
    presigned = dataclasses.replace(unsigned, query="X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=" + "0" * 64)
    assert _read_code(presigned) == "MissingAuthenticationTokenException"
