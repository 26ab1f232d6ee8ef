"""The e2e tier's view of its cluster: objects in and out as dicts, and polling with a deadline instead of sleeping."""

import itertools
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.provider import Cluster
from monopod.api.names import ISOLATED_ANNOTATION
from tests.waiting import describe_check

Object = dict[str, Any]
Found = TypeVar("Found")
OPERATOR = "app.kubernetes.io/name=monopod"
READY_SECONDS = 180
WAIT_SECONDS = 120
"""For what takes moments, but on a busy machine."""
POLL_SECONDS = 0.2


@dataclass
class Live:
    """A cluster with Monopod in it."""

    cluster: Cluster
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl(*args, stdin=stdin)

    def apply(self, *objects: Object) -> None:
        body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "-f", "-", stdin=body)

    def get(self, kind: str, name: str, namespace: str = "default") -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    def find(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        found: list[Object] = json.loads(self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json"))[
            "items"
        ]
        return found

    def run_in(self, pod: Object, script: str) -> str:
        meta = pod["metadata"]
        return self.kubectl("exec", "-n", meta["namespace"], meta["name"], "--", "sh", "-c", script).strip()

    def make_namespace(self, prefix: str = "e2e") -> str:
        """A namespace of a fresh name. The suite's profile reaches those that begin with `e2e-`."""
        name = f"{prefix}-{next(self._numbers)}"
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        # Which all pods need; who makes it may be busy for longer than admission waits for it.
        self.wait_for(lambda: self.find("serviceaccounts", name), f"the service account of {name}")
        return name

    def remove_namespace(self, name: str) -> None:
        """Frees the CPUs that its pods asked for; the rest of the namespace goes in the background."""
        self.kubectl("delete", "namespace", name, "--wait=false")
        self.kubectl("delete", "deployments,jobs,pods", "--all", "-n", name, "--now", "--cascade=foreground")

    def await_ready(self, namespace: str, count: int = 1, selector: str = "") -> list[Object]:
        """The namespace's pods, once there are this many and all are Ready."""

        def look() -> list[Object] | None:
            pods = [p for p in self.find("pods", namespace, selector) if "deletionTimestamp" not in p["metadata"]]
            return pods if len(pods) == count and all(is_ready(pod) for pod in pods) else None

        return self.wait_for(look, f"{count} Ready pods in {namespace}", READY_SECONDS)

    def await_isolated(self, namespace: str) -> None:
        """Waits until pods of profiles need no gate in the namespace: it is closed, and marked so."""

        def look() -> bool:
            annotations: dict[str, str] = self.get("namespace", namespace)["metadata"].get("annotations", {})
            return annotations.get(ISOLATED_ANNOTATION) == "true"

        self.wait_for(look, f"namespace {namespace} isolated")

    def await_phase(self, profile: str, phase: str = "ACTIVE", seconds: float = WAIT_SECONDS) -> Object:
        def look() -> Object | None:
            found = self.get("fargateprofile", profile)
            return found if found.get("status", {}).get("phase") == phase else None

        return self.wait_for(look, f"profile {profile} {phase}", seconds)

    def wait_for(self, look: Callable[[], Found | None], what: str, seconds: float = WAIT_SECONDS) -> Found:
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, f"{what}: not after {seconds:g} s: {describe_check(look)}"
            time.sleep(POLL_SECONDS)

    def scale_operator(self, replicas: int) -> None:
        self.kubectl("scale", "deployment/monopod", f"--replicas={replicas}", "-n", SYSTEM_NAMESPACE)
        if replicas:
            self.kubectl("rollout", "status", "deployment/monopod", "-n", SYSTEM_NAMESPACE, "--timeout=150s")
            self.await_leader()
            return
        wait = ["--for=delete", "pod", "-l", OPERATOR, "-n", SYSTEM_NAMESPACE, "--timeout=120s"]
        self.kubectl("wait", *wait)

    def await_leader(self, other_than: str = "") -> str:
        """The name of the operator's pod that leads, once one does that is there and isn't on its way out."""

        def look() -> str | None:
            pods = self.find("pods", SYSTEM_NAMESPACE, OPERATOR)
            there = {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}
            # A holder's identity begins with its pod's name.
            holder: str = self.get("lease", "monopod", SYSTEM_NAMESPACE)["spec"].get("holderIdentity") or ""
            name = holder.partition("_")[0]
            return name if name in there - {other_than} else None

        return self.wait_for(look, "a leader")

    def await_calm(self) -> None:
        """Waits until no pod is on its way out: the room that one has is free only afterwards.

        The test of SIGKILL has one that takes two minutes.
        """
        self.wait_for(lambda: not find_leaving(self.list_pods()), "no pod on its way out", 300)

    def list_pods(self) -> list[Object]:
        """Those of all namespaces."""
        found: list[Object] = json.loads(self.kubectl("get", "pods", "-A", "-o", "json"))["items"]
        return found


def find_leaving(pods: Iterable[Object]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]


def is_ready(pod: Object) -> bool:
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"
