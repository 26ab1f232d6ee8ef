"""How whoever asks the ledger on its pods' network knows it: by the API server's word for a certificate.

Each process of the ledger makes a certificate that nobody signs, and a token of the ledger's ServiceAccount for the
audience monopod-ledger/FINGERPRINT. It shows both to anyone: a token that the API server knows as the ledger's for
that audience says that the ledger stands behind the certificate. It is no secret: whoever copies it hasn't the
certificate's key, and at the API server it opens nothing.
"""

from dataclasses import dataclass
from typing import Any, Final

from monopod.kube.client.api import Api
from monopod.kube.objects.resources import TOKEN_REVIEWS

AUDIENCE: Final = "monopod-ledger"
"""Of tokens by which recorders and the operator show who they are; the kubelet puts them into their pods."""
IDENTITY_PATH: Final = "/identity"
_LONGEST_TOKEN: Final = 16_384


class StrangerError(Exception):
    """What answers in the ledger's place can't show that it is the ledger."""


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


async def verify_identity(api: Api, account: LedgerAccount, shown: Any) -> str:
    """Returns the fingerprint of the ledger's certificate.

    Args:
        api: the API server, with the right to create TokenReviews.
        account: the ledger's.
        shown: what is shown at `IDENTITY_PATH`.

    Raises:
        StrangerError: it isn't the ledger's, or what was shown is nothing of the kind.
        ApiError: the API server refused to say.
        ApiUnreachable: it can't be asked.
    """
    if not isinstance(shown, dict):
        raise StrangerError("it shows no certificate that the API server vouches for")
    fingerprint, token = str(shown.get("fingerprint")), str(shown.get("token"))
    if len(fingerprint) != 64 or not {*fingerprint} <= {*"0123456789abcdef"}:
        raise StrangerError("what it shows is no fingerprint of a certificate")
    audience = build_audience(fingerprint)
    if not await _is_of(api, account, token, audience):
        raise StrangerError("the API server doesn't know its certificate as the ledger's")
    return fingerprint


async def _is_of(api: Api, account: LedgerAccount, token: str, audience: str) -> bool:
    if not token or len(token) > _LONGEST_TOKEN:
        return False
    spec = {"token": token, "audiences": [audience]}
    review = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": TOKEN_REVIEWS.kind, "spec": spec}
    status = (await api.create(TOKEN_REVIEWS.list_path(), review)).get("status") or {}
    is_known = status.get("authenticated") is True and audience in (status.get("audiences") or ())
    return is_known and (status.get("user") or {}).get("username") == account.user_name
