"""Signature version 4, verified: who sent a request, and that no one altered it since.

    head ──read_claim──► Claim: who says to have signed, when, for what ──the key is found, the body is read──► check

What isn't signed could be anybody's: so the Host, the date and every `x-amz-` header that is there have to be, and a
header that is signed is there once. The path and the query string count as they were sent, without any decoding, so
that no two requests that are read differently have one signature. As on AWS a request may come again within the window
of five minutes; what must not happen twice has a token of its own.
"""

import datetime
import hashlib
import hmac
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from monopod.aws.wire.call import AwsError
from monopod.aws.wire.message import HttpRequest
from monopod.aws.wire.models import SERVICES

WINDOW: Final = datetime.timedelta(minutes=5)
ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINATOR: Final = "aws4_request"

_AUTHORIZATION: Final = re.compile(
    r"Credential=(?P<key>[\w+=.@-]{1,128})/(?P<date>[0-9]{8})/(?P<region>[a-z0-9-]{1,64})/(?P<service>[a-z0-9-]{1,64})"
    r"/(?P<terminator>\w{1,64}), ?SignedHeaders=(?P<headers>[a-z0-9;_.-]{1,4096}), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
_TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"
_MOST_LENGTH: Final = 8192
_MUST_BE_SIGNED: Final = "x-amz-"
"""Headers that begin so are read by services."""

MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)

UNSERVED: Final = (
    f"{{}} isn't served by Monopod, but {', '.join(SERVICES)}: "
    "point these alone at it, by AWS_ENDPOINT_URL_ECS and so on."
)
"""`AWS_ENDPOINT_URL` sends everything here that a program asks of AWS."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature; nothing of it is proven yet.

    Attributes:
        access_key_id: the key that it is said to be signed by.
        timestamp: when, as in the header.
        region: the region that it is for.
        service: the service that it is for.
        signed_headers: what the signature covers, sorted.
        signature: hexadecimal.
    """

    access_key_id: str
    timestamp: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """What the signing key is good for."""
        return f"{self.timestamp[:8]}/{self.region}/{self.service}/{TERMINATOR}"


def read_claim(request: HttpRequest, service: str, region: str, now: datetime.datetime) -> Claim:
    """What a request's head says of its signature; its body needn't be there yet.

    Args:
        request: the request.
        service: what the service it is for is called in signatures.
        region: the region of this endpoint.
        now: the present.

    Raises:
        AwsError: there is no signature, or it can't be good for this.
    """
    names = [name for name, _ in request.headers]
    if "authorization" not in names:
        raise _refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
    match = _match(request.get_header("authorization"))
    signed = tuple(match["headers"].split(";"))
    needed = {"host", "x-amz-date", *(name for name in names if name.startswith(_MUST_BE_SIGNED))}
    if missing := sorted(needed.difference(signed)):
        raise _refuse("InvalidSignatureException", f"'{missing[0]}' must be a 'SignedHeader' in the AWS Authorization.")
    for name in ("authorization", *signed):
        if names.count(name) != 1:
            raise _refuse("InvalidSignatureException", f"The header '{name}' must be there exactly once.")
    if list(signed) != sorted(set(signed)):
        raise _refuse("IncompleteSignatureException", "SignedHeaders must be sorted, and each be there once.")
    if request.get_header("x-amz-security-token"):
        raise _refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
    timestamp = request.get_header("x-amz-date")
    _check_time(timestamp, now)
    _check_scope(match, timestamp, service, region)
    return Claim(match["key"], timestamp, region, service, signed, match["signature"])


