"""Which connections a namespace's pods had at every instant, by all NetworkPolicies that the API server had then.

An observer of its own: it watches policies and pods, puts their changes into the order in which the API server made
them, and judges after each as Kubernetes' documentation says. Of what Monopod decides it knows nothing.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.controlplane.operating.lab import Json, Lab
from tests.controlplane.operating.observer import STREAM_SECONDS, follow_until
from tests.controlplane.server import Server
from tests.resources import RESOURCES
from tests.unit.isolation.rules.verdicts import HOME, Flow, RemotePod, is_open_by_policy, selector_fits

FRIEND = {"role": "friend"}
ELSEWHERE = {"kubernetes.io/metadata.name": "elsewhere"}
PROBES: Mapping[str, Flow] = {
    "from a neighbour": Flow("ingress", "10.244.0.8", "TCP", 8080, RemotePod(HOME, {}, {})),
    "from a friend": Flow("ingress", "10.244.0.9", "TCP", 8080, RemotePod(HOME, {}, FRIEND)),
    "from elsewhere": Flow("ingress", "10.244.1.9", "TCP", 8080, RemotePod("elsewhere", ELSEWHERE, {})),
    "from outside": Flow("ingress", "198.51.100.7", "TCP", 8080),
    "to a neighbour": Flow("egress", "10.244.0.8", "TCP", 8080, RemotePod(HOME, {}, {})),
    "to a friend": Flow("egress", "10.244.0.9", "TCP", 8080, RemotePod(HOME, {}, FRIEND)),
    "to the outside": Flow("egress", "198.51.100.7", "TCP", 443),
    "to the metadata service": Flow("egress", "169.254.169.254", "TCP", 80),
}

Open = frozenset[str]


def judge(labels: Mapping[str, str], policies: Iterable[Json]) -> Open:
    """What is open for a pod with these labels: where no policy is about it, everything."""
    selecting = [policy["spec"] for policy in policies if selector_fits(policy["spec"]["podSelector"], labels)]
    opened = set()
    for name, flow in PROBES.items():
        about = [spec for spec in selecting if flow.direction.capitalize() in spec["policyTypes"]]
        if not about or any(is_open_by_policy(flow, spec.get(flow.direction, [])) for spec in about):
            opened.add(name)
    return frozenset(opened)


def judge_now(lab: Lab, namespace: str, pod: str) -> Open:
    """What is open for a pod at this moment."""
    labels = (lab.get("Pod", pod, namespace) or {})["metadata"]["labels"]
    return judge(labels, lab.list_all("NetworkPolicy", namespace))


class Instants:
    """Follows a namespace until it is stopped; it must be empty at the start."""

    def __init__(self, lab: Lab, namespace: str) -> None:
        self._lab = lab
        self._namespace = namespace
        self._server = Server(lab.kubeconfig_path)
        self._stopping = threading.Event()
        self._changes: list[tuple[int, str, str, Json]] = []
        self._failures: list[Exception] = []
        self._threads = [threading.Thread(target=self._follow, args=(kind,)) for kind in ("Pod", "NetworkPolicy")]
        self._start = self.mark()

    def mark(self) -> int:
        """This moment, as the API server counts."""
        listed = self._server.get(f"{RESOURCES['Pod'].list_path(self._namespace)}?limit=1").expect_ok()
        return int(listed["metadata"]["resourceVersion"])

    def find_between(self, pod: str, start: int = 0, end: int | None = None) -> Sequence[Open]:
        """What was open for a pod that has a node, after each change of a time, and what was as the time began."""
        found = [(version, opened) for version, name, opened in self._replay() if name == pod]
        before = [opened for version, opened in found if version <= start][-1:]
        return before + [opened for version, opened in found if start < version and (end is None or version <= end)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the watches once they have told what was before this moment."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures, self._failures

    def _follow(self, kind: str) -> None:
        version, path = str(self._start), RESOURCES[kind].list_path(self._namespace)
        query = f"?watch=true&allowWatchBookmarks=true&timeoutSeconds={STREAM_SECONDS}"

        def follow_once() -> None:
            nonlocal version
            for event in self._lab.watch(f"{path}{query}&resourceVersion={version}"):
                assert event["type"] != "ERROR", event
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._changes.append((int(version), kind, event["type"], event["object"]))

        try:
            follow_until(self._stopping, follow_once)
        except Exception as failure:
            self._failures.append(failure)

    def _replay(self) -> Iterator[tuple[int, str, Open]]:
        known: dict[str, dict[str, Json]] = {"Pod": {}, "NetworkPolicy": {}}
        for version, kind, event, item in sorted(self._changes, key=lambda change: change[0]):
            name = item["metadata"]["name"]
            known[kind].pop(name, None) if event == "DELETED" else known[kind].update({name: item})
            for pod, manifest in known["Pod"].items():
                if "nodeName" in manifest["spec"]:
                    yield version, pod, judge(manifest["metadata"]["labels"], known["NetworkPolicy"].values())
