"""The commands about patches of the sandbox. The work is imported when a command runs."""

import click

from monopod.cli.parameters import OBJECT_NAME, OUTPUT, cluster_options

_PLAN_HELP = """Say which sandboxes a patch of a RuntimeClass makes stale, and when their pods could go.

A new version of gVisor or Kata on the nodes changes nothing for sandboxes that run: they stay on the old one until they
are made again. Lists the pods of profiles that were started before the patch, or are older than --max-pod-age, in the
order in which they would be evicted: zone after zone, the oldest first; and what PodDisruptionBudgets would say now.
Changes nothing.

\b
Examples:
  # The date is the annotation monopod.dev/patched of the RuntimeClass, which `patch RUNTIMECLASS` writes
  kubectl fargate patch plan gvisor

\b
  # As if it had been patched now, with evictions on Saturday nights
  kubectl fargate patch plan gvisor --date "$(date -u +%FT%TZ)" --window "0 2 * * SAT" --time-zone Europe/Berlin

\b
  # Sandboxes that are older than a month
  kubectl fargate patch plan gvisor --max-pod-age 720h

Exit status: 0 if the question was answered; 1 if the cluster couldn't answer or has no such RuntimeClass; 2 if the
command was used wrongly, or nothing says when the sandbox was patched.
"""


_PATCH_HELP = """Have the sandboxes replaced that are older than a patch, and see how far that is.

`patch RUNTIMECLASS` is short for `patch start RUNTIMECLASS`, which a RuntimeClass with the name of a command needs.
"""

_START_HELP = """Say that the sandbox of a RuntimeClass has been patched on all nodes.

Writes the time, and the reason, as annotations of the RuntimeClass. The operator then evicts the pods of profiles whose
sandboxes are older, as the profiles say: after a notice of seven days by default, in windows, zone after zone, and
within PodDisruptionBudgets. So give it when the last node is done.

\b
Examples:
  kubectl fargate patch gvisor --reason CVE-2026-12345

\b
  # Which pods would it be?
  kubectl fargate patch gvisor --reason CVE-2026-12345 --dry-run

Exit status: 0 if it was written; 1 if the cluster couldn't answer, refused or has no such RuntimeClass; 2 if the
command was used wrongly.
"""

_STATUS_HELP = """Say how far the replacement of sandboxes that are out of date is, profile by profile.

\b
Examples:
  kubectl fargate patch status
  kubectl fargate patch status web -o json

Exit status: 0 if the question was answered; 1 if the cluster couldn't answer or has no such profile; 2 if the command
was used wrongly.
"""


class _PatchGroup(click.Group):
    """Takes what is none of its commands for the RuntimeClass of `start`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the command that may be left out."""
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = ["start", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_PatchGroup, help=_PATCH_HELP, short_help="Have sandboxes replaced that are older than a patch.")
def patch() -> None:
    """What users read is `_PATCH_HELP`."""


@patch.command(help=_START_HELP, short_help="Say that a RuntimeClass's sandbox has been patched.")
@click.argument("runtime_class", type=OBJECT_NAME, metavar="RUNTIMECLASS")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for people: a CVE, a version.")
@click.option("--date", metavar="TIME", help="When the last node was done; default: now.")
@click.option("--dry-run", is_flag=True, help="Only say which pods it would be.")
@OUTPUT
@cluster_options
def start(
    runtime_class: str,
    reason: str,
    date: str | None,
    dry_run: bool,
    output: str,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_START_HELP`."""
    if not reason.strip():
        raise click.UsageError("--reason is empty.")
    import datetime

    from monopod.cli.live import Cluster
    from monopod.cli.patch import start as work

    cluster, now = Cluster.connect(kubeconfig, context), datetime.datetime.now(datetime.UTC)
    work.write_started(work.start_patch(cluster, runtime_class, date, reason, now, dry_run=dry_run), output)


@patch.command(help=_STATUS_HELP, short_help="Say how far it is, profile by profile.")
@click.argument("profiles", nargs=-1, type=OBJECT_NAME, metavar="[PROFILE]...")
@OUTPUT
@cluster_options
def status(profiles: tuple[str, ...], output: str, context: str | None, kubeconfig: str | None) -> None:
    """Gathers the options; what users read is `_STATUS_HELP`."""
    from monopod.cli.live import Cluster
    from monopod.cli.patch import status as work

    work.write_statuses(work.fetch_statuses(Cluster.connect(kubeconfig, context), profiles), output)


@patch.command(help=_PLAN_HELP, short_help="Say which pods a patch would have replaced, and when.")
@click.argument("runtime_class", type=OBJECT_NAME, metavar="RUNTIMECLASS")
@click.option("--date", metavar="TIME", help="When it was patched; default: as the RuntimeClass's annotation says.")
@click.option(
    "--wait", default="7d", show_default=True, metavar="DURATION", help="From the notice to the first eviction; 0m–14d."
)
@click.option("--max-pod-age", metavar="DURATION", help="How old a sandbox may become in any case; default: any age.")
@click.option(
    "schedules", "--window", multiple=True, metavar="SCHEDULE",
    help='When pods may be evicted, as cron has it: "0 2 * * SAT"; default: at any time. May be given more than once.',
)  # fmt: skip
@click.option(
    "--duration", default="4h", show_default=True, metavar="DURATION", help="How long a window is open; 15m–7d."
)
@click.option("--time-zone", default="UTC", show_default=True, metavar="NAME", help="Whose clocks the schedules mean.")
@OUTPUT
@cluster_options
def plan(
    runtime_class: str,
    date: str | None,
    wait: str,
    max_pod_age: str | None,
    schedules: tuple[str, ...],
    duration: str,
    time_zone: str,
    output: str,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_PLAN_HELP`."""
    import datetime

    from monopod.cli.live import Cluster
    from monopod.cli.patch import command as work
    from monopod.cli.patch.output import write

    question = work.Question(runtime_class, date, wait, max_pod_age, schedules, duration, time_zone)
    now = datetime.datetime.now(datetime.UTC)
    settings = work.read_settings(question, now)
    write(work.plan_patch(Cluster.connect(kubeconfig, context), question, settings, now), output)
