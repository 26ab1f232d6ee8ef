"""What the token is worth in Monopod's own namespace, where the operator keeps room warm."""

from collections.abc import Callable, Sequence
from typing import Any

from monopod.api.names import WARM_LABEL
from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.warm.objects import build_balloons, build_buffer, build_template
from monopod.capacity.rules.warm.wish import Chunk, Wish
from monopod.kube.objects.resources import CAPACITY_BUFFERS, DEPLOYMENTS, POD_TEMPLATES, Resource
from monopod.pods.rules.size import SIZE_TABLE
from tests.attack.token_attempt import GONE, Attempt, meta, no, yes
from tests.attack.token_scene import OUTSIDE, PROFILE, SYSTEM, Scene
from tests.controlplane.operating.lab import Json
from tests.controlplane.server import Server

WARM = {WARM_LABEL: PROFILE}
DEPLOYMENTS_HERE = DEPLOYMENTS.list_path(SYSTEM)
TEMPLATES_HERE = POD_TEMPLATES.list_path(SYSTEM)
BUFFERS_HERE = CAPACITY_BUFFERS.list_path(SYSTEM)
WISH = Wish(PROFILE, 1, 1, Chunk(SIZE_TABLE[0], Sandbox("gvisor", "runsc", {}, ())), grows=False)
OWNERS_LABELS = {"app.kubernetes.io/name": "monopod", "app.kubernetes.io/component": "operator"}

Change = Callable[[Json], None]


def put(*path: str | int, value: Any) -> Change:
    """Writes a field of an object."""

    def change(resource: Json) -> None:
        found: Any = resource
        for key in path[:-1]:
            found = found.setdefault(key, {}) if isinstance(found, dict) else found[key]
        found[path[-1]] = value

    return change


def in_pod(*path: str | int, value: Any) -> Change:
    return put("spec", *path, value=value)


def in_container(*path: str | int, value: Any) -> Change:
    return put("spec", "containers", 0, *path, value=value)


