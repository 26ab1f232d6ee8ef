"""DaemonSets that keep images, and their pods, as the API server sends them."""

from typing import Any

from monopod.api.names import WARM_IMAGES_LABEL
from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE, name_volume
from monopod.capacity.rules.images.observation import Keeper, Rollout

Json = dict[str, Any]


def a_status(wanted: int, ready: int | None = None, *, generation: int = 1) -> Json:
    return {
        "observedGeneration": generation,
        "desiredNumberScheduled": wanted,
        "updatedNumberScheduled": wanted,
        "numberReady": wanted if ready is None else ready,
    }


def a_rollout(profile: str = "web", wanted: int = 2, ready: int | None = None, *, generation: int = 1) -> Rollout:
    name = f"warm-images-{profile}-spec"
    metadata = {"name": name, "uid": name, "generation": generation, "labels": {WARM_IMAGES_LABEL: profile}}
    return Rollout.from_resource({"metadata": metadata, "status": a_status(wanted, ready)})


def a_keeper_pod(node: str, states: dict[str, Json], profile: str = "web") -> Json:
    """A pod; `states` by image."""
    statuses = [{"name": name_volume(image), "state": state} for image, state in states.items()]
    metadata = {"name": f"keeper-{node}", "labels": {WARM_IMAGES_LABEL: profile}}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"containerStatuses": statuses}}


def a_keeper(node: str, states: dict[str, Json]) -> Keeper:
    return Keeper.from_resource(a_keeper_pod(node, states), PAUSE_IMAGE)


RUNNING: Json = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}
