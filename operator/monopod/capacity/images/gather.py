"""Reads what keeps images on nodes, and what the images of running pods are; writes nothing."""

from collections.abc import Mapping
from typing import Any, Final

from monopod.api.names import PROFILE_LABEL, WARM_IMAGES_LABEL
from monopod.capacity.rules.images.observation import Keeper, Rollout
from monopod.capacity.rules.images.wish import count_images
from monopod.capacity.rules.sandbox import Sandbox
from monopod.kube.client.api import Api
from monopod.kube.objects.resources import DAEMON_SETS, PODS, RUNTIME_CLASSES

_OURS: Final = {"labelSelector": WARM_IMAGES_LABEL}


async def fetch_rollouts(api: Api, namespace: str) -> dict[str, Rollout]:
    """The DaemonSets that keep images, by name."""
    found = [Rollout.from_resource(each) async for each in api.list_pages(DAEMON_SETS.list_path(namespace), _OURS)]
    return {rollout.name: rollout for rollout in found}


async def fetch_keepers(api: Api, namespace: str, pause_image: str) -> dict[str, list[Keeper]]:
    """Their pods, by profile."""
    found = dict[str, list[Keeper]]()
    async for each in api.list_pages(PODS.list_path(namespace), _OURS):
        if "deletionTimestamp" not in each["metadata"]:
            keeper = Keeper.from_resource(each, pause_image)
            found.setdefault(keeper.profile, []).append(keeper)
    return found


async def fetch_sandboxes(api: Api) -> Mapping[str, Sandbox]:
    """The RuntimeClasses by name."""
    listed = [each async for each in api.list_pages(RUNTIME_CLASSES.list_path())]
    return {found.name: found for found in map(Sandbox.from_resource, listed)}


async def fetch_used(api: Api, profile: str) -> dict[str, int]:
    """By image, how many of a profile's running pods have it."""
    query = {"labelSelector": f"{PROFILE_LABEL}={profile}", "fieldSelector": "status.phase=Running"}
    pods: list[Mapping[str, Any]] = []
    async for each in api.list_pages(PODS.list_path(), query):
        pods.append({"spec": _strip(each.get("spec") or {})})
    return count_images(pods)


def _strip(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What is needed of a pod: of ten thousand pods the rest would be much memory."""
    kinds = ("initContainers", "containers")
    return {kind: [{"image": each.get("image")} for each in spec.get(kind) or ()] for kind in kinds}
