"""Which profiles are more than a cluster may have.

Source: EKS user guide, Fargate profiles: ten per cluster by default, adjustable. The API server refuses a profile
beyond the quota when it is created, by a policy that reads the operator's latest count (`monopod.profiles.cel.quota`).
Several created at once can outrun that count, so the operator asks here which ones came too late.
"""

from collections.abc import Iterable
from typing import Final

from monopod.api.names import QUOTA_KEY, QUOTA_PROFILES_KEY
from monopod.api.reasons import ConditionType, Reason
from monopod.kube.objects.conditions import Finding
from monopod.selectors.capacity import Registration

DEFAULT_QUOTA: Final = 10


def find_beyond_quota(profiles: Iterable[Registration], quota: int) -> tuple[str, ...]:
    """The names of the profiles beyond the quota: the newest, and of equally new ones the last by name."""
    return tuple(profile.name for profile in sorted(profiles)[max(0, quota) :])


def build_quota_data(names: Iterable[str], quota: int) -> dict[str, str]:
    """The data of the ConfigMap that the policy reads. Profiles that are being deleted count until they are gone."""
    return {QUOTA_PROFILES_KEY: "\n".join(sorted(names)), QUOTA_KEY: str(quota)}


def hold_back_beyond_quota(quota: int) -> Finding:
    """Why a profile isn't published: the cluster has that many already, as many as it may have."""
    message = (
        f"the cluster has {quota} profiles already, which is its quota: delete one, or raise profileQuota in "
        f"the chart's values"
    )
    return Finding(ConditionType.PUBLISHED, False, Reason.PROFILE_QUOTA_EXCEEDED, message)
