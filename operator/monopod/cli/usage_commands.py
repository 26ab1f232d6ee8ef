"""The commands of `kubectl fargate usage`: files of usage, how it is counted, a check and a copy of the ledger."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monopod.cli.cost_commands import NAMESPACES, build_span, ledger_options, span_options
from monopod.cli.parameters import OUTPUT

if TYPE_CHECKING:
    from monopod.cli.ledger_client.connection import Target

_USAGE_HELP = """The ledger's usage: as files, how it is counted, a check and a copy.

`kubectl fargate usage COMMAND --help` tells more about a command.
"""


_EXPORT_HELP = """Write usage as rows: CSV, FOCUS or Parquet.

csv has a row for each pod and period with its seconds, size, cost and evidence. focus is the FinOps Foundation's format
of cost data, which tools for costs read: up to three rows for each pod and period, each cost exactly price times
quantity. parquet holds the rows of csv, or with --focus-version those of focus, as typed columns; it needs
python3 -m pip install '.[parquet]' in the checkout. Rows never cross a month or a change of prices.

\b
Examples:
  # October, as FOCUS 1.4, a row per day
  kubectl fargate usage export --format focus --since 2026-10-01 --until 2026-11-01 --file october.csv

\b
  # The months that its rows lie in, the data set beside it
  kubectl fargate usage export --format focus --dataset billing-period --since 2026-10-01 --file months.csv

\b
  # A row per pod and hour of the last day, in a pipe
  kubectl fargate usage export --granularity hour --since 24h | head

\b
  # For DuckDB
  kubectl fargate usage export --format parquet --file month.parquet

Exit status: 0 if all rows were written; 1 if there is no way to a ledger, the answer broke off (then no file is
written), or you may not see what you ask for; 2 if the question can't be understood, or the file can't be written.
"""


_EXPLAIN_HELP = """Say how pods are billed on this cluster, by which prices, and what was watched.

\b
Examples:
  kubectl fargate usage explain

\b
  # What did nobody watch in October?
  kubectl fargate usage explain --since 2026-10-01 --until 2026-11-01

Exit status: 0 if the question was answered; 1 if there is no way to a ledger; 2 if the question can't be understood.
"""


_VERIFY_HELP = """Have the ledger compute its sums from its lifetimes again, and show what differs.

Needs the right to get usages.monopod.dev in the whole cluster. A large ledger takes minutes; recording goes on.

Exit status: 0 if every sum is right; 1 if one isn't, there is no way to a ledger, or you may not ask this.
"""


_BACKUP_HELP = """Write a copy of the ledger's database, as of one moment, to FILE.

The copy is a SQLite database. Needs the right to get usages.monopod.dev in the whole cluster; recording goes on.

\b
Examples:
  kubectl fargate usage backup ledger-2026-11-28.db

Exit status: 0 if the copy is whole; 1 if there is no way to a ledger, or you may not have one; 2 if FILE is there
already, or can't be written.
"""


@click.group(help=_USAGE_HELP, short_help="Export usage, say how it is counted, check and copy it.")
def usage() -> None:
    """Groups the commands; what users read is `_USAGE_HELP`."""


@usage.command(help=_EXPORT_HELP, short_help="Write usage as CSV, FOCUS or Parquet.")
@click.option(
    "output_format", "--format", type=click.Choice(["csv", "focus", "parquet"]), default="csv", show_default=True,
    help="What is written.",
)  # fmt: skip
@click.option("--focus-version", type=click.Choice(["1.4", "1.2"]), help="Of FOCUS; default: 1.4.")
@click.option(
    "--dataset", type=click.Choice(["cost-and-usage", "billing-period"]),
    help="Of FOCUS 1.4; default: cost-and-usage.",
)  # fmt: skip
@click.option(
    "--granularity", type=click.Choice(["lifetime", "day", "hour"]),
    help="How long a row's period is at most; default: day for focus, else lifetime.",
)  # fmt: skip
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to; default: stdout."
)
@NAMESPACES
@span_options()
@ledger_options
def export(
    output_format: str,
    focus_version: str | None,
    dataset: str | None,
    granularity: str | None,
    file: Path | None,
    namespaces: tuple[str, ...],
    since: str | None,
    until: str | None,
    target: "Target",
) -> None:
    """Gathers the options; what users read is `_EXPORT_HELP`."""
    if output_format == "csv" and (focus_version or dataset):
        raise click.UsageError("--focus-version and --dataset belong to --format focus or parquet.")
    if dataset == "billing-period":
        _check_billing_periods(focus_version, granularity)
    if output_format == "parquet" and file is None:
        raise click.UsageError("--format parquet needs --file FILE.")
    from monopod.cli.usage.command import ExportQuestion, open_export
    from monopod.cli.usage.output import describe_export, write_rows
    from monopod.cli.usage.parquet import write_parquet

    version = focus_version or ("1.4" if output_format == "focus" or dataset else "")
    # Of a ledger of an earlier release costs are asked for as it knows them.
    other = dataset if dataset != "cost-and-usage" else None
    question = ExportQuestion(version, granularity or "", build_span(since, until), namespaces, other or "")
    with open_export(target, question) as (head, columns, rows):
        if output_format == "parquet" and file is not None:
            count = write_parquet(rows, columns, file, is_focus=bool(version))
        else:
            count = write_rows(rows, columns, file)
    click.echo(describe_export(head, count), err=True)


def _check_billing_periods(focus_version: str | None, granularity: str | None) -> None:
    if focus_version == "1.2":
        raise click.UsageError("FOCUS 1.2 has no data set billing-period; 1.4 has.")
    if granularity:
        raise click.UsageError("--granularity belongs to --dataset cost-and-usage.")


@usage.command(help=_EXPLAIN_HELP, short_help="Say how pods are billed, and what was watched.")
@span_options()
@OUTPUT
@ledger_options
def explain(
    since: str | None,
    until: str | None,
    output: str,
    target: "Target",
) -> None:
    """Gathers the options; what users read is `_EXPLAIN_HELP`."""
    from monopod.cli.usage.command import fetch_coverage
    from monopod.cli.usage.output import write_explanation

    write_explanation(fetch_coverage(target, build_span(since, until)), output)


@usage.command(help=_VERIFY_HELP, short_help="Have the ledger check its sums.")
@OUTPUT
@ledger_options
@click.pass_context
def verify(shell: click.Context, output: str, target: "Target") -> None:
    """Gathers the options; what users read is `_VERIFY_HELP`."""
    from monopod.cli.usage import command
    from monopod.cli.usage.output import write_differences

    answer = command.verify(target)
    write_differences(answer, output)
    shell.exit(1 if answer["count"] else 0)


@usage.command(help=_BACKUP_HELP, short_help="Write a copy of the ledger's database.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@ledger_options
def backup(file: Path, target: "Target") -> None:
    """Gathers the options; what users read is `_BACKUP_HELP`."""
    from monopod.cli.usage.command import back_up

    size = back_up(target, file)
    click.echo(f"{file}: {size} bytes", err=True)
