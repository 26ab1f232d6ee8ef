"""The commands of `kubectl fargate`, their options and help. The work is imported when a command runs."""

from typing import Any, Final

import click

from monopod import __version__
from monopod.api.names import SYSTEM_NAMESPACE
from monopod.cli.access_commands import access_key
from monopod.cli.capacity_commands import nodepool, nodes
from monopod.cli.cost_commands import cost, receipt, top
from monopod.cli.failure import UNWRITABLE, ApiFailure, NoCluster, drop_output, told_as
from monopod.cli.moving_commands import plan, restore, rollout
from monopod.cli.parameters import (
    FILE_NAME,
    MONOPOD_NAMESPACE,
    OBJECT_NAME,
    OUTPUT,
    SANDBOX,
    cluster_options,
    file_names,
)
from monopod.cli.patching_commands import patch
from monopod.cli.spot_commands import interrupt
from monopod.cli.usage_commands import usage

_INTERRUPTED: Final = 130

_EXPLAIN_HELP = """Say what Fargate would do with a pod, and why.

Shows which profile and which of its selectors match and why the others don't, the size and how it comes about, and
what Fargate could not run. Reads pods, and workloads with a pod template (Deployment, StatefulSet, DaemonSet,
ReplicaSet, Job, CronJob), from files; or a pod of the cluster, for which it first reports what admission decided when
the pod was created. Changes nothing.

\b
Examples:
  # What would become of this Deployment's pods? The profiles are read from the cluster.
  kubectl fargate explain -f deployment.yaml

\b
  # The same without a cluster, with profiles from a file
  kubectl fargate explain -f deployment.yaml --profiles profiles.yaml -n prod

\b
  # From a pipe, for a script
  helm template shop | kubectl fargate explain -f - -o json

\b
  # Why does this pod run where it runs?
  kubectl fargate explain pod web-5d9c7b4f6-x2x7p -n prod

Exit status: 0 if the question was answered, whatever the answer; 1 if the cluster couldn't answer; 2 if the input
can't be read.
"""


_LINT_HELP = """Judge manifests and ECS task definitions without a cluster, for a pipeline.

Says of every pod and workload in files and folders which profile would take its pods, at which size and hourly price,
what Fargate would not run, and where a little less would be a cheaper size. Kinds without pods are passed over and
counted.

Says of every ECS task definition, as the AWS CLI reads and writes them, all that Fargate refuses in it at once, in
AWS's words, what Monopod can't run of what Fargate takes, and what a task costs a month.

\b
Examples:
  # A folder of manifests
  kubectl fargate lint -f deploy/ --profiles profiles.yaml

\b
  # What a Helm chart renders to, in a namespace of its own
  helm template shop | kubectl fargate lint -f - --profiles profiles.yaml -n shop

\b
  # For a pipeline, which fails where more than a third of a price is for nothing
  kubectl fargate lint -f deploy/ --profiles profiles.yaml --max-waste 33

\b
  # Everything that keeps a task definition from Fargate
  aws ecs describe-task-definition --task-definition web | kubectl fargate lint -f -

Exit status: 0 if all would run, on Fargate or outside; 1 if Fargate would take something that it can't run, refuses a
task definition or takes one that Monopod can't run, or something wastes more than --max-waste; 2 if something can't be
read, or there is neither a pod nor a task definition in anything.
"""


_CONVERT_HELP = """Make FargateProfiles of those of eksctl, ACK, Terraform or the EKS API.

Writes them to stdout as YAML, to be looked at and applied. What can't be carried over, such as subnets, is told on
stderr.

\b
Examples:
  kubectl fargate convert -f cluster.yaml > profiles.yaml

\b
  # From Terraform: a plan, or what is there
  terraform show -json plan.out | kubectl fargate convert -f -

\b
  # From a cluster on EKS
  aws eks describe-fargate-profile --cluster-name demo --fargate-profile-name web | kubectl fargate convert -f -

Exit status: 0 if profiles were written; 2 if there is none to convert, or one that the API server would refuse.
"""


_DOCTOR_HELP = """Look for what keeps Monopod from working on a cluster.

Looks at the Kubernetes version and features, Monopod's admission policies, its operator and profiles, the
RuntimeClasses in use, the nodes that serve them, Karpenter, Spot, autoscalers of pods, the network plugin, and what is
known to go wrong with the sizes of sandboxes. Says what to do about each finding. Only reads, unless --probe is given.

\b
Examples:
  kubectl fargate doctor

\b
  # Does the network enforce NetworkPolicies, and has a sandbox its own kernel? Creates a namespace with pods, and
  # deletes it again.
  kubectl fargate doctor --probe

Exit status: 0 if there is no problem (warnings don't count); 1 if there is one; 2 if the cluster can't be talked to.
"""


