"""What `doctor` says of the kubelets' cgroup driver on nodes where gVisor runs pods.

What enforces a pod's size is the pod's cgroup, and its sandbox has to be in it. Under the driver systemd the container
runtime names cgroups as systemd does (`slice:prefix:name`). Releases of gVisor from before June 2026 (gvisor#13384)
take such a name for a path unless `systemd-cgroup` is set: the sandbox is then elsewhere, without a limit
(gvisor#10371).

Which release a node has, and its shim's configuration, can't be read from the cluster. The driver can, from the
kubelet's /configz; up to Kubernetes 1.34 that told what was configured, although the container runtime's own driver
counts (kubernetes#134743).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread, read_minor, unread
from monopod.cli.doctor.kubelets import Kubelets
from monopod.cli.doctor.sandboxes import compute_takers, find_users, get_kubelet
from monopod.kube.objects.text import list_names
from monopod.profiles.rules.sandboxes import GVISOR

TRUE_SINCE_MINOR: Final = 35
INSTALLED_BY_CHART: Final = "monopod.dev/gvisor"
"""The label of nodes on which charts/gvisor-node has put its own release, which reads systemd's names by itself."""

Json = Mapping[str, Any]


def read_drivers(kubelets: Kubelets, facts: Facts) -> dict[str, str] | Unread:
    """The cgroup driver by node, of those that could take gVisor's pods; Unread if none can be had."""
    answers = kubelets.ask(
        _compute_nodes(facts), lambda node: kubelets.read_configuration(node["metadata"]["name"]).get("cgroupDriver")
    )
    drivers = {name: str(driver) for name, driver in answers.told.items() if driver}
    if answers.problems and not drivers:
        name, problem = list(answers.problems.items())[-1]
        return Unread(f"{name}: {problem}")
    return drivers


def _compute_nodes(facts: Facts) -> Iterator[Json]:
    if isinstance(facts.runtime_classes, Unread):
        return  # other checks say so
    users = find_users(facts)
    classes = [
        each for each in facts.runtime_classes if each["metadata"]["name"] in users and each["handler"] in GVISOR
    ]
    for node in compute_takers(facts, classes):
        if (read_minor(get_kubelet(node)) or 0) >= TRUE_SINCE_MINOR:
            yield node


def check_cgroups(facts: Facts) -> Iterator[Finding]:
    """Whether gVisor has to be told of the driver under which pods' sizes are enforced."""
    if isinstance(facts.cgroup_drivers, Unread):
        yield unread(Check.CGROUP_DRIVER, "The kubelets' cgroup driver", facts.cgroup_drivers)
        return
    nodes = () if isinstance(facts.nodes, Unread) else facts.nodes
    by_chart = {
        each["metadata"]["name"] for each in nodes if INSTALLED_BY_CHART in (each["metadata"].get("labels") or {})
    }
    unsure = [name for name, driver in facts.cgroup_drivers.items() if driver == "systemd" and name not in by_chart]
    sure = [name for name in facts.cgroup_drivers if name not in unsure]
    if unsure:
        message = (
            f"The kubelets of {list_names(unsure)} use the cgroup driver systemd. There a gVisor from before June 2026 "
            "enforces no pod's size unless it is told so; which one it is can't be read from here."
        )
        action = (
            'Look at `runsc --version` on these nodes. For an older one, set systemd-cgroup = "true" under '
            "[runsc_config] in its shim's configuration (docs/how-to/install.md), or install a newer one."
        )
        yield Finding(Check.CGROUP_DRIVER, Level.WARNING, message, action)
    if sure:
        message = f"gVisor enforces pods' sizes under the cgroup driver of the kubelets of {list_names(sure)}."
        yield Finding(Check.CGROUP_DRIVER, Level.OK, message)
