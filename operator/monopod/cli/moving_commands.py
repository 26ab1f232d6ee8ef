"""The commands about pods that move: what will, how far it is. The work is imported when a command runs."""

import click

_ROLLOUT_HELP = """Show how far the pods of a profile have moved into its sandboxes.

Reads the profile's status, which the operator writes. With --watch it follows until all are moved, or nothing more can
be: a progress bar on a terminal, lines elsewhere. --pause has the operator move no more pods, --resume go on; pods that
are moved already stay.

\b
Examples:
  kubectl fargate rollout web

\b
  # Follow it, in a pipeline too
  kubectl fargate rollout web --watch

\b
  # Not now
  kubectl fargate rollout web --pause

Exit status: 0 if the question was answered, with --watch if all pods are moved; 1 with --watch if it is paused or
blocked; 2 if the cluster can't be read, or has no such profile.
"""


@click.command(help=_ROLLOUT_HELP, short_help="Show how far the pods of a profile have moved; pause, resume.")
@click.argument("profile")
@click.option("-w", "--watch", is_flag=True, help="Follow it until it is done, paused or blocked.")
@click.option("--pause", is_flag=True, help="Move no more pods for now.")
@click.option("--resume", is_flag=True, help="Go on moving pods.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig to use.")
@click.option("--kubeconfig", metavar="FILE", help="Path of the kubeconfig to use.")
@click.pass_context
def rollout(
    shell: click.Context,
    profile: str,
    watch: bool,
    pause: bool,
    resume: bool,
    output: str,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_ROLLOUT_HELP`."""
    if pause and (resume or watch):
        raise click.UsageError("Give only one of --pause, --resume and --watch; --resume --watch goes together.")
    if watch and output != "text":
        raise click.UsageError("--watch writes text only.")
    from monopod.cli import rollout as work
    from monopod.cli.failure import ApiFailure, NoCluster
    from monopod.cli.live import Cluster

    status = 0
    try:
        cluster = Cluster.connect(kubeconfig, context)
        if pause or resume:
            work.pause(cluster, profile, pause)
        if watch:
            status = work.watch(cluster, profile)
        elif not (pause or resume):
            work.report(cluster, profile, output)
    except ApiFailure as failure:
        raise NoCluster(failure.message) from None
    shell.exit(status)
