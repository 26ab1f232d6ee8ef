"""Tasks of a cluster, and what the scheduler and the kubelet, which aren't here, make of their pods."""

import datetime
import json
import uuid
from typing import Any, Final

from monopod.api.ecs.names import ECS_API_VERSION, NAMESPACE_PREFIX
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.unit.tasks.definitions import a_definition

NODE: Final = "node"


class Tasks:
    """The tasks of one cluster, which run by one definition."""

    def __init__(self, lab: Lab, name: str, definition: Json | None = None) -> None:
        self.lab = lab
        self.name = name
        self.namespace = f"{NAMESPACE_PREFIX}{name}"
        self._create("ECSCluster", name, {})
        document = definition or a_definition(family=name)
        spec = {"family": name, "revision": 1, "definition": document}
        self._create("ECSTaskDefinition", f"{name}.1", spec)

    def await_cluster(self) -> None:
        eventually(lambda: (self.lab.get("ECSCluster", self.name) or {}).get("status", {}).get("phase") == "ACTIVE")

    def run(self, **spec: Any) -> str:
        """A task's id."""
        task_id = uuid.uuid4().hex
        reference = {"family": self.name, "revision": 1}
        eventually(lambda: self._try_run(task_id, {"taskDefinition": reference, **spec}))
        return task_id

    def _try_run(self, task_id: str, spec: Json) -> bool:
        item = self._build("ECSTask", task_id, spec)
        return self.lab.create({**item, "metadata": {**item["metadata"], "namespace": self.namespace}}).ok

    def _create(self, kind: str, name: str, spec: Json) -> None:
        self.lab.create(self._build(kind, name, spec)).expect_ok()

    def _build(self, kind: str, name: str, spec: Json) -> Json:
        return {"apiVersion": ECS_API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}

    def status(self, task_id: str) -> Json:
        return dict((self.lab.get("ECSTask", task_id, self.namespace) or {}).get("status") or {})

    def pod(self, task_id: str) -> Json | None:
        return self.lab.get("Pod", task_id, self.namespace)

    def await_status(self, task_id: str, status: str) -> Json:
        eventually(lambda: self.status(task_id).get("lastStatus") == status)
        return self.status(task_id)

    def stop(self, task_id: str) -> None:
        self.lab.patch("ECSTask", task_id, {"spec": {"stop": {"reason": "enough"}}}, self.namespace)

    # The scheduler and the kubelet.

    def schedule(self, task_id: str) -> None:
        """Gives the pod a node as soon as no gate holds it."""
        eventually(lambda: (pod := self.pod(task_id)) and not pod["spec"].get("schedulingGates"))
        self.lab.bind_pod(self.namespace, task_id, NODE)

    def report(self, task_id: str, **status: Any) -> None:
        """Says as the kubelet how the pod is."""
        told = json.dumps({"status": status})
        self.lab.kubectl(
            *("patch", "pod", task_id, "-n", self.namespace, "--subresource=status", "--type=merge", "-p", told)
        )

    def start_containers(self, task_id: str, name: str = "app") -> None:
        state = {"running": {"startedAt": stamp()}}
        self.report(
            task_id, phase="Running", podIP="10.9.8.7", podIPs=[{"ip": "10.9.8.7"}], **build_states(name, state)
        )

    def end(self, task_id: str, code: int, name: str = "app", **status: Any) -> None:
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": stamp()}
        state = {"terminated": {**ended, "startedAt": stamp()}}
        phase = "Failed" if code else "Succeeded"
        self.report(task_id, **{"phase": phase, **status}, **build_states(name, state))

    def is_told_to_stop(self, task_id: str) -> bool:
        return ((self.pod(task_id) or {}).get("spec") or {}).get("activeDeadlineSeconds") == 1


def build_states(name: str, state: Json) -> Json:
    container = {"name": name, "image": "i", "imageID": "i@sha256:1", "ready": "running" in state, "restartCount": 0}
    return {"containerStatuses": [{**container, "state": state}]}


def stamp() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
