"""The network probe against a pretended cluster and pretended time: what it concludes, and that it leaves nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from monopod.cli.doctor.diagnosis import Level
from monopod.cli.doctor.network_probe import NetworkProbe
from monopod.kube.client.api import ApiError

NAMESPACE = "/api/v1/namespaces/monopod-doctor-x"


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


@dataclass
class FakeCluster:
    """Pods run some seconds after they are created, and say what `answer` says."""

    clock: FakeClock
    answer: Callable[["FakeCluster"], str]
    starts_within: float = 3.0
    address: str = "10.0.0.7"
    refused: tuple[str, ...] = ()
    account_at: float = 0.0
    created: dict[str, float] = field(default_factory=dict)
    bodies: dict[str, Any] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path in self.refused:
            raise ApiError(403, "Forbidden", "forbidden")
        if path.endswith("/pods") and self.clock.now < self.account_at:
            raise ApiError(403, "Forbidden", "error looking up service account x/default: not found")
        self.created[body["metadata"]["name"]] = self.clock.now
        self.bodies[body["metadata"]["name"]] = body
        return body

    def delete(self, path: str) -> None:
        if "delete" in self.refused:
            raise ApiError(403, "Forbidden", "forbidden")
        self.deleted.append(path)

    def get(self, path: str) -> dict[str, Any]:
        name = path.rsplit("/", 1)[1]
        if self.clock.now < self.created[name] + self.starts_within:
            waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
            status: dict[str, Any] = {"phase": "Pending", "containerStatuses": [{"state": waiting}]}
        else:
            running = {"running": {"startedAt": "now"}}
            status = {"phase": "Running", "podIP": self.address, "containerStatuses": [{"state": running}]}
        return {"metadata": {"name": name}, "status": status}

    def get_text(self, path: str, query: Mapping[str, str]) -> str:
        assert path == f"{NAMESPACE}/pods/client/log"
        return f"{self.answer(self)}\n" * int(query["tailLines"])

    @property
    def has_policy(self) -> bool:
        return "nobody-reaches-the-server" in self.created


def enforcing(cluster: FakeCluster) -> str:
    return "blocked" if cluster.has_policy else "reached"


def probe(cluster: FakeCluster) -> list[tuple[Level, str]]:
    findings = NetworkProbe(cluster, "busybox", "monopod-doctor-x", cluster.clock).run()
    return [(finding.level, finding.message) for finding in findings]


def test_a_network_that_enforces_policies_is_fine_and_nothing_is_left() -> None:
    cluster = FakeCluster(FakeClock(), enforcing)
    assert probe(cluster) == [
        (Level.OK, "NetworkPolicies are enforced: a pod could reach another until a policy forbade it.")
    ]
    assert cluster.deleted == [NAMESPACE]
    assert list(cluster.created) == ["monopod-doctor-x", "server", "client", "nobody-reaches-the-server"]


def test_the_probes_pods_reserve_nothing_on_their_node() -> None:
    cluster = FakeCluster(FakeClock(), enforcing)
    probe(cluster)
    for pod in ("server", "client"):
        (container,) = cluster.bodies[pod]["spec"]["containers"]
        assert container["resources"]["requests"] == {"cpu": "0", "memory": "0"}


def test_a_network_that_does_not_is_a_problem() -> None:
    cluster = FakeCluster(FakeClock(), lambda _: "reached")
    assert probe(cluster) == [
        (
            Level.PROBLEM,
            "NetworkPolicies aren't enforced: 30 s after a policy forbade it, a pod still reached another.",
        )
    ]
    assert cluster.deleted == [NAMESPACE]


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        pytest.param(
            FakeCluster(FakeClock(), enforcing, starts_within=999),
            "After 120 s pod server is Pending (ErrImagePull: no such image).",
            id="no image",
        ),
        pytest.param(
            FakeCluster(FakeClock(), lambda _: "blocked"), "After 120 s pod client is Running.", id="never reached"
        ),
        pytest.param(
            FakeCluster(FakeClock(), enforcing, refused=(f"{NAMESPACE}/pods",)),
            "The API server refused: forbidden. `kubectl auth can-i --list` shows your rights.",
            id="no right to create pods",
        ),
    ],
)
def test_a_probe_without_a_result_says_why_and_leaves_nothing(cluster: FakeCluster, why: str) -> None:
    assert probe(cluster) == [(Level.PROBLEM, f"Whether NetworkPolicies are enforced can't be told. {why}")]
    assert cluster.deleted == [NAMESPACE]


def test_what_was_not_created_is_not_deleted() -> None:
    cluster = FakeCluster(FakeClock(), enforcing, refused=("/api/v1/namespaces",))
    (finding,) = NetworkProbe(cluster, "busybox", NAMESPACE, cluster.clock).run()
    assert (finding.level, cluster.deleted) == (Level.PROBLEM, [])
    assert finding.action == "Run it as a user who may create namespaces, and pods and NetworkPolicies in them."


def test_what_cannot_be_deleted_is_told() -> None:
    cluster = FakeCluster(FakeClock(), enforcing, refused=("delete",))
    assert [level for level, _ in probe(cluster)] == [Level.OK, Level.WARNING]


def test_a_new_namespace_has_no_service_account_for_a_moment() -> None:
    cluster = FakeCluster(FakeClock(), enforcing, account_at=5)
    assert [level for level, _ in probe(cluster)] == [Level.OK]


def test_an_address_of_ipv6_is_asked_as_it_is() -> None:
    cluster = FakeCluster(FakeClock(), enforcing, address="fd00::7")
    probe(cluster)
    assert "nc -w 2 fd00::7 8080 " in cluster.bodies["client"]["spec"]["containers"][0]["command"][2]


def test_it_deletes_what_it_created_when_it_is_interrupted() -> None:
    def interrupt(_: FakeCluster) -> str:
        raise KeyboardInterrupt

    cluster = FakeCluster(FakeClock(), interrupt)
    with pytest.raises(KeyboardInterrupt):
        probe(cluster)
    assert cluster.deleted == [NAMESPACE]


def test_it_says_before_what_it_will_do() -> None:
    cluster = FakeCluster(FakeClock(), enforcing)
    told = NetworkProbe.with_fresh_name(cluster, "busybox").describe()
    assert "Creating namespace monopod-doctor-" in told
    assert "two pods (image busybox)" in told
