"""What the token is worth in Monopod's own namespace, where the operator keeps room warm."""

from collections.abc import Sequence
from typing import Any

from monopod.api.names import WARM_LABEL
from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.warm.objects import build_balloons
from monopod.capacity.rules.warm.wish import Chunk, Wish
from monopod.kube.objects.resources import DEPLOYMENTS, POD_TEMPLATES
from monopod.pods.rules.size import SIZE_TABLE
from tests.attack.token_attempt import GONE, Attempt, meta, no, yes
from tests.attack.token_scene import OUTSIDE, PROFILE, SYSTEM, Scene
from tests.controlplane.operating.lab import Json
from tests.resources import RESOURCES

WARM = {WARM_LABEL: PROFILE}
DEPLOYMENTS_HERE = DEPLOYMENTS.list_path(SYSTEM)
TEMPLATES_HERE = POD_TEMPLATES.list_path(SYSTEM)


def a_deployment(name: str, labels: Json | None = None, account: str = "", **pod: Any) -> Json:
    """Balloons, or what only looks like them."""
    wish = Wish(PROFILE, 1, 1, Chunk(SIZE_TABLE[0], Sandbox("gvisor", "runsc", {}, ())), grows=False)
    built = build_balloons(wish, PAUSE_IMAGE, SYSTEM, GONE["uid"])
    spec = built["spec"]["template"]["spec"]
    spec |= pod | ({"serviceAccountName": account} if account else {})
    return {**built, "metadata": {"name": name, "labels": WARM if labels is None else labels}}


def a_probed_deployment() -> Json:
    built = a_deployment("x")
    [container] = built["spec"]["template"]["spec"]["containers"]
    container["livenessProbe"] = {"tcpSocket": {"host": "192.0.2.1", "port": 1}}
    return built


def of_new_deployments(_: Scene) -> Sequence[Attempt]:
    evil = {
        "with the operator's own token": a_deployment("x", account="monopod"),
        "with any token": a_deployment("x", automountServiceAccountToken=True),
        "with a Secret": a_deployment("x", volumes=[{"name": "s", "secret": {"secretName": "s"}}]),
        "that run something": a_deployment("x", containers=[{"name": "app", "image": "evil"}]),
        "that have the kubelet call somebody": a_probed_deployment(),
        "on the host": a_deployment("x", hostPID=True),
        "in someone's way": a_deployment("x", priorityClassName="system-node-critical"),
        "on a node of its choice": a_deployment("x", nodeName="kwok-0"),
        "that isn't for warm room": a_deployment("x", labels={}),
    }
    return (
        *(no(f"pods {what}", "POST", DEPLOYMENTS_HERE, body) for what, body in evil.items()),
        no("elsewhere", "POST", DEPLOYMENTS.list_path(OUTSIDE), a_deployment("x")),
        yes("pods that take room and can do nothing", "POST", DEPLOYMENTS_HERE, a_deployment("x")),
    )


def of_deployments(scene: Scene) -> Sequence[Attempt]:
    path = _create_foreign(scene, a_deployment("theirs", labels={}))
    return (
        no("change what is the chart's", "PATCH", path, {"spec": {"replicas": 0}}),
        no("take it over", "PATCH", path, meta(labels=WARM)),
        no("delete it", "DELETE", path),
    )


def of_templates(scene: Scene) -> Sequence[Attempt]:
    template = {"metadata": {"name": "theirs"}, "template": a_deployment("x")["spec"]["template"]}
    path = _create_foreign(scene, {"apiVersion": "v1", "kind": "PodTemplate", **template})
    evil = a_deployment("x", account="monopod")["spec"]["template"]
    return (
        no("take somebody's over", "PATCH", path, meta(labels=WARM)),
        no("delete somebody's", "DELETE", path),
        no("one with a token", "POST", TEMPLATES_HERE, {**meta(name="x", labels=WARM), "template": evil}),
        yes("the shape of warm room", "POST", TEMPLATES_HERE, {**template, **meta(name="x", labels=WARM)}),
    )


def _create_foreign(scene: Scene, resource: Json) -> str:
    resource["metadata"]["namespace"] = SYSTEM
    answer = scene.lab.create(resource)
    assert answer.ok or answer.status == 409, answer.message
    return RESOURCES[resource["kind"]].path("theirs", SYSTEM)


def of_buffers(_: Scene) -> Sequence[Attempt]:
    """Nothing serves them here: tests/controlplane/operating/capacity tries it where something does."""
    return ()
