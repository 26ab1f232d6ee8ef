"""All that a profile's status follows from, in one flat value for tables; and the status, by what each room says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monopod.deletion.rules.ending import describe_ending
from monopod.deletion.rules.stages import Stage
from monopod.isolation.rules.summary import Isolation, describe_isolation
from monopod.kube.objects.conditions import Contribution, Finding
from monopod.pods.rules.dry_run import Outcome, Pending
from monopod.pods.rules.selection import Profile
from monopod.profiles.rules.conditions import (
    Admission,
    PoliciesChanged,
    PoliciesInstalled,
    Sandbox,
    Unreadable,
    contribute_dry_run,
    contribute_unreadable,
    describe_admission,
    describe_distinction,
    describe_sandbox,
    describe_validity,
)
from monopod.profiles.rules.overlap import Overlap
from monopod.profiles.rules.status import Subject, decide_ending, decide_status
from monopod.rescheduling.rules.progress import Moves, NotListed, contribute_progress
from monopod.selectors.capacity import Overflow
from monopod.selectors.conditions import Published, contribute_publication, hold_back_for_capacity


@dataclass(frozen=True, slots=True)
class Facts:
    """As the operator's parts find them out."""

    generation: int
    profile: Profile | Unreadable
    stage: Stage | None = None
    was_active: bool = False
    published: bool = False
    pods: int = 0
    runtime_class_exists: bool = True
    unsandboxed_by: str = ""
    detected: bool = False
    classes: tuple[str, ...] = ()
    sandboxes: tuple[str, ...] = ()
    admission: Admission = field(default_factory=PoliciesInstalled)
    reached: tuple[str, ...] = ()
    kept_for: Overflow | None = None
    overflow: Overflow | None = None
    unwritten: Mapping[str, str] = field(default_factory=dict)
    outcome: Outcome = field(default_factory=Pending)
    held_back: Finding | None = None
    overlap: Overlap | None = None
    isolation: Isolation = field(default_factory=Isolation)
    moves: Moves = field(default_factory=NotListed)


def decide_from(facts: Facts, previous: dict[str, Any], now: str, *others: Contribution) -> dict[str, Any]:
    """The status that follows."""
    status = previous | ({"phase": "ACTIVE"} if facts.was_active else {})
    subject = Subject(facts.generation, facts.profile, facts.pods)
    if facts.stage is not None:
        return decide_ending(subject, describe_ending(facts.stage, status), status, now)
    isolated = Contribution((describe_isolation(facts.isolation),))
    moved = contribute_progress(facts.moves, status, now)
    return decide_status(subject, (*others, *_contribute(facts, status), isolated, moved), status, now)


def _contribute(facts: Facts, status: Mapping[str, Any]) -> tuple[Contribution, ...]:
    profile = facts.profile
    if isinstance(profile, Unreadable):
        return contribute_unreadable(profile, facts.admission), contribute_dry_run(None, status, facts.generation)
    overflow = facts.overflow
    held_back = hold_back_for_capacity(overflow, facts.reached) if overflow else facts.held_back
    patterns = [selector.namespace for selector in profile.selectors]
    sandbox = Sandbox(
        profile.runtime_class,
        facts.runtime_class_exists,
        facts.unsandboxed_by,
        facts.detected,
        facts.classes,
        facts.sandboxes,
    )
    own = (
        describe_validity(profile),
        describe_sandbox(sandbox),
        describe_admission(facts.admission),
        describe_distinction(profile.name, facts.overlap),
    )
    published = Published(patterns, facts.reached, held_back, facts.kept_for, facts.unwritten, facts.published)
    admitting = isinstance(facts.admission, PoliciesInstalled | PoliciesChanged)
    outcome = facts.outcome if admitting and sandbox.is_usable and not held_back else None
    tried = contribute_dry_run(outcome, status, facts.generation)
    return Contribution(own), contribute_publication(published), tried
