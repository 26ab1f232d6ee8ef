"""The commands about costs: what pods cost, what runs, what one was billed for. The work is imported when they run."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from monopod.cli.parameters import OBJECT_NAME, cluster_options

if TYPE_CHECKING:
    from monopod.cli.ledger_client.connection import Target

_COST_HELP = """Show what pods on Fargate cost, second by second summed.

Asks the ledger, which counts every second of every pod from the start of its image pull until it is gone. You see the
namespaces in which you may get usages.monopod.dev, a part of the role view. Where an end wasn't seen, the cost has a
range; the last line says how much of the time was watched.

\b
Examples:
  # This month, by namespace
  kubectl fargate cost

\b
  # The last day, by workload, of one namespace
  kubectl fargate cost --by workload --since 24h -n shop

\b
  # October, by a label of the pods, for a spreadsheet
  kubectl fargate cost --by label=team --since 2026-10-01 --until 2026-11-01 -o csv

Exit status: 0 if the question was answered; 1 if there is no way to a ledger, or you may not see what you ask for; 2 if
the question can't be understood.
"""


_TOP_HELP = """Show which pods run on Fargate now, what they cost an hour, and what the month comes to.

The month's end is what was billed so far, and what runs now if nothing changes.

\b
Examples:
  kubectl fargate top

\b
  # The dearest pods of a namespace
  kubectl fargate top --by pod -n shop

\b
  # For a script
  kubectl fargate top -o json | jq .projectedMonth

Exit status: 0 if the question was answered; 1 if there is no way to a ledger, or you may not see what you ask for; 2 if
the question can't be understood.
"""


_RECEIPT_HELP = """Show what a pod or a workload was billed for: every second, size and price, and how each is known.

\b
Examples:
  # One pod, also when it is long gone
  kubectl fargate receipt web-5d9c7b4f6-x2x7p -n shop

\b
  # All pods of a Job
  kubectl fargate receipt job/nightly -n shop

\b
  # What the pods of a Deployment were billed for yesterday and today
  kubectl fargate receipt deployment/web -n shop --since 48h

Exit status: 0 if there is a receipt; 1 if the ledger knows no such pod, there is no way to it, or you may not see it; 2
if the question can't be understood.
"""

_LEDGERS_NAMESPACE: Final = click.option(
    "--monopod-namespace", type=OBJECT_NAME, metavar="NAME", help="Where Monopod is; default: as the cluster says.",
)  # fmt: skip
_OUTPUT: Final = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="Format."
)
NAMESPACES: Final = click.option(
    "namespaces", "-n", "--namespace", type=OBJECT_NAME, multiple=True, metavar="NAME",
    help="Only this namespace; may be given several times. Default: all that you may see.",
)  # fmt: skip
_SINCE_HELP: Final = "From when: 24h, 7d, today, month, a date, or a time such as 2026-11-01T00:00:00Z"
_UNTIL: Final = click.option("--until", metavar="TIME", help="Until when, in the same forms; default: now.")


def span_options(default: str = "month") -> Callable[[Any], Any]:
    """The options that say which time is meant."""
    note = f"; default: {default}." if default else "; default: all that is known."
    since = click.option("--since", metavar="TIME", help=f"{_SINCE_HELP}{note} UTC.")
    return lambda command: since(_UNTIL(command))


def ledger_options(command: Callable[..., None]) -> Any:
    """The options that say which ledger is asked; the command is handed the target that they name."""

    @functools.wraps(command)
    def run(*, kubeconfig: str | None, context: str | None, monopod_namespace: str | None, **others: Any) -> None:
        from monopod.cli.ledger_client.connection import Target
        from monopod.cli.ledger_client.versions import told_as_another_version

        target = Target(kubeconfig, context, monopod_namespace)
        with told_as_another_version(target.version):
            command(target=target, **others)

    return _LEDGERS_NAMESPACE(cluster_options(run))


def build_span(since: str | None, until: str | None) -> list[tuple[str, str]]:
    """The span as parameters of a question; what isn't given is left to the ledger."""
    return [(name, value) for name, value in (("since", since), ("until", until)) if value is not None]


@click.command(help=_COST_HELP, short_help="Show what pods cost, by namespace, workload or label.")
@click.option(
    "--by", default="namespace", show_default=True, metavar="namespace|profile|workload|pod|label=KEY",
    help="What is summed.",
)  # fmt: skip
@span_options()
@NAMESPACES
@_OUTPUT
@ledger_options
def cost(
    by: str,
    since: str | None,
    until: str | None,
    namespaces: tuple[str, ...],
    output: str,
    target: "Target",
) -> None:
    """Gathers the options; what users read is `_COST_HELP`."""
    from monopod.cli.cost.command import fetch_cost
    from monopod.cli.cost.output import write

    write(fetch_cost(target, by, build_span(since, until), namespaces), output)


@click.command(help=_TOP_HELP, short_help="Show what runs now, what it costs an hour and a month.")
@click.option(
    "--by", type=click.Choice(["namespace", "profile", "workload", "pod"]), default="workload", show_default=True,
    help="What a row of the table is.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Rows of the table; 0: all.")
@NAMESPACES
@_OUTPUT
@ledger_options
def top(
    by: str,
    limit: int,
    namespaces: tuple[str, ...],
    output: str,
    target: "Target",
) -> None:
    """Gathers the options; what users read is `_TOP_HELP`."""
    from monopod.cli.top.command import fetch_running
    from monopod.cli.top.output import write

    write(fetch_running(target, namespaces), by, limit, output)


@click.command(help=_RECEIPT_HELP, short_help="Show what a pod or workload was billed for, and why.")
@click.argument("subject", metavar="POD|KIND/NAME")
@click.option(
    "-n", "--namespace", type=OBJECT_NAME, metavar="NAME", help="Its namespace; default: the kubeconfig's context's."
)
@click.option("--uid", metavar="UID", help="Of several pods of that name, the one with this uid.")
@span_options("")
@_OUTPUT
@ledger_options
def receipt(
    subject: str,
    namespace: str | None,
    uid: str | None,
    since: str | None,
    until: str | None,
    output: str,
    target: "Target",
) -> None:
    """Gathers the options; what users read is `_RECEIPT_HELP`."""
    from monopod.cli.receipt.command import fetch_receipt
    from monopod.cli.receipt.output import write

    write(fetch_receipt(target, subject, namespace, uid, build_span(since, until)), output)
