"""How a recorder shows who it is: it makes a certificate that nobody signs, and the API server vouches for it.

    this one:  TokenRequest for the audience monopod-ledger/FINGERPRINT ──► token, shown to whoever asks
    the other: is shown a fingerprint and a token ──► TokenReview for that audience ──► talks to that certificate only

What the other one does, and what the token is worth, is in `monopod.usage.ledger_identity`.
"""

import asyncio
import math
from collections.abc import Mapping
from typing import Final

from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import Clock
from monopod.kube.objects.resources import SERVICE_ACCOUNTS
from monopod.usage.ledger_identity import LedgerAccount, build_audience

TOKEN_SECONDS: Final = 3600
RENEWED_SECONDS: Final = 1200
"""A token is shown for that long, so that it counts for a while yet whoever has been shown it."""
RETRY_SECONDS: Final = 2.0
"""Anybody may ask, as often as they like: after a failure they are told of it for so long, without another try."""


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
        self._failure: ApiError | ApiUnreachable | None = None
        self._until = -math.inf
        self._asking = asyncio.Lock()

    async def fetch(self) -> Mapping[str, str]:
        """What a peer is shown.

        Raises:
            ApiError: the API server refused a token.
            ApiUnreachable: it can't be asked for one.
        """
        async with self._asking:
            if self._clock.monotonic() >= self._until:
                await self._renew()
        if self._failure:
            raise self._failure.with_traceback(None)  # or each raise would add to it
        return self._shown

    async def _renew(self) -> None:
        begun = self._clock.monotonic()
        spec = {"audiences": [build_audience(self._fingerprint)], "expirationSeconds": TOKEN_SECONDS}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = SERVICE_ACCOUNTS.path(self._account.name, self._account.namespace, "token")
        try:
            answer = await self._api.create(path, request)
        except (ApiError, ApiUnreachable) as failure:
            self._failure, self._until = failure, begun + RETRY_SECONDS
        else:
            self._failure, self._until = None, begun + RENEWED_SECONDS
            self._shown = {"fingerprint": self._fingerprint, "token": str(answer["status"]["token"])}
