"""`hack/cluster`: real Kubernetes clusters on this machine, by name."""

from pathlib import Path

import click

from lab.cluster import installation
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.provider import Cluster, find_all_clusters, find_cluster, find_engine, provide_cluster
from lab.commands import run_command
from lab.privilege import become_root, give_back
from lab.progress import say

NAME = click.option("--name", default="dev", show_default=True, help="The cluster's name.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Real Kubernetes clusters on this machine.

    Where Docker or Podman runs, a cluster is kind's; elsewhere it is the same Kubernetes, built from source once and
    run in namespaces of its own, with gVisor and a network that enforces NetworkPolicies. MONOPOD_ENGINE=none chooses
    the second everywhere, and docker or podman one of the two; MONOPOD_KIND_IMAGE names another image of kind's nodes,
    and MONOPOD_KIND_NETWORK=calico gives them Calico instead of kindnet.

    \b
      export KUBECONFIG=$(hack/cluster up)       a cluster of one node
      hack/cluster up --control-plane            only etcd and kube-apiserver, in seconds, without root
      hack/cluster up --with-monopod             with Monopod installed
      hack/cluster up --autoscale                with Karpenter, which adds nodes for pods that find none
      hack/cluster down
    """  # noqa: D301 click reads the backspace as "don't rewrap"


@main.command()
@NAME
@click.option("--control-plane", is_flag=True, help="Only etcd and kube-apiserver: no nodes, no root needed.")
@click.option("--nodes", type=click.IntRange(1, 9), default=1, show_default=True, help="Number of real nodes.")
@click.option("--kwok", type=click.IntRange(0, 5000), default=0, help="Number of fake nodes, for scale.")
@click.option("--autoscale", is_flag=True, help="Karpenter adds nodes: real ones, fake ones beside a control plane.")
@click.option("--with-monopod", is_flag=True, help="Install Monopod too.")
def up(name: str, control_plane: bool, nodes: int, kwok: int, autoscale: bool, with_monopod: bool) -> None:
    """Bring a cluster up and print its kubeconfig's path.

    A cluster that is up already is left as it is. Progress goes to stderr; the path is the last line on stdout.
    """
    if not control_plane:
        become_root("lab.cluster")
    cluster = _provide(name, control_plane, nodes, kwok, autoscale)
    cluster.create()
    if with_monopod:
        if isinstance(cluster, LabCluster) and control_plane:
            installation.run_beside(cluster)
        else:
            installation.install_chart(cluster)
    give_back(cluster.kubeconfig_path)
    click.echo(cluster.kubeconfig_path)


@main.command()
@NAME
def down(name: str) -> None:
    """Remove a cluster and everything that it kept."""
    cluster = find_cluster(name)
    if cluster is None:
        say(f"There is no cluster {name}.")
        return
    if not (isinstance(cluster, LabCluster) and cluster.control_plane_only):
        become_root("lab.cluster")
    cluster.delete()


@main.command()
def status() -> None:
    """List the clusters."""
    found = find_all_clusters()
    if not found:
        click.echo("No clusters. `hack/cluster up` makes one.")
    for cluster in found:
        state = "running" if cluster.is_running() else "dead"
        click.echo(f"{cluster.name}\t{state}\t{cluster.kubeconfig_path}")


@main.command()
@NAME
@click.argument("component")
@click.option("--node", type=click.IntRange(1), default=1, help="Number of the node.")
def logs(name: str, component: str, node: int) -> None:
    """Print the log of a component.

    Such as etcd, kube-apiserver, kubelet, containerd, calico-felix or monopod.
    """
    cluster = _find(name)
    if not isinstance(cluster, LabCluster):
        raise click.ClickException(f"{name} is kind's: use `kind export logs` or `kubectl logs`")
    machine = cluster.find_machine(node)
    if machine is None:
        raise click.ClickException(f"{name} has no node {node}")
    path = machine.log(component)
    if not path.exists():
        known = ", ".join(sorted(log.stem for log in path.parent.glob("*.log")))
        raise click.ClickException(f"{name} has no component {component}; it has {known}")
    with path.open(errors="replace") as log:
        for line in log:
            click.echo(line, nl=False)


@main.command()
@NAME
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(name: str, archive: Path) -> None:
    """Give every node of a cluster an image.

    It comes from an archive, as `docker save` writes it.
    """
    cluster = _find(name)
    become_root("lab.cluster")
    cluster.load_image_archive(archive.resolve())


def _provide(name: str, control_plane: bool, nodes: int, kwok: int, autoscale: bool) -> Cluster | LabCluster:
    if control_plane:
        return LabCluster(name, control_plane_only=True, kwok=kwok, autoscale=autoscale)
    if (kwok or autoscale) and find_engine():
        raise click.ClickException(
            "fake nodes, and those that Karpenter adds, come with --control-plane, or with the cluster that needs no "
            "Docker (MONOPOD_ENGINE=none)"
        )
    return provide_cluster(name, nodes=nodes, kwok=kwok, autoscale=autoscale)


def _find(name: str) -> Cluster | LabCluster:
    cluster = find_cluster(name)
    if cluster is None:
        raise click.ClickException(f"there is no cluster {name}; `hack/cluster up --name {name}` makes it")
    return cluster


if __name__ == "__main__":
    run_command(main, "hack/cluster")
