"""The DaemonSet that pulls images and keeps them: a pod on each node, with a container for each image.

A container does nothing (it runs the pause image) and mounts its image as a volume, so nothing of the image is
executed. The kubelet pulls all images of a pod's volumes before it starts any container, and goes on where one fails;
a container whose volume can't be had doesn't start, and the others do. So one pod is enough for all images, and its
containers' statuses tell image by image what came of them. As long as a container exists, the kubelet's garbage
collection takes the image of its volume for used.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import (
    API_VERSION,
    TOPOLOGY_ZONE,
    WARM_IMAGES_LABEL,
    WARM_IMAGES_NAME,
    WARM_IMAGES_SOURCE_LABEL,
)
from monopod.capacity.rules.images.wish import Source
from monopod.capacity.rules.node_shape import STARTUP_TAINTS
from monopod.capacity.rules.sandbox import Sandbox, Toleration

Manifest = dict[str, Any]

PAUSE_IMAGE: Final = "registry.k8s.io/pause:3.10.2"
"""Kubernetes' own, of some hundred kilobytes; most nodes have it already."""
USER: Final = 65532
MOUNT_PATH: Final = "/image"
REQUESTS: Final = {"cpu": "1m", "memory": "2Mi"}
"""Of each container: what the pause image needs."""
LIMITS: Final = {"memory": "16Mi"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the images belong, and for whom.

    Attributes:
        profile: the profile's name.
        uid: its uid: with it, and not with another of its name, the images go.
        sandbox: the RuntimeClass, whose nodes they are for.
        zones: the profile's; none: any.
    """

    profile: str
    uid: str
    sandbox: Sandbox
    zones: tuple[str, ...]


def build_name(profile: str, source: Source) -> str:
    """The DaemonSet's name; no two profiles have the same, because what follows the last hyphen is the source."""
    return f"warm-images-{profile}-{source}"


def name_volume(image: str) -> str:
    """The name of an image's volume and container, the same as long as the image is."""
    return f"image-{hashlib.sha256(image.encode()).hexdigest()[:12]}"


def build_daemon_set(
    place: Place, source: Source, images: Sequence[str], secrets: Sequence[str], pause_image: str, namespace: str
) -> Manifest:
    """The DaemonSet for the images of one source.

    Args:
        place: where they belong.
        source: where they are named.
        images: the images.
        secrets: names of Secrets by which they are pulled.
        pause_image: the image that the containers run.
        namespace: Monopod's own.
    """
    labels = {WARM_IMAGES_LABEL: place.profile, WARM_IMAGES_SOURCE_LABEL: str(source)}
    owner = {"apiVersion": API_VERSION, "kind": "FargateProfile", "name": place.profile, "uid": place.uid}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": build_name(place.profile, source),
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            # An image that can't be had must not keep other nodes from having the others.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "revisionHistoryLimit": 1,
            "template": {
                "metadata": {"labels": labels},
                "spec": _build_pod(place, images, secrets, pause_image),
            },
        },
    }


def _build_pod(place: Place, images: Sequence[str], secrets: Sequence[str], pause_image: str) -> Manifest:
    pod: Manifest = {
        "serviceAccountName": WARM_IMAGES_NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": WARM_IMAGES_NAME,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [*map(_write_toleration, place.sandbox.tolerations), *_build_startup_tolerations()],
        "containers": [_build_container(image, pause_image) for image in images],
        "volumes": [
            {"name": name_volume(image), "image": {"reference": image, "pullPolicy": "IfNotPresent"}}
            for image in images
        ],
    }
    if place.sandbox.node_selector:
        pod["nodeSelector"] = dict(place.sandbox.node_selector)
    if secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in secrets]
    if place.zones:
        needs = [{"key": TOPOLOGY_ZONE, "operator": "In", "values": list(place.zones)}]
        terms = {"nodeSelectorTerms": [{"matchExpressions": needs}]}
        pod["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return pod


def _build_container(image: str, pause_image: str) -> Manifest:
    return {
        "name": name_volume(image),
        "image": pause_image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": dict(REQUESTS), "limits": dict(LIMITS)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": name_volume(image), "mountPath": MOUNT_PATH, "readOnly": True}],
    }


def _build_startup_tolerations() -> list[Manifest]:
    # While the sandbox is installed there is time to pull.
    return [{"key": key, "operator": "Exists"} for key in STARTUP_TAINTS]


def _write_toleration(toleration: Toleration) -> Manifest:
    fields: Mapping[str, str] = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
    }
    return {name: value for name, value in fields.items() if value}
