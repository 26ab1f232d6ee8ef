"""The authorities whose client certificates the API server accepts: it publishes them for servers like this one.

Certificates are how many administrators are known to a cluster (kubeadm, kind), who have no token.
"""

from http import HTTPStatus
from typing import Final

from monopod.api.names import KUBE_SYSTEM
from monopod.kube.client.api import Api, ApiError
from monopod.kube.objects.resources import CONFIG_MAPS

CONFIG_MAP: Final = "extension-apiserver-authentication"
"""Who may read it has the Role `extension-apiserver-authentication-reader`, which every cluster has."""
_KEY: Final = "client-ca-file"


async def fetch_client_ca(api: Api) -> str:
    """Returns the authorities, PEM; "" if the API server takes no client certificates, or doesn't let the ledger know.

    Raises:
        ApiUnreachable: the API server can't be asked.
        ApiError: it refused for another reason.
    """
    try:
        found = await api.get(CONFIG_MAPS.path(CONFIG_MAP, KUBE_SYSTEM))
    except ApiError as error:
        if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
            raise
        return ""
    return str((found.get("data") or {}).get(_KEY) or "")
