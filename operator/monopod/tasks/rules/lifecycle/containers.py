"""What becomes of a task's containers in its status, and of its network interface."""

import datetime
from collections.abc import Mapping
from typing import Any, Final

from monopod.tasks.rules.lifecycle.begin import EXEC_AGENT, build_details, compute_id, compute_runtime_id
from monopod.tasks.rules.lifecycle.causes import has_ended
from monopod.tasks.rules.lifecycle.facts import OUT_OF_MEMORY as OOM_KILLED
from monopod.tasks.rules.lifecycle.facts import ContainerFacts
from monopod.tasks.rules.lifecycle.failures import OUT_OF_MEMORY, UNSEEN
from monopod.tasks.rules.lifecycle.members import Member
from monopod.tasks.rules.lifecycle.snapshot import Snapshot
from monopod.tasks.rules.lifecycle.states import (
    DEPROVISIONING,
    HEALTHY,
    PENDING,
    RUNNING,
    STOPPED,
    UNHEALTHY,
    UNKNOWN,
    format_time,
)

Json = dict[str, Any]

_ORDER: Final = (PENDING, RUNNING, STOPPED)
_INTERFACE: Final = ("PRECREATED", "ATTACHING", "ATTACHED", "DETACHING", "DELETED")


def update_container(container: Mapping[str, Any], snapshot: Snapshot) -> Json:
    """A container's part of the status as of now. Its status only goes forward, and what it once said stays."""
    member = next((each for each in snapshot.members if each.name == container.get("name")), None)
    before = str(container.get("lastStatus") or PENDING)
    if member is None or snapshot.pod is None:
        # Without a definition it isn't known what the containers of its pod are.
        return {**container, "lastStatus": STOPPED} if _must_have_ended(snapshot) else dict(container)
    facts = snapshot.facts(member)
    failure = snapshot.failures.get(member.name)
    status = max(before, _compute_status(member, facts, snapshot), key=_ORDER.index)
    return {
        **container,
        "lastStatus": status,
        "healthStatus": _compute_health(member, facts, str(container.get("healthStatus") or UNKNOWN), snapshot),
        **_describe_run(member, facts, snapshot),
        **(_describe_end(container, facts) if status == STOPPED else {}),
        # The kubelet forgets it when it ends what has never started.
        **({"reason": failure} if failure and "reason" not in container else {}),
        **({"managedAgents": [_update_agent(container, facts, status)]} if container.get("managedAgents") else {}),
    }


def compute_health(containers: list[Json], snapshot: Snapshot) -> str:
    """The task's health: what its essential containers with a check say together."""
    essential = {member.name for member in snapshot.members if member.is_essential and member.is_checked}
    found = {each.get("healthStatus") for each in containers if each.get("name") in essential}
    return UNHEALTHY if UNHEALTHY in found else HEALTHY if found == {HEALTHY} else UNKNOWN


def compute_health_due(member: Member, facts: ContainerFacts) -> datetime.datetime | None:
    """From when failing checks count; None if there are none, or they don't fail."""
    if not member.is_checked or facts.is_ready or not facts.is_running or facts.started_at is None:
        return None
    return facts.started_at + member.health_patience


def update_attachment(attachment: Mapping[str, Any], snapshot: Snapshot, last_status: str) -> Json:
    """The network interface as of now: it comes with the pod's node and its address, and goes with the task."""
    pod, before = snapshot.pod, str(attachment.get("status") or _INTERFACE[0])
    reached = 2 if pod and pod.address else 1 if pod and pod.node else 0
    reached = {DEPROVISIONING: 3, STOPPED: 4}.get(last_status, reached)
    status = max(before, _INTERFACE[reached], key=_INTERFACE.index)
    told = build_details(snapshot.task, pod.address, _get_namespace(snapshot)) if pod and pod.address else ()
    return {**attachment, "status": status, **({"details": list(told)} if told else {})}


def _get_namespace(snapshot: Snapshot) -> str:
    return str((snapshot.task.get("metadata") or {}).get("namespace") or "")


def _must_have_ended(snapshot: Snapshot) -> bool:
    return snapshot.is_over and (bool(snapshot.recorded) or snapshot.status.get("desiredStatus") == STOPPED)


def _compute_status(member: Member, facts: ContainerFacts, snapshot: Snapshot) -> str:
    if _must_have_ended(snapshot) or has_ended(member, facts):
        return STOPPED
    return RUNNING if facts.has_begun else PENDING


def _compute_health(member: Member, facts: ContainerFacts, before: str, snapshot: Snapshot) -> str:
    """A check that fails says nothing while the container may still be starting."""
    if not member.is_checked or not facts.is_running or snapshot.status.get("desiredStatus") == STOPPED:
        return before
    if facts.is_ready:
        return HEALTHY
    due = compute_health_due(member, facts)
    return UNHEALTHY if before != UNKNOWN or (due and snapshot.now >= due) else UNKNOWN


def _describe_run(member: Member, facts: ContainerFacts, snapshot: Snapshot) -> Json:
    told: Json = {}
    if facts.has_begun:
        told["runtimeId"] = compute_runtime_id(snapshot.task, member.name)
    if "@" in facts.image_id:
        told["imageDigest"] = facts.image_id.rpartition("@")[2]
    if snapshot.pod and (address := snapshot.pod.address):
        key = "ipv6Address" if ":" in address else "privateIpv4Address"
        told["networkInterfaces"] = [{"attachmentId": compute_id(snapshot.task, "attachment"), key: address}]
    return told


def _describe_end(container: Mapping[str, Any], facts: ContainerFacts) -> Json:
    """How it ended: its exit code, and a reason where there is more to say. The first that is told stays."""
    told: Json = {}
    # A sidecar that has ended once is restarted: the run that counts is the one before.
    again = not facts.ended and facts.earlier_exit is not None
    code = facts.earlier_exit if again else facts.exit_code
    reason = facts.earlier_reason if again else facts.ended
    if code is not None:
        told["exitCode"] = code
    if reason == OOM_KILLED:
        told["reason"] = OUT_OF_MEMORY
    elif code is None and container.get("lastStatus") == RUNNING:
        told["reason"] = UNSEEN
    return {key: value for key, value in told.items() if key not in container}


def _update_agent(container: Mapping[str, Any], facts: ContainerFacts, status: str) -> Json:
    """What lets `execute-command` in: here it is there as soon as the container runs."""
    before: Json = dict(container["managedAgents"][0])
    if status == RUNNING and "lastStartedAt" not in before and facts.started_at:
        before["lastStartedAt"] = format_time(facts.started_at)
    return {**before, "name": EXEC_AGENT, "lastStatus": status}
