"""Asks kubelets how much the containers of tasks use.

    find ── asked within FRESH_SECONDS ──► what is known
        └── else: one request for all who wait ──► kept │ trouble: nothing is known for FAILED_SECONDS

A node may be in other hands, and what it is shown it has. So it is never shown this process' own token, with which one
may act for users, but one of an account whose only right is to read such figures.
"""

import asyncio
import datetime
import math
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog

from monopod.aws.metadata.rules.caller import read_address
from monopod.aws.metadata.rules.summary import PodKey, Use, follow, read_summary
from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json
from monopod.kube.clock import Clock
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import NODES, SERVICE_ACCOUNTS

FRESH_SECONDS: Final = 2.0
FAILED_SECONDS: Final = 10.0
"""For how long a kubelet that can't be asked isn't asked again."""

ADDRESS_SECONDS: Final = 60.0
ASK_SECONDS: Final = 5.0
TOKEN_SECONDS: Final = 600
"""For how long a token is good, which can't be less. It is used for half of it."""

MOST_NODES: Final = 1000
MOST_AT_ONCE: Final = 10
LONGEST_SUMMARY: Final = 16 * 1024 * 1024

_PATH: Final = "/stats/summary"
_PORT: Final = 10250
_REMEDY: Final = (
    "let kubelets have certificates of the cluster's authority (serverTLSBootstrap), or set aws.kubeletInsecureTLS"
)

logger = structlog.stdlib.get_logger(__name__)


class _CannotAsk(Exception):
    """Why a kubelet can't be asked, or what it answered."""


@dataclass
class _Node:
    """What is known of a node's tasks.

    Attributes:
        asking: held by who asks.
        until: until when it needn't be asked again.
        uses: what is known.
        url: where its kubelet is.
        moved: from when it may be elsewhere.
    """

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    until: float = -math.inf
    uses: Mapping[PodKey, Mapping[str, Use]] = field(default_factory=dict)
    url: str = ""
    moved: float = -math.inf


class Kubelets:
    """Finds what tasks use.

    Args:
        api: the API server, with the rights to get nodes and to make tokens of the account.
        namespace: Monopod's own.
        account: the ServiceAccount whose tokens kubelets are shown.
        context: what kubelets' certificates are checked by.
        clock: tells the time.
    """

    def __init__(self, api: Api, namespace: str, account: str, context: ssl.SSLContext, clock: Clock) -> None:
        self._api = api
        self._token_path = SERVICE_ACCOUNTS.path(account, namespace, "token")
        self._context = context
        self._clock = clock
        self._nodes: OrderedDict[str, _Node] = OrderedDict()
        self._problems = ProblemLog(logger)
        self._token = ""
        self._token_until = -math.inf
        self._renewing = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def find(self, node: str, pod: PodKey) -> Mapping[str, Use]:
        """What the containers of a pod use, by their names in it; unknown ones are left out.

        Args:
            node: where it runs; "" if it doesn't yet.
            pod: which pod.
        """
        if not node:
            return {}
        known = self._nodes.setdefault(node, _Node())
        self._nodes.move_to_end(node)
        if len(self._nodes) > MOST_NODES:
            self._nodes.popitem(last=False)
        async with known.asking:
            if self._clock.monotonic() >= known.until:
                await self._ask_again(node, known)
        return known.uses.get(pod, {})

    async def close(self) -> None:
        """Closes the connections."""
        if self._session:
            await self._session.close()

    async def _ask_again(self, node: str, known: _Node) -> None:
        subject = f"statistics of tasks on {node}"
        try:
            content = await self._ask(node, known)
            known.uses = follow(known.uses, read_summary(content, self._clock.now().astimezone(datetime.UTC)))
        except (_CannotAsk, ApiError, ApiUnreachable, ValueError, OverflowError) as trouble:
            text = "the kubelet's answer is none" if isinstance(trouble, ArithmeticError | ValueError) else str(trouble)
            self._problems.report(subject, text)
            known.uses, known.moved = {}, -math.inf
            known.until = self._clock.monotonic() + FAILED_SECONDS
        else:
            self._problems.clear(subject)
            known.until = self._clock.monotonic() + FRESH_SECONDS

    async def _ask(self, node: str, known: _Node) -> bytes:
        now = self._clock.monotonic()
        if now >= known.moved:
            known.url = find_kubelet(await self._api.get(NODES.path(node)))
            known.moved = now + ADDRESS_SECONDS
        if not known.url:
            raise _CannotAsk("the node has no InternalIP")
        headers = {"Authorization": f"Bearer {await self._get_token()}", "Accept-Encoding": "identity"}
        try:
            async with self._open().get(known.url + _PATH, headers=headers, allow_redirects=False) as answer:
                if answer.status == HTTPStatus.UNAUTHORIZED:
                    self._token_until = -math.inf
                if answer.status != HTTPStatus.OK:
                    raise _CannotAsk(f"the kubelet answers {answer.status}")
                return await _read(answer.content)
        except aiohttp.ClientConnectorCertificateError as error:
            raise _CannotAsk(f"the kubelet's certificate isn't trusted: {_REMEDY}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _CannotAsk(f"the kubelet can't be reached: {str(error) or type(error).__name__}") from error

    async def _get_token(self) -> str:
        async with self._renewing:
            if self._clock.monotonic() >= self._token_until:
                asked = {
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenRequest",
                    "spec": {"expirationSeconds": TOKEN_SECONDS},
                }
                answer = await self._api.create(self._token_path, asked)
                self._token = str((answer.get("status") or {}).get("token") or "")
                self._token_until = self._clock.monotonic() + TOKEN_SECONDS / 2
        return self._token

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._context, limit=MOST_AT_ONCE),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
                auto_decompress=False,
            )
        return self._session


def build_context(authority: str | None, *, is_insecure: bool) -> ssl.SSLContext:
    """What kubelets' certificates are checked by, without any of our own.

    Args:
        authority: the file of the cluster's authority; without one it is the system's.
        is_insecure: whether any certificate will do.
    """
    context = ssl.create_default_context(cafile=authority)
    if is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def find_kubelet(node: Json) -> str:
    """Where a node's kubelet is; "" if the node doesn't say."""
    status = node.get("status") or {}
    internal = (each for each in status.get("addresses") or () if each.get("type") == "InternalIP")
    address = next(filter(None, (read_address(str(each.get("address"))) for each in internal)), "")
    if not address:
        return ""
    host = f"[{address}]" if ":" in address else address
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or _PORT
    return f"https://{host}:{port}"


async def _read(content: aiohttp.StreamReader) -> bytes:
    found = bytearray()
    async for chunk in content.iter_any():
        found += chunk
        if len(found) > LONGEST_SUMMARY:
            raise _CannotAsk(f"the kubelet's answer is longer than {LONGEST_SUMMARY:,} bytes")
    return bytes(found)
