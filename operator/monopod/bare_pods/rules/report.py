"""What there is to say of a profile's pods without a controller, for its status: those under way, and troubles."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monopod.api.reasons import Reason
from monopod.api.stored_pod import Phase
from monopod.bare_pods.rules.steps import ObservedPod, StoredPod, is_gone
from monopod.eviction.rules.order import Candidate, Obstacle

REASONS: Mapping[Phase, Reason] = {
    "Recreating": Reason.RECREATION_REFUSED,
    "Refused": Reason.RECREATION_REFUSED,
    "NameTaken": Reason.NAME_TAKEN,
}
"""Why a stored pod that has a message in this phase isn't created again."""


@dataclass(frozen=True, slots=True)
class BareReport:
    """What there is to say of a profile's pods without a controller.

    Attributes:
        waiting: pods that are gone and whose successors don't run yet, as NAMESPACE/NAME.
        obstacles: what keeps pods from being stored or from coming back; budgets aren't among it.
        missing: pods that aren't there unless a list shows them: those whose eviction has been asked for, and those
            that don't come back, because what became of one may become of the next.
    """

    waiting: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One stored pod: what has its name, None if that wasn't observed; and the pod, if it is to be evicted."""

    stored: StoredPod
    observed: ObservedPod | None = None
    candidate: Candidate | None = None


def build_reports(findings: Sequence[Finding], refused: Mapping[str, tuple[Obstacle, ...]]) -> dict[str, BareReport]:
    """The reports by profile.

    Args:
        findings: the stored pods.
        refused: what keeps pods from being stored, by profile.
    """
    by_profile: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in sorted(findings, key=lambda finding: str(finding.stored)):
        by_profile[finding.stored.profile].append(finding)
    return {
        profile: _build_report(by_profile[profile], refused.get(profile, ()))
        for profile in sorted(by_profile.keys() | refused.keys())
    }


def _build_report(findings: Sequence[Finding], refused: tuple[Obstacle, ...]) -> BareReport:
    troubled = [finding.stored for finding in findings if finding.stored.message and finding.stored.phase in REASONS]
    under_way = [each for each in findings if each.stored not in troubled and each.observed and is_gone(each.observed)]
    # Where another pod has the name, that one may well have replaced it.
    missing = (finding.stored for finding in findings if finding.stored.phase not in ("Stored", "NameTaken"))
    return BareReport(
        tuple(str(finding.stored) for finding in under_way),
        (
            *(Obstacle(REASONS[stored.phase], f"{stored}: {stored.message}", (str(stored),)) for stored in troubled),
            *refused,
        ),
        tuple(map(str, missing)),
    )
