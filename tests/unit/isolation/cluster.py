"""A cluster that the isolator's tests act on: an API server in memory, and the events that it would send."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from monopod.api.names import (
    API_VERSION,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    TASK_LABEL,
)
from monopod.isolation.controller import Isolator
from monopod.isolation.options import IsolationOptions
from monopod.kube.cache import Kind
from monopod.kube.client.api import Json
from monopod.manager.sources import WatchedCaches
from tests.unit.fake_api import FakeApi, an_object, not_found
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, running
from tests.unit.waiting import until

OPTIONS = IsolationOptions(sandbox="kata", namespace="monopod-system")

POLICIES = "/apis/networking.k8s.io/v1/namespaces/prod/networkpolicies"
POD = "/api/v1/namespaces/prod/pods/app"


class Server(FakeApi):
    """Stamps what is applied, as an API server does."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 10
        self.labels: dict[str, dict[str, str]] = {}
        self.created: dict[str, str] = {}

    def stamp(self, item: Json) -> Json:
        self.version += 1
        metadata = {"uid": item["metadata"]["name"], **item["metadata"], "resourceVersion": str(self.version)}
        return {**item, "metadata": metadata}

    async def merge(self, path: str, patch: Json) -> Json:
        if path.endswith("/status"):
            raise not_found()  # a group's, at which nobody looks here
        if ("merge", path) not in self.answers and path.startswith("/api/v1/namespaces/prod/pods/"):
            self.requests.append(("merge", path, patch))
            name = path.rpartition("/")[2]
            labels = {**self.labels.get(name, {}), **patch["metadata"]["labels"]}
            self.labels[name] = {key: value for key, value in labels.items() if value}
            metadata: Json = {"creationTimestamp": self.created.get(name, ""), "labels": self.labels[name]}
            return self.stamp(an_object(name, namespace="prod", **patch["metadata"] | metadata))
        return await super().merge(path, patch)

    async def apply(self, path: str, body: Json) -> Json:
        return self.stamp(await super().apply(path, body))


class Cluster:
    """An isolator, and the events that it is given; the profile `web` reaches the namespace `prod`."""

    def __init__(self, api: Server | None = None) -> None:
        self.api = api or Server()
        self.caches = WatchedCaches("monopod-system")
        self.clock = FakeClock()
        recorder = a_recorder(self.api, self.clock)
        self.isolator = Isolator(self.api, self.caches, OPTIONS, recorder, PROBLEMS, self.clock)
        self.put(self.caches.namespaces, an_object("prod"))
        self.put_group("web")

    def put(self, kind: Kind[Any], item: Json) -> None:
        kind.observe("ADDED", self.api.stamp(item))

    def put_profile(self, **spec: Any) -> None:
        whole = {"selectors": [{"namespace": "prod"}], "securityGroups": ["web"], **spec}
        self.put(self.caches.profiles, {"apiVersion": API_VERSION, "spec": whole, **an_object("web")})

    def put_group(self, name: str, **spec: Any) -> None:
        spec = spec or {"ingress": [{"from": [{"cidr": "10.0.0.0/8"}]}]}
        self.put(self.caches.groups, {"apiVersion": API_VERSION, "spec": spec, **an_object(name)})

    def put_node(self, name: str, address: str) -> None:
        status = {"addresses": [{"type": "InternalIP", "address": address}]}
        self.put(self.caches.nodes, {**an_object(name), "spec": {}, "status": status})

    def put_pod(
        self, name: str = "app", group: str = "web", *, identified: bool = False, created: str = "2026-11-01T00:00:00Z"
    ) -> None:
        labels = {PROFILE_LABEL: "web", GROUP_COUNT_LABEL: "1", f"{GROUP_LABEL_PREFIX}{group}": "true"}
        if identified:
            labels[TASK_LABEL] = name
        self.api.labels[name], self.api.created[name] = labels, created
        metadata: Json = {"labels": labels, "annotations": {POD_GROUPS_ANNOTATION: group}, "creationTimestamp": created}
        pod = an_object(name, namespace="prod", **metadata)
        self.put(self.caches.pods, pod)

    def delete(self, kind: Kind[Any], name: str, namespace: str = "prod") -> None:
        kind.observe("DELETED", self.api.stamp(an_object(name, namespace=namespace)))

    def applied(self) -> list[str]:
        """The policies that were written, in order."""
        return [path.rpartition("/")[2] for path, _ in self.api.sent("apply") if path.startswith(POLICIES)]

    def policies(self) -> set[str]:
        return {view.name for view in self.caches.network_policies.views()}

    def events(self) -> list[tuple[str, str]]:
        bodies = [body for path, body in self.api.sent("create") if path.endswith("/events")]
        return [(body["reason"], body["message"]) for body in bodies]

    def at_work(self) -> AbstractAsyncContextManager[None]:
        return running(*self.isolator.controllers)

    async def comes(self, holds: Callable[[], bool]) -> None:
        """Lets time pass until something holds."""
        await until(holds, self.clock)
