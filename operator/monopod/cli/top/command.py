"""`kubectl fargate top`: asks a ledger what runs."""

from collections.abc import Sequence

from monopod.cli.ledger_client.client import Json
from monopod.cli.ledger_client.connection import Target, open_ledger


def fetch_running(target: Target, namespaces: Sequence[str]) -> Json:
    """What runs. Raises as `fetch_cost` does."""
    with open_ledger(target) as ledger:
        return ledger.get("/v1/running", [("namespace", name) for name in namespaces])
