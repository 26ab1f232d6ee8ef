"""Lets nobody through whose credentials the API server doesn't know, and tells each answer whom it is for.

certificate, token ─► Authenticator ─► User │ 401
                                          ▼
namespaces asked for ─► Authorizer ─► Scope │ 403
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from monopod.api.names import GROUP
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.ledger.server.authentication import Authenticator
from monopod.ledger.server.authorization import MOST_NAMESPACES, USAGES, Authorizer, TooManyNamespaces
from monopod.ledger.server.rules.question import InvalidQuestion
from monopod.ledger.server.user import User

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ListNamespaces = Callable[[], Awaitable[frozenset[str]]]

USER: Final = web.RequestKey("user", User)


@dataclass(frozen=True, slots=True)
class Scope:
    """What an answer may tell of.

    Attributes:
        namespaces: only these; None: all, and those that nobody has named yet.
    """

    namespaces: frozenset[str] | None


def build_error(status: int, reason: str, message: str, **details: str) -> web.Response:
    """An answer that is none, as one sentence and for programs."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    body = {"status": status, "reason": reason, "message": message, **details}
    return web.json_response(body, status=status, headers=headers)


class Forbidden(Exception):
    """The user may not see what is asked for; the message says which right is missing."""


class Access:
    """Checks who asks, and for what.

    Args:
        authenticator: knows users.
        authorizer: knows their rights.
    """

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer

    async def compute_scope(self, user: User, asked: frozenset[str], list_namespaces: ListNamespaces) -> Scope:
        """What an answer to this user may tell of.

        Args:
            user: who asks.
            asked: the namespaces that are named; none: all that the user may see.
            list_namespaces: those that there is something to tell of.

        Raises:
            Forbidden: the user may see none of them, or not all that are named.
            ApiError: the API server refused to say.
            ApiUnreachable: it can't be asked.
        """
        if await self._authorizer.may_see_cluster(user):
            return Scope(asked or None)
        try:
            visible = await self._authorizer.compute_visible(user, asked or await list_namespaces())
        except TooManyNamespaces:
            raise Forbidden(
                f"User {user.name!r} can't {_RIGHT} in the whole cluster, and there are more than {MOST_NAMESPACES} "
                "namespaces: name those that you want."
            ) from None
        if missing := sorted(asked - visible):
            raise Forbidden(f"User {user.name!r} can't {_RIGHT} in namespace {missing[0]!r}.")
        if not visible:
            raise Forbidden(
                f"User {user.name!r} can't {_RIGHT} in any namespace that pods were counted in; there is nothing to "
                "tell of others unless one is named."
            )
        return Scope(visible)

    async def require_cluster(self, user: User) -> None:
        """Lets a user through who may see all namespaces.

        Raises:
            Forbidden: the user may not.
            ApiError: the API server refused to say.
            ApiUnreachable: it can't be asked.
        """
        if not await self._authorizer.may_see_cluster(user):
            raise Forbidden(f"User {user.name!r} can't {_RIGHT} in the whole cluster.")

    def build_middleware(self) -> Any:
        """What every request passes: who asks, and failures as answers."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                user = await self._authenticator.authenticate(
                    _get_certificate(request), request.headers.get("Authorization")
                )
                if user is None:
                    return build_error(401, "Unauthorized", "The API server doesn't know these credentials.")
                request[USER] = user
                return await handler(request)
            except InvalidQuestion as refused:
                return build_error(400, "BadRequest", refused.message, parameter=refused.parameter)
            except Forbidden as refused:
                return build_error(403, "Forbidden", str(refused))
            except web.HTTPException as refused:
                return build_error(refused.status, refused.reason.replace(" ", ""), f"{refused.reason}: {request.path}")
            except (ApiError, ApiUnreachable) as trouble:
                return build_error(503, "ServiceUnavailable", f"The API server can't say who you are: {trouble}")

        return check


_RIGHT: Final = f"get {USAGES}.{GROUP}"


def _get_certificate(request: web.Request) -> dict[str, Any] | None:
    # Without a client certificate, or one that was asked for, this is None or {}.
    certificate: dict[str, Any] | None = request.get_extra_info("peercert")
    return certificate
