"""`make test-conformance`: Kubernetes' conformance tests without a profile and with one that takes every namespace.

On a cluster of its own with Monopod in it. What a conformant cluster does anyway must still be so; where a rule of
Fargate's or the sandbox forbids it, the difference is expected, by class and with a reason (conformance.yaml).
"""

import json
import os
import subprocess
from pathlib import Path

import click

from lab.build.toolchain import build_kubectl, build_tools
from lab.cluster.installation import ROOT, install_chart
from lab.cluster.provider import Cluster, provide_cluster
from lab.commands import run_command
from lab.conformance.ginkgo import read_report
from lab.conformance.images import build_conformance_images
from lab.conformance.report import Expectations, compare, read_expectations, render_comparison
from lab.places import cache_dir
from lab.privilege import become_root
from lab.progress import step
from lab.shell import CommandFailed

PROFILE = {
    "apiVersion": "monopod.dev/v1beta1",
    "kind": "FargateProfile",
    "metadata": {"name": "conformance"},
    "spec": {"selectors": [{"namespace": "*"}]},
}
ACTIVE = "--for=jsonpath={.status.phase}=ACTIVE"
HOURS = 6


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--focus", "focuses", multiple=True, help="Only specs whose names match this regular expression.")
@click.option("--nodes", type=click.IntRange(1, 9), default=2, show_default=True, help="Number of nodes.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "artifacts/conformance",
    help="Gets reports and logs.  [default: artifacts/conformance]",
)
def main(focuses: tuple[str, ...], nodes: int, folder: Path) -> None:
    """Run Kubernetes' conformance tests without a profile and with one, and print the difference by class.

    Ends with 1 if a spec fails with a profile only and isn't expected to, or if none ran. All of them take hours.
    """
    become_root("lab.conformance")
    expectations = read_expectations()
    folder.mkdir(parents=True, exist_ok=True)
    cluster = provide_cluster(f"conformance-{os.getpid()}", nodes=nodes)
    cluster.create(tied_to_caller=True)
    try:
        for archive in build_conformance_images(cache_dir() / "images"):
            cluster.load_image_archive(archive)
        install_chart(cluster)
        without = run_specs(cluster, folder / "without", focuses, expectations)
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(PROFILE))
        cluster.kubectl("wait", ACTIVE, "fargateprofile/conformance", "--timeout=120s")
        ours = run_specs(cluster, folder / "with", focuses, expectations)
    finally:
        cluster.delete()
    comparison = compare(without, ours, expectations.differences)
    click.echo(render_comparison(comparison))
    if not comparison.as_expected:
        raise click.exceptions.Exit(1)


def run_specs(cluster: Cluster, folder: Path, focuses: tuple[str, ...], expectations: Expectations) -> dict[str, str]:
    """Runs the conformance specs; name and failure of each.

    Raises:
        CommandFailed: If the suite ended without a report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report, log = folder / "report.json", folder / "suite.log"
    report.unlink(missing_ok=True)
    skipped = [pattern for each in expectations.not_run for pattern in each.specs]
    command = [
        str(build_tools("conformance")["conformance"]),
        f"--kubeconfig={cluster.kubeconfig_path}",
        f"--kubectl-path={build_kubectl()}",
        f"--ginkgo.json-report={report}",
        f"--ginkgo.timeout={HOURS}h",
        r"--ginkgo.label-filter=Conformance",
        "--ginkgo.no-color",
        *(f"--ginkgo.focus={focus}" for focus in focuses),
        *(f"--ginkgo.skip={pattern}" for pattern in skipped),
    ]
    with step(f"running the specs ({folder.name} a profile; log: {log})"), log.open("w") as output:
        subprocess.run(command, stdout=output, stderr=output, timeout=HOURS * 3600 + 60, check=False)
    if not report.exists():
        raise CommandFailed(f"the suite ended without a report: {log.read_text()[-2000:]}")
    return read_report(report)


if __name__ == "__main__":
    run_command(main, "make test-conformance")
