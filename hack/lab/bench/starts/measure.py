"""What room and images that were there before a pod save of its start, on a real node.

A profile keeps one balloon, and one of two images on the node. A pod finds free room, or none but the balloon's; its
image is on the node, or has to be pulled. These four sorts take turns, one pod at a time, and each pod is gone, and
the balloon and the node's images are as they were, before the next one comes. What was to happen is seen to have
happened: the pod was admitted as one of the balloon's size, its image was pulled or not, the balloon gave way or not.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.bench.client import Client
from lab.bench.cluster import run_cluster, wait_until
from lab.bench.figures import Figures, find_quantile, sum_up
from lab.bench.starts.images import COLD, WARM, forget_image, install_images
from lab.bench.starts.room import Room, is_ready
from lab.cluster.installation import install_chart
from lab.cluster.provider import Cluster
from lab.progress import say, step
from monopod.api.names import API_VERSION, CAPACITY_ANNOTATION
from monopod.kube.objects.resources import EVENTS, NAMESPACES, PODS, PROFILES

Object = dict[str, Any]
NAME = "starts"
"""Of the profile and of its pods' namespace."""
BESIDE = f"{NAME}-beside"
"""The namespace of what isn't the profile's."""
CAPACITY = "0.25vCPU 0.5GB"
MEBIBYTES = 32
PATIENCE_SECONDS = 240.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Sort:
    """What a pod finds.

    Attributes:
        full: no room but the balloon's; otherwise there is free room.
        pulled: its image isn't on the node.
    """

    full: bool
    pulled: bool


NEITHER, IMAGE, BALLOON, BOTH = Sort(False, True), Sort(False, False), Sort(True, True), Sort(True, False)
TURNS = ((NEITHER, IMAGE, BALLOON, BOTH), (BOTH, BALLOON, IMAGE, NEITHER))
"""Taken in turns. The node is filled, or emptied, once in each."""


@dataclass(frozen=True)
class Started:
    """One pod's seconds from sending its manifest.

    Attributes:
        bound: Until it had its node.
        ready: Until it was Ready.
    """

    bound: float
    ready: float


@dataclass(frozen=True)
class Spread:
    """All pods of a sort.

    Attributes:
        bound: Until they had their node.
        ready: Until they were Ready.
        quartiles: A quarter was Ready sooner than the first, and a quarter later than the second.
    """

    bound: Figures
    ready: Figures
    quartiles: tuple[float, float]


@dataclass(frozen=True)
class StartFigures:
    """By what pods found.

    Attributes:
        mebibytes: The size of their image.
        neither: Room was free, and the image had to be pulled.
        image: Room was free, and the image was there.
        balloon: A balloon had to give way, and the image had to be pulled.
        both: A balloon had to give way, and the image was there.
    """

    mebibytes: int
    neither: Spread
    image: Spread
    balloon: Spread
    both: Spread


def measure_starts(count: int) -> StartFigures:
    """Starts `count` pods of each sort on a cluster made for it."""
    with run_cluster(NAME) as cluster:
        install_chart(cluster)
        return measure_starts_on(cluster, count, MEBIBYTES)


def measure_starts_on(cluster: Cluster, count: int, mebibytes: int) -> StartFigures:
    """Starts `count` pods of each sort on a cluster of one node that has Monopod, and removes what was made for them.

    Its registry stays.
    """
    client = Client(cluster.kubeconfig_path)
    room = Room(cluster, client, NAME, BESIDE)
    try:
        _prepare(cluster, client, mebibytes)
        with step(f"starting {count} pods of each of four sorts", count * 20):
            times = _take_turns(room, count)
    finally:
        room.free()
        cluster.kubectl("delete", "fargateprofile", NAME, "--ignore-not-found")
        cluster.kubectl("delete", "namespace", NAME, BESIDE, "--ignore-not-found")
    return StartFigures(
        mebibytes,
        neither=_sum_up(times[NEITHER]),
        image=_sum_up(times[IMAGE]),
        balloon=_sum_up(times[BALLOON]),
        both=_sum_up(times[BOTH]),
    )


