"""Finds out who asks: by a client certificate that the TLS handshake has verified, else by a bearer token.

The order is the API server's own, so that whoever has both is the same user here as there. Tokens are checked by the
API server (TokenReview) and kept nowhere: the cache knows them by a hash.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from monopod.kube.client.api import Api
from monopod.kube.clock import Clock
from monopod.kube.objects.resources import TOKEN_REVIEWS
from monopod.ledger.server.answer_cache import AnswerCache
from monopod.ledger.server.user import User

_SCHEME: Final = "bearer"
_LONGEST_TOKEN: Final = 16_384
"""Longer than any that the API server itself takes in a header; each is sent on in a request of the ledger's."""


class Authenticator:
    """Tells who asks.

    Args:
        api: the API server, with the right to create TokenReviews.
        clock: for how long an answer counts.
        audiences: for which a token must be meant; none: for the API server itself.
    """

    def __init__(self, api: Api, clock: Clock, audiences: Sequence[str] = ()) -> None:
        self._api = api
        self._audiences = tuple(audiences)
        self._users: AnswerCache[bytes, User] = AnswerCache(clock)

    async def authenticate(self, certificate: Mapping[str, Any] | None, authorization: str | None) -> User | None:
        """Returns the user, or None if the credentials are missing or nobody's.

        Args:
            certificate: the client certificate that the handshake has verified, if there is one.
            authorization: the header of this name.

        Raises:
            ApiError: the API server refused to say.
            ApiUnreachable: it can't be asked.
        """
        user = User.from_certificate(certificate)
        if user is not None:
            return user
        token = _read_token(authorization)
        return await self._review(token) if token else None

    async def _review(self, token: str) -> User | None:
        key = hashlib.sha256(token.encode()).digest()
        known = self._users.get(key)
        if known is not None:
            return known
        spec = {"token": token, **({"audiences": list(self._audiences)} if self._audiences else {})}
        review = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": TOKEN_REVIEWS.kind, "spec": spec}
        answer = await self._api.create(TOKEN_REVIEWS.list_path(), review)
        status = answer.get("status") or {}
        user = User.from_review(status)
        # An authenticator that knows no audiences leaves the field out, and its token was meant for the API server.
        if user is None or (self._audiences and not set(self._audiences) & set(status.get("audiences") or ())):
            return None
        self._users.put(key, user)
        return user


def _read_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == _SCHEME and len(token) <= _LONGEST_TOKEN else ""
