"""Runs Kubernetes' own tests of NetworkPolicies (its folder test/e2e/network/netpol) on the tier's cluster.

Each makes namespaces with a few pods and policies, tries every connection between the pods and compares the result with
its truth table. Which pods a profile takes is a matter of the namespaces' names, so the tests are the same with a
profile and without.
"""

import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

from image.small import build_binary_image
from lab.build.toolchain import build_tools
from lab.conformance.ginkgo import read_report
from lab.places import cache_dir
from lab.shell import run
from monopod.api.names import EKS_PROFILE_LABEL, POLICY_LABEL
from tests.e2e.conftest import ARTIFACTS
from tests.e2e.live import Live

ALL = ("Netpol",)
SCTP = r"\[Feature:SCTPConnectivity\]"
SUITE_SECONDS = 3600


def load_image(live: Live) -> None:
    """Gives the nodes the image of the tests' pods, built from the same sources as the tests."""
    programs = build_tools("netpol")
    archive = cache_dir() / "images" / f"{programs['agnhost'].parent.name}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        name = run([programs["netpol"], "--print-image"]).stdout.strip()
        build_binary_image(name, programs["agnhost"], archive.with_suffix(".new")).rename(archive)
    live.cluster.load_image_archive(archive)


def run_suite(live: Live, prefix: str, folder: Path, specs: Iterable[str] = ALL, *, on_fargate: bool) -> dict[str, str]:
    """Runs the specs whose names match; for each what it says of its failure, or "".

    Args:
        live: The cluster.
        prefix: Begins the names of the specs' namespaces.
        folder: Gets the report, and the log, in which failed specs print their truth tables.
        specs: Regular expressions.
        on_fargate: Whether a spec also fails when a profile didn't take each of its pods.
    """
    report, log = folder / f"{prefix}report.json", folder / f"{prefix}suite.log"
    flags = [f"--kubeconfig={live.cluster.kubeconfig_path}", f"--namespace-prefix={prefix}"]
    # One of them deletes all NetworkPolicies of its namespaces, which nobody may do to Monopod's own.
    flags += ["--ginkgo.v", "--ginkgo.no-color", f"--hidden-policies={POLICY_LABEL}"]
    flags += [f"--ginkgo.json-report={report}", *(f"--ginkgo.focus={spec}" for spec in specs)]
    flags += [f"--pod-label={EKS_PROFILE_LABEL}"] if on_fargate else []
    flags += [] if has_sctp() else [f"--ginkgo.skip={SCTP}"]
    with log.open("w") as output:
        command = [str(build_tools("netpol")["netpol"]), *flags]
        subprocess.run(command, stdout=output, stderr=output, timeout=SUITE_SECONDS, check=False)
    assert report.exists(), f"no spec has run: {log.read_text()[-2000:]}"
    results = read_report(report)
    if any(results.values()):
        ARTIFACTS.mkdir(exist_ok=True)
        shutil.copy(log, ARTIFACTS)
    return results


def has_sctp() -> bool:
    """Whether the machine's kernel knows SCTP; three specs need it between pods."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True
