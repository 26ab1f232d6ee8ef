"""How the demo prints what it saw: one row per pod, and what to try next."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.demo_pods import Seen

LOG_WIDTH = 132
"""Columns where the output is no terminal, so that a log shows whole rows."""


def print_table(seen: tuple[Seen, ...], console: Console | None = None) -> None:
    """Prints the pods, those of a profile first."""
    table = Table(title="Unchanged workloads, a kernel for each pod", title_justify="left", show_lines=True)
    headings = ("Pod", "Profile", "Asked for", "Provisioned", "Runtime", "Kernel of its node", "Its own kernel", "IP")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    table.add_column("Ready after", justify="right", overflow="fold")
    for pod in seen:
        table.add_row(
            Text.assemble(pod.name, (f"\n{pod.owner}", "dim")),
            pod.profile or Text("none", style="dim"),
            pod.asked or Text("nothing", style="dim"),
            pod.provisioned or Text("–", style="dim"),
            pod.runtime,
            pod.node_kernel,
            _describe_kernel(pod),
            pod.ip,
            f"{pod.seconds} s",
        )
    out = console or make_console()
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
        return Text("the node's", style="yellow")
    return Text.assemble((pod.kernel, "bold green"), (f"\n{pod.boot}", "dim"))
