"""Options of the ledger's servers."""

from typing import Annotated

from pydantic import Field

from monopod.kube.options import Flag, Options


class ServerOptions(Options):
    """What the ledger answers."""

    api_port: Annotated[int, Field(ge=0, le=65535), Flag("PORT")] = 8443
    """Port of the answers to people, by TLS, on this pod's loopback only: `kubectl port-forward` ends there. 0 takes a
    free one."""

    peers_listen: Annotated[str, Flag("ADDRESS")] = "0.0.0.0"  # noqa: S104 in a pod, where the chart sets the pod's IP
    """The address that the other recorder pulls from, and the operator asks. With the pod's own IP it isn't reached
    through port-forward."""

    peers_port: Annotated[int, Field(ge=0, le=65535), Flag("PORT")] = 8444
    """Port of what the other recorder pulls, by TLS."""
