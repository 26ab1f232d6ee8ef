"""A pod with a persistent volume claim waits until it is bound, and then runs in its sandbox, on a real kubelet."""

from collections.abc import Iterator

import pytest

from tests.e2e.live import Live
from tests.e2e.network_storage import a_claim, a_volume, stand_in_for_nfs
from tests.e2e.pods.test_unsupported import find_scheduling_event
from tests.e2e.workloads import SANDBOXED, a_pod

NOT_BOUND = "Pod not supported on Fargate: volumes not supported: v not supported because: PVC data not bound"


@pytest.fixture
def volume(live: Live, namespace: str) -> Iterator[str]:
    """The name of a volume that isn't there yet, on nodes that could mount it."""
    stand_in_for_nfs(live.cluster)
    yield f"share-{namespace}"
    live.kubectl("delete", "pv", f"share-{namespace}", "--ignore-not-found", "--wait=false")


@pytest.mark.eks("2.unbound-claim", "2.static-volumes")
def test_a_pod_whose_claim_becomes_bound_runs_in_its_sandbox(live: Live, namespace: str, volume: str) -> None:
    claimed = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    pod = a_pod("db", namespace, SANDBOXED, volumes=[claimed])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/data"}]
    live.apply(a_claim("data", namespace, volume), pod)
    event = live.wait_for(lambda: find_scheduling_event(live, "db", namespace), "an event about the pod")
    assert event["message"] == NOT_BOUND
    live.apply(a_volume(volume))
    (ready,) = live.await_ready(namespace)
    assert ready["spec"]["runtimeClassName"] == live.cluster.sandbox
    assert live.run_in(ready, "echo kept >/data/file && cat /data/file") == "kept"
