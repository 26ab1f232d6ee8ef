"""`python -m monopod`: the operator."""

import asyncio
import os
import socket
import sys
import uuid

import click

from monopod.api.names import SERVICE_ACCOUNT, SYSTEM_NAMESPACE
from monopod.isolation.rules.addresses import read_block_cidr
from monopod.isolation.rules.network_policies import METADATA
from monopod.profiles.rules.quota import DEFAULT_QUOTA


def check_cidrs(_: click.Context, parameter: click.Parameter, cidrs: tuple[str, ...]) -> tuple[str, ...]:
    """The same CIDRs.

    Raises:
        click.BadParameter: one isn't a network. No rule could be written with it, and all pods would stay closed.
    """
    for cidr in cidrs:
        try:
            read_block_cidr(cidr)
        except ValueError as problem:
            raise click.BadParameter(f"{problem}.", param=parameter) from None
    return cidrs


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "MONOPOD"})
def main() -> None:
    """Monopod: Fargate profiles for any Kubernetes cluster."""


@main.command()
@click.option(
    "--sandbox",
    default="",
    metavar="RUNTIMECLASS",
    help="The sandbox of profiles that name none: the name of a RuntimeClass, such as kata or gvisor. [default: the "
    "best that the cluster has: Kata's, else gVisor's]",
)
@click.option(
    "--sandbox-handler",
    "sandbox_handlers",
    multiple=True,
    envvar="MONOPOD_RUN_SANDBOX_HANDLER",
    metavar="HANDLER",
    help="A handler of RuntimeClasses that counts as a sandbox; with any, no others do. Repeatable. [default: all but "
    "those of runc, crun, youki and NVIDIA]",
)
@click.option(
    "--namespace",
    default=None,
    help=f"Monopod's own namespace: its Lease and its ConfigMap are there. "
    f"[default: the one that this process runs in as a pod, else {SYSTEM_NAMESPACE}]",
)
@click.option(
    "--service-account",
    default=SERVICE_ACCOUNT,
    show_default=True,
    metavar="NAME",
    help="The ServiceAccount, in that namespace, that the admission policies were installed for. Policies that someone "
    "has edited are found by it.",
)
@click.option(
    "--leader-elect/--no-leader-elect",
    default=True,
    show_default=True,
    help="Lead only while holding the Lease `monopod`, so that several replicas can run. Switch off for one local "
    "process on a cluster of its own.",
)
@click.option(
    "--identity",
    default=None,
    help="This replica's name in the Lease. [default: host name and a random part]",
)
@click.option(
    "--lease-seconds",
    type=click.FloatRange(min=1),
    default=10.0,
    show_default=True,
    help="How long a leader that died keeps the others waiting. A leader that is stopped hands over at once.",
)
@click.option("--listen", default="0.0.0.0", show_default=True, help="The address of the endpoints below.")  # noqa: S104 in a pod
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port of /healthz, /readyz and /metrics; 0 takes a free one and logs it.",
)
@click.option(
    "--resync-seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="How often everything is compared with fresh lists, in addition to the watches.",
)
@click.option(
    "--evictions-per-minute",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="How many pods are evicted in a minute at most, over the whole cluster.",
)
@click.option(
    "--deletion-timeout-seconds",
    type=click.FloatRange(min=0),
    default=900.0,
    show_default=True,
    help="When a profile's deletion has failed, beyond the time that evicting its pods takes at that rate.",
)
@click.option(
    "--replacement-timeout-seconds",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="After how long a moved pod's replacement that isn't Ready counts against moving more.",
)
@click.option(
    "--profile-quota",
    type=click.IntRange(min=0),
    default=DEFAULT_QUOTA,
    show_default=True,
    help="How many profiles the cluster may have.",
)
@click.option(
    "--node-cidr",
    "node_cidrs",
    multiple=True,
    envvar="MONOPOD_RUN_NODE_CIDR",
    callback=check_cidrs,
    metavar="CIDR",
    help="A network that the cluster's nodes are in, which pods reach only if a security group names the entity Nodes. "
    "Repeatable. [default: the addresses that the nodes tell]",
)
@click.option(
    "--allow-metadata-service/--no-allow-metadata-service",
    default=False,
    show_default=True,
    help="Let security groups open the addresses of --metadata-address, whose credentials are the node's.",
)
@click.option(
    "--metadata-address",
    "metadata_addresses",
    multiple=True,
    default=METADATA,
    envvar="MONOPOD_RUN_METADATA_ADDRESS",
    callback=check_cidrs,
    metavar="CIDR",
    help="Where a cloud's metadata service listens, which no security group opens. Repeatable. "
    "[default: those of the well-known clouds, as in the chart's values]",
)
@click.option(
    "--recreate-bare-pods/--no-recreate-bare-pods",
    default=False,
    show_default=True,
    help="Move pods without a controller where a profile says `barePods: Recreate`, by creating them again. The "
    "admission policies must let the operator create pods: leave out monopod-operator-dry-runs.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False),
    default=None,
    help="[default: $KUBECONFIG, else the pod's ServiceAccount, else ~/.kube/config]",
)
@click.option("--log-format", type=click.Choice(["json", "console"]), default="json", show_default=True)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(
    sandbox: str,
    sandbox_handlers: tuple[str, ...],
    namespace: str | None,
    service_account: str,
    leader_elect: bool,
    identity: str | None,
    lease_seconds: float,
    listen: str,
    metrics_port: int,
    resync_seconds: float,
    evictions_per_minute: float,
    deletion_timeout_seconds: float,
    replacement_timeout_seconds: float,
    profile_quota: int,
    node_cidrs: tuple[str, ...],
    allow_metadata_service: bool,
    metadata_addresses: tuple[str, ...],
    recreate_bare_pods: bool,
    kubeconfig: str | None,
    log_format: str,
    log_level: str,
) -> None:
    """Run the operator: bring the cluster to what its FargateProfiles say.

    It writes each namespace's profiles, compiled, on the namespace, where the admission policies read them; tries
    every profile by a server-side dry run and reports in its status; and says in events what Fargate can't run. It
    writes the NetworkPolicies that isolate pods, which are closed until then. It evicts pods that should run by a
    profile and don't, and those of profiles that are deleted. On healthy pods it writes nothing, unless their security
    groups change. Pods are sandboxed without it.

    Every option can also come from the environment: --sandbox from MONOPOD_RUN_SANDBOX, and so on.

    \b
    Against the current kubeconfig, with readable logs:
      python -m monopod run --no-leader-elect --log-format console

    \b
    Exit codes: 0 stopped by SIGTERM or SIGINT; 1 the Lease was lost or a watch failed for good (start it again), or
    there is no API server to talk to or no port to listen on; 2 wrong options.
    """  # noqa: D301 click reads the backspace as "don't rewrap"
    # Here, because kopf and the client take a second to import, and `--help` needs neither.
    from monopod.kube.client import find_own_namespace
    from monopod.kube.lease import Timing
    from monopod.kube.logs import configure_logs
    from monopod.manager.process import Process
    from monopod.manager.settings import Settings

    configure_logs("console" if log_format == "console" else "json", log_level)
    settings = Settings(
        sandbox=sandbox,
        namespace=namespace or find_own_namespace(SYSTEM_NAMESPACE),
        identity=identity or f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}",
        leader_elect=leader_elect,
        lease=Timing.from_duration(lease_seconds),
        listen_host=listen,
        listen_port=metrics_port,
        resync_seconds=resync_seconds,
        kubeconfig=kubeconfig,
        evictions_per_minute=evictions_per_minute,
        deletion_timeout_seconds=deletion_timeout_seconds,
        replacement_timeout_seconds=replacement_timeout_seconds,
        profile_quota=profile_quota,
        service_account=service_account,
        sandbox_handlers=sandbox_handlers,
        node_cidrs=node_cidrs,
        metadata_addresses=() if allow_metadata_service else metadata_addresses,
        recreate_bare_pods=recreate_bare_pods,
    )

    async def live() -> int:
        return await Process(settings).run()

    sys.exit(asyncio.run(live()))


if __name__ == "__main__":
    main(prog_name="python -m monopod")
