"""Watches whether namespaces are closed, beside the operator and without asking it.

Whatever the API server tells of pods, NetworkPolicies and namespaces is put in its order, by resourceVersion; then
every instant is looked at: a namespace that counts as isolated, or in which a pod of a profile runs, must have the base
policy, wholly Monopod's. A watch that breaks off is taken up where it was; if that can't be done, the test fails, since
what wasn't seen can't be vouched for.
"""

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from monopod.api.names import BASE_POLICY, ISOLATED_ANNOTATION, POLICY_LABEL, PROFILE_LABEL
from monopod.kube.objects.resources import NAMESPACES, NETWORK_POLICIES, PODS
from tests.controlplane.operating.lab import Json, Lab
from tests.controlplane.operating.observer import STREAM_SECONDS, follow_until
from tests.controlplane.server import Server

KINDS = {
    "NetworkPolicy": NETWORK_POLICIES.list_path(),
    "Pod": PODS.list_path(),
    "Namespace": NAMESPACES.list_path(),
}
CLOSED = {
    "podSelector": {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "Exists"}]},
    "policyTypes": ["Ingress", "Egress"],
}


@dataclass(frozen=True)
class Change:
    """What the API server told of one object."""

    kind: str
    item: Json
    deleted: bool = False

    @property
    def version(self) -> int:
        """When, as the API server counts: of all kinds, because etcd counts for all of them."""
        return int(self.item["metadata"]["resourceVersion"])

    @property
    def place(self) -> str:
        """The namespace that it is about."""
        metadata = self.item["metadata"]
        return str(metadata["name"] if self.kind == "Namespace" else metadata["namespace"])


class Closure:
    """Follows some namespaces for as long as the context.

    Attributes:
        vouch: whether an open instant fails the test.
        instants: how many there were, known at the end.
        opened: those at which a namespace was open, as text.
    """

    def __init__(self, lab: Lab, *namespaces: str) -> None:
        self._lab = lab
        self._namespaces = frozenset(namespaces)
        self._changes: list[Change] = []
        self._began = 0
        self._failure: Exception | None = None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.vouch = True
        self.instants = 0
        self.opened: list[str] = []

    def __enter__(self) -> Self:
        server = Server(self._lab.kubeconfig_path)
        for kind, path in KINDS.items():
            listed = server.get(path).expect_ok()
            version = int(listed["metadata"]["resourceVersion"])
            self._began = max(self._began, version)
            self._changes += [Change(kind, item) for item in listed["items"]]
            self._threads.append(threading.Thread(target=self._follow, args=(kind, path, version), daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if error is None:
            self._check()

    def _follow(self, kind: str, path: str, version: int) -> None:
        def follow_once() -> None:
            nonlocal version
            query = f"watch=true&timeoutSeconds={STREAM_SECONDS}&resourceVersion={version}"
            for event in self._lab.watch(f"{path}?{query}"):
                assert event["type"] in ("ADDED", "MODIFIED", "DELETED"), event
                change = Change(kind, event["object"], event["type"] == "DELETED")
                version = max(version, change.version)
                self._changes.append(change)

        try:
            follow_until(self._stopping, follow_once)
        except Exception as failure:
            self._failure = failure

    def _check(self) -> None:
        if self._failure:
            raise AssertionError("the watch broke off") from self._failure
        changes = sorted((one for one in self._changes if one.place in self._namespaces), key=lambda one: one.version)
        places = {namespace: NamespaceContext() for namespace in self._namespaces}
        for change in changes:
            place = places[change.place]
            place.update(change)
            if change.version > self._began:
                self.instants += 1
                self.opened += [f"{change.place} at {change.version}: {place}"] if place.is_open else []
        self.opened += [f"{name} at the end: {place}" for name, place in places.items() if place.is_open]
        assert not (self.vouch and self.opened), f"{len(self.opened)} of {self.instants} instants: {self.opened[0]}"


class NamespaceContext:
    """A namespace at an instant."""

    def __init__(self) -> None:
        self._base: Json | None = None
        self._running: set[str] = set()
        self._isolated = False

    def __str__(self) -> str:
        return f"base policy {self._base}, running {sorted(self._running)}, isolated {self._isolated}"

    @property
    def is_open(self) -> bool:
        return bool(self._running or self._isolated) and not _is_ours(self._base)

    def update(self, change: Change) -> None:
        name = change.item["metadata"]["name"]
        match change.kind:
            case "Pod":
                is_running = not change.deleted and _is_running(change.item)
                (self._running.add if is_running else self._running.discard)(name)
            case "Namespace":
                annotations = change.item["metadata"].get("annotations", {})
                self._isolated = not change.deleted and annotations.get(ISOLATED_ANNOTATION) == "true"
            case _ if name == BASE_POLICY:
                self._base = None if change.deleted else change.item


def _is_running(pod: Json) -> bool:
    return PROFILE_LABEL in pod["metadata"].get("labels", {}) and pod.get("status", {}).get("phase") == "Running"


def _is_ours(policy: Json | None) -> bool:
    if policy is None:
        return False
    metadata = policy["metadata"]
    foreign = {"ownerReferences", "finalizers", "deletionTimestamp"} & metadata.keys()
    return not foreign and metadata.get("labels", {}).get(POLICY_LABEL) == "base" and policy["spec"] == CLOSED
