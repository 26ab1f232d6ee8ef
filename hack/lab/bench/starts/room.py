"""A node with a balloon, and whether it has room besides: a pod that does nothing takes all that is left, or is gone.

So a pod finds either room that is free, or no room but the balloon's, and everything else is the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lab.bench.client import Client
from lab.bench.cluster import wait_until
from lab.cluster.images import BUSYBOX_IMAGE
from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.provider import Cluster
from monopod.api.names import WARM_LABEL
from monopod.capacity.rules.warm.room import measure_use
from monopod.kube.objects.quantity import parse_quantity
from monopod.kube.objects.resources import NODES, PODS

Object = dict[str, Any]
FILLER = "filler"
LEFT_MILLIS = 100
"""What is left of a full node: too little for any pod in a sandbox."""
PATIENCE_SECONDS = 240.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Room:
    """The only node, and a profile that keeps one balloon.

    Attributes:
        cluster: the cluster.
        client: its administrator.
        profile: whose balloon it is.
        namespace: where the pod that fills the node is made; no profile takes it.
    """

    cluster: Cluster
    client: Client
    profile: str
    namespace: str

    def fill(self) -> None:
        """Leaves no room but the balloon's."""
        balloon = self.await_balloon()
        self.client.post(PODS.list_path(self.namespace), build_filler(self._compute_free_millis() - LEFT_MILLIS))
        wait_until(self._is_full, "the pod that fills the node", PATIENCE_SECONDS, LOOK_SECONDS)
        if self.await_balloon() != balloon:
            raise RuntimeError("the node was filled beyond its room: the balloon gave way to the filler")

    def free(self) -> None:
        """Makes room again."""
        self.cluster.kubectl("delete", "pod", FILLER, "-n", self.namespace, "--ignore-not-found")

    def await_balloon(self) -> str:
        """The balloon's uid, once it runs."""
        wait_until(lambda: bool(self._find_balloon()), "the balloon", PATIENCE_SECONDS, LOOK_SECONDS)
        return self._find_balloon()

    def _find_balloon(self) -> str:
        query = f"?labelSelector={WARM_LABEL}%3D{self.profile}"
        found = [pod for pod in self._list(PODS.list_path(SYSTEM_NAMESPACE) + query) if is_ready(pod)]
        return found[0]["metadata"]["uid"] if found else ""

    def _is_full(self) -> bool:
        return is_ready(json.loads(self.client.get_text(PODS.path(FILLER, self.namespace))))

    def _compute_free_millis(self) -> int:
        (node,) = self._list(NODES.list_path())
        return compute_free_millis(node, self._list(PODS.list_path()))

    def _list(self, path: str) -> list[Object]:
        found: list[Object] = json.loads(self.client.get_text(path))["items"]
        return found


def compute_free_millis(node: Object, pods: Sequence[Object]) -> int:
    """Thousandths of a core that no pod on the node requests."""
    name = node["metadata"]["name"]
    uses = [use for use in map(measure_use, pods) if use and use.node == name]
    whole = parse_quantity(node["status"]["allocatable"]["cpu"]) * 1000
    return int(whole - sum((Fraction(use.cpu_millis) for use in uses), Fraction(0)))


def build_filler(millis: int) -> Object:
    """A pod on the node's kernel that requests so much and does nothing."""
    container = {
        "name": "app",
        "image": BUSYBOX_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 86400 & wait"],
        "resources": {"requests": {"cpu": f"{millis}m"}},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": FILLER}, "spec": spec}


def is_ready(pod: Object) -> bool:
    """Whether it is, and isn't being deleted."""
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]
