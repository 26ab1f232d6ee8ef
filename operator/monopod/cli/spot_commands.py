"""The commands about Spot. The work is imported when they run."""

import click

from monopod.cli.parameters import OBJECT_NAME, OUTPUT, cluster_options

_INTERRUPT_HELP = """Interrupt pods as if their capacity were wanted elsewhere, to see what becomes of a service.

A pod gets the condition DisruptionTarget with AWS's words, and is deleted: SIGTERM at once, SIGKILL after its grace
period, at most 120 seconds. Its controller makes a new one; a pod without a controller is gone. Which pods are chosen
depends on --seed and on their names only.

\b
Examples:
  # Which pods would a fifth of the profile be?
  kubectl fargate interrupt --profile batch --percent 20 --seed 7 --dry-run

\b
  # Interrupt them, whatever PodDisruptionBudgets say: Spot doesn't ask either
  kubectl fargate interrupt --profile batch --percent 20 --seed 7

\b
  # These two
  kubectl fargate interrupt worker-0 worker-3 -n prod

Exit status: 0 if all of them were interrupted, or would be; 1 if one wasn't, there is none, or the cluster couldn't
answer; 2 if the command was used wrongly.
"""


@click.command(help=_INTERRUPT_HELP, short_help="Interrupt pods as Spot does, to try it.")
@click.argument("pods", nargs=-1, type=OBJECT_NAME, metavar="[POD]...")
@click.option(
    "-n", "--namespace", type=OBJECT_NAME, metavar="NAME",
    help="Namespace of the pods, default: the kubeconfig's; with --profile only pods there, default: all.",
)  # fmt: skip
@click.option("--profile", type=OBJECT_NAME, metavar="NAME", help="Choose among this profile's running pods.")
@click.option(
    "--percent", type=click.IntRange(1, 100), metavar="NUMBER", help="How many of them, rounded down; at least one."
)
@click.option("--seed", metavar="TEXT", help="The same seed chooses the same pods; default: another one each time.")
@click.option("--respect-budgets", is_flag=True, help="Evict, so that PodDisruptionBudgets are asked.")
@click.option("--dry-run", is_flag=True, help="Only say which pods it would be.")
@OUTPUT
@cluster_options
@click.pass_context
def interrupt(
    shell: click.Context,
    pods: tuple[str, ...],
    namespace: str | None,
    profile: str | None,
    percent: int | None,
    seed: str | None,
    respect_budgets: bool,
    dry_run: bool,
    output: str,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_INTERRUPT_HELP`."""
    if bool(pods) == (profile is not None):
        raise click.UsageError("Give either POD or --profile.")
    if (profile is None) != (percent is None) or (seed is not None and profile is None):
        raise click.UsageError("--profile needs --percent; --percent and --seed go with --profile.")
    if seed == "":
        raise click.UsageError("--seed is empty.")
    import secrets

    from monopod.cli.interrupt import command as work
    from monopod.cli.interrupt.output import write
    from monopod.cli.live import Cluster

    cluster = Cluster.connect(kubeconfig, context)
    if profile is not None and percent is not None:
        drill = work.draw_targets(cluster, profile, namespace, percent, seed or str(secrets.randbelow(10**6)))
    else:
        drill = work.name_targets(cluster, pods, namespace or cluster.namespace)
    done = list(work.interrupt(cluster, drill, respect_budgets=respect_budgets, dry_run=dry_run))
    write([work.build_row(each) for each in done], drill.candidates, drill.seed, output)
    shell.exit(work.compute_exit_status(done))
