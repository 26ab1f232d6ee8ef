"""The port that the ledger's other replica pulls from: what has become known here since it last asked.

    GET  /identity                everybody: the answer is no secret
    GET  /v1/changes   ?after     the ledger's own ServiceAccount
    GET  /v1/profiles             who may see the whole cluster's usage, as the operator may

Tokens are those that are meant for nobody else (audience `monopod-ledger`): they are worth nothing at the API server.
Before a peer shows one it asks who this is. A lifetime holds names and labels of every namespace; what is told of
profiles are sums.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.ledger.identity import Identity
from monopod.ledger.rules.wire import (
    InvalidWire,
    decode_lifetime,
    decode_watched,
    encode_lifetime,
    encode_watched,
)
from monopod.ledger.server.access import USER, Access, Forbidden, build_error
from monopod.ledger.server.rules.question import InvalidQuestion
from monopod.ledger.store.answers import Changes, StoreUnavailableError
from monopod.usage.ledger_identity import IDENTITY_PATH
from monopod.usage.rules.profile_cost import PROFILES_PATH

MOST_CHANGES: Final = 1000
"""Lifetimes in an answer, about half a megabyte; the store gives fewer if they are large."""
PREFIX: Final = "/v1"
CHANGES_PATH: Final = f"{PREFIX}/changes"

FetchChanges = Callable[[int, int], Awaitable[Changes]]
"""Of a change's number and a bound: what follows it."""
AnswerProfiles = Callable[[], Awaitable[dict[str, Any]]]


def encode_changes(changes: Changes) -> dict[str, Any]:
    """The page as JSON. A peer that knows the store by another id begins again at 0: the disk is a new one."""
    return {
        "store": changes.store,
        "last": changes.last,
        "isEnd": changes.is_end,
        "lifetimes": [encode_lifetime(each) for each in changes.lifetimes],
        "watched": [encode_watched(each) for each in changes.watched],
    }


def decode_changes(encoded: Mapping[str, Any]) -> Changes:
    """The page in JSON.

    Raises:
        InvalidWire: it is none.
    """
    try:
        return Changes(
            str(encoded["store"]),
            tuple(decode_lifetime(each) for each in encoded["lifetimes"]),
            tuple(decode_watched(each) for each in encoded["watched"]),
            int(encoded["last"]),
            encoded["isEnd"] is True,
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise InvalidWire(f"not a page of changes: {type(problem).__name__} {problem}") from None


class PeersServer:
    """Answers peers, and the operator.

    Args:
        user_name: the ledger's own ServiceAccount, as the API server names it.
        identity: shows who this is.
        access: knows who asks, and who may see the whole cluster's usage.
        fetch_changes: reads the store.
        answer_profiles: sums it.
    """

    def __init__(
        self,
        user_name: str,
        identity: Identity,
        access: Access,
        fetch_changes: FetchChanges,
        answer_profiles: AnswerProfiles,
    ) -> None:
        self._user_name = user_name
        self._identity = identity
        self._access = access
        self._fetch_changes = fetch_changes
        self._answer_profiles = answer_profiles

    def build_application(self) -> web.Application:
        """The paths there are, all but the first for those who show a token."""
        application = web.Application()
        application.router.add_get(IDENTITY_PATH, self._answer_identity)
        checked = web.Application(middlewares=[self._access.build_middleware()])
        checked.router.add_get(CHANGES_PATH.removeprefix(PREFIX), self._answer_changes)
        checked.router.add_get(PROFILES_PATH.removeprefix(PREFIX), self._answer_costs)
        application.add_subapp(PREFIX, checked)
        return application

    async def _answer_identity(self, _: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(dict(await self._identity.fetch()))
        except (ApiError, ApiUnreachable) as trouble:
            return build_error(503, "ServiceUnavailable", f"The API server gives no token: {trouble}")

    async def _answer_costs(self, request: web.Request) -> web.StreamResponse:
        await self._access.require_cluster(request[USER])
        try:
            return web.json_response(await self._answer_profiles())
        except StoreUnavailableError as trouble:
            return _build_unavailable(trouble)

    async def _answer_changes(self, request: web.Request) -> web.StreamResponse:
        if request[USER].name != self._user_name:
            raise Forbidden(f"User {request[USER].name!r} is no recorder of this ledger.")
        after = _read_number(request, "after", 0)
        try:
            changes = await self._fetch_changes(after, MOST_CHANGES)
        except StoreUnavailableError as trouble:
            return _build_unavailable(trouble)
        return web.json_response(encode_changes(changes))


def _build_unavailable(trouble: StoreUnavailableError) -> web.Response:
    return build_error(503, "StoreUnavailable", f"The ledger can't read its database: {trouble}")


def _read_number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidQuestion(name, f"{name} must be a whole number, not {text!r}.")
    return int(text)
