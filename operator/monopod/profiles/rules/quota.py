"""Which profiles are more than a cluster may have.

Source: EKS user guide, Fargate profiles: ten per cluster by default, adjustable. The API server refuses a profile
beyond the quota when it is created, by a policy that reads the operator's latest count (`monopod.profiles.cel.quota`).
Several created at once can outrun that count, so the operator asks here which ones came too late.
"""

from collections.abc import Iterable
from typing import Final

from monopod.api.names import QUOTA_KEY, QUOTA_PROFILES_KEY
from monopod.selectors.capacity import Registration

DEFAULT_QUOTA: Final = 10


def find_beyond_quota(profiles: Iterable[Registration], quota: int) -> tuple[str, ...]:
    """The names of the profiles beyond the quota: the newest, and of equally new ones the last by name."""
    return tuple(profile.name for profile in sorted(profiles)[max(0, quota) :])


def build_quota_data(names: Iterable[str], quota: int) -> dict[str, str]:
    """The data of the ConfigMap that the policy reads. Profiles that are being deleted count until they are gone."""
    return {QUOTA_PROFILES_KEY: "\n".join(sorted(names)), QUOTA_KEY: str(quota)}
