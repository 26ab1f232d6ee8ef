"""`kubectl fargate cost`: asks a ledger what pods cost."""

from collections.abc import Sequence

from monopod.cli.ledger_client.client import Json
from monopod.cli.ledger_client.connection import Target, open_ledger


def fetch_cost(target: Target, by: str, span: Sequence[tuple[str, str]], namespaces: Sequence[str]) -> Json:
    """What pods cost.

    Args:
        target: the cluster.
        by: what is summed by.
        span: `since` and `until`, where they are given.
        namespaces: only these; none: all that the user may see.

    Raises:
        ApiFailure: there is no ledger, or no way to it.
        UnreadableInput: the ledger doesn't understand the question.
    """
    with open_ledger(target) as ledger:
        return ledger.get("/v1/cost", [("by", by), *span, *(("namespace", name) for name in namespaces)])
