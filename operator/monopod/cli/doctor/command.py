"""`kubectl fargate doctor`: reads the cluster, checks it, says what to do.

Without `--probe` it only reads; one namespace is created as a dry run.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import click
from rich.text import Text

from monopod.cli.autoscalers import check_autoscalers
from monopod.cli.doctor.capacity import check_capacity
from monopod.cli.doctor.cgroups import check_cgroups, read_drivers
from monopod.cli.doctor.cilium import check_cilium
from monopod.cli.doctor.diagnosis import CLUSTER_CHECKS, Check, Facts, Finding, Level
from monopod.cli.doctor.examination import examine
from monopod.cli.doctor.kernel_probe import build_trials
from monopod.cli.doctor.kubelets import Kubelets
from monopod.cli.doctor.network_probe import NetworkTrial
from monopod.cli.doctor.new_namespaces import check_new_namespaces, try_new_namespace
from monopod.cli.doctor.overhead import check_overhead, read_gates
from monopod.cli.doctor.probe import Probe
from monopod.cli.doctor.sandboxes import check_sandboxes
from monopod.cli.doctor.spot import check_spot
from monopod.cli.live import Cluster
from monopod.cli.output.terminal import build_grid, print_lines

_STYLES: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}

_TRIES: Final = "kubectl fargate doctor --probe tries it, with pods in a namespace of their own."
_NOT_PROBED: Final = (
    Finding(Check.NETWORK_POLICY, Level.OK, "Whether the network enforces NetworkPolicies was not tried.", _TRIES),
    Finding(Check.KERNEL, Level.OK, "Whether sandboxes have kernels of their own was not tried.", _TRIES),
)


def diagnose(kubeconfig: str | None, context: str | None, namespace: str, probe_image: str | None) -> list[Finding]:
    """Examines the cluster; with an image, also tries what only a try tells.

    Raises:
        Unconfigured: there is no usable kubeconfig.
        ApiUnreachable: the API server can't be reached.
        ApiError: it doesn't know who asks.
    """
    cluster = Cluster.connect(kubeconfig, context)
    facts = examine(cluster, namespace)
    kubelets = Kubelets(cluster)
    drivers, gates = read_drivers(kubelets, facts), read_gates(cluster, kubelets, facts)
    tried = try_new_namespace(cluster, facts)
    findings = check(replace(facts, cgroup_drivers=drivers, overhead_gates=gates, new_namespace=tried))
    if probe_image is None:
        return [*findings, *_NOT_PROBED]
    trials, untried = build_trials(facts)
    probe = Probe.with_fresh_name(cluster, probe_image, (NetworkTrial(), *trials))
    click.echo(probe.describe(), err=True)
    return findings + probe.run() + untried


def check(facts: Facts) -> list[Finding]:
    """All checks, in order."""
    sandboxes = (check_sandboxes, check_capacity, check_spot, check_cgroups, check_overhead)
    more = (check_new_namespaces, *sandboxes, check_autoscalers, check_cilium)
    return [finding for each in (*CLUSTER_CHECKS, *more) for finding in each(facts)]


def compute_exit_status(findings: Sequence[Finding]) -> int:
    """1 if there is a problem."""
    return int(any(finding.level is Level.PROBLEM for finding in findings))


def write(findings: Sequence[Finding], output: str) -> None:
    """Writes the findings to stdout, as `text` or `json`."""
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    if output == "json":
        entries = [
            {"check": each.check, "level": each.level, "message": each.message, "action": each.action or None}
            for each in findings
        ]
        summary = {"ok": counts[Level.OK], "warnings": counts[Level.WARNING], "problems": counts[Level.PROBLEM]}
        click.echo(json.dumps({"findings": entries, "summary": summary}, indent=2, ensure_ascii=False))
        return
    table = build_grid(3)
    for each in findings:
        table.add_row(Text(each.level, _STYLES[each.level]), each.check, each.message)
        if each.action:
            table.add_row("", "", Text(f"→ {each.action}"))
    print_lines(table, "", f"Problems: {counts[Level.PROBLEM]}, warnings: {counts[Level.WARNING]}.")
