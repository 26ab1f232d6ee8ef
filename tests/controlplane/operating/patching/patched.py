"""Sandboxes that are out of date, and what becomes of their pods, on fake nodes in two zones."""

import datetime
from typing import Any

from monopod.api.names import PATCHED_ANNOTATION, TOPOLOGY_ZONE
from tests.controlplane.operating.lab import SANDBOX, Json, Lab, eventually
from tests.controlplane.operating.moving import create_namespace, pods_of, ready_pods, run_workload, uids

ZONES = {"kwok-0": "a", "kwok-1": "b"}


def shift_clock(**later: float) -> str:
    """A patch of the operator by which its clock goes so much ahead."""
    return (
        "import datetime\n"
        "from monopod.kube import clock\n"
        "now = clock.SystemClock.now\n"
        f"clock.SystemClock.now = lambda self: now(self) + datetime.timedelta(**{later!r})\n"
    )


def set_zones(lab: Lab) -> None:
    for node, zone in ZONES.items():
        lab.patch("Node", node, {"metadata": {"labels": {TOPOLOGY_ZONE: zone}}})


def run_sandboxed(lab: Lab, profile: str, replicas: int, **spec: Any) -> None:
    """A profile, a namespace of its name, and a Deployment whose pods run in its sandbox."""
    create_namespace(lab, profile)
    lab.create_profile(profile, profile, **spec)
    lab.becomes_active(profile)
    run_workload(lab, "Deployment", profile, replicas)


def date_patch(lab: Lab, name: str = SANDBOX) -> str:
    """Says that the RuntimeClass's sandbox was patched in the last second: after all pods that run have started.

    Fake nodes are quick: a replacement that started in the date's own second would be replaced, too.
    """
    pods = [pod for pod in lab.list_all("Pod") if pod["spec"].get("runtimeClassName") == name]
    last = max((pod["status"]["startTime"] for pod in pods if "startTime" in pod["status"]), default="")
    date = eventually(lambda: ago if (ago := format_last_second()) >= last else "")
    annotate(lab, date, name)
    return date


def format_last_second() -> str:
    """The second that is just over."""
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def annotate(lab: Lab, date: str | None, name: str = SANDBOX) -> None:
    lab.patch("RuntimeClass", name, {"metadata": {"annotations": {PATCHED_ANNOTATION: date}}})


def patching(lab: Lab, profile: str) -> Json:
    """How far the profile's sandboxes are replaced."""
    return dict(lab.status(profile).get("patching") or {})


def phase(lab: Lab, profile: str) -> str:
    return str(patching(lab, profile).get("phase", ""))


def patched(lab: Lab, profile: str) -> str:
    """The reason of the profile's condition."""
    return str(lab.condition(profile, "Patched").get("reason", ""))


def are_replaced(lab: Lab, namespace: str, before: set[str]) -> bool:
    """Whether all pods are new, and as many are ready."""
    return not before & uids(lab, namespace) and len(ready_pods(lab, namespace)) == len(before)


def nodes_of(lab: Lab, namespace: str) -> dict[str, str]:
    """Where each pod runs, by its uid."""
    return {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in pods_of(lab, namespace)}
