"""A pod that waits for its volume first, then for its image: each until a test lets it go on."""

from lab.cluster.images import BUSYBOX_IMAGE
from tests.e2e.live import Object
from tests.e2e.workloads import SANDBOXED, a_pod

PORT = 5999
IMAGE = f"127.0.0.1:{PORT}/slow:1"
_LISTENING = f":{PORT:04X} "


def a_config_map(namespace: str) -> Object:
    """What the pod's volume waits for."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": namespace}}


def a_silent_registry(namespace: str) -> Object:
    """Takes connections on the node, where containerd looks for the pod's image, and never says a word."""
    container = {
        "name": "app",
        "image": BUSYBOX_IMAGE,
        "command": ["nc", "-ll", "-p", str(PORT), "-e", "sleep", "1000"],
        "readinessProbe": {
            "exec": {"command": ["grep", "-q", _LISTENING, "/proc/net/tcp", "/proc/net/tcp6"]},
            "periodSeconds": 1,
        },
    }
    return a_pod("registry", namespace, {}, hostNetwork=True, containers=[container])


def a_slow_pod(name: str, namespace: str) -> Object:
    """Waits for both."""
    pod = a_pod(name, namespace, SANDBOXED, volumes=[{"name": "v", "configMap": {"name": "late"}}])
    pod["spec"]["containers"][0] |= {"image": IMAGE, "volumeMounts": [{"name": "v", "mountPath": "/late"}]}
    return pod


def is_backing_off(pod: Object) -> bool:
    """Whether the kubelet couldn't pull the image, and waits before it tries again."""
    states = [status["state"].get("waiting", {}) for status in pod["status"].get("containerStatuses", ())]
    return any(state.get("reason") == "ImagePullBackOff" for state in states)
