"""The commands about pods that move: what will, how far it is. The work is imported when a command runs."""

import click

from monopod.cli.failure import NoCluster, told_as
from monopod.cli.parameters import FILE_NAME, OBJECT_NAME, OUTPUT, SANDBOX, cluster_options, file_names

_PLAN_HELP = """Show which running pods a profile would move into its sandboxes, before any of them moves.

Lists the pods that exist and would run by the profile if they were created now: in which order they move, from where,
at which size and price, and where a little less would be a cheaper size; and those that are blocked or left alone, with
the reason. Takes a profile of the cluster, or profiles from files, as if they were applied. Changes nothing.

\b
Examples:
  # What would happen if I applied this?
  kubectl fargate plan -f profile.yaml

\b
  # What is left to move?
  kubectl fargate plan web

\b
  # For a script
  kubectl fargate plan web -o json

Exit status: 0 if the question was answered, whatever the answer; 1 if the cluster couldn't answer; 2 if the input
can't be read.
"""


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

Exit status: 0 if the question was answered, with --watch if all pods are moved; 1 with --watch if it is paused,
blocked, or nothing has changed for a quarter of an hour; 2 if the cluster can't be read, or has no such profile.
"""


_RESTORE_HELP = """Bring back a pod without a controller that couldn't be created again.

Where a profile moves such pods (barePods: Recreate) their manifests are kept in StoredPods meanwhile. This creates the
pod from there, with your own rights, and deletes the StoredPod. Without NAME and --all it lists what is stored.

\b
Examples:
  # What is stored, and why?
  kubectl fargate restore -n prod

\b
  # Try again, now that the quota is larger
  kubectl fargate restore toolbox -n prod

\b
  # From an edited manifest
  kubectl get storedpod toolbox -n prod -o jsonpath='{.spec.manifest}' > toolbox.json
  kubectl fargate restore toolbox -n prod -f toolbox.json

Exit status: 0 if the pods were created, or listed; 1 if the cluster couldn't be reached or refused; 2 if the input
can't be read.
"""


@click.command(help=_PLAN_HELP, short_help="Show which running pods a profile would move, and how.")
@click.argument("profile", type=OBJECT_NAME, required=False)
@file_names("Profiles that aren't applied yet, YAML or JSON; - is stdin.")
@SANDBOX
@click.option("--region", default="us-east-1", show_default=True, metavar="NAME", help="Whose prices to use.")
@click.option("--arch", type=click.Choice(["x86", "arm"]), default="x86", show_default=True, help="The same.")
@OUTPUT
@cluster_options
def plan(
    profile: str | None,
    filenames: tuple[str, ...],
    sandbox: str | None,
    region: str,
    arch: str,
    output: str,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_PLAN_HELP`."""
    if (profile is None) == (not filenames):
        raise click.UsageError("Give either PROFILE or -f FILE.")
    from monopod.cli.live import Cluster
    from monopod.cli.plan import command as work
    from monopod.cli.plan.output import write_json, write_text

    rates = work.get_rates(region, arch)
    cluster = Cluster.connect(kubeconfig, context)
    if profile is None:
        found = work.plan_files(cluster, filenames, sandbox, rates)
    else:
        found = work.plan_profile(cluster, profile, sandbox, rates)
    (write_json if output == "json" else write_text)(found)


@click.command(help=_ROLLOUT_HELP, short_help="Show how far the pods of a profile have moved; pause, resume.")
@click.argument("profile", type=OBJECT_NAME)
@click.option("-w", "--watch", is_flag=True, help="Follow it until it is done, paused or blocked.")
@click.option("--pause", is_flag=True, help="Move no more pods for now.")
@click.option("--resume", is_flag=True, help="Go on moving pods.")
@OUTPUT
@cluster_options
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
    from monopod.cli.live import Cluster
    from monopod.cli.rollout import command as work

    status = 0
    with told_as(NoCluster):
        cluster = Cluster.connect(kubeconfig, context)
        if pause or resume:
            work.pause(cluster, profile, pause)
        if watch:
            status = work.watch(cluster, profile)
        elif not (pause or resume):
            work.report(cluster, profile, output)
    shell.exit(status)


@click.command(help=_RESTORE_HELP, short_help="Bring back a pod that couldn't be created again.")
@click.argument("name", type=OBJECT_NAME, required=False)
@click.option("-n", "--namespace", type=OBJECT_NAME, metavar="NAME", help="Namespace of the pod.")
@click.option("--all", "everything", is_flag=True, help="All of the namespace that wait to be brought back.")
@click.option(
    "-f", "--filename", type=FILE_NAME, metavar="FILE", help="An edited manifest of the pod, YAML or JSON; - is stdin."
)
@click.option("--dry-run", is_flag=True, help="Only ask the API server whether it would create the pod.")
@cluster_options
def restore(
    name: str | None,
    namespace: str | None,
    everything: bool,
    filename: str | None,
    dry_run: bool,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_RESTORE_HELP`."""
    if name and everything:
        raise click.UsageError("Give NAME or --all, not both.")
    if (filename and not name) or (dry_run and not (name or everything)):
        raise click.UsageError("-f goes with NAME, and --dry-run with NAME or --all.")
    from monopod.cli.live import Cluster
    from monopod.cli.restore import command as work

    cluster = Cluster.connect(kubeconfig, context)
    where = namespace or cluster.namespace
    if name:
        work.restore_one(cluster, where, name, filename, dry_run=dry_run)
    elif everything:
        work.restore_all(cluster, where, dry_run=dry_run)
    else:
        work.show_stored(cluster, where)
