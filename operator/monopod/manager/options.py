"""The options of the operator: those of every room, and those of the process itself."""

import os
import socket
import uuid
from typing import Annotated

from pydantic import Field

from monopod.api.names import SERVICE_ACCOUNT
from monopod.capacity.options import CapacityOptions
from monopod.isolation.options import IsolationOptions
from monopod.kube.options import Flag, ProcessOptions, Seconds, SharedOptions
from monopod.notices.options import NoticeOptions
from monopod.profiles.options import ProfileOptions
from monopod.rescheduling.options import ReschedulingOptions
from monopod.tasks.options import TaskOptions
from monopod.usage.options import UsageOptions


def build_identity() -> str:
    """Returns a name that no other replica has, even one that had this pod's name before."""
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"


class ReplicaOptions(SharedOptions):
    """A replica of the operator."""

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

    @property
    def user_name(self) -> str:
        """The operator's user, as the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.service_account}"


class OperatorOptions(
    ProfileOptions,
    IsolationOptions,
    ReschedulingOptions,
    CapacityOptions,
    UsageOptions,
    NoticeOptions,
    TaskOptions,
    ReplicaOptions,
    ProcessOptions,
):
    """All of the operator's options."""
