"""The commands about patches of the sandbox. The work is imported when a command runs."""

import click

from monopod.cli.parameters import OBJECT_NAME, OUTPUT, cluster_options

_PLAN_HELP = """Say which sandboxes a patch of a RuntimeClass makes stale, and when their pods could go.

A new version of gVisor or Kata on the nodes changes nothing for sandboxes that run: they stay on the old one until they
are made again. Lists the pods of profiles that were started before the patch, or are older than --max-pod-age, in the
order in which they would be evicted: zone after zone, the oldest first; and what PodDisruptionBudgets would say now.
Changes nothing, and nothing else evicts them yet.

\b
Examples:
  # The date is the annotation monopod.dev/patched of the RuntimeClass
  kubectl annotate runtimeclass gvisor monopod.dev/patched=2026-11-20T00:00:00Z
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


@click.group(short_help="Find the sandboxes that a patch makes stale.")
def patch() -> None:
    """Find the sandboxes that a patch of their runtime makes stale."""


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
@click.option("--duration", default="4h", show_default=True, metavar="DURATION", help="How long a window is open.")
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
    settings = work.read_settings(question)
    now = datetime.datetime.now(datetime.UTC)
    write(work.plan_patch(Cluster.connect(kubeconfig, context), question, settings, now), output)
