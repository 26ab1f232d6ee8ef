"""A cluster's life: its namespace is made, and goes when the cluster was deleted and nothing is left in it.

active:    no namespace ─create──► PROVISIONING ──it is there──► ACTIVE       one that isn't ours: FAILED
                ▲                                                  │ DeleteCluster: spec.active false
                └──────────── CreateCluster again ◄── INACTIVE ◄───┘
inactive:  tasks are left: wait ─── none is: delete the namespace ─── an hour is over: delete the cluster
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.ecs.names import (
    CLUSTER_LABEL,
    ECS_API_VERSION,
    ECS_CAPABILITIES,
    ECS_PROFILE,
    ECS_TASK_LABEL,
    NAMESPACE_PREFIX,
)
from monopod.api.names import API_VERSION

Json = dict[str, Any]

ACTIVE: Final = "ACTIVE"
INACTIVE: Final = "INACTIVE"
PROVISIONING: Final = "PROVISIONING"
FAILED: Final = "FAILED"

KEPT: Final = datetime.timedelta(hours=1)
"""How long a deleted cluster can still be described, about as long as on AWS."""

SETTLING: Final = datetime.timedelta(seconds=60)
"""How long a deleted cluster keeps its namespace at least: a request that saw it active may be about to run a task, and
is answered by then."""

LONGEST_LIST: Final = 1024
"""Characters that are told of finalizers: there may be any number of them."""

_OF_KUBERNETES: Final = ("foregroundDeletion", "orphan")
"""Finalizers that the garbage collector removes once it has done what they stand for."""

LOOK: Final = datetime.timedelta(seconds=15)
"""How soon to look again for what no event tells."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """The namespace of a cluster's name.

    Attributes:
        uid: its uid.
        cluster: the cluster that its label names; "" if none.
        owner: the uid of the cluster that owns it; "" if none does.
        is_going: whether it is being deleted.
    """

    uid: str
    cluster: str = ""
    owner: str = ""
    is_going: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The status is to be as given; then the cluster is reconciled again after this time, or when something changes."""

    status: Json
    again: datetime.timedelta | None = None


@dataclass(frozen=True, slots=True)
class CreateNamespace:
    """The namespace is missing."""

    report: Report


@dataclass(frozen=True, slots=True)
class DeleteNamespace:
    """Nothing needs the namespace any more."""

    uid: str
    report: Report


@dataclass(frozen=True, slots=True)
class DeleteCluster:
    """The cluster has been inactive for long enough."""


Step = Report | CreateNamespace | DeleteNamespace | DeleteCluster


def get_namespace(cluster: Mapping[str, Any]) -> str:
    """The name of a cluster's namespace."""
    return f"{NAMESPACE_PREFIX}{cluster['metadata']['name']}"


def read_namespace(namespace: Mapping[str, Any]) -> Namespace:
    """What matters of a namespace here."""
    metadata = namespace["metadata"]
    owners = [each["uid"] for each in metadata.get("ownerReferences") or () if each["kind"] == "ECSCluster"]
    return Namespace(
        uid=metadata.get("uid") or "",
        cluster=(metadata.get("labels") or {}).get(CLUSTER_LABEL, ""),
        owner=owners[0] if owners else "",
        is_going="deletionTimestamp" in metadata,
    )


def is_own(namespace: Namespace, cluster: Mapping[str, Any]) -> bool:
    """Whether the namespace of a cluster's name is that cluster's."""
    owner: str = cluster["metadata"]["uid"]
    return namespace.owner == owner


def build_namespace(cluster: Mapping[str, Any]) -> Json:
    """The namespace of a cluster; it goes with the cluster."""
    metadata = cluster["metadata"]
    owner = {"apiVersion": ECS_API_VERSION, "kind": "ECSCluster", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": get_namespace(cluster),
            "labels": {CLUSTER_LABEL: metadata["name"]},
            "ownerReferences": [owner],
        },
    }


