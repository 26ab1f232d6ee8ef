"""The kubelet holds a pod to its ephemeral storage as a whole, and leaves the pods beside it alone."""

from lab.cluster.images import BUSYBOX_IMAGE
from tests.e2e.live import Live, Object
from tests.e2e.workloads import SANDBOXED, a_pod

WRITE = "dd if=/dev/zero of=/scratch/file bs=1M count=200; sleep 1000"
EVICTED_SECONDS = 400  # the kubelet measures every ten seconds, a pod's usage may be a minute old, and both may be late


def test_a_pod_that_writes_past_its_storage_is_evicted_and_others_go_on(live: Live, namespace: str) -> None:
    hog = a_pod("hog", namespace, SANDBOXED, restartPolicy="Never", volumes=[{"name": "scratch", "emptyDir": {}}])
    hog["spec"]["containers"] = [
        # Neither container writes on its own disk: only the pod's total, 64Mi, is exceeded.
        a_container("idle", "sleep 1000"),
        {**a_container("writer", WRITE), "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]},
    ]
    live.apply(hog, a_pod("neighbour", namespace, SANDBOXED))
    status = live.wait_for(lambda: find_end(live, namespace), "the end of the pod", EVICTED_SECONDS)
    assert status["reason"] == "Evicted"
    assert "ephemeral local storage usage exceeds the total limit of containers 64Mi" in status["message"]
    (neighbour,) = live.await_ready(namespace, 1, "app=neighbour")
    assert neighbour["status"]["containerStatuses"][0]["restartCount"] == 0


def a_container(name: str, script: str) -> Object:
    storage = {"limits": {"ephemeral-storage": "32Mi"}, "requests": {"ephemeral-storage": "1Mi"}}
    return {"name": name, "image": BUSYBOX_IMAGE, "command": ["sh", "-c", script], "resources": storage}


def find_end(live: Live, namespace: str) -> Object | None:
    status: Object = live.get("pod", "hog", namespace)["status"]
    return status if status["phase"] == "Failed" else None
