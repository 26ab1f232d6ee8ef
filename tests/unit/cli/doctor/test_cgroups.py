"""`doctor` warns where a gVisor that wasn't told the kubelets' cgroup driver would enforce no pod's size."""

from collections.abc import Mapping
from typing import Any

import pytest

from monopod.cli.doctor.cgroups import INSTALLED_BY_CHART, read_drivers
from monopod.cli.doctor.command import check
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread
from monopod.cli.doctor.kubelets import MOST_NODES, Kubelets
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, ApiUnreachable
from tests.unit.cli.clusters import a_cluster, a_node, a_runtime_class

Json = dict[str, Any]


class Nodes(Cluster):
    """Answers for kubelets; a status is a refusal."""

    def __init__(self, **drivers: str | int) -> None:
        self._drivers = drivers
        self.asked: list[str] = []

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        name = path.removeprefix("/api/v1/nodes/").removesuffix("/proxy/configz")
        self.asked.append(name)
        driver = self._drivers.get(name.replace("-", "_"), "systemd")
        if isinstance(driver, int):
            raise ApiError(driver, "Forbidden", f"no: {driver}")
        return {"kubeletconfig": {"cgroupDriver": driver} if driver else {}}


def find(**facts: Any) -> list[Finding]:
    return [each for each in check(a_cluster(**facts)) if each.check is Check.CGROUP_DRIVER]


def test_under_systemd_somebody_has_to_look_which_gvisor_it_is() -> None:
    (found,) = find(cgroup_drivers={"node-1": "systemd"})
    assert found.level is Level.WARNING
    assert found.message.startswith("The kubelets of node-1 use the cgroup driver systemd.")
    assert 'systemd-cgroup = "true"' in found.action


@pytest.mark.parametrize(
    ("labels", "driver"), [({}, "cgroupfs"), ({INSTALLED_BY_CHART: "true"}, "systemd")], ids=["cgroupfs", "the chart's"]
)
def test_elsewhere_all_is_well(labels: dict[str, str], driver: str) -> None:
    (found,) = find(nodes=[a_node(**labels)], cgroup_drivers={"node-1": driver})
    assert (found.level, found.message.rpartition(" ")[2]) == (Level.OK, "node-1.")


def test_what_may_not_be_read_is_said_and_nothing_where_there_is_nothing() -> None:
    (found,) = find(cgroup_drivers=Unread("Forbidden."))
    assert found.message == "The kubelets' cgroup driver couldn't be read. Forbidden."
    assert find(cgroup_drivers={}) == []


def with_kubelet(node: Json, version: str) -> Json:
    node["status"]["nodeInfo"]["kubeletVersion"] = version
    return node


ASKED: dict[str, tuple[Facts, list[str]]] = {
    "gVisor's": (a_cluster(), ["node-1"]),
    "none of Kata's": (a_cluster(runtime_classes=[a_runtime_class(handler="kata-qemu-runtime-rs")]), []),
    "none that tell another driver": (a_cluster(nodes=[with_kubelet(a_node(), "v1.34.9")]), []),
    "none that the class doesn't choose": (
        a_cluster(runtime_classes=[a_runtime_class(scheduling={"nodeSelector": {"gvisor": "yes"}})]),
        [],
    ),
    "not all of very many": (
        a_cluster(nodes=[a_node(f"node-{number}") for number in range(99)]),
        [f"node-{number}" for number in range(MOST_NODES)],
    ),
    "nothing that couldn't be read": (a_cluster(nodes=Unread("No.")), []),
}


@pytest.mark.parametrize(("facts", "asked"), ASKED.values(), ids=ASKED)
def test_kubelets_are_asked_where_it_matters(facts: Facts, asked: list[str]) -> None:
    kubelets = Nodes()
    assert read_drivers(Kubelets(kubelets), facts) == dict.fromkeys(asked, "systemd")
    assert kubelets.asked == asked


def test_a_kubelet_that_does_not_answer_or_tell_is_left_out() -> None:
    facts = a_cluster(nodes=[a_node("a"), a_node("b"), a_node("c")])
    assert read_drivers(Kubelets(Nodes(a=502, b="", c="cgroupfs")), facts) == {"c": "cgroupfs"}


def test_who_may_not_ask_is_told_after_the_first() -> None:
    kubelets = Nodes(a=403)
    assert read_drivers(Kubelets(kubelets), a_cluster(nodes=[a_node("a"), a_node("b")])) == Unread(
        "a: The API server refused: no: 403."
    )
    assert kubelets.asked == ["a"]


def test_a_kubelet_that_hangs_costs_one_request_and_not_the_diagnosis() -> None:
    class Hanging(Nodes):
        def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
            super().get(path, query)
            raise ApiUnreachable("timed out")

    kubelets = Hanging()
    found = read_drivers(Kubelets(kubelets), a_cluster(nodes=[a_node("a"), a_node("b")]))
    assert found == Unread("a: The kubelet doesn't answer.")
    assert kubelets.asked == ["a"]
