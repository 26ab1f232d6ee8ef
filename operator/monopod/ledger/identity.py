"""How recorders know each other: each makes a certificate that nobody signs, and the API server vouches for it.

    this one:  TokenRequest for the audience monopod-ledger/FINGERPRINT ──► token, shown to whoever asks
    the other: is shown a fingerprint and a token ──► TokenReview for that audience ──► talks to that certificate only

The token is the API server's word that the ledger's own ServiceAccount stands behind the certificate of this
fingerprint. It is no secret: whoever copies it hasn't the certificate's key, and at the API server it opens nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.kube.client.api import Api
from monopod.kube.clock import Clock
from monopod.kube.objects.resources import SERVICE_ACCOUNTS
from monopod.ledger.server.authentication import Authenticator

AUDIENCE: Final = "monopod-ledger"
"""Of the token by which a recorder shows who pulls; the kubelet puts it into the pod."""

TOKEN_SECONDS: Final = 3600
RENEWED_SECONDS: Final = 1200
"""A token is shown for that long, so that it counts for a while yet whoever has been shown it."""


class StrangerError(Exception):
    """What answers in a peer's place can't show that it is one."""


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """The ServiceAccount that all recorders run as."""

    namespace: str
    name: str

    @property
    def user_name(self) -> str:
        """As the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


def build_audience(fingerprint: str) -> str:
    """The audience of a token that vouches for a certificate."""
    return f"{AUDIENCE}/{fingerprint}"


class Identity:
    """Shows who this recorder is.

    Args:
        api: the API server, with the right to create tokens of the account.
        clock: tells when a token has to be renewed.
        account: the ledger's own.
        fingerprint: SHA-256 of the certificate that this process shows, in hexadecimal.
    """

    def __init__(self, api: Api, clock: Clock, account: LedgerAccount, fingerprint: str) -> None:
        self._api = api
        self._clock = clock
        self._account = account
        self._fingerprint = fingerprint
        self._shown: dict[str, str] = {}
        self._until = 0.0

    async def fetch(self) -> Mapping[str, str]:
        """What a peer is shown.

        Raises:
            ApiError: the API server refused a token.
            ApiUnreachable: it can't be asked for one.
        """
        if not self._shown or self._clock.monotonic() >= self._until:
            until = self._clock.monotonic() + RENEWED_SECONDS
            spec = {"audiences": [build_audience(self._fingerprint)], "expirationSeconds": TOKEN_SECONDS}
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
            path = SERVICE_ACCOUNTS.path(self._account.name, self._account.namespace, "token")
            answer = await self._api.create(path, request)
            self._shown = {"fingerprint": self._fingerprint, "token": str(answer["status"]["token"])}
            self._until = until
        return self._shown


async def verify_identity(api: Api, clock: Clock, account: LedgerAccount, shown: Any) -> str:
    """Returns the fingerprint of a recorder's certificate.

    Raises:
        StrangerError: it isn't one's, or what was shown is nothing of the kind.
        ApiError: the API server refused to say.
        ApiUnreachable: it can't be asked.
    """
    if not isinstance(shown, dict):
        raise StrangerError("it shows no certificate that the API server vouches for")
    fingerprint, token = str(shown.get("fingerprint")), str(shown.get("token"))
    if len(fingerprint) != 64 or not {*fingerprint} <= {*"0123456789abcdef"}:
        raise StrangerError("what it shows is no fingerprint of a certificate")
    authenticator = Authenticator(api, clock, (build_audience(fingerprint),))
    user = await authenticator.authenticate(None, f"Bearer {token}")
    if user is None or user.name != account.user_name:
        raise StrangerError("the API server doesn't know its certificate as the ledger's")
    return fingerprint
