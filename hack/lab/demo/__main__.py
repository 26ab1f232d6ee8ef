"""`hack/demo`: from a fresh machine to unchanged workloads that run each pod in a kernel of its own.

    cluster ─► chart ─► sample profile, ACTIVE ─► sample workloads, Ready ─► a table of what became of them

Every step may be repeated: what is up already is reused, only the workloads are made again, so that the table shows
how they start. pods.py says what to look at in a pod, table.py how it is printed.
"""

import contextlib
import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from lab.aws.endpoint import get_authority, install_endpoint, reach_endpoint
from lab.cluster.images import BUSYBOX_IMAGE
from lab.cluster.installation import ROOT, install_chart
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.provider import Cluster, find_cluster, provide_cluster
from lab.demo import ecs, scale
from lab.demo.pods import Facts, Seen, compute_faults, describe_unready, is_settled, read_facts, see_pods
from lab.demo.table import print_next_steps, print_table
from lab.places import state_dir
from lab.privilege import become_root, give_back
from lab.progress import say, step
from lab.services import NotReady
from lab.shell import CommandFailed

DEFAULT_NAME = "monopod-demo"
SCALE_NAME = "monopod-demo-scale"
SAMPLES = ROOT / "manifests/samples"
SAMPLE_IMAGE = "busybox"
NAMESPACE = "demo"
PROFILE = "demo"
PROFILE_SECONDS = 150
PODS_SECONDS = 240
INTERRUPTED = 130

NAME = click.option("--name", default=DEFAULT_NAME, show_default=True, help="The demo cluster's name.")


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@NAME
@click.pass_context
def main(context: click.Context, name: str) -> None:
    """Show Monopod at work on a cluster of its own.

    Makes a cluster on this machine (kind where Docker or Podman runs, otherwise one built from source, as root),
    installs Monopod, applies a sample profile and then a Deployment, a Job and a Pod that know nothing of it, and
    prints what they run in. The first run builds Kubernetes where there is no Docker; later runs reuse it.
    """
    if context.invoked_subcommand is None:
        become_root("lab.demo")
        with _explaining(name), _alone(name):
            show(name)


@main.command("ecs")
@click.option("--name", "own_name", help="As for the demo itself.")
@click.pass_context
def show_ecs(context: click.Context, own_name: str | None) -> None:
    """Show a task of ECS's, from its definition to its end, by the AWS CLI.

    On the same cluster: installs Monopod with its AWS endpoint, and asks that with the unmodified AWS CLI to register a
    task definition, run a task, show its logs, run a command in it, and stop it.
    """
    name: str = own_name or context.find_root().params["name"]
    become_root("lab.demo")
    with _explaining(name, " ecs", ecs.NAMESPACE), _alone(name):
        cluster = provide_cluster(name)
        cluster.create()
        give_back(cluster.kubeconfig_path)
        remove_workloads(cluster)
        install_endpoint(cluster, ecs.USER)
        with reach_endpoint(cluster, ecs.USER) as environment:
            logged = ecs.play(environment)
        kernel = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.nodeInfo.kernelVersion}")
        if "Hello from a kernel" not in logged or kernel in logged:
            raise click.ClickException(f"the task doesn't see a kernel of its own: it says {logged!r}")
        ecs.print_next_steps(cluster.kubeconfig_path, get_authority(cluster), None if name == DEFAULT_NAME else name)


@main.command("scale")
@click.option("--name", "own_name", help=f"The cluster's name.  [default: {SCALE_NAME}]")
@click.pass_context
def show_scale(context: click.Context, own_name: str | None) -> None:
    """Show a node that comes with a profile's pods, and goes with them.

    On a cluster of its own, which has no node for sandboxes: applies the NodePool that `kubectl fargate nodepool`
    prints, and a Deployment. Karpenter asks for a machine, which this lab makes: a kubelet with gVisor. Then the
    Deployment is scaled to 0, and the machine is gone.
    """
    given: str = own_name or context.find_root().params["name"]
    name = SCALE_NAME if given == DEFAULT_NAME else given
    become_root("lab.demo")
    with _explaining(name, " scale"), _alone(name):
        cluster = LabCluster(name, autoscale=True)
        cluster.create()
        give_back(cluster.kubeconfig_path)
        install_chart(cluster)
        apply_profile(cluster)
        _require_promises(scale.play(cluster))
    say(f"The cluster stays up: export KUBECONFIG={cluster.kubeconfig_path}")
    say(f"./hack/demo down --name {name} removes it.")


@main.command()
@click.option("--name", "own_name", help="As for the demo itself.")
@click.pass_context
def down(context: click.Context, own_name: str | None) -> None:
    """Remove the demo's cluster and everything in it. What was built stays in the cache for the next run."""
    name: str = own_name or context.find_root().params["name"]  # `--name X down` and `down --name X` mean the same
    become_root("lab.demo")
    with _explaining(name), _alone(name):
        cluster = find_cluster(name)
        if cluster is None:
            say(f"There is no demo to remove: no cluster {name}.")
        else:
            with step(f"removing cluster {name}"):
                cluster.delete()
        _lock_path(name).unlink()


def show(name: str) -> None:
    """Brings everything up and prints it.

    Raises:
        CommandFailed, NotReady: If a step fails.
        click.ClickException: If a pod doesn't run as the demo promises.
    """
    cluster = provide_cluster(name)
    cluster.create()
    give_back(cluster.kubeconfig_path)
    install_chart(cluster)
    apply_profile(cluster)
    apply_workloads(cluster)
    facts = await_pods(cluster)
    with step("looking into the pods"):
        seen = see_pods(facts, cluster.kubectl)
    print_table(seen)
    _require_promises(seen)
    print_next_steps(cluster.kubeconfig_path, NAMESPACE, _find_example(seen), None if name == DEFAULT_NAME else name)


