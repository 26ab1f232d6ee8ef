"""A replica of the ledger, asked on its pod's network by another one, or by the operator.

    ask who it is ──vouched for──► ask, that certificate only ◄──┐
       ▲                                 │        └── again ─────┘
       └────────── another certificate ──┘

What answers at its address gets no token and is believed nothing before the API server vouches for its certificate:
each process has one of its own.
"""

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.usage.ledger_identity import IDENTITY_PATH, StrangerError

Verify = Callable[[Any], Awaitable[str]]
"""Of what a replica shows: the fingerprint of its certificate. `verify_identity` says what it raises."""

_MOST_SHOWN_BYTES: Final = 64 * 1024
"""Of a fingerprint and a token."""
_CONNECT_SECONDS: Final = 5.0


class ReplicaTrouble(Exception):
    """A replica gave no answer that can be used; the message says why."""


@asynccontextmanager
async def open_session(seconds: float) -> AsyncIterator[aiohttp.ClientSession]:
    """For replicas' questions, each of which may take so long."""
    # For the one question who it is. All others are for a certificate that is known, whatever this says.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=timeout) as session:
        yield session


class Replica:
    """Asks one replica.

    Args:
        url: scheme, host and port.
        token: the file with the token by which it knows who asks.
        verify: finds out by which certificate it is known.
    """

    def __init__(self, url: str, token: Path, verify: Verify) -> None:
        self._url = url
        self._token = token
        self._verify = verify
        self._pin: aiohttp.Fingerprint | None = None

    async def ask(self, session: aiohttp.ClientSession, path: str, query: Mapping[str, str], most: int) -> Any:
        """Returns an answer of at most so many bytes, read as JSON.

        Raises:
            ReplicaTrouble: there is none.
        """
        try:
            if self._pin is None:
                shown = await self._get(session, IDENTITY_PATH, _MOST_SHOWN_BYTES)
                self._pin = aiohttp.Fingerprint(bytes.fromhex(await self._verify(shown)))
            token = await asyncio.to_thread(self._read_token)
            headers = {"Authorization": f"Bearer {token}"}
            return await self._get(session, path, most, params=query, headers=headers, ssl=self._pin)
        except aiohttp.ServerFingerprintMismatch as error:
            self._pin = None
            raise ReplicaTrouble("it shows another certificate than the one that it is known by") from error
        except StrangerError as error:
            raise ReplicaTrouble(str(error)) from error
        except (ApiError, ApiUnreachable) as error:
            raise ReplicaTrouble(f"the API server can't say who it is: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            # aiohttp names the pin by its place in memory.
            text = re.sub(r" ssl:<[^>]*>", "", str(error))[:300]
            raise ReplicaTrouble(text or type(error).__name__) from error

    async def _get(self, session: aiohttp.ClientSession, path: str, most: int, **options: Any) -> Any:
        async with session.get(self._url + path, allow_redirects=False, **options) as response:
            if response.status != 200:
                refusal = await response.content.read(300)
                raise ReplicaTrouble(f"{response.status}: {refusal.decode(errors='replace')}")
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > most:
                    raise ReplicaTrouble(f"its answer is longer than {most:,} bytes")
            return json.loads(bytes(content))

    def _read_token(self) -> str:
        with contextlib.suppress(OSError):
            return self._token.read_text().strip()
        return ""
