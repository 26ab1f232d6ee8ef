"""Asks the ledger what the pods of each profile cost.

    resolve its name ──► for each replica: ask who it is ──vouched for──► ask what profiles cost, that certificate only
                                  └── trouble: the next replica

The operator's token is shown to a replica only after the API server has vouched for its certificate.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from typing import Final

import aiohttp
from yarl import URL

from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.usage.ledger_identity import IDENTITY_PATH, MOST_SHOWN_BYTES, StrangerError, verify_identity
from monopod.usage.options import UsageOptions
from monopod.usage.rules.profile_cost import PROFILES_PATH, InvalidAnswer, ProfileCosts, decode_costs

CONNECT_SECONDS: Final = 3.0
REQUEST_SECONDS: Final = 20.0
MOST_BYTES: Final = 16 * 1024 * 1024


class LedgerTrouble(Exception):
    """The ledger gave no answer that can be used; the message says why."""


class LedgerQuestion:
    """Asks one ledger.

    Args:
        api: the API server, with the right to create TokenReviews.
        options: where the ledger is, its account, and the token.
        clock: tells the time.
    """

    def __init__(self, api: Api, options: UsageOptions, clock: Clock = SYSTEM_CLOCK) -> None:
        self._api = api
        self._options = options
        self._clock = clock

    async def ask(self) -> ProfileCosts:
        """Returns what the first replica answers that does.

        Raises:
            LedgerTrouble: none can be reached, or each refuses, answers something else, or is another.
            ApiError: the API server refused to say whether it is the ledger.
            ApiUnreachable: it can't be asked.
        """
        troubles = []
        # For the one question who it is. The other is for a certificate that is known, whatever this says.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            for address in await self._resolve():
                try:
                    return await self._ask_replica(session, address)
                except LedgerTrouble as trouble:
                    troubles.append(f"{address}: {trouble}")
        raise LedgerTrouble("; ".join(troubles))

    async def _resolve(self) -> list[str]:
        name, port = self._options.ledger, self._options.ledger_port
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise LedgerTrouble(f"{name} has no address: {error}") from error
        return sorted({str(address[0]) for *_, address in found})

    async def _ask_replica(self, session: aiohttp.ClientSession, address: str) -> ProfileCosts:
        url = URL.build(scheme="https", host=address, port=self._options.ledger_port)
        try:
            shown = json.loads(await _fetch(session, url.with_path(IDENTITY_PATH), MOST_SHOWN_BYTES))
            fingerprint = await verify_identity(self._api, self._options.account_of_ledger, shown)
            pin = aiohttp.Fingerprint(bytes.fromhex(fingerprint))
            token = await asyncio.to_thread(self._read_token)
            answer = await _fetch(session, url.with_path(PROFILES_PATH), MOST_BYTES, pin=pin, token=token)
            return decode_costs(answer, self._clock.now())
        except aiohttp.ServerFingerprintMismatch as error:
            raise LedgerTrouble("it shows another certificate than the one that the ledger is known by") from error
        except (StrangerError, InvalidAnswer) as error:
            raise LedgerTrouble(str(error)) from error
        except (ApiError, ApiUnreachable):
            raise
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise LedgerTrouble(str(error)[:300] or type(error).__name__) from error

    def _read_token(self) -> str:
        with contextlib.suppress(OSError):
            return self._options.ledger_token.read_text().strip()
        return ""


async def _fetch(
    session: aiohttp.ClientSession,
    url: URL,
    most: int,
    *,
    pin: aiohttp.Fingerprint | bool = True,
    token: str = "",
) -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.get(url, headers=headers, ssl=pin, allow_redirects=False) as response:
        if response.status != 200:
            refusal = await response.content.read(300)
            raise LedgerTrouble(f"{response.status}: {refusal.decode(errors='replace')}")
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > most:
                raise LedgerTrouble(f"its answer is longer than {most:,} bytes")
        return bytes(content)
