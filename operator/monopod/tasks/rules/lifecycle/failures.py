"""Why a container doesn't start, or ended by more than its own exit: in AWS's words, with what the kubelet says.

The kubelet tries again whatever fails. What can't come right by that ends the task at once; what might, in minutes.
"""

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Final

from monopod.tasks.rules.lifecycle.facts import NOTHING, ContainerFacts
from monopod.tasks.rules.lifecycle.members import Member
from monopod.tasks.rules.order import Role

START_PATIENCE: Final = datetime.timedelta(minutes=3)
"""How long what fails is tried again."""

LONGEST_REASON: Final = 1024
"""Characters: a registry's or a runtime's message may go on for pages."""

OUT_OF_MEMORY: Final = "OutOfMemoryError: Container killed due to memory usage"
UNSEEN: Final = "Nobody saw how the container ended."

_PULL: Final = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
        *("RegistryUnavailable", "SignatureValidationFailed"),
    }
)
_NEVER_PULLED: Final = frozenset({"InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed"})
_CREATE: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})

# Words of containerd's and of registries' for what another attempt doesn't change, where the kubelet says nothing else.
_REFUSED: Final = re.compile(
    r"code = NotFound|: not found|denied|unauthorized|forbidden|no match for platform|manifest unknown", re.IGNORECASE
)
# Words of the kubelet's (pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables; the API server's NotFound).
_SECRET: Final = re.compile(r'secrets? "[^"]*" not found|couldn\'t find key \S+ in Secret')
_BACK_OFF: Final = re.compile(r'^Back-off pulling image "[^"]*": (?:\w+: )?')


def find_failure(facts: ContainerFacts, began: datetime.datetime | None, now: datetime.datetime) -> str:
    """Why the container won't start; "" if it has, or may still.

    Args:
        facts: its state.
        began: when its node began with the pod.
        now: the time.
    """
    is_late = began is not None and now - began >= START_PATIENCE
    message = facts.message or facts.waiting
    if facts.could_not_start:
        return f"CannotStartContainerError: {facts.message or facts.ended}"
    if facts.has_begun:
        return ""
    if facts.waiting in _PULL and (is_late or facts.waiting in _NEVER_PULLED or _REFUSED.search(message)):
        return f"CannotPullContainerError: {_BACK_OFF.sub('', message)}"
    if facts.waiting in _CREATE and _SECRET.search(message):
        return (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
            f"failed: unable to retrieve secret: {message}"
        )
    if facts.waiting in _CREATE and is_late:
        return f"CannotCreateContainerError: {message}"
    return ""


def is_retried(facts: ContainerFacts) -> bool:
    """Whether something fails that is tried again for a while."""
    return not facts.has_begun and facts.waiting in _PULL | _CREATE


def find_failures(
    members: Sequence[Member],
    containers: Mapping[str, ContainerFacts],
    began: datetime.datetime | None,
    now: datetime.datetime,
) -> dict[str, str]:
    """By name, why containers won't start: of their own, or because others don't do what they wait for."""
    states = {each.name: containers.get(each.in_pod, NOTHING) for each in members}
    found = {name: text for name, facts in states.items() if (text := find_failure(facts, began, now))}
    for awaited in members:
        facts = states[awaited.name]
        problem = _find_unmet(awaited, facts, now)
        for waiting in members if problem else ():
            if awaited.name in waiting.before and not states[waiting.name].has_begun:
                told = _FAILED[problem].format(awaited.name, waiting.name)
                found.setdefault(waiting.name, f"CannotStartContainerError: dependency graph: {told}")
    return {name: text[:LONGEST_REASON] for name, text in found.items()}


_EXIT: Final = "exit"
_TIME: Final = "time"
_FAILED: Final = {
    _EXIT: (
        "failed to resolve container ordering dependency [{}] for target [{}] as dependency did not exit successfully."
    ),
    _TIME: "container ordering dependency [{}] for target [{}] has timed out.",
}


def _find_unmet(awaited: Member, facts: ContainerFacts, now: datetime.datetime) -> str:
    if awaited.role is Role.JOB and facts.ended:
        return "" if facts.exit_code == 0 else _EXIT
    due = compute_start_due(awaited, facts)
    return _TIME if due and now >= due else ""


def compute_start_due(awaited: Member, facts: ContainerFacts) -> datetime.datetime | None:
    """When those that wait for the container give up; None if they don't, or needn't any more."""
    is_met = bool(facts.ended) if awaited.role is Role.JOB else facts.is_started or facts.is_ready
    if awaited.start_timeout is None or is_met or not facts.is_running or facts.started_at is None:
        return None
    return facts.started_at + awaited.start_timeout
