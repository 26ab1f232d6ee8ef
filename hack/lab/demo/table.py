"""How the demo prints what it saw: one row per pod, and what to try next."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.cluster.images import BUSYBOX_IMAGE
from lab.demo.pods import Seen

LOG_WIDTH = 150
"""Columns where the output is no terminal, so that a log shows whole rows."""


def print_table(seen: tuple[Seen, ...]) -> None:
    """Prints the pods, those of a profile first."""
    title = "Unchanged workloads, and the kernel that each pod sees"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), leading=1)
    for heading in ("Pod", "Profile", "Asked for", "Provisioned", "Runtime", "Node's kernel", "Pod's kernel", "IP"):
        table.add_column(heading, overflow="fold")
    table.add_column("Ready in", justify="right", overflow="fold")
    for pod in seen:
        table.add_row(
            Text.assemble(pod.name, (f"\n({pod.owner})", "dim")),
            pod.profile or Text("none", style="dim"),
            pod.asked or Text("nothing", style="dim"),
            pod.provisioned or Text("–", style="dim"),
            pod.runtime,
            pod.node_kernel,
            _describe_kernel(pod),
            pod.ip,
            f"{pod.seconds} s",
        )
    out = make_console()
    out.print()
    out.print(table)


def print_next_steps(kubeconfig: Path, namespace: str, example: str, name: str | None) -> None:
    """Prints what to try next.

    Args:
        kubeconfig: The cluster's kubeconfig.
        namespace: The namespace of the workloads.
        example: A sandboxed pod.
        name: The cluster's name where it isn't the default.
    """
    option = f" --name {name}" if name else ""
    lines = (
        f"export KUBECONFIG={kubeconfig}",
        "./hack/run kubectl get fargateprofiles",
        f"./hack/run kubectl fargate explain pod {example} -n {namespace}",
        f"./hack/run kubectl exec -n {namespace} {example} -- dmesg",
        f"./hack/run kubectl fargate doctor --probe --image {BUSYBOX_IMAGE}",
        f"./hack/demo down{option}",
    )
    out = make_console()
    out.print("\nThe cluster stays up. Try:\n")
    for line in lines:
        out.print(f"  {line}", soft_wrap=True, highlight=False)


def make_console() -> Console:
    """Stdout, as wide as the terminal, or wide enough for the table where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=LOG_WIDTH)


def _describe_kernel(pod: Seen) -> Text:
    if pod.kernel == pod.node_kernel:
        return Text.assemble((pod.kernel, "yellow"), ("\n(the node's)", "dim"))
    return Text.assemble((pod.kernel, "bold green"), (f"\n{pod.boot}", "dim"))
