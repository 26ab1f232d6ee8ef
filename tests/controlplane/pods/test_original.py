"""The manifest that a stored pod came from: created from it again, on a real API server, the pod is the same."""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, COMPUTE_TYPE, PROFILE_LABEL, STORAGE_ANNOTATION
from monopod.pods.rules.original import compute_original
from monopod.pods.rules.support import REPORTED_ANNOTATIONS
from tests.controlplane.differential.draws import Draw
from tests.controlplane.reach import poll, reach
from tests.controlplane.server import MERGE_PATCH, Server
from tests.unit.builders import a_pod, a_profile, a_selector

Manifest = dict[str, Any]

PODS = 60
TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
NODE = "node-of-originals"
LIMITS = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "limits"},
    "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}}]},
}


@pytest.fixture(scope="module")
def namespaces(server: Server) -> Iterator[dict[str, str]]:
    """One that no profile reaches, one that does, and one whose LimitRange fills in what containers want."""
    for name in ("plainly", "originals-limited"):
        server.create("/api/v1/namespaces", {"metadata": {"name": name}}).expect_ok()
    server.create("/api/v1/namespaces/originals-limited/limitranges", LIMITS).expect_ok()
    reach(server, "sandboxed", [a_profile("web", a_selector("sandboxed"))])
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"topology.kubernetes.io/zone": "z"}},
    }
    server.create("/api/v1/nodes", node).expect_ok()
    poll(
        lambda: server.create_pod("originals-limited", a_pod().build()),
        lambda answer: answer.ok and answer.body["spec"]["containers"][0]["resources"],
    )
    yield {"plain": "plainly", "limited": "originals-limited", "sandboxed": "sandboxed"}
    server.delete(f"/api/v1/nodes/{NODE}")


@pytest.mark.parametrize("kind", ["plain", "limited", "sandboxed"])
def test_a_pod_created_again_from_its_original_is_the_same(
    server: Server, namespaces: dict[str, str], kind: str, seed: int
) -> None:
    draw, tried = Draw(f"{seed} {kind}"), 0
    for number in range(PODS):
        drawn = draw.pod([a_profile("web", a_selector(namespaces[kind]))])
        _add_what_servers_default(draw, drawn)
        drawn["metadata"]["name"] = f"pod-{number}"
        if kind == "sandboxed" and COMPUTE_TYPE in drawn["spec"].get("nodeSelector", {}):
            # By the mark admission knows that the class wrote this, and lets it stay; an original has no mark.
            drawn["metadata"]["labels"].pop(PROFILE_LABEL, None)
        first = server.create_pod(namespaces[kind], drawn, dry_run=False)
        if not first.ok:
            continue
        tried += 1
        stored = _bind(server, first.expect_ok())
        original = compute_original(stored)
        path = f"/api/v1/namespaces/{namespaces[kind]}/pods/{stored['metadata']['name']}"
        server.delete(path)
        poll(functools.partial(server.get, path), lambda answer: answer.status == 404)
        again = server.create_pod(namespaces[kind], original).expect_ok()
        assert list(_find_differences(_comparable(again), _comparable(first.body))) == [], (drawn, original, first.body)
        assert compute_original(again) == original
        assert compute_original(original) == original
    assert tried > PODS / 2


def _add_what_servers_default(draw: Draw, pod: Manifest) -> None:
    """Fields that the API server, a controller or another client fills in, or that look like those."""
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    if draw.maybe(0.3):
        spec["tolerations"] = [
            {"key": "disk", "operator": "Exists"},
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            },
        ][:: draw.choice((1, -1))]
    if draw.maybe(0.3):
        container["ports"] = [{"containerPort": 53, "protocol": draw.choice(("TCP", "UDP"))}]
        container["readinessProbe"] = {"httpGet": {"port": 53}, "periodSeconds": draw.choice((10, 11))}
    if draw.maybe(0.3):
        spec["restartPolicy"] = draw.choice(("Always", "Never", "OnFailure"))
    if draw.maybe(0.2):
        selector: Manifest = draw.choice(({}, {"matchExpressions": [{"key": "role", "operator": "Exists"}]}))
        keys = {"matchLabelKeys": ["version"], "labelSelector": selector}
        apart = {**keys, "mismatchLabelKeys": ["team", "role"], "topologyKey": "zone"}
        pod["metadata"].setdefault("labels", {}).update({"version": "1", "team": "a"})
        spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
        spread = {**keys, "topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
        spec["topologySpreadConstraints"] = [spread]
    if draw.maybe(0.2):
        spec["serviceAccount"] = "default"
    if draw.maybe(0.2):
        spec["automountServiceAccountToken"] = False
    if draw.maybe(0.2):
        spec["priorityClassName"] = "system-cluster-critical"
    if draw.maybe(0.2):
        container["env"] = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    if draw.maybe(0.2):
        container["image"] = draw.choice(("app:1", "app:latest", "host:5000/app", f"app@sha256:{'0' * 64}"))


def _bind(server: Server, pod: Manifest) -> Manifest:
    """The pod with a node, if it may have one, and with what a network plugin and a kubelet write."""
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
    binding = {"metadata": {"name": pod["metadata"]["name"]}, "target": {"name": NODE}}
    if not pod["spec"].get("nodeName") and not pod["spec"].get("schedulingGates"):
        server.create(f"{path}/binding", binding).expect_ok()
    address = {
        "metadata": {"annotations": {"cni.projectcalico.org/podIP": "10.0.0.1/32", "example.com/ip": "10.0.0.1"}}
    }
    server.patch(f"{path}/status", address, kind=MERGE_PATCH).expect_ok()
    return server.get(path).expect_ok()


def _comparable(pod: Manifest) -> Manifest:
    """Without what differs between any two pods."""
    metadata, spec = dict(pod["metadata"]), dict(pod["spec"])
    for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"):
        metadata.pop(key, None)
    # What network plugins write isn't the author's, and doesn't come along; nor does what admission alone writes, where
    # an author wrote it on a pod of no profile.
    written = metadata.get("annotations", {})
    others = {*REPORTED_ANNOTATIONS}
    if PROFILE_LABEL not in metadata.get("labels", {}):
        others |= {CAPACITY_ANNOTATION, STORAGE_ANNOTATION}
    if kept := {key: value for key, value in written.items() if key not in others}:
        metadata["annotations"] = kept
    else:
        metadata.pop("annotations", None)
    text = TOKEN_VOLUME.sub("kube-api-access", json.dumps({"metadata": metadata, "spec": spec}))
    return dict(json.loads(text))


def _find_differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _find_differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _find_differences(*pair, f"{path}[{number}]")
    elif one != other:
        yield f"{path}: {one!r} was {other!r}"
