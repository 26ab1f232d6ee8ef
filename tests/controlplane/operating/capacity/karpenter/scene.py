"""A profile whose sandbox selects nodes of its own, and what Karpenter does for its pods."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import yaml

from lab.autoscale.karpenter import NODE_CLASS_WORD
from monopod.api.names import PROFILE_LABEL
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.unit.cli.running import run

LABEL = "box"
SLOT = "slot"
"""A label by which each pod may ask for a node of its own."""
OVERHEAD = {"cpu": "250m", "memory": "320Mi"}
MINUTES_AHEAD = "minutes-ahead"
"""The file, in the control plane's folder, that says how far the operator's clock is ahead."""
AT_ONCE = {"disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "1s"}}
"""Of a NodePool that takes empty nodes back without waiting for the next pods."""


@dataclass(frozen=True)
class Scene:
    """A profile, its namespace, its RuntimeClass, and once it is applied the NodePool that is printed for it.

    Attributes:
        lab: The control plane.
        name: Of all of them; the NodePool's is `pool`.
    """

    lab: Lab
    name: str

    @property
    def pool(self) -> str:
        """The name of the NodePool that is printed."""
        return f"fargate-{self.name}"

    def set(self) -> None:
        """Makes all but the NodePool."""
        self.lab.create_namespace(self.name)
        # Without it no pod is made there.
        eventually(lambda: not self.lab.kubectl("get", "sa", "default", "-n", self.name, check=False).returncode)
        self.lab.create(self._build_runtime_class({LABEL: self.name})).expect_ok()
        capacity = {"nodePools": [self.pool]}
        self.lab.create_profile(self.name, self.name, runtimeClassName=self.name, capacity=capacity)
        self.lab.becomes_active(self.name)

    def select(self, labels: Mapping[str, str]) -> None:
        """Has the sandbox select nodes by these labels, too; a RuntimeClass is made anew for it."""
        self.lab.delete("RuntimeClass", self.name)
        self.lab.create(self._build_runtime_class({LABEL: self.name, **labels})).expect_ok()

    def clear(self) -> None:
        """Removes it; Karpenter takes the nodes away meanwhile."""
        self.lab.kubectl("delete", "deployments,pods", "--all", "-n", self.name, "--force", "--grace-period=0")
        self.lab.kubectl("delete", "nodepools", self.pool, "--ignore-not-found", "--wait=false")
        self.lab.delete_profile(self.name)
        self.lab.delete("RuntimeClass", self.name)

    def _build_runtime_class(self, labels: Mapping[str, str]) -> Json:
        return {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": self.name},
            "handler": "runsc",
            "overhead": {"podFixed": OVERHEAD},
            "scheduling": {"nodeSelector": dict(labels)},
        }

    def print_pool(self, *options: str) -> Json:
        """The NodePool that `kubectl fargate nodepool` prints."""
        words = ("nodepool", self.name, "--class", NODE_CLASS_WORD, *options)
        result = run(*words, "--kubeconfig", str(self.lab.kubeconfig_path))
        assert result.exit_code == 0, result.stderr
        return dict(yaml.safe_load(result.stdout))

    def apply(self, item: Json) -> None:
        self.lab.kubectl("apply", "-f", "-", input=json.dumps(item))

    def create_pods(self, *sizes: tuple[int, int], apart: bool = False) -> None:
        """Creates pods at once, of so many millicores and MiB, which are named by their number.

        Args:
            sizes: What each requests.
            apart: Whether each selects nodes whose slot is its name.
        """
        containers = [
            {"name": "app", "image": "app", "resources": {"requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}}}
            for cpu, memory in sizes
        ]
        pods = [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"pod-{i}", "namespace": self.name},
                "spec": {"containers": [container], "nodeSelector": {SLOT: f"pod-{i}"} if apart else {}},
            }
            for i, container in enumerate(containers)
        ]
        self.apply({"apiVersion": "v1", "kind": "List", "items": pods})

    def find_pods(self) -> list[Json]:
        return list(self.lab.list_all("Pod", self.name, f"?labelSelector={PROFILE_LABEL}={self.name}"))

    def has_ready(self, deployment: str, count: int) -> bool:
        """Whether so many of its pods are Ready, by its status: thousands of pods aren't listed again and again."""
        status = (self.lab.get("Deployment", deployment, self.name) or {}).get("status") or {}
        return int(status.get("readyReplicas", 0)) == count

    def all_run(self, count: int) -> bool:
        """Whether so many pods run, each on a node of the NodePool."""
        nodes = {node["metadata"]["name"] for node in self.find("nodes")}
        pods = [pod for pod in self.find_pods() if pod["status"]["phase"] == "Running"]
        return len(pods) == count and all(pod["spec"]["nodeName"] in nodes for pod in pods)

    def runs(self, name: str) -> bool:
        """Whether a pod runs; another may be on a node that Karpenter replaces, as its NodePool was changed."""
        return any(pod["metadata"]["name"] == name and pod["status"]["phase"] == "Running" for pod in self.find_pods())

    def find(self, kind: str) -> list[Json]:
        """The nodes or NodeClaims that Karpenter has made of the NodePool."""
        found = self.lab.kubectl("get", kind, "-l", f"karpenter.sh/nodepool={self.pool}", "-o", "json").stdout
        return list(json.loads(found)["items"])

    def says(self, reason: str, **fields: object) -> None:
        """Waits until the profile says so of its capacity."""

        def check() -> bool:
            status = self.lab.status(self.name).get("capacity") or {}
            condition = self.lab.condition(self.name, "CapacityAvailable")
            assert (condition.get("reason"), {key: status.get(key) for key in fields}) == (reason, fields), condition
            return True

        eventually(check)

    def counts_nodes(self) -> None:
        """Waits until the profile counts as many nodes as there are; Karpenter may take one back that is empty."""
        eventually(lambda: (self.lab.status(self.name).get("capacity") or {}).get("nodes") == len(self.find("nodes")))

    def tell_capacity(self) -> str:
        """What the profile says of its capacity, in words."""
        return str(self.lab.condition(self.name, "CapacityAvailable")["message"])

    @contextmanager
    def later(self, minutes: int) -> Iterator[None]:
        """Has it be so much later for the operator."""
        self._set_ahead(minutes)
        try:
            yield
        finally:
            self._set_ahead(0)

    def _set_ahead(self, minutes: int) -> None:
        """At once: the operator may read the file at any moment."""
        ahead = self.lab.folder / MINUTES_AHEAD
        written = ahead.with_suffix(".new")
        written.write_text(str(minutes))
        written.replace(ahead)

    def rely_on(self, provider: str) -> None:
        """Has the profile rely on this for its nodes; a NodePool is named no more."""
        change = {"spec": {"capacity": {"provider": provider, "nodePools": None}}}
        self.lab.patch("FargateProfile", self.name, change)

    def karpenter_says(self, pod: str, words: str) -> None:
        """Waits until Karpenter tells of a pod why it makes no node."""

        def check() -> bool:
            events = self.lab.events(self.name, pod)
            told = [event["message"] for event in events if event["source"].get("component") == "karpenter"]
            assert any(words in message for message in told), events
            return True

        eventually(check)