APART = {"labelSelector": {}, "namespaceSelector": {}, "topologyKey": "topology.kubernetes.io/zone"}
EVIL_PODS: dict[str, Change] = {
    "with the operator's own token": in_pod("serviceAccountName", value="monopod"),
    "with any token": in_pod("automountServiceAccountToken", value=True),
    "with a Secret": in_pod("volumes", value=[{"name": "s", "secret": {"secretName": "s"}}]),
    "that run something": in_container("image", value="evil"),
    "that run something first": in_pod("initContainers", value=[{"name": "first", "image": PAUSE_IMAGE}]),
    "with a command": in_container("command", value=["/bin/sh"]),
    "that have the kubelet call somebody": in_container(
        "livenessProbe", value={"tcpSocket": {"host": "192.0.2.1", "port": 1}}
    ),
    "on the host": in_pod("hostPID", value=True),
    "with a port of the node's": in_container("ports", value=[{"containerPort": 80, "hostPort": 80}]),
    "with a sysctl": in_pod("securityContext", "sysctls", value=[{"name": "kernel.shm_rmid_forced", "value": "1"}]),
    "of another SELinux type": in_container("securityContext", "seLinuxOptions", value={"type": "spc_t"}),
    "that are root": in_container("securityContext", "runAsNonRoot", value=False),
    "in someone's way": in_pod("priorityClassName", value="system-node-critical"),
    "that take long to give way": in_pod("terminationGracePeriodSeconds", value=3600),
    "that keep all others out of a zone": in_pod(
        "affinity", "podAntiAffinity", value={"requiredDuringSchedulingIgnoredDuringExecution": [APART]}
    ),
    "on a node of its choice": in_pod("nodeName", value="kwok-0"),
    "that take what isn't room": in_container(
        "resources", value={"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}
    ),
    "that Monopod's own Services lead to": put("metadata", "labels", value={**OWNERS_LABELS, **WARM}),
    "that have labels beside theirs": put("metadata", "labels", "team", value="theirs"),
    "that others' tools read": put("metadata", "annotations", "k8s.v1.cni.cncf.io/networks", value="mine"),
    "that a profile would take": put("metadata", "annotations", "eks.amazonaws.com/compute-type", value="fargate"),
    "that never go": put("metadata", "finalizers", value=["example.com/hold"]),
}


def a_deployment(*changes: Change, name: str = f"warm-{PROFILE}", labels: Json | None = None) -> Json:
    """Balloons, or what only looks like them."""
    return _call(build_balloons(WISH, PAUSE_IMAGE, SYSTEM, GONE["uid"]), name, labels, changes)


def a_template(*changes: Change, name: str = f"warm-{PROFILE}", labels: Json | None = None) -> Json:
    return _call(build_template(WISH, PAUSE_IMAGE, SYSTEM, GONE["uid"]), name, labels, changes)


def a_buffer(*changes: Change, name: str = f"warm-{PROFILE}", labels: Json | None = None) -> Json:
    return _call(build_buffer(WISH, SYSTEM, GONE["uid"]), name, labels, changes)


def _call(built: Json, name: str, labels: Json | None, changes: Sequence[Change]) -> Json:
    built["metadata"] |= {"name": name, "labels": WARM if labels is None else labels}
    del built["metadata"]["namespace"]
    for change in changes:
        change(built)
    return built


def with_pods(change: Change, *path: str) -> Change:
    """The change, of the template of an object's pods."""

    def apply(resource: Json) -> None:
        template: Any = resource
        for key in path:
            template = template[key]
        change(template)

    return apply


def of_new_deployments(_: Scene) -> Sequence[Attempt]:
    template = ("spec", "template")

    def labelled(deployment: Json) -> None:
        deployment["spec"]["selector"]["matchLabels"] = WARM

    evil = {what: a_deployment(labelled, with_pods(change, *template)) for what, change in EVIL_PODS.items()}
    return (
        *(no(f"pods {what}", "POST", DEPLOYMENTS_HERE, body) for what, body in evil.items()),
        *_of_any(a_deployment, DEPLOYMENTS),
        no("pods without bound", "POST", DEPLOYMENTS_HERE, a_deployment(put("spec", "replicas", value=101))),
        no("pods that are never there", "POST", DEPLOYMENTS_HERE, a_deployment(put("spec", "paused", value=True))),
        yes("pods that take room and can do nothing", "POST", DEPLOYMENTS_HERE, a_deployment()),
        yes("a hundred of them", "POST", DEPLOYMENTS_HERE, a_deployment(put("spec", "replicas", value=100))),
    )


def _of_any(build: Callable[..., Json], resource: Resource) -> Sequence[Attempt]:
    here, evil_owner = resource.list_path(SYSTEM), put("metadata", "ownerReferences", value=[GONE])
    return (
        no("one that isn't for warm room", "POST", here, build(labels={})),
        no("one that is called as the chart's", "POST", here, build(name="monopod")),
        no("one more for the same profile", "POST", here, build(name=f"warm-{PROFILE}-2")),
        no("one of somebody else's", "POST", here, build(evil_owner)),
        no("one that never goes", "POST", here, build(put("metadata", "finalizers", value=["example.com/hold"]))),
        no("one elsewhere", "POST", resource.list_path(OUTSIDE), build()),
    )


def of_deployments(scene: Scene) -> Sequence[Attempt]:
    path = _create_foreign(scene, a_deployment(name="theirs", labels={}), DEPLOYMENTS)
    return (
        no("change what is the chart's", "PATCH", path, {"spec": {"replicas": 0}}),
        no("take it over", "PATCH", path, meta(labels=WARM)),
        no("delete it", "DELETE", path),
    )


def of_templates(scene: Scene) -> Sequence[Attempt]:
    path = _create_foreign(scene, a_template(name="theirs", labels={}), POD_TEMPLATES)
    evil = {what: a_template(with_pods(change, "template")) for what, change in EVIL_PODS.items()}
    return (
        no("take somebody's over", "PATCH", path, meta(labels=WARM)),
        no("delete somebody's", "DELETE", path),
        *(no(f"the shape of pods {what}", "POST", TEMPLATES_HERE, body) for what, body in evil.items()),
        *_of_any(a_template, POD_TEMPLATES),
        yes("the shape of warm room", "POST", TEMPLATES_HERE, a_template()),
    )


def of_buffers(scene: Scene) -> Sequence[Attempt]:
    path = _create_foreign(
        scene,
        a_buffer(put("spec", "podTemplateRef", "name", value="theirs"), name="theirs", labels={}),
        CAPACITY_BUFFERS,
    )
    web = {"apiGroup": "apps", "kind": "Deployment", "name": "web"}
    scaled = {"scalableRef": web, "replicas": 1}
    evil = {
        "room without bound": put("spec", "replicas", value=101),
        "as much as fits": put("spec", value={"podTemplateRef": {"name": "warm-token"}, "limits": {"cpu": "1000000"}}),
        "the same beside a count": put("spec", "limits", value={"cpu": "1"}),
        "a share of somebody's workload": put("spec", value={**scaled, "percentage": 1000}),
        "room of somebody's shape": put("spec", value=scaled),
        "room of somebody's template": put("spec", "podTemplateRef", "name", value="theirs"),
        "room by a way of its own": put("spec", "provisioningStrategy", value="example.com/mine"),
    }
    return (
        no("take somebody's over", "PATCH", path, meta(labels=WARM)),
        no("change somebody's", "PATCH", path, {"spec": {"replicas": 0}}),
        no("delete somebody's", "DELETE", path),
        *(no(what, "POST", BUFFERS_HERE, a_buffer(change)) for what, change in evil.items()),
        *_of_any(a_buffer, CAPACITY_BUFFERS),
        yes("room as a profile may ask for", "POST", BUFFERS_HERE, a_buffer(put("spec", "replicas", value=100))),
    )


def _create_foreign(scene: Scene, manifest: Json, resource: Resource) -> str:
    """Somebody's, in the same namespace; it may be there."""
    manifest["metadata"].pop("ownerReferences")  # the garbage collector would take it
    answer = Server(scene.lab.kubeconfig_path).create(resource.list_path(SYSTEM), manifest)
    assert answer.ok or answer.status == 409, answer.message
    return resource.path("theirs", SYSTEM)