_ISOLATION_HELP = """Say which connections a pod of the cluster accepts and opens, and who says so.

Shows, for both directions, who decides (security groups, or NetworkPolicies of the namespace) and what the
NetworkPolicies that select the pod really open: ports and peers, and the rule of which security group that is; what
policies of others open beyond that; rules that are not enforced; security groups that don't exist; and whether the
metadata service and the pod's node are out of its reach. Changes nothing.

\b
Examples:
  kubectl fargate isolation web-5d9c7b4f6-x2x7p -n prod

\b
  # Which NetworkPolicies open more than the pod's groups?
  kubectl fargate isolation web-0 -n prod -o json | jq .overPermissive

Needs the rights to get pods and to list NetworkPolicies in the namespace. Without the right to get
securitygroups.monopod.dev, the rules are shown without the groups that they come from.

Exit status: 0 if the question was answered, whatever the answer; 1 if the cluster couldn't answer, or the pod isn't on
Fargate; 2 if the command was used wrongly.
"""


_FARGATE_HELP = """Fargate profiles on this cluster.

\b
Examples:
  # Which profile takes these pods, at which size, and why?
  kubectl fargate explain -f deployment.yaml

\b
  # The same for a pod of the cluster
  kubectl fargate explain pod web-0 -n prod

\b
  # Who may connect to this pod, and where may it connect to?
  kubectl fargate isolation web-0 -n prod

\b
  # Would all of these run, and for how much?
  kubectl fargate lint -f deploy/ --profiles profiles.yaml

\b
  # Is everything there that Monopod needs?
  kubectl fargate doctor

\b
  # Which running pods would this profile move into sandboxes?
  kubectl fargate plan -f profile.yaml

\b
  # How many pods run in the profile's sandboxes by now?
  kubectl fargate rollout web --watch

\b
  # Which pods without a controller couldn't be created again?
  kubectl fargate restore -n prod

\b
  # What did the pods of this month cost, and what does it come to?
  kubectl fargate cost
  kubectl fargate top

`kubectl fargate COMMAND --help` tells more about a command.
"""


class _Commands(click.Group):
    """The commands. What keeps one from answering must not look like an answer, as click's own status 1 would."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command. Ends with 130 on SIGINT, as kubectl and shells do, and with 2 if no one reads on."""
        try:
            with told_as(ApiFailure):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            drop_output()
            ctx.exit(UNWRITABLE)


@click.group(cls=_Commands, help=_FARGATE_HELP, context_settings={"help_option_names": ["-h", "--help"]})
def fargate() -> None:
    """Groups the commands; what users read is `_FARGATE_HELP`."""


