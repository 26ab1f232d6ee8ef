"""The first status of a task: what RunTask answers with, and what the operator writes if no one has."""

import datetime
import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from monopod.tasks.rules.lifecycle.failures import LONGEST_REASON
from monopod.tasks.rules.lifecycle.members import Unrunnable, compute_effective
from monopod.tasks.rules.lifecycle.states import (
    FAILED_TO_START,
    PENDING,
    PROVISIONING,
    RUNNING,
    STOPPED,
    UNKNOWN,
    format_time,
    read_moment,
)
from monopod.tasks.rules.order import name_of
from monopod.tasks.rules.sizes import read_cpu, read_memory, read_storage_gib
from monopod.tasks.rules.view import View

Json = dict[str, Any]

MOST_LISTED: Final = 20
"""Containers in a status. A task that runs has ten at most; one with more can't, and its status says so."""

_LONGEST_NAME: Final = 512
_LONGEST_CONTAINER: Final = 255
_LONGEST_IMAGE: Final = 4096
"""A task with longer ones can't run; its status must hold these."""

EXEC_AGENT: Final = "ExecuteCommandAgent"
_NAMESPACE: Final = uuid.UUID("6f1c6a52-6c0c-5c0e-9b53-0e5f7a3b7c11")


def begin(task: Mapping[str, Any], definition: Mapping[str, Any] | None, now: datetime.datetime) -> Json:
    """The status of a task that nothing has been done about yet.

    Args:
        task: the ECSTask, by which everything in the status is the same whoever computes it.
        definition: of AWS's, as it is registered, without the task's overrides; None if there is none.
        now: the time, for a task that doesn't say when it was made.
    """
    try:
        effective = compute_effective(task, definition or {"containerDefinitions": []}, is_judged=False)
    except Unrunnable:
        effective = dict(definition or {})
    root, metadata = View(effective), task.get("metadata") or {}
    created = read_moment(metadata.get("creationTimestamp")) or now
    size = {"cpu": read_cpu(root.fields.get("cpu")), "memory": read_memory(root.fields.get("memory"))}
    return {
        "lastStatus": PROVISIONING,
        "desiredStatus": RUNNING,
        "version": 1,
        "createdAt": format_time(created),
        "healthStatus": UNKNOWN,
        **{key: str(amount) for key, amount in size.items() if amount is not None},
        "ephemeralStorage": {"sizeInGiB": max(0, read_storage_gib(root))},
        "attachments": [_build_attachment(task)],
        "containers": [_build_container(each, task) for each in root.children("containerDefinitions")[:MOST_LISTED]],
        "logs": list(islice(_list_logs(root, str(metadata.get("name") or "")), MOST_LISTED)),
    }


def build_failure(task: Mapping[str, Any], now: datetime.datetime, problem: str) -> Json:
    """The status of a task that never had a pod, and never will: so little that nothing can be wrong with it.

    Args:
        task: the ECSTask, which may have a status already.
        now: the time.
        problem: why it has none.
    """
    created = read_moment((task.get("metadata") or {}).get("creationTimestamp")) or now
    ended = format_time(max(created, now))
    return {
        "lastStatus": STOPPED,
        "desiredStatus": STOPPED,
        "version": int((task.get("status") or {}).get("version") or 0) + 1,
        "createdAt": format_time(created),
        **dict.fromkeys(("stoppingAt", "executionStoppedAt", "stoppedAt"), ended),
        "stopCode": FAILED_TO_START,
        "stoppedReason": f"ResourceInitializationError: {problem}"[:LONGEST_REASON],
    }


def compute_id(task: Mapping[str, Any], *names: str) -> str:
    """The uuid of something of a task's: always the same."""
    return str(uuid.uuid5(_NAMESPACE, "/".join((str((task.get("metadata") or {}).get("name") or ""), *names))))


def compute_runtime_id(task: Mapping[str, Any], container: str) -> str:
    """A container's runtimeId, of the form that Fargate's have."""
    name = str((task.get("metadata") or {}).get("name") or "")
    number = int.from_bytes(hashlib.sha256(f"{name}/{container}".encode()).digest()[:8])
    return f"{name}-{number % 10**10:010}"


def build_details(task: Mapping[str, Any], address: str = "", namespace: str = "") -> Sequence[Json]:
    """What an attachment says of the network interface; an address once there is one.

    A pod's network interface isn't to be seen in Kubernetes, so its id and its hardware address are made from the
    task's id. The name is the one that the cluster's DNS has for the address of a pod.
    """
    subnets = ((task.get("spec") or {}).get("network") or {}).get("subnets") or ()
    told = [{"name": "subnetId", "value": subnets[0]}] if subnets else []
    if not address:
        return told
    digits = hashlib.sha256(compute_id(task, "interface").encode()).hexdigest()
    hardware = ":".join(("0e", *(digits[index : index + 2] for index in range(20, 30, 2))))
    dashed = address.replace(".", "-").replace(":", "-")
    return [
        *told,
        {"name": "networkInterfaceId", "value": f"eni-{digits[:17]}"},
        {"name": "macAddress", "value": hardware},
        {"name": "privateDnsName", "value": f"{dashed}.{namespace}.pod"},
        {"name": "privateIPv6Address" if ":" in address else "privateIPv4Address", "value": address},
    ]


def _build_attachment(task: Mapping[str, Any]) -> Json:
    return {
        "id": compute_id(task, "attachment"),
        "type": "ElasticNetworkInterface",
        "status": "PRECREATED",
        "details": list(build_details(task)),
    }


def _build_container(container: View, task: Mapping[str, Any]) -> Json:
    amounts = {key: container.number(key) for key in ("memory", "memoryReservation")}
    agents = [{"name": EXEC_AGENT, "lastStatus": PENDING}]
    return {
        "id": compute_id(task, "container", name_of(container)),
        "name": name_of(container)[:_LONGEST_CONTAINER],
        "image": (container.text("image") or "")[:_LONGEST_IMAGE],
        "lastStatus": PENDING,
        "networkInterfaces": [],
        "healthStatus": UNKNOWN,
        "cpu": str(container.number("cpu") or 0),
        **{key: str(amount) for key, amount in amounts.items() if amount is not None},
        **({"managedAgents": agents} if (task.get("spec") or {}).get("enableExecuteCommand") is True else {}),
    }


def _list_logs(root: View, task_id: str) -> Iterator[Json]:
    for container in root.children("containerDefinitions"):
        logging, name = container.child("logConfiguration"), name_of(container)
        options = logging.child("options")
        group, prefix = options.text("awslogs-group"), options.text("awslogs-stream-prefix")
        if logging.text("logDriver") != "awslogs" or not group or not prefix:
            continue
        stream = f"{prefix}/{name}/{task_id}"
        if (
            max(len(group), len(stream)) <= _LONGEST_NAME and len(name) <= _LONGEST_CONTAINER
        ):  # longer ones no service takes
            yield {"container": name, "group": group, "stream": stream}
