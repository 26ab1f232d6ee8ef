"""`doctor` warns where Kubernetes counts the overhead of running pods twice, in the words that people search for."""

from collections.abc import Mapping
from typing import Any

import pytest

from monopod.cli.doctor.command import check
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Gates, Level
from monopod.cli.doctor.kubelets import MOST_NODES, Kubelets
from monopod.cli.doctor.overhead import GATE, SCHEDULERS, is_on, read_gates
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, ApiUnreachable
from tests.unit.cli.clusters import a_cluster, a_node, a_runtime_class

Json = dict[str, Any]

HEAVY = [a_runtime_class(overhead={"podFixed": {"cpu": "250m", "memory": "130Mi"}})]
METRIC = 'kubernetes_feature_enabled{{name="' + GATE + '",stage="BETA"}} {}\n'
COUNTS = "Kubernetes counts the overhead of running pods twice (RuntimeClass gvisor; kubernetes#139627) by the gates of"


def find(**facts: Any) -> list[Finding]:
    return [each for each in check(a_cluster(**facts)) if each.check is Check.OVERHEAD]


def test_overhead_that_may_be_counted_twice_is_warned_of_by_the_api_servers_gate() -> None:
    (found,) = find(runtime_classes=HEAVY, counts_overhead_twice=True)
    assert found.level is Level.WARNING
    assert "fail with OutOfcpu" in found.message
    assert "--feature-gates=InPlacePodLevelResourcesVerticalScaling=false" in found.action
    assert found.message.endswith("Not read: kube-scheduler's and the kubelets'.")


def test_those_who_count_it_twice_are_named() -> None:
    (found,) = find(runtime_classes=HEAVY, overhead_gates=Gates(True, {"a": True, "b": False}, ("the kubelet's of c",)))
    assert found.message.startswith(f"{COUNTS} kube-scheduler and the kubelets of a: ")
    assert found.message.endswith("Not read: the kubelet's of c.")


@pytest.mark.parametrize(
    "facts",
    [
        a_cluster(runtime_classes=HEAVY),
        a_cluster(counts_overhead_twice=True),
        a_cluster(
            runtime_classes=HEAVY,
            counts_overhead_twice=True,
            overhead_gates=Gates(scheduler=False, kubelets={"a": False}),
        ),
    ],
    ids=["the gate is off", "no overhead", "off where it counts"],
)
def test_nothing_is_said_where_nothing_is_counted_twice(facts: Facts) -> None:
    assert [each for each in check(facts) if each.check is Check.OVERHEAD] == []


class Counters(Cluster):
    """Kubelets and a scheduler; a status is a refusal."""

    def __init__(self, *flags: str, **kubelets: bool | str | int) -> None:
        self._flags, self._kubelets = flags, kubelets
        self.asked: list[str] = []

    def list_items(self, path: str, query: Mapping[str, str] | None = None) -> list[Json]:
        assert (path, query) == ("/api/v1/namespaces/kube-system/pods", SCHEDULERS)
        return [{"spec": {"containers": [{"command": ["kube-scheduler", *self._flags]}]}}] if self._flags else []

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        told = self._find_answer(path)
        return {"kubeletconfig": {"featureGates": {GATE: told} if isinstance(told, bool) else {"Other": True}}}

    def get_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        return str(self._find_answer(path))

    def _find_answer(self, path: str) -> bool | str:
        name = path.removeprefix("/api/v1/nodes/").partition("/")[0]
        self.asked.append(path.rpartition("/")[2])
        told = self._kubelets.get(name, False)
        if isinstance(told, int) and not isinstance(told, bool):
            raise ApiError(told, "Forbidden", f"no: {told}")
        return told


def read(cluster: Cluster, *nodes: Json, **facts: Any) -> Gates:
    facts = {"runtime_classes": HEAVY, "nodes": list(nodes) or [a_node("a")], **facts}
    return read_gates(cluster, Kubelets(cluster), a_cluster(**facts))


SCHEDULING: dict[str, tuple[tuple[str, ...], bool]] = {
    "set off": (("--v=2", f"--feature-gates=Other=true,{GATE}=false"), False),
    "set on": ((f"--feature-gates={GATE}=true",), True),
    "by default": (("--v=2",), True),
}


@pytest.mark.parametrize(("flags", "expected"), SCHEDULING.values(), ids=SCHEDULING)
def test_the_schedulers_gate_is_read_from_its_pods_flags(flags: tuple[str, ...], expected: bool) -> None:
    assert read(Counters(*flags)) == Gates(expected, {"a": False})


def test_a_scheduler_that_is_no_pod_is_told_as_unread() -> None:
    assert read(Counters()) == Gates(None, {"a": False}, ("kube-scheduler's (no pod of namespace kube-system is one)",))


TELLING: dict[str, tuple[bool | str, bool, list[str]]] = {
    "its configuration, off": (False, False, ["configz"]),
    "its configuration, on": (True, True, ["configz"]),
    "its metrics, on": (METRIC.format(1), True, ["configz", "metrics"]),
    "its metrics, off": (METRIC.format(0), False, ["configz", "metrics"]),
}


@pytest.mark.parametrize(("told", "expected", "asked"), TELLING.values(), ids=TELLING)
def test_a_kubelets_gate_is_as_it_was_set_else_as_its_metrics_say(
    told: bool | str, expected: bool, asked: list[str]
) -> None:
    cluster = Counters("--v=2", a=told)
    assert read(cluster).kubelets == {"a": expected}
    assert cluster.asked == asked


def test_a_node_that_declares_the_feature_need_not_be_asked() -> None:
    node = a_node("a")
    node["status"]["declaredFeatures"] = ["Another", GATE]
    cluster = Counters("--v=2", a=403)
    assert (read(cluster, node), cluster.asked) == (Gates(True, {"a": True}), [])


def test_what_can_not_be_read_is_told_and_who_may_not_ask_asks_once() -> None:
    gates = read(Counters("--v=2", a=502, b="", c=403), *map(a_node, "abcd"))
    assert gates.kubelets == {}
    assert gates.unread == (
        "the kubelet's of a (The API server refused: no: 502)",
        "the kubelet's of c (The API server refused: no: 403)",
        "the kubelet's of b, which doesn't tell",
    )


def test_a_kubelet_that_hangs_costs_one_request_and_not_the_diagnosis() -> None:
    class Hanging(Counters):
        def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
            super().get(path, query)
            raise ApiUnreachable("timed out")

    cluster = Hanging("--v=2")
    assert read(cluster, *map(a_node, "ab")) == Gates(True, {}, ("the kubelet's of a (The kubelet doesn't answer)",))
    assert cluster.asked == ["configz"]


def test_of_very_many_nodes_some_are_asked() -> None:
    gates = read(Counters("--v=2"), *(a_node(f"n{number}") for number in range(99)))
    assert len(gates.kubelets) == MOST_NODES
    assert gates.unread == ("those of 89 more kubelets, which weren't asked",)


@pytest.mark.parametrize(
    "facts", [a_cluster(), a_cluster(runtime_classes=HEAVY, version={"gitVersion": "v1.35.9"})], ids=["light", "older"]
)
def test_nobody_is_asked_where_nothing_could_be_counted_twice(facts: Facts) -> None:
    cluster = Counters("--v=2")
    assert (read_gates(cluster, Kubelets(cluster), facts), cluster.asked) == (Gates(), [])


def test_a_gate_that_metrics_do_not_name_is_not_known() -> None:
    assert is_on(METRIC.format(1), "Other") is None