def _prepare(cluster: Cluster, client: Client, mebibytes: int) -> None:
    install_images(cluster, mebibytes)
    for namespace in (NAME, BESIDE):
        client.post(NAMESPACES.list_path(), {"metadata": {"name": namespace}})
    spec = {
        "selectors": [{"namespace": NAME}],
        "capacity": {"warm": {"replicas": 1, "size": CAPACITY}},
        "warmImages": {"images": [WARM]},
    }
    profile = {"apiVersion": API_VERSION, "kind": "FargateProfile", "metadata": {"name": NAME}, "spec": spec}
    client.post(PROFILES.list_path(), profile)
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=ACTIVE", "--timeout=150s", f"fargateprofile/{NAME}")
    wait_until(lambda: _is_warm(client), f"image {WARM} on the node", PATIENCE_SECONDS)


def _is_warm(client: Client) -> bool:
    status = _get(client, PROFILES.path(NAME)).get("status", {})
    return any(each["nodes"] for each in status.get("warmImages", {}).get("images", ()))


def _take_turns(room: Room, count: int) -> dict[Sort, list[Started]]:
    times: dict[Sort, list[Started]] = {sort: [] for sort in TURNS[0]}
    is_full = False
    for turn in range(count + 1):
        for sort in TURNS[turn % len(TURNS)]:
            if sort.full is not is_full:
                (room.fill if sort.full else room.free)()
                is_full = sort.full
            started = _start_pod(room, sort)
            if turn:  # the first is for what is made once
                times[sort].append(started)
        if turn and turn % 5 == 0:
            say(f"  {turn} of {count}")
    return times


def _start_pod(room: Room, sort: Sort) -> Started:
    balloon = room.await_balloon()
    name = f"pod-{time.monotonic_ns()}"
    started = _time_start(room.client, build_pod(name, COLD if sort.pulled else WARM))
    wait_until(lambda: _is_told(room.client, name), f"the event of {name}'s image", PATIENCE_SECONDS, LOOK_SECONDS)
    room.cluster.kubectl("delete", "pod", name, "-n", NAME)
    if (room.await_balloon() != balloon) is not sort.full:
        raise RuntimeError(f"pod {name}: " + ("no balloon gave way" if sort.full else "the balloon gave way"))
    if _was_pulled(room.client, name) is not sort.pulled:
        raise RuntimeError(f"pod {name}: the image was " + ("on the node" if sort.pulled else "pulled"))
    if sort.pulled:
        forget_image(room.cluster)
    return started


def _time_start(client: Client, pod: Object) -> Started:
    events = client.watch(PODS.list_path(NAME), pod["metadata"]["name"])
    began = time.perf_counter()
    created = client.post(PODS.list_path(NAME), pod)
    size = created["metadata"].get("annotations", {}).get(CAPACITY_ANNOTATION)
    if size != CAPACITY or "runtimeClassName" not in created["spec"]:
        raise RuntimeError(f"a pod was not admitted as one of {CAPACITY} in a sandbox, but as one of {size}")
    next(event for event in events if event["object"]["spec"].get("nodeName"))
    bound = time.perf_counter() - began
    next(event for event in events if is_ready(event["object"]))
    return Started(bound, time.perf_counter() - began)


def _is_told(client: Client, name: str) -> bool:
    return any(event["reason"] == "Pulled" for event in _list_events(client, name))


def _was_pulled(client: Client, name: str) -> bool:
    return any(event["reason"] == "Pulling" for event in _list_events(client, name))


def _list_events(client: Client, name: str) -> list[Object]:
    found: list[Object] = _get(client, f"{EVENTS.list_path(NAME)}?fieldSelector=involvedObject.name%3D{name}")["items"]
    return found


def build_pod(name: str, image: str) -> Object:
    """A pod that becomes one of the balloon's size."""
    container = {
        "name": "app",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _sum_up(started: Sequence[Started]) -> Spread:
    ready = sorted(one.ready for one in started)
    quartiles = find_quantile(ready, 0.25), find_quantile(ready, 0.75)
    return Spread(sum_up([one.bound for one in started]), sum_up(ready), quartiles)


def _get(client: Client, path: str) -> Object:
    found: Object = json.loads(client.get_text(path))
    return found
