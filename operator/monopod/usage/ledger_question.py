"""Asks the ledger what the pods of each profile cost: one request, with a token that is worth nothing elsewhere."""

import asyncio
import contextlib
import ssl
from typing import Final

import aiohttp

from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.usage.options import UsageOptions
from monopod.usage.rules.profile_cost import PROFILES_PATH, InvalidAnswer, ProfileCosts, decode_costs

REQUEST_SECONDS: Final = 20.0
MOST_BYTES: Final = 16 * 1024 * 1024


class LedgerTrouble(Exception):
    """The ledger gave no answer that can be used; the message says why."""


class LedgerQuestion:
    """Asks one ledger.

    Args:
        options: where it is, and the token.
        clock: tells the time.
    """

    def __init__(self, options: UsageOptions, clock: Clock = SYSTEM_CLOCK) -> None:
        self._url = f"https://{options.ledger}:{options.ledger_port}{PROFILES_PATH}"
        self._token = options.ledger_token
        self._clock = clock

    async def ask(self) -> ProfileCosts:
        """Returns what it answers.

        Raises:
            LedgerTrouble: it can't be reached, refuses, or answers something else.
        """
        token = ""
        with contextlib.suppress(OSError):
            token = (await asyncio.to_thread(self._token.read_text)).strip()
        # As between replicas: the certificate is the process's own and names no one (docs/adr/0023, 0025).
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=timeout) as session,
                session.get(self._url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    refusal = await response.content.read(300)
                    raise LedgerTrouble(f"{response.status}: {refusal.decode(errors='replace')}")
                return decode_costs(await _read_bounded(response), self._clock.now())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise LedgerTrouble(str(error)[:300] or type(error).__name__) from error
        except InvalidAnswer as error:
            raise LedgerTrouble(str(error)) from error


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MOST_BYTES:
            raise LedgerTrouble(f"its answer is longer than {MOST_BYTES:,} bytes")
    return bytes(content)
