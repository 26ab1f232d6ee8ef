"""The commands about capacity: what makes nodes for pods, and where pods run. The work is imported when they run."""

import re

import click

from monopod.cli.parameters import OBJECT_NAME, SANDBOX, cluster_options

_NODEPOOL_HELP = """Print what makes nodes for a profile's pods: a Karpenter NodePool, or tags of node groups.

Monopod creates no nodes. It knows which ones its pods need, and an autoscaler that has no such node yet doesn't: the
labels and taints of the sandbox's RuntimeClass, the profile's zones, and a startup taint where pods would come before
the sandbox is installed. The NodePool takes back empty nodes only, as Fargate moves no pod to save a machine. Changes
nothing; look at what it prints, then apply it.

\b
Examples:
  # Nodes on EC2, of a node class that exists
  kubectl fargate nodepool web --class EC2NodeClass/default > nodepool.yaml
  kubectl apply -f nodepool.yaml

\b
  # Of the node class that the cluster's NodePools use, for ARM too, and not more than 32 vCPUs
  kubectl fargate nodepool web --arch x86 --arch arm --max-vcpus 32

\b
  # Tags, annotations and flags for cluster-autoscaler, so that it begins without a node
  kubectl fargate nodepool web --for cluster-autoscaler

\b
  # Nodes on demand for a profile on Spot, whose pods may fall back
  kubectl fargate nodepool batch --capacity-provider FARGATE

Exit status: 0 if it was printed; 1 if the cluster couldn't answer, has no such profile or RuntimeClass, or no node
could ever take the profile's pods; 2 if the command was used wrongly, or more has to be named.
"""


_NODES_HELP = """Show where sandboxed pods run: a line for each, with size, sandbox, node, age and price.

On EKS each pod on Fargate has a node of its own in `kubectl get nodes`. Here pods share nodes, and this is the list
instead. A pod that waits for a node has the reason in its place. Changes nothing.

\b
Examples:
  kubectl fargate nodes

\b
  # Which pods are on this node?
  kubectl fargate nodes -o json | jq '.pods[] | select(.node == "ip-10-0-1-5")'

Exit status: 0 if the question was answered; 1 if the cluster couldn't answer; 2 if the command was used wrongly.
"""


@click.command(help=_NODEPOOL_HELP, short_help="Print a NodePool that makes nodes for a profile's pods.")
@click.argument("profile", type=OBJECT_NAME)
@click.option(
    "node_class", "--class", metavar="KIND/NAME",
    help="Karpenter's node class; default: that of the cluster's NodePools, if all have the same.",
)  # fmt: skip
@click.option(
    "autoscaler", "--for", type=click.Choice(["karpenter", "cluster-autoscaler"]), default="karpenter",
    show_default=True, help="What makes the nodes.",
)  # fmt: skip
@click.option(
    "architectures", "--arch", type=click.Choice(["x86", "arm"]), default=["x86"], show_default=True, multiple=True,
    help="Which machines, where the RuntimeClass doesn't say; may be given twice.",
)  # fmt: skip
@click.option(
    "--max-vcpus", type=click.IntRange(1, 1_000_000), default=100, show_default=True, metavar="NUMBER",
    help="vCPUs of all nodes of the NodePool together.",
)  # fmt: skip
@click.option(
    "provider", "--capacity-provider", type=click.Choice(["FARGATE", "FARGATE_SPOT"]),
    help="For pods on demand or on Spot; default: the profile's capacityProviderStrategy.",
)  # fmt: skip
@click.option(
    "spot_label", "--spot-node-label", metavar="KEY=VALUE",
    help="The label of Spot's nodes; default: the chart's spot.nodeLabel, as the operator has it.",
)  # fmt: skip
@SANDBOX
@cluster_options
def nodepool(
    profile: str,
    node_class: str | None,
    autoscaler: str,
    architectures: tuple[str, ...],
    max_vcpus: int,
    provider: str | None,
    spot_label: str | None,
    sandbox: str | None,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_NODEPOOL_HELP`."""
    from monopod.cli.live import Cluster
    from monopod.cli.nodepool import command as work
    from monopod.cli.nodepool.output import write

    if node_class is not None and autoscaler != "karpenter":
        raise click.UsageError("--class goes with Karpenter only.")
    if spot_label and not re.fullmatch(r"[^=\s]+=[^=\s]+", spot_label):
        raise click.UsageError("--spot-node-label is KEY=VALUE, such as karpenter.sh/capacity-type=spot.")
    question = work.Question(profile, sandbox, node_class, architectures, max_vcpus, provider, spot_label)
    compute = work.compute_node_pool if autoscaler == "karpenter" else work.compute_node_group
    printed = compute(Cluster.connect(kubeconfig, context), question)
    write(printed.document, printed.notes)


@click.command(help=_NODES_HELP, short_help="Show where sandboxed pods run, with size, age and price.")
@click.option("-n", "--namespace", type=OBJECT_NAME, metavar="NAME", help="Only this namespace; default: all.")
@click.option("--region", default="us-east-1", show_default=True, metavar="NAME", help="Whose prices to use.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="Format."
)
@cluster_options
def nodes(namespace: str | None, region: str, output: str, context: str | None, kubeconfig: str | None) -> None:
    """Gathers the options; what users read is `_NODES_HELP`."""
    from monopod.cli.input.prices import read_prices
    from monopod.cli.live import Cluster
    from monopod.cli.nodes.command import fetch_sandboxed_pods
    from monopod.cli.nodes.output import write

    prices = read_prices(region, "x86")
    write(fetch_sandboxed_pods(Cluster.connect(kubeconfig, context), namespace, prices), prices, output, namespace)