def apply_profile(cluster: Cluster) -> None:
    """Applies the sample profile and waits until it is ACTIVE."""
    with step("applying the sample FargateProfile, until it is ACTIVE"):
        cluster.kubectl("apply", "--server-side", "-k", str(SAMPLES / "profile"))
        active = "--for=jsonpath={.status.phase}=ACTIVE"
        try:
            cluster.kubectl("wait", active, f"--timeout={PROFILE_SECONDS}s", f"fargateprofile/{PROFILE}")
        except CommandFailed as error:
            phase = '{.status.phase}: {.status.conditions[?(@.type=="Ready")].message}'
            said = cluster.kubectl("get", f"fargateprofile/{PROFILE}", "-o", f"jsonpath={phase}")
            raise NotReady(f"the profile isn't ACTIVE after {PROFILE_SECONDS} s: it is {said}") from error


def apply_workloads(cluster: Cluster) -> None:
    """Applies the sample workloads with the local busybox image; those of an earlier run are made anew."""
    with _overlay() as overlay, step("applying an ordinary Deployment, Job and Pod"):
        # A Job and a Pod can't be changed in place, and one that is there already wouldn't show how it starts.
        cluster.kubectl("delete", "--ignore-not-found", "--now", "-k", str(overlay))
        cluster.kubectl("wait", "--for=delete", "pod", "--all", "-n", NAMESPACE, "--timeout=150s")
        cluster.kubectl("apply", "--server-side", "-k", str(overlay))


def await_pods(cluster: Cluster) -> Facts:
    """Waits until every sample workload has its pods, Ready."""
    deadline = time.monotonic() + PODS_SECONDS
    with step("waiting until the pods are Ready"):
        while not is_settled(facts := read_facts(cluster.kubectl, NAMESPACE)):
            if time.monotonic() > deadline:
                raise NotReady(f"not Ready after {PODS_SECONDS} s: {describe_unready(facts)}")
            time.sleep(0.3)
    return facts


def remove_workloads(cluster: Cluster) -> None:
    """Removes what the demo itself left running: a machine of two cores has no room for a task next to it."""
    with _overlay() as overlay, step("making room: removing the sample workloads, if they are there"):
        cluster.kubectl("delete", "--ignore-not-found", "--now", "-k", str(overlay))


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Keeps a second run of the same demo out: the two would undo each other's work."""
    state_dir().mkdir(parents=True, exist_ok=True)
    with _lock_path(name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(f"another hack/demo works on cluster {name} right now; wait for it") from None
        yield


def _lock_path(name: str) -> Path:
    return state_dir() / f"{name}.lock"


@contextlib.contextmanager
def _overlay() -> Iterator[Path]:
    """A kustomization of the sample workloads with the image that the nodes have; nothing can be pulled there."""
    image, tag = BUSYBOX_IMAGE.rsplit(":", 1)
    with tempfile.TemporaryDirectory(prefix="monopod-demo-") as folder:
        samples = os.path.relpath(SAMPLES / "workloads", Path(folder).resolve())  # kustomize takes no absolute path
        lines = [
            f"resources: [{samples}]",
            "images:",
            f"- {{name: {SAMPLE_IMAGE}, newName: {image}, newTag: '{tag}'}}",
        ]
        (Path(folder) / "kustomization.yaml").write_text("\n".join(lines) + "\n")
        yield Path(folder)


def _require_promises(seen: tuple[Seen, ...]) -> None:
    if faults := compute_faults(seen):
        raise click.ClickException("the pods don't run as they should: " + "; ".join(faults))


def _find_example(seen: tuple[Seen, ...]) -> str:
    """A sandboxed pod for the commands to try next; the bare one, as its name stays the same."""
    return next(pod.name for pod in sorted(seen, key=lambda pod: pod.owner != "Pod") if pod.profile)


@contextlib.contextmanager
def _explaining(name: str, part: str = "", namespace: str = NAMESPACE) -> Iterator[None]:
    """Turns what goes wrong into a message that says where to look, and how to go on with this part of the demo."""
    try:
        yield
    except (CommandFailed, NotReady, OSError) as error:
        cluster = find_cluster(name)
        raise click.ClickException(
            "\n".join([f"{error}", "", *_describe_ways_on(name, cluster, part, namespace)])
        ) from error


def _describe_ways_on(name: str, cluster: Cluster | None, part: str, namespace: str) -> list[str]:
    option = "" if name == DEFAULT_NAME else f" --name {name}"
    lines = [f"Go on:    ./hack/demo{part}{option} (it reuses what is up), or ./hack/demo down{option}"]
    if cluster is None:
        return lines
    operator = "./hack/run kubectl logs -n monopod-system -l app.kubernetes.io/name=monopod"
    return [
        f"Logs:     {_find_logs(name, cluster)}",
        f"Objects:  export KUBECONFIG={cluster.kubeconfig_path}; ./hack/run kubectl get events -n {namespace}",
        f"Operator: {operator}",
        *lines,
    ]


def _find_logs(name: str, cluster: Cluster) -> str:
    if isinstance(cluster, LabCluster):
        return f"./hack/cluster logs --name {name} kubelet (or containerd, kube-apiserver, …)"
    return f"kind export logs --name {name}"


def run_main() -> None:
    """Runs the command; what goes wrong is said in a few lines, without a traceback."""
    try:
        main.main(prog_name="hack/demo", standalone_mode=False)
    except click.ClickException as error:
        say(f"hack/demo: {error.format_message()}")
        sys.exit(error.exit_code)
    except click.Abort:
        say("hack/demo: interrupted. ./hack/demo again goes on from here; ./hack/demo down removes it all.")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run_main()
