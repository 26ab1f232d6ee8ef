"""What the operator's rights on DaemonSets are worth: pods that keep images on nodes, and can do nothing else."""

from collections.abc import Sequence
from typing import Any

from tests.attack.token_attempt import Attempt, meta, no, yes
from tests.attack.token_scene import OUTSIDE, PROFILE, SYSTEM, Scene, a_daemon_set
from tests.controlplane.operating.lab import Json
from tests.controlplane.server import JSON_PATCH
from tests.resources import RESOURCES

CONTAINER, POD = "/spec/template/spec/containers/0", "/spec/template/spec"


def of_daemon_sets(scene: Scene) -> Sequence[Attempt]:
    own, theirs = scene.own_daemon_set, scene.foreign_daemon_set
    labels = {"monopod.dev/warm-images": PROFILE}

    def put(path: str, value: Any) -> list[Json]:
        return [{"op": "add", "path": path, "value": value}]

    beyond = {
        "a program of an image's": put(f"{CONTAINER}/command", ["/image/sh"]),
        "arguments": put(f"{CONTAINER}/args", ["x"]),
        "an image that does something": put(f"{CONTAINER}/image", "evil"),
        "a program when it has started": put(
            f"{CONTAINER}/lifecycle", {"postStart": {"exec": {"command": ["/image/sh"]}}}
        ),
        "a program as a probe": put(f"{CONTAINER}/livenessProbe", {"exec": {"command": ["/image/sh"]}}),
        "a library to load": put(f"{CONTAINER}/env", [{"name": "LD_PRELOAD", "value": "/image/lib.so"}]),
        "an image in place of the program": put(f"{CONTAINER}/volumeMounts/0/mountPath", "/pause"),
        "a file of an image's": put(f"{CONTAINER}/volumeMounts/0/subPath", "sh"),
        "the user root": put(f"{CONTAINER}/securityContext/runAsNonRoot", False),
        "privileges": put(f"{CONTAINER}/securityContext", {"privileged": True}),
        "many cores": put(f"{CONTAINER}/resources/requests/cpu", "64"),
        "a port of the host": put(f"{CONTAINER}/ports", [{"containerPort": 80, "hostPort": 80}]),
        "the host's network": put(f"{POD}/hostNetwork", True),
        "the host's processes": put(f"{POD}/hostPID", True),
        "a host path": put(f"{POD}/volumes/-", {"name": "host", "hostPath": {"path": "/"}}),
        "a Secret": put(f"{POD}/volumes/-", {"name": "secret", "secret": {"secretName": "s"}}),
        "a token": put(f"{POD}/automountServiceAccountToken", True),
        "the operator's account": put(f"{POD}/serviceAccountName", "monopod"),
        "a priority": put(f"{POD}/priorityClassName", "system-node-critical"),
        "a container that does something first": put(f"{POD}/initContainers", [{"name": "first", "image": "evil"}]),
        "another's label": [{"op": "remove", "path": "/metadata/labels/monopod.dev~1warm-images"}],
    }
    return (
        *(no(what, "PATCH", own, patch, JSON_PATCH) for what, patch in beyond.items()),
        no("make an installer of sandboxes over", "PATCH", theirs, {"spec": {"minReadySeconds": 1}}),
        no("take it over", "PATCH", theirs, meta(labels=labels)),
        yes("have nodes pull any image", "PATCH", own, put(f"{POD}/volumes/0/image/reference", "evil"), JSON_PATCH),
    )


def of_new_daemon_sets(scene: Scene) -> Sequence[Attempt]:
    place = RESOURCES["DaemonSet"].list_path(SYSTEM)
    own = scene.lab.get("DaemonSet", scene.own_daemon_set.rpartition("/")[2], SYSTEM) or {}
    another = {key: own[key] for key in ("apiVersion", "kind", "spec")}
    labels = own["metadata"]["labels"]
    return (
        no("one that runs anything on each node", "POST", place, a_daemon_set("x")),
        no("the same, called its own", "POST", place, {**a_daemon_set("x"), **meta(name="x", labels=labels)}),
        no(
            "one elsewhere",
            "POST",
            RESOURCES["DaemonSet"].list_path(OUTSIDE),
            {**another, **meta(name="x", labels=labels)},
        ),
        yes("one that has nodes pull images", "POST", place, {**another, **meta(name="x", labels=labels)}),
    )
