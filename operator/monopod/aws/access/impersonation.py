"""The API server, asked in a caller's name: it checks the caller's rights, and its audit log says who it was."""

from collections.abc import Callable

from monopod.aws.wire.call import Caller
from monopod.kube.client.api import Api, TextApi
from monopod.kube.client.asynchronous import ApiClient
from monopod.kube.client.request import Impersonation

ApiFor = Callable[[Caller], Api]
"""The API server in a caller's name."""

TextApiFor = Callable[[Caller], TextApi]
"""The same, with logs."""


def impersonate_with(api: ApiClient) -> TextApiFor:
    """Has callers' requests made over these connections, none of them in this process' own name."""

    def impersonate(caller: Caller) -> TextApi:
        return api.impersonate(Impersonation(caller.user, caller.groups))

    return impersonate
