"""The operator's options for usage."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from monopod.kube.options import Flag, SharedOptions
from monopod.usage.ledger_identity import LedgerAccount


class UsageOptions(SharedOptions):
    """What pods cost."""

    ledger: Annotated[str, Flag("HOST", default="none")] = ""
    """The ledger, by the name of its headless Service, to be asked what the pods of each profile cost. Without it
    profiles don't say."""

    ledger_port: Annotated[int, Field(ge=1, le=65535), Flag("PORT")] = 8444
    """The ledger's port for its other replica and for the operator."""

    ledger_account: Annotated[str, Field(min_length=1), Flag("NAME")] = "monopod-ledger"
    """The ledger's ServiceAccount, in Monopod's own namespace, by which the operator knows it."""

    ledger_token: Annotated[Path, Flag("FILE")] = Path("/var/run/secrets/monopod.dev/ledger/token")
    """A token of the operator's ServiceAccount for the audience monopod-ledger, by which the ledger knows it."""

    @property
    def account_of_ledger(self) -> LedgerAccount:
        """The ledger's own account."""
        return LedgerAccount(self.namespace, self.ledger_account)
