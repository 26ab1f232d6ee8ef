"""The probe against a pretended cluster and pretended time: what it concludes, and that it leaves nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from monopod.cli.doctor.diagnosis import Check, Level, Unread
from monopod.cli.doctor.kernel_probe import KernelTrial, build_trials
from monopod.cli.doctor.network_probe import NetworkTrial
from monopod.cli.doctor.probe import Probe, Room, Trial
from monopod.kube.client.api import ApiError
from tests.unit.cli.clusters import a_cluster, a_live_profile, a_node, a_runtime_class

NODE = "6.18.44"
BOOT = "1f0c7bd2-2a5c-4c4f-8c3f-5a8a0b3f3a11"
OTHER_BOOT = "9e4b4f2e-0000-4c4f-8c3f-5a8a0b3f3a11"
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
    kernel: str = "4.19.0-gvisor"
    node: tuple[str, str] = (NODE, BOOT)
    ends: str = "Succeeded"
    node_at: float = 0.0
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
        if path.startswith("/api/v1/nodes/"):
            info = {"kernelVersion": self.node[0], "bootID": self.node[1]}
            return {"metadata": {"name": name}, "status": {"nodeInfo": info}}
        spec = {"nodeName": "node-1"} if self.clock.now >= self.node_at else {}
        if not spec or self.clock.now < self.created[name] + self.starts_within:
            waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
            status: dict[str, Any] = {"phase": "Pending", "containerStatuses": [{"state": waiting}]}
        else:
            running = {"running": {"startedAt": "now"}}
            status = {"phase": "Running", "podIP": self.address, "containerStatuses": [{"state": running}]}
            if self.bodies[name]["spec"].get("restartPolicy") == "Never":
                status = {"phase": self.ends, "containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}
        return {"metadata": {"name": name}, "spec": spec, "status": status}

    def get_text(self, path: str, query: Mapping[str, str]) -> str:
        if path == f"{NAMESPACE}/pods/kernel/log":
            return f"{self.kernel}\n"
        assert path == f"{NAMESPACE}/pods/client/log"
        return f"{self.answer(self)}\n" * int(query["tailLines"])

    @property
    def has_policy(self) -> bool:
        return "nobody-reaches-the-server" in self.created


def enforcing(cluster: FakeCluster) -> str:
    return "blocked" if cluster.has_policy else "reached"


NETWORK = NetworkTrial()
GVISOR = KernelTrial("gvisor", "runsc")


def probe(cluster: FakeCluster, *trials: Trial) -> list[tuple[Level, str]]:
    room = Room(cluster, "busybox", "monopod-doctor-x", cluster.clock)
    findings = Probe(room, trials or (NETWORK,)).run()
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
    room = Room(cluster, "busybox", "monopod-doctor-x", cluster.clock)
    finding, other = Probe(room, (NETWORK, GVISOR)).run()
    assert (finding.level, other.level, cluster.deleted) == (Level.PROBLEM, Level.PROBLEM, [])
    assert (finding.check, other.check) == (Check.NETWORK_POLICY, Check.KERNEL)
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
    told = Probe.with_fresh_name(cluster, "busybox", (NETWORK, GVISOR)).describe()
    assert "Creating namespace monopod-doctor-" in told
    assert "(image busybox) with two pods and a NetworkPolicy" in told
    assert "a pod of RuntimeClass gvisor" in told


SHARED = "The pod shares the node's kernel: it isn't sandboxed."
KERNELS: dict[str, tuple[str, Level, str]] = {
    "gVisor's, which tells no boot ID": ("4.19.0-gvisor", Level.OK, "The pod's kernel is its own."),
    "a guest's": (f"6.12.8\n{OTHER_BOOT}", Level.OK, "The pod's kernel is its own."),
    "the node's": (f"{NODE}\n{BOOT}", Level.PROBLEM, f"Both have one boot ID. {SHARED}"),
    "the node's under another name": (f"2.6.40\n{BOOT}", Level.PROBLEM, f"Both have one boot ID. {SHARED}"),
    "the node's, without a boot ID": (NODE, Level.PROBLEM, SHARED),
    "of the node's release": (
        f"{NODE}\n{OTHER_BOOT}",
        Level.WARNING,
        "The boot IDs differ, so there seem to be two kernels of one release.",
    ),
}


@pytest.mark.parametrize(("kernel", "level", "conclusion"), KERNELS.values(), ids=KERNELS)
def test_a_sandbox_is_one_by_its_kernel(kernel: str, level: Level, conclusion: str) -> None:
    cluster = FakeCluster(FakeClock(), enforcing, kernel=kernel)
    release = kernel.partition("\n")[0]
    seen = f"RuntimeClass gvisor: `uname -r` says {release} in a pod, and {NODE} on its node node-1."
    assert probe(cluster, GVISOR) == [(level, f"{seen} {conclusion}")]
    assert cluster.deleted == [NAMESPACE]
    spec = cluster.bodies["kernel"]["spec"]
    assert (spec["runtimeClassName"], spec["securityContext"]["runAsNonRoot"]) == ("gvisor", True)


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        pytest.param(FakeCluster(FakeClock(), enforcing, ends="Failed"), "Its pod kernel is Failed.", id="no uname"),
        pytest.param(
            FakeCluster(FakeClock(), enforcing, kernel=""), "Its pod kernel doesn't tell its kernel.", id="no words"
        ),
        pytest.param(
            FakeCluster(FakeClock(), enforcing, node=("", "")), "The node doesn't tell its kernel.", id="no node"
        ),
        pytest.param(
            FakeCluster(FakeClock(), enforcing, starts_within=999),
            "After 120 s pod kernel is Pending (ErrImagePull: no such image).",
            id="no start",
        ),
    ],
)
def test_a_kernel_that_is_not_known_is_a_problem(cluster: FakeCluster, why: str) -> None:
    message = f"Whether pods of RuntimeClass gvisor have a kernel of their own can't be told. {why}"
    assert probe(cluster, GVISOR) == [(Level.PROBLEM, message)]


def test_a_pod_that_finds_no_room_is_no_problem_of_the_sandbox() -> None:
    cluster = FakeCluster(FakeClock(), enforcing, node_at=999)
    ((level, message),) = probe(cluster, GVISOR)
    assert (level, cluster.deleted) == (Level.WARNING, [NAMESPACE])
    assert message.endswith("After 30 s pod kernel is Pending (ErrImagePull: no such image).")


def test_what_a_pod_writes_stays_on_its_line() -> None:
    cluster = FakeCluster(FakeClock(), enforcing, kernel="\x1b[31m" + "9" * 500)
    ((_, message),) = probe(cluster, GVISOR)
    assert message.isprintable()
    assert len(message) < 250


def test_a_trial_without_a_result_keeps_no_other_from_its_own() -> None:
    cluster = FakeCluster(FakeClock(), lambda _: "blocked")
    assert [level for level, _ in probe(cluster, NETWORK, GVISOR)] == [Level.PROBLEM, Level.OK]
    assert cluster.deleted == [NAMESPACE]


def test_the_classes_in_use_are_tried_where_there_are_nodes() -> None:
    classes = [a_runtime_class(), a_runtime_class("kata", "kata-qemu", scheduling={"nodeSelector": {"kvm": "yes"}})]
    profiles = [a_live_profile("web"), a_live_profile("vm")]
    profiles[1]["spec"]["runtimeClassName"] = "kata"
    classes.append(a_runtime_class("spare", "other"))
    trials, untried = build_trials(a_cluster(runtime_classes=classes, profiles=profiles))
    assert [(each.runtime_class, each.pod) for each in trials] == [("gvisor", "kernel-1")]
    (finding,) = untried
    assert finding.level is Level.WARNING
    assert finding.message.startswith("Whether pods of RuntimeClass kata have a kernel of their own was not tried")
    known = a_cluster(runtime_classes=classes, profiles=profiles, nodes=[a_node("a"), a_node("b", kvm="yes")])
    known.nodes[1]["status"]["runtimeHandlers"] = []  # type: ignore[index]  # a list here
    trials, untried = build_trials(known)
    assert [(each.runtime_class, each.pod) for each in trials] == [("gvisor", "kernel-1"), ("kata", "kernel-2")]
    assert untried == []


def test_nodes_that_may_not_be_read_keep_nothing_from_being_tried() -> None:
    trials, untried = build_trials(a_cluster(nodes=Unread("forbidden")))
    assert ([each.runtime_class for each in trials], untried) == (["gvisor"], [])
