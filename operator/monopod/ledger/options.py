"""The options of the ledger's process."""

import os
import socket
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from monopod.api.names import SYSTEM_NAMESPACE
from monopod.kube.options import Flag, ProcessOptions, Words, read_own_namespace
from monopod.ledger.server.options import ServerOptions
from monopod.usage.ledger_identity import LedgerAccount
from monopod.usage.rules.bill import BilledUntil, LostNode, Terms, UnknownEnd

LEDGER: Final = "monopod-ledger"


def read_own_name() -> str:
    """Returns the pod's name, which a StatefulSet gives again to the pod that has the volume."""
    return os.environ.get("POD_NAME") or socket.gethostname()


class StoreOptions(ProcessOptions):
    """What is kept, and where."""

    database: Annotated[str, Field(min_length=1), Flag("URL")] = "sqlite:////var/lib/monopod/ledger.db"
    """Where lifetimes are kept: a SQLite file of this replica's own, or a PostgreSQL that the replicas share
    (`postgresql://user:password@host/database`; give it as a variable, because flags can be read by others)."""

    spool: Annotated[Path, Flag("DIRECTORY")] = Path("/var/lib/monopod-spool")
    """Where facts wait while the database is away. It should be another disk than the database's."""

    spool_mib: Annotated[int, Field(ge=1, le=65536), Flag("MIB")] = 64
    """How large the spool may become. When it is full, the recorder reads no further, says so, and drops nothing."""

    @property
    def scratch(self) -> Path | None:
        """The folder of the database, where there is room for a copy of it; None if it is no file."""
        path = self.database.removeprefix("sqlite:///")
        return Path(path).absolute().parent if path != self.database else None


class BillingOptions(ProcessOptions):
    """What is billed."""

    billed_until: BilledUntil = BilledUntil.POD_DELETED
    """What ends a pod's bill: PodDeleted, when its object is gone, as on AWS; or PodTerminated, when its containers
    have ended."""

    unknown_end: UnknownEnd = UnknownEnd.EARLIEST
    """Which moment counts of an end that wasn't seen and lies between two moments: Earliest charges nothing that can't
    be shown."""

    lost_node: LostNode = LostNode.BILL
    """What becomes of the bill when a node is lost and the pod's object outlives it: Bill goes on until the object is
    gone, as on AWS; Stop ends with the last renewal of the node's Lease."""

    price_book: Annotated[str, Field(min_length=1), Flag("NAME")] = "us-east-1"
    """The price book: one that comes with Monopod, named for a region of AWS's, or one of your own."""

    price_folder: Annotated[tuple[Path, ...], Words, Flag("DIRECTORY")] = ()
    """Where price books of your own are, files named like the book in them."""

    @property
    def terms(self) -> Terms:
        """The terms of billing."""
        return Terms(self.billed_until, self.unknown_end, self.lost_node)


class PeerOptions(ProcessOptions):
    """The other replicas."""

    peer: Annotated[tuple[str, ...], Words, Flag("HOST")] = ()
    """A replica to pull from, by its host name; this replica itself is left out."""

    peer_token: Annotated[Path, Flag("FILE")] = Path("/var/run/secrets/monopod.dev/peers/token")
    """A token of the ServiceAccount for the audience monopod-ledger, by which the other replicas know this one."""


class LedgerOptions(ServerOptions, PeerOptions, BillingOptions, StoreOptions):
    """The ledger."""

    model_config = SettingsConfigDict(env_prefix="MONOPOD_LEDGER_")

    namespace: Annotated[
        str,
        Field(default_factory=read_own_namespace, min_length=1),
        Flag("NAME", default=f"the one that this process runs in as a pod, else {SYSTEM_NAMESPACE}"),
    ]
    """Monopod's own namespace."""

    name: Annotated[
        str,
        Field(default_factory=read_own_name, min_length=1),
        Flag("NAME", default="$POD_NAME, else the host name"),
    ]
    """This recorder's name: another than the others', and the same after a restart."""

    service_account: Annotated[str, Flag("NAME")] = LEDGER
    """The ServiceAccount, in the same namespace, that all replicas run as."""

    cluster_name: Annotated[str, Flag("NAME")] = ""
    """What the cluster is called in exports, next to its uid."""

    most_series: Annotated[int, Field(ge=1, le=100_000), Flag("NUMBER")] = 500
    """How many pairs of namespace and profile have metrics of their own; the others are summed up as `other`."""

    @property
    def account(self) -> LedgerAccount:
        """The ledger's own account."""
        return LedgerAccount(self.namespace, self.service_account)
