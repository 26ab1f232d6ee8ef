"""The zones of a profile on a real scheduler: its pods land on nodes there, and nowhere else."""

from collections.abc import Iterator

import pytest

from monopod.api.names import TOPOLOGY_ZONE
from tests.e2e.live import Live, Object
from tests.e2e.pods.test_unsupported import find_scheduling_event
from tests.e2e.workloads import a_pod, a_profile

ZONED = {"zoned": "yes"}


@pytest.fixture
def zoned(live: Live) -> Iterator[str]:
    """A namespace that belongs to a profile of zone-b; all nodes are in zone-a."""
    namespace = live.make_namespace("zoned")
    label_nodes(live, "zone-a")
    live.apply(a_profile("zoned", namespace, ZONED, subnets=["zone-b"]))
    live.await_phase("zoned")
    yield namespace
    live.remove_namespace(namespace)
    live.kubectl("delete", "fargateprofile", "zoned")
    live.kubectl("label", "nodes", "--all", f"{TOPOLOGY_ZONE}-")


def label_nodes(live: Live, zone: str) -> None:
    live.kubectl("label", "nodes", "--all", "--overwrite", f"{TOPOLOGY_ZONE}={zone}")


@pytest.mark.eks("1.subnets")
def test_a_pod_waits_for_a_node_in_its_profiles_zone_and_runs_there(live: Live, zoned: str) -> None:
    live.apply(a_pod("app", zoned, ZONED))

    def find_messages() -> list[str]:
        return [event["message"] for event in live.find("events", zoned) if event["reason"] == "FailedScheduling"]

    live.wait_for(
        lambda: any("didn't match Pod's node affinity/selector" in each for each in find_messages()),
        "the scheduler's event",
    )
    label_nodes(live, "zone-b")
    (pod,) = live.await_ready(zoned)
    assert live.get("node", pod["spec"]["nodeName"])["metadata"]["labels"][TOPOLOGY_ZONE] == "zone-b"


def test_a_pod_that_excludes_its_profiles_zones_says_so(live: Live, zoned: str) -> None:
    expressions = [{"key": TOPOLOGY_ZONE, "operator": "In", "values": ["zone-a"]}]
    required = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    affinity: Object = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    live.apply(a_pod("app", zoned, ZONED, affinity=affinity))
    event = live.wait_for(lambda: find_scheduling_event(live, "app", zoned), "an event about the pod")
    wanted = "Pod not supported on Fargate: subnets not supported: the pod requires zones other than zone-b"
    assert (event["type"], event["message"]) == ("Warning", wanted)
