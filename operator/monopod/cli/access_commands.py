"""The commands of `kubectl fargate access-key`. The work is imported when they run."""

import click

from monopod.cli.parameters import MONOPOD_NAMESPACE, OUTPUT, cluster_options

_ACCESS_KEY_HELP = """Make, list and delete access keys of the AWS endpoint.

An access key signs requests of AWS's tools and stands for a user of Kubernetes, whose rights (RBAC) it has. Keys are
Secrets in Monopod's own namespace; whoever may write these decides whom keys stand for, among the users and groups that
the chart's aws.impersonate lets the endpoint act for.
"""

_CREATE_HELP = """Make an access key for a user of Kubernetes, and show its secret once.

\b
Examples:
  # For the profile monopod of the AWS CLI
  kubectl fargate access-key create --user ana --group developers

\b
  # For this shell
  eval "$(kubectl fargate access-key create --user ci -o env)"

Exit status: 0 if the key was made; 1 if the cluster couldn't be reached or refused; 2 if no key may stand for this user
or group.
"""

_LIST_HELP = """List access keys, and whom they stand for; secrets aren't shown.

Exit status: 0 if they were listed; 1 if the cluster couldn't be reached or refused.
"""

_DELETE_HELP = """Delete an access key. What it signs isn't answered any more some ten seconds later.

Exit status: 0 if it was deleted; 1 if there is no such key, or the cluster couldn't be reached or refused.
"""


@click.group("access-key", help=_ACCESS_KEY_HELP, short_help="Make, list and delete keys of the AWS endpoint.")
def access_key() -> None:
    """Groups the commands; what users read is `_ACCESS_KEY_HELP`."""


@access_key.command(help=_CREATE_HELP, short_help="Make a key for a user of Kubernetes.")
@click.option("--user", required=True, metavar="NAME", help="The user of Kubernetes that the key stands for.")
@click.option("groups", "--group", multiple=True, metavar="NAME", help="A group of this user; may be given repeatedly.")
@click.option("--region", default="us-east-1", show_default=True, metavar="NAME", help="The endpoint's region.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "env", "json"]), default="text", show_default=True, help="Format."
)
@MONOPOD_NAMESPACE
@cluster_options
def create(
    user: str,
    groups: tuple[str, ...],
    region: str,
    output: str,
    monopod_namespace: str | None,
    context: str | None,
    kubeconfig: str | None,
) -> None:
    """Gathers the options; what users read is `_CREATE_HELP`."""
    from monopod.cli.access_key.command import build_key, create_key, get_namespace
    from monopod.cli.access_key.output import write_created
    from monopod.cli.live import Cluster

    key = build_key(user, groups)
    cluster = Cluster.connect(kubeconfig, context)
    create_key(cluster, get_namespace(cluster, monopod_namespace), key)
    write_created(key, output, region)


@access_key.command("list", help=_LIST_HELP, short_help="List keys, and whom they stand for.")
@OUTPUT
@MONOPOD_NAMESPACE
@cluster_options
def list_keys(output: str, monopod_namespace: str | None, context: str | None, kubeconfig: str | None) -> None:
    """Gathers the options; what users read is `_LIST_HELP`."""
    from monopod.cli.access_key import command
    from monopod.cli.access_key.output import write_list
    from monopod.cli.live import Cluster

    cluster = Cluster.connect(kubeconfig, context)
    write_list(command.list_keys(cluster, command.get_namespace(cluster, monopod_namespace)), output)


@access_key.command(help=_DELETE_HELP, short_help="Delete a key.")
@click.argument("access_key_id", metavar="ID")
@MONOPOD_NAMESPACE
@cluster_options
def delete(access_key_id: str, monopod_namespace: str | None, context: str | None, kubeconfig: str | None) -> None:
    """Gathers the options; what users read is `_DELETE_HELP`."""
    from monopod.cli.access_key.command import delete_key, get_namespace
    from monopod.cli.live import Cluster

    cluster = Cluster.connect(kubeconfig, context)
    delete_key(cluster, get_namespace(cluster, monopod_namespace), access_key_id)
    click.echo(f"access key {access_key_id} deleted")
