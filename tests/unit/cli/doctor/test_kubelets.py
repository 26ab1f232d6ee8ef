"""Kubelets are asked once for what several checks of `doctor` want to know."""

from collections.abc import Mapping
from typing import Any

import pytest

from monopod.cli.doctor.cgroups import read_drivers
from monopod.cli.doctor.diagnosis import Gates, Unread
from monopod.cli.doctor.kubelets import Kubelets
from monopod.cli.doctor.overhead import GATE, read_gates
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiError, ApiUnreachable
from tests.unit.cli.clusters import a_cluster, a_node, a_runtime_class

Json = dict[str, Any]

CONFIGURATION = {"kubeletconfig": {"cgroupDriver": "systemd", "featureGates": {GATE: False}}}
OVERHEAD = {"podFixed": {"cpu": "250m"}}


class Asked(Cluster):
    """A cluster that remembers what it was asked for; all kubelets give the same answer."""

    def __init__(self, answer: Json | Exception) -> None:
        self._answer = answer
        self.paths: list[str] = []

    def list_items(self, path: str, query: Mapping[str, str] | None = None) -> list[Json]:
        return []

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        self.paths.append(path)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


ANSWERS: dict[str, tuple[Json | Exception, dict[str, str] | Unread, dict[str, bool]]] = {
    "what it tells": (CONFIGURATION, {"a": "systemd"}, {"a": False}),
    "a refusal": (ApiError(403, "Forbidden", "no"), Unread("a: The API server refused: no."), {}),
    "silence": (ApiUnreachable("timed out"), Unread("a: The kubelet doesn't answer."), {}),
}


@pytest.mark.parametrize(("answer", "drivers", "gates"), ANSWERS.values(), ids=ANSWERS)
def test_two_checks_of_a_kubelet_are_one_request(
    answer: Json | Exception, drivers: dict[str, str] | Unread, gates: dict[str, bool]
) -> None:
    cluster = Asked(answer)
    facts = a_cluster(runtime_classes=[a_runtime_class(overhead=OVERHEAD)], nodes=[a_node("a")])
    kubelets = Kubelets(cluster)
    assert read_drivers(kubelets, facts) == drivers
    found: Gates = read_gates(cluster, kubelets, facts)
    assert found.kubelets == gates
    assert cluster.paths == ["/api/v1/nodes/a/proxy/configz"]
