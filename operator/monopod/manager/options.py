"""The options of the operator: those of every room, and those of the process itself."""

import os
import socket
import uuid
from typing import Annotated, Literal

from pydantic import Field, FilePath

from monopod.api.names import SERVICE_ACCOUNT
from monopod.isolation.options import IsolationOptions
from monopod.kube.options import Flag, Seconds, SharedOptions
from monopod.profiles.options import ProfileOptions
from monopod.rescheduling.options import ReschedulingOptions


def build_identity() -> str:
    """Returns a name that no other replica has, even one that had this pod's name before."""
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"


class ProcessOptions(SharedOptions):
    """The process."""

    service_account: Annotated[str, Flag("NAME")] = SERVICE_ACCOUNT
    """The ServiceAccount, in Monopod's own namespace, that the admission policies were installed for. Policies that
    someone has edited are found by it."""

    leader_elect: bool = True
    """Lead only while holding the Lease `monopod`, so that several replicas can run. Switch off for one local process
    on a cluster of its own."""

    identity: Annotated[
        str,
        Field(default_factory=build_identity, min_length=1),  # a Lease without a holder is anybody's
        Flag("NAME", default="host name and a random part"),
    ]
    """This replica's name in the Lease."""

    lease_seconds: Annotated[Seconds, Field(ge=5, le=3600)] = 10
    """How long a leader that died keeps the others waiting. A leader that is stopped hands over at once."""

    listen: Annotated[str, Flag("ADDRESS")] = "0.0.0.0"  # noqa: S104 in a pod
    """The address that /healthz, /readyz and /metrics are served on."""

    metrics_port: Annotated[int, Field(ge=0, le=65535), Flag("PORT")] = 8080
    """Port of /healthz, /readyz and /metrics; 0 takes a free one and logs it."""

    kubeconfig: Annotated[
        FilePath | None, Flag("FILE", default="$KUBECONFIG, else the pod's ServiceAccount, else ~/.kube/config")
    ] = None
    """How to reach the API server, and as whom."""

    log_format: Literal["json", "console"] = "json"
    """How log messages are written: json, or console for reading by eye."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged."""

    @property
    def user_name(self) -> str:
        """The operator's user, as the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.service_account}"


class OperatorOptions(ProfileOptions, IsolationOptions, ReschedulingOptions, ProcessOptions):
    """All of the operator's options."""
