"""The API server, asked in a caller's name: it checks the caller's rights, and its audit log says who it was."""

from collections.abc import Awaitable, Callable

from monopod.aws.wire.call import Caller
from monopod.kube.client.api import Api, TextApi
from monopod.kube.client.asynchronous import ApiClient
from monopod.kube.client.exec import Exec, ExecClient, ExecStream
from monopod.kube.client.request import Impersonation

ApiFor = Callable[[Caller], Api]
"""The API server in a caller's name."""

TextApiFor = Callable[[Caller], TextApi]
"""The same, with logs."""

ExecFor = Callable[[Caller, Exec], Awaitable[ExecStream]]
"""A command in a container, started in a caller's name."""


def impersonate_with(api: ApiClient) -> TextApiFor:
    """Has callers' requests made over these connections, none of them in this process' own name."""

    def impersonate(caller: Caller) -> TextApi:
        return _impersonate(api, caller)

    return impersonate


def execute_with(api: ApiClient, client: ExecClient) -> ExecFor:
    """Has callers' commands started, none of them in this process' own name."""

    async def execute(caller: Caller, wanted: Exec) -> ExecStream:
        return await client.start(_impersonate(api, caller), wanted)

    return execute


def _impersonate(api: ApiClient, caller: Caller) -> ApiClient:
    return api.impersonate(Impersonation(caller.user, caller.groups))