def build_profile() -> Json:
    """The profile of all tasks: of the pods in clusters' namespaces it takes those of tasks, by the label."""
    selector = {"namespace": f"{NAMESPACE_PREFIX}*", "labels": {ECS_TASK_LABEL: "*"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "FargateProfile",
        "metadata": {"name": ECS_PROFILE},
        "spec": {
            "selectors": [selector],
            "podSecurityGroups": "Allow",
            "allowedCapabilities": list(ECS_CAPABILITIES),
            "existingPods": "Keep",
            "spot": {"podChoice": "Allow"},
        },
    }


def decide_step(
    cluster: Mapping[str, Any],
    namespace: Namespace | None,
    now: datetime.datetime,
    *,
    left: Mapping[str, Any] | None = None,
) -> Step:
    """Decides the next step.

    Args:
        cluster: the ECSCluster as it is stored.
        namespace: the namespace of its name; None if there is none.
        now: the time.
        left: the metadata of the first task in it, be it stopped; asked only of a cluster that isn't active.
    """
    spec = cluster.get("spec") or {}
    is_ours = namespace is not None and is_own(namespace, cluster)
    if spec.get("active", True):
        return _decide_active(cluster, namespace, now, is_ours=is_ours)
    report = _build_report(cluster, INACTIVE, _describe_hold(left) if left and is_ours else "", now)
    age = now - (_read_time(report.status["since"]) or now)
    if namespace is not None and is_ours and not namespace.is_going:
        if left or age < SETTLING:
            return Report(report.status, LOOK)
        return DeleteNamespace(namespace.uid, Report(report.status, LOOK))
    if namespace is not None and is_ours:
        return Report(report.status, LOOK)
    return DeleteCluster() if age >= KEPT else Report(report.status, KEPT - age)


def _decide_active(
    cluster: Mapping[str, Any], namespace: Namespace | None, now: datetime.datetime, *, is_ours: bool
) -> Step:
    if namespace is None:
        return CreateNamespace(_build_report(cluster, PROVISIONING, "", now))
    name = get_namespace(cluster)
    if namespace.is_going or (namespace.cluster and namespace.owner and not is_ours):
        message = (
            f"The namespace {name} of an earlier cluster of this name is being deleted (its conditions say what it "
            "waits for); it is made again then."
        )
        return Report(_build_report(cluster, PROVISIONING, message, now).status, LOOK)
    if not is_ours:
        message = (
            f"There is a namespace {name} already, and it isn't this cluster's. Delete that namespace, or this cluster."
        )
        return Report(_build_report(cluster, FAILED, message, now).status, LOOK)
    return _build_report(cluster, ACTIVE, "", now)


def decide_deletion(cluster: Mapping[str, Any]) -> Report | None:
    """What is said of a cluster that Kubernetes deletes and finalizers keep; None if none does.

    Its phase stays as it was: nothing else is done for it any more.
    """
    finalizers = [each for each in cluster["metadata"].get("finalizers") or () if each not in _OF_KUBERNETES]
    if not finalizers:
        return None
    message = (
        "The cluster was deleted, with its namespace and all that is in it, and stays as long as its finalizers: "
        f"{', '.join(finalizers)[:LONGEST_LIST]}. Remove these if nothing else does."
    )
    return Report({**(cluster.get("status") or {}), "message": message})


def _describe_hold(left: Mapping[str, Any]) -> str:
    """Why a task stays that was deleted; "" if it wasn't. Once all others have gone, the first one is such a task."""
    metadata = left["metadata"]
    finalizers = metadata.get("finalizers") or ()
    if "deletionTimestamp" not in metadata or not finalizers:
        return ""
    return (
        f"The namespace stays as long as the task {metadata['name']}, which was deleted and is kept by its finalizers: "
        f"{', '.join(finalizers)[:LONGEST_LIST]}. Remove these if nothing else does."
    )


def _build_report(cluster: Mapping[str, Any], phase: str, message: str, now: datetime.datetime) -> Report:
    """The status; the time of the phase is kept as long as the phase lasts."""
    before = cluster.get("status") or {}
    known = before.get("since") if before.get("phase") == phase and _read_time(before.get("since")) else None
    status = {
        "phase": phase,
        "since": known or now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "namespace": get_namespace(cluster),
        **({"message": message} if message else {}),
    }
    return Report(status)


def _read_time(text: str | None) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
