"""Installs Monopod on a cluster of this project's: by its chart, or as a process beside a control plane."""

import sys
from pathlib import Path

from image.engine import provide_operator_image
from image.layers import read_reference
from lab.build.pins import HACK
from lab.build.toolchain import build_tools
from lab.cluster.addons import to_list
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.node import PAUSE_IMAGE
from lab.cluster.provider import Cluster, find_engine
from lab.places import cache_dir
from lab.progress import step
from lab.shell import run

ROOT = HACK.parent
NAMESPACE = "monopod-system"
RELEASE = "monopod"
DISCOVERY_SECONDS = 120


def install_chart(cluster: Cluster, *settings: str) -> None:
    """Installs or upgrades the chart with the operator's image built from this checkout.

    Args:
        cluster: A cluster with nodes.
        settings: More values, as for helm's `--set`.

    Raises:
        lab.shell.CommandFailed: If helm fails, with what it said.
    """
    archive = provide_operator_image(cache_dir() / "images", find_engine())
    repository, tag = read_reference(archive).rsplit(":", 1)
    with step("loading the operator's image", 5):
        cluster.load_image_archive(archive)
    image = (f"image.repository={repository}", f"image.tag={tag}")
    # A node of the lab's own can pull nothing, and has this one.
    pause = (f"pauseImage={PAUSE_IMAGE}",) if isinstance(cluster, LabCluster) else ()
    values = [*image, *pause, "barePods.recreate=true", *settings]
    flags = ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "270s"]
    with step("installing Monopod's chart", 10):
        sets = [word for value in values for word in ("--set", value)]
        helm: list[str | Path] = [build_tools("helm")["helm"], "--kubeconfig", cluster.kubeconfig_path]
        run([*helm, "upgrade", "--install", RELEASE, ROOT / "charts/monopod", *flags, *sets], timeout=300)


def apply_api(cluster: LabCluster, *, recreate_bare_pods: bool = False) -> None:
    """Applies all of Monopod but its Deployment, and the sandbox's RuntimeClass that a node would bring.

    Args:
        cluster: A cluster, with or without nodes.
        recreate_bare_pods: As the chart's value barePods.recreate.
    """
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=to_list([cluster.runtime_class]))
    manifests = ROOT / "manifests"
    for name in ("namespace", "serviceaccount", "configmap", "priorityclass"):
        cluster.kubectl("apply", "--server-side", "-f", str(manifests / f"operator/{name}.yaml"))
    for part in ("crd", "rbac", "policies"):
        cluster.kubectl("apply", "--server-side", "-k", str(manifests / part))
    if recreate_bare_pods:
        cluster.kubectl("delete", "-f", str(manifests / "policies/operator-dry-runs.yaml"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=120s", "crd", "--all")
    _await_discovery(cluster)


def _await_discovery(cluster: LabCluster) -> None:
    """Waits until kubectl finds every kind by each of its names.

    Discovery follows a kind's establishment after a moment, and what kubectl cached before it lacks the short names,
    which `kubectl explain` doesn't ask for again (unlike get). `api-resources` reads anew and renews the cache.
    """
    machine = cluster.machines()[0]
    crds = cluster.kubectl("get", "crd", "--output=jsonpath={.items[*].metadata.name}").split()

    def all_found() -> bool:
        return set(crds) <= set(cluster.kubectl("api-resources", "--output=name").split())

    machine.wait_until(all_found, "discovery of all kinds", machine.log("kube-apiserver"), DISCOVERY_SECONDS)


def run_beside(cluster: LabCluster, *more: str) -> None:
    """Runs the operator from this checkout beside a control plane, restarted when it ends: the developer's inner loop.

    It comes as its ServiceAccount: the policies let nobody else, not even an administrator, write on namespaces.

    Args:
        cluster: The control plane.
        more: More flags of the operator.
    """
    apply_api(cluster, recreate_bare_pods=True)
    machine = cluster.machines()[0]
    kubeconfig = _write_operator_kubeconfig(cluster, machine.folder / "kubeconfigs/monopod.yaml")
    # Port 0: several clusters run side by side.
    flags = [
        "--sandbox",
        cluster.sandbox,
        "--namespace",
        NAMESPACE,
        "--listen",
        "127.0.0.1",
        "--metrics-port",
        "0",
        "--recreate-bare-pods",
    ]
    env = {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT / "operator")}
    machine.start("monopod", [sys.executable, "-m", "monopod", "run", *flags, *more], env)


def _write_operator_kubeconfig(cluster: LabCluster, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(cluster.kubeconfig_path.read_text())
    token = cluster.kubectl("create", "token", RELEASE, "-n", NAMESPACE, "--duration=8760h").strip()
    for words in (["set-credentials", RELEASE, f"--token={token}"], ["set-context", "--current", f"--user={RELEASE}"]):
        cluster.kubectl("config", *words, "--kubeconfig", str(path))
    return path