def check_signature(claim: Claim, request: HttpRequest, secret: str) -> None:
    """Lets a request through that was signed by this secret as it is, its body included.

    Raises:
        AwsError: it wasn't.
    """
    body_hash = hashlib.sha256(request.body).hexdigest()
    stated = request.get_header("x-amz-content-sha256")
    if stated and not _is_equal(stated, body_hash):
        # Here is also what signs no body: UNSIGNED-PAYLOAD, and what streams.
        raise _refuse("InvalidSignatureException", "The hash in x-amz-content-sha256 isn't that of the body.")
    canonical = _build_canonical_request(claim, request, body_hash)
    told = hashlib.sha256(canonical.encode(errors="surrogateescape")).hexdigest()
    to_sign = f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{told}"
    key = f"AWS4{secret}".encode()
    for part in claim.scope.split("/"):
        key = _sign(key, part)
    if not _is_equal(_sign(key, to_sign).hex(), claim.signature):
        raise _refuse("InvalidSignatureException", MISMATCH)


def _match(authorization: str) -> re.Match[str]:
    algorithm, _, rest = authorization.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise _refuse("IncompleteSignatureException", f"The Authorization header must be one of {ALGORITHM}.")
    match = _AUTHORIZATION.fullmatch(rest.strip()) if len(rest) <= _MOST_LENGTH else None
    if match is None:
        message = "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters."
        raise _refuse("IncompleteSignatureException", message)
    return match


def _check_time(timestamp: str, now: datetime.datetime) -> None:
    try:
        moment = datetime.datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=datetime.UTC)
    except ValueError:
        moment = None
    if moment is None or moment.strftime(_TIMESTAMP) != timestamp:  # strptime takes signs and digits that AWS doesn't
        raise _refuse("IncompleteSignatureException", "X-Amz-Date must be a time such as 20260101T120000Z.")
    told = now.strftime(_TIMESTAMP)
    if moment < now - WINDOW:
        bound = (now - WINDOW).strftime(_TIMESTAMP)
        message = f"Signature expired: {timestamp} is now earlier than {bound} ({told} - 5 min.)"
        raise _refuse("InvalidSignatureException", message)
    if moment > now + WINDOW:
        bound = (now + WINDOW).strftime(_TIMESTAMP)
        message = f"Signature not yet current: {timestamp} is still later than {bound} ({told} + 5 min.)"
        raise _refuse("InvalidSignatureException", message)


def _check_scope(match: re.Match[str], timestamp: str, service: str, region: str) -> None:
    code = "InvalidSignatureException"
    if match["service"] not in SERVICES:
        raise AwsError("UnknownOperationException", UNSERVED.format(match["service"]), status=HTTPStatus.NOT_FOUND)
    if match["terminator"] != TERMINATOR:
        raise _refuse(code, f"Credential should be scoped with a valid terminator: '{TERMINATOR}'.")
    if match["date"] != timestamp[:8]:
        message = f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{match['date']}' != '{timestamp[:8]}'."  # noqa: E501 AWS's sentence
        raise _refuse(code, message)
    if match["service"] != service:
        raise _refuse(code, f"Credential should be scoped to correct service: '{service}'.")
    if match["region"] != region:
        message = f"Credential should be scoped to a valid region, not '{match['region']}': here it is '{region}'."
        raise _refuse(code, message)


def _build_canonical_request(claim: Claim, request: HttpRequest, body_hash: str) -> str:
    headers = dict(request.headers)
    pairs = [pair.partition("=") for pair in request.query.split("&") if pair]
    return "\n".join(
        [
            request.method,
            # Encoded by the client once already, and once more for the signature: only S3 does without.
            quote(request.path, safe="/~", errors="surrogateescape"),
            "&".join(f"{key}={value}" for key, _, value in sorted((key, "=", value) for key, _, value in pairs)),
            *(f"{name}:{' '.join(headers[name].split())}" for name in claim.signed_headers),
            "",
            ";".join(claim.signed_headers),
            body_hash,
        ]
    )


def _sign(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(errors="surrogateescape"), hashlib.sha256).digest()


def _is_equal(one: str, other: str) -> bool:
    """Compares in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(errors="surrogateescape"), other.encode())


def _refuse(code: str, message: str) -> AwsError:
    return AwsError(code, message, status=HTTPStatus.FORBIDDEN)