@fargate.command(help=_EXPLAIN_HELP, short_help="Say what Fargate would do with a pod, and why.")
@click.argument("target", nargs=-1, metavar="[pod NAME]")
@file_names("Manifest, YAML or JSON; - is stdin.", metavar="FILE")
@click.option(
    "profiles_file",
    "--profiles",
    type=FILE_NAME,
    metavar="FILE|DIR",
    help="Read FargateProfiles from here, not from the cluster.",
)
@click.option(
    "-n", "--namespace", type=OBJECT_NAME, metavar="NAME", help="Namespace of the pod, where its manifest names none."
)
@SANDBOX
@MONOPOD_NAMESPACE
@OUTPUT
@cluster_options
def explain(
    target: tuple[str, ...],
    filenames: tuple[str, ...],
    profiles_file: str | None,
    namespace: str | None,
    sandbox: str | None,
    monopod_namespace: str | None,
    output: str,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_EXPLAIN_HELP`."""
    name = _read_target(target)
    if (name is None) == (not filenames):
        raise click.UsageError("Give either -f FILE or pod NAME.")
    _refuse_stdin_twice(filenames, profiles_file)
    from monopod.cli.explain import command as work

    sources = work.Sources(profiles_file, namespace, sandbox, context, kubeconfig, monopod_namespace)
    report = work.explain_files(filenames, sources) if name is None else work.explain_pod(name, sources)
    work.write(report, output)


def _refuse_stdin_twice(filenames: tuple[str, ...], profiles_file: str | None) -> None:
    if profiles_file == "-" and "-" in filenames:
        raise click.UsageError("stdin can be read once: give - to -f or to --profiles, not to both.")


def _read_target(target: tuple[str, ...]) -> str | None:
    """The pod's name in `pod NAME` or `pod/NAME`, as kubectl has it."""
    if not target:
        return None
    words = tuple(target[0].split("/", 1)) if len(target) == 1 else target
    if len(words) != 2 or words[0] not in ("pod", "pods", "po") or not words[1]:
        raise click.UsageError(f"Give a pod as pod NAME or pod/NAME, not {' '.join(target)!r}.")
    return OBJECT_NAME.convert(words[1], None, None)


@fargate.command(help=_LINT_HELP, short_help="Judge manifests and ECS task definitions without a cluster.")
@file_names(
    "Manifests and ECS task definitions, YAML or JSON; - is stdin. A folder is read with all below it.", required=True
)
@click.option(
    "profiles_file",
    "--profiles",
    type=FILE_NAME,
    metavar="FILE|DIR",
    help="Read FargateProfiles from here; needed where there are pods.",
)
@click.option(
    "-n", "--namespace", type=OBJECT_NAME, default="default", show_default=True, metavar="NAME",
    help="Namespace of objects whose manifest names none.",
)  # fmt: skip
@SANDBOX
@MONOPOD_NAMESPACE
@click.option("--region", default="us-east-1", show_default=True, metavar="NAME", help="Whose prices to use.")
@click.option("--arch", type=click.Choice(["x86", "arm"]), default="x86", show_default=True, help="The same.")
@click.option(
    "--max-waste",
    type=click.IntRange(0, 100),
    metavar="PERCENT",
    help="Fail if more of a workload's price than this is for what its pods don't ask for.",
)
@OUTPUT
@click.pass_context
def lint(
    context: click.Context,
    filenames: tuple[str, ...],
    profiles_file: str | None,
    namespace: str,
    sandbox: str | None,
    monopod_namespace: str | None,
    region: str,
    arch: str,
    max_waste: int | None,
    output: str,
) -> None:
    """Gathers the options; what users read is `_LINT_HELP`."""
    _refuse_stdin_twice(filenames, profiles_file)
    from monopod.cli.lint import command as work

    question = work.Question(filenames, profiles_file, namespace, sandbox, region, arch, monopod_namespace, max_waste)
    report = work.lint(question)
    work.write(report, output)
    context.exit(report.exit_status)


@fargate.command(help=_CONVERT_HELP, short_help="Make FargateProfiles of those of eksctl, ACK or Terraform.")
@file_names("What holds the others' profiles, YAML or JSON; - is stdin.", required=True)
def convert(filenames: tuple[str, ...]) -> None:
    """Gathers the options; what users read is `_CONVERT_HELP`."""
    from monopod.cli.convert import command as work

    click.echo(work.convert_files(filenames), nl=False)


@fargate.command(help=_DOCTOR_HELP, short_help="Look for what keeps Monopod from working on a cluster.")
@click.option("--probe", is_flag=True, help="Also try the network and the sandboxes, with pods of its own.")
@click.option(
    "--image", default="busybox", show_default=True, metavar="IMAGE", help="For --probe: sh, httpd, nc and uname."
)
@click.option(
    "-n",
    "--namespace",
    type=OBJECT_NAME,
    default=SYSTEM_NAMESPACE,
    show_default=True,
    metavar="NAME",
    help="Monopod's own namespace.",
)
@OUTPUT
@cluster_options
@click.pass_context
def doctor(
    shell: click.Context,
    probe: bool,
    image: str,
    namespace: str,
    output: str,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_DOCTOR_HELP`."""
    from monopod.cli.doctor import command as work

    with told_as(NoCluster):
        findings = work.diagnose(kubeconfig, context, namespace, image if probe else None)
    work.write(findings, output)
    shell.exit(work.compute_exit_status(findings))


@fargate.command(help=_ISOLATION_HELP, short_help="Say which connections a pod has, and who says so.")
@click.argument("pod", nargs=-1, metavar="POD")
@click.option("-n", "--namespace", type=OBJECT_NAME, metavar="NAME", help="Namespace of the pod.")
@OUTPUT
@cluster_options
def isolation(
    pod: tuple[str, ...], namespace: str | None, output: str, context: str | None, kubeconfig: str | None
) -> None:
    """Gathers the options; what users read is `_ISOLATION_HELP`."""
    name = _read_target(pod if len(pod) != 1 or "/" in pod[0] else ("pod", *pod))
    if name is None:
        raise click.UsageError("Give the name of a pod.")
    from monopod.cli.isolation.command import inspect_pod
    from monopod.cli.isolation.output import write

    write(inspect_pod(name, namespace, kubeconfig, context), output)


fargate.add_command(plan)
fargate.add_command(rollout)
fargate.add_command(restore)
fargate.add_command(cost)
fargate.add_command(top)
fargate.add_command(receipt)
fargate.add_command(usage)
fargate.add_command(access_key)
fargate.add_command(nodepool)
fargate.add_command(nodes)
fargate.add_command(patch)
fargate.add_command(interrupt)


@fargate.command()
def version() -> None:
    """Print the version of this program."""
    click.echo(f"kubectl-fargate {__version__}")
