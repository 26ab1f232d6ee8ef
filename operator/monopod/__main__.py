"""`python -m monopod`: the operator, the ledger, and the AWS endpoint."""

import asyncio
import sys
from typing import BinaryIO

import click

from monopod.aws.options import AwsOptions
from monopod.ledger.options import LedgerOptions
from monopod.manager.flags import OptionsCommand, read_options
from monopod.manager.options import OperatorOptions


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Monopod: Fargate profiles for any Kubernetes cluster."""


@main.command(cls=OptionsCommand, model=OperatorOptions)
def run(**flags: object) -> None:
    """Run the operator: bring the cluster to what its FargateProfiles say.

    It writes each namespace's profiles, compiled, on the namespace, where the admission policies read them; checks
    every profile by a server-side dry run and reports in its status; and says in events what Fargate can't run. It
    writes the NetworkPolicies that isolate pods, which have no connections until then. It evicts pods that should run
    by a profile and don't, and those of profiles that are deleted. On healthy pods it writes nothing, unless their
    security groups change. Pods are sandboxed without it.

    Every option can also come from the environment: --sandbox from MONOPOD_RUN_SANDBOX, and so on. Several values of a
    repeatable one are separated by spaces there.

    \b
    Against the current kubeconfig, with readable logs:
      python -m monopod run --no-leader-elect --log-format console

    \b
    Exit codes: 0 stopped by SIGTERM or SIGINT; 1 the Lease was lost or a watch failed for good (start it again), or
    there is no API server to talk to or no port to listen on; 2 wrong options.
    """  # noqa: D301 click reads the backspace as "don't rewrap"
    options = read_options(OperatorOptions, flags)
    # Here, because kopf and the client take a second to import, and `--help` needs neither.
    from monopod.kube.logs import configure_logs
    from monopod.manager.process import Process

    configure_logs(options.log_format, options.log_level)

    async def live() -> int:
        return await Process(options).run()

    sys.exit(asyncio.run(live()))


@main.command(cls=OptionsCommand, model=LedgerOptions)
def ledger(**flags: object) -> None:
    """Run the ledger: count every second of every pod of a profile, and say what it costs.

    It only reads in the cluster. Each replica keeps what it saw in a database of its own and learns from the others
    what they saw; so one of them, with its disk, can be lost without a second being lost. `kubectl fargate cost` asks
    any of them.

    Every option can also come from the environment: --price-book from MONOPOD_LEDGER_PRICE_BOOK, and so on.

    \b
    Against the current kubeconfig, with readable logs:
      python -m monopod ledger --database sqlite:///ledger.db --spool . --log-format console

    \b
    Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a part of it failed for good (start it again), or there is no API
    server to talk to or no port to listen on; 2 wrong options.
    """  # noqa: D301 click reads the backspace as "don't rewrap"
    options = read_options(LedgerOptions, flags)
    # Here, because the client takes a second to import, and `--help` doesn't need it.
    from monopod.kube.logs import configure_logs
    from monopod.ledger.process import Process

    configure_logs(options.log_format, options.log_level)

    async def live() -> int:
        return await Process(options).run()

    sys.exit(asyncio.run(live()))


@main.command(cls=OptionsCommand, model=AwsOptions)
def aws(**flags: object) -> None:
    """Run the AWS endpoint: answer AWS's own tools from Kubernetes' objects, with the rights of whoever asks.

    Requests are signed by access keys, which are Secrets in Monopod's namespace; `kubectl fargate access-key create`
    makes one. Each names a user of Kubernetes, and what is done for it is done in this user's name. The process keeps
    nothing, and any number of them may run.

    Every option can also come from the environment: --region from MONOPOD_AWS_REGION, and so on. Several values of a
    repeatable one are separated by spaces there.

    \b
    Against the current kubeconfig, with readable logs:
      python -m monopod aws --log-format console

    \b
    Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a part of it failed for good (start it again), or there is no API
    server to talk to, no port to listen on or no certificate in the files; 2 wrong options.
    """  # noqa: D301 click reads the backspace as "don't rewrap"
    options = read_options(AwsOptions, flags)
    # Here, because the client and botocore take a second to import, and `--help` needs neither.
    from monopod.kube.logs import configure_logs

    try:
        from monopod.aws.process import Process
    except ModuleNotFoundError as missing:
        if missing.name != "botocore":
            raise
        raise click.ClickException("The AWS endpoint needs botocore: python3 -m pip install '.[aws]'") from None

    configure_logs(options.log_format, options.log_level)

    async def live() -> int:
        return await Process(options).run()

    sys.exit(asyncio.run(live()))


@main.command("restore-ledger")
@click.option(
    "--database",
    metavar="URL",
    envvar="MONOPOD_LEDGER_DATABASE",
    default=LedgerOptions.model_fields["database"].default,
    show_default=True,
    help="Where the ledger keeps lifetimes.",
)
@click.argument("file", type=click.File("rb"), default="-")
def restore_ledger(database: str, file: BinaryIO) -> None:
    """Add what a copy of `kubectl fargate usage backup` knows to a ledger's database; FILE is - for standard input.

    What both know counts once, and the ledger goes on recording meanwhile. One replica is enough: the others learn it
    from there.

    \b
      kubectl exec -i -n monopod-system monopod-ledger-0 -- python3 -m monopod restore-ledger < ledger.db

    \b
    Exit codes: 0 added; 1 the file is no copy or damaged, or the database can't be used; nothing is lost by repeating.
    """  # noqa: D301 click reads the backspace as "don't rewrap"
    from monopod.ledger.restoration import RestorationError, restore_copy

    try:
        count = restore_copy(database, file)
    except RestorationError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count:,} lifetimes are in the ledger.")


if __name__ == "__main__":
    main(prog_name="python -m monopod")
