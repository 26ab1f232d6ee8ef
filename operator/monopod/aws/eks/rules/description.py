"""A FargateProfile as EKS tells of it, whoever created it."""

from collections.abc import Mapping
from typing import Any, Final

from monopod.aws.eks.rules.arns import build_profile_arn
from monopod.aws.eks.rules.record import read_record
from monopod.aws.eks.rules.tags import read_tags
from monopod.aws.options import Account
from monopod.aws.wire.call import Params
from monopod.kube.objects.timestamps import read_time

DELETING: Final = "DELETING"
DELETE_FAILED: Final = "DELETE_FAILED"

_ISSUE_CODE: Final = "InternalFailure"
"""AWS's code for what isn't about roles or a cluster that can't be reached. Monopod's own goes before the message."""


def describe_profile(profile: Mapping[str, Any], account: Account) -> Params:
    """The profile, as the members of EKS's shape."""
    metadata, spec = profile["metadata"], profile.get("spec") or {}
    record = read_record(profile)
    role = spec.get("podExecutionRoleARN")
    created = read_time(metadata.get("creationTimestamp") or "")
    return {
        "fargateProfileName": record.name,
        "fargateProfileArn": build_profile_arn(account, record.name, metadata["uid"]),
        "clusterName": account.cluster,
        **({"createdAt": created} if created else {}),
        **({"podExecutionRoleArn": role} if role else {}),
        "subnets": list(spec.get("subnets") or ()) if record.subnets is None else list(record.subnets),
        "selectors": list(spec.get("selectors") or ()),
        "status": read_status(profile),
        "tags": read_tags(profile),
        "health": {"issues": [_describe_issue(each) for each in _read_issues(profile)]},
    }


def read_status(profile: Mapping[str, Any]) -> str:
    """Where the profile is in its life, in EKS's words, which are Monopod's."""
    phase = (profile.get("status") or {}).get("phase") or "CREATING"
    if (profile.get("metadata") or {}).get("deletionTimestamp"):
        # The operator may not have seen it yet.
        return DELETE_FAILED if phase == DELETE_FAILED else DELETING
    return str(phase)


def _read_issues(profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    return ((profile.get("status") or {}).get("health") or {}).get("issues") or []


def _describe_issue(issue: Mapping[str, Any]) -> Params:
    return {
        "code": _ISSUE_CODE,
        "message": f"{issue['code']}: {issue['message']}",
        "resourceIds": list(issue.get("resourceIds") or ()),
    }
