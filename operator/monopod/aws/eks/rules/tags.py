"""Tags of a profile: how they are changed without a look at the others, so that no two changes undo each other."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from monopod.aws.eks.rules.refusals import refuse_tags

RESERVED_PREFIX: Final = "aws:"


def find_reserved_key(tags: Mapping[str, str]) -> str:
    """What is said of a key that only AWS may use; "" if there is none."""
    reserved = any(key.lower().startswith(RESERVED_PREFIX) for key in tags)
    return "aws: prefixed tag key names are not allowed for external use." if reserved else ""


def read_tags(profile: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a profile."""
    return dict((profile.get("spec") or {}).get("tags") or {})


def build_tagging(profile: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """The merge patch by which tags are added, or get other values.

    Raises:
        AwsError: a key is reserved.
    """
    if reserved := find_reserved_key(tags):
        raise refuse_tags(reserved)
    return _build_patch(profile, dict(tags))


def build_untagging(profile: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any] | None:
    """The merge patch by which tags are removed; None if the profile has none of them."""
    had = read_tags(profile).keys() & set(keys)
    return _build_patch(profile, dict.fromkeys(sorted(had))) if had else None


def _build_patch(profile: Mapping[str, Any], tags: Mapping[str, str | None]) -> dict[str, Any]:
    # The uid: of another profile that has the name meanwhile, nothing is changed.
    return {"metadata": {"uid": profile["metadata"]["uid"]}, "spec": {"tags": tags}}
