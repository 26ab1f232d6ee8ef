"""Requests of EKS, and profiles as the API server has them."""

from typing import Any

from monopod.aws.options import Account

ACCOUNT = Account("111122223333", "eu-central-1", "c1", "https://k8s.example:6443")
ROLE = "arn:aws:iam::111122223333:role/pods"
UID = "5f1c9a52-9c1f-4c0f-8d0e-0d0b0c0a0908"
CREATED = "2026-11-29T05:00:00Z"


def a_request(**params: Any) -> dict[str, Any]:
    """Asks for a new profile; a parameter that is None is left out."""
    said = {
        "clusterName": ACCOUNT.cluster,
        "fargateProfileName": "web",
        "podExecutionRoleArn": ROLE,
        "selectors": [{"namespace": "web"}],
        **params,
    }
    return {name: value for name, value in said.items() if value is not None}


def stored(profile: dict[str, Any], uid: str = UID, **status: Any) -> dict[str, Any]:
    """A profile as it is once the API server has it."""
    metadata = {**profile["metadata"], "uid": uid, "creationTimestamp": CREATED, "resourceVersion": "1"}
    return {**profile, "metadata": metadata, **({"status": status} if status else {})}


def a_profile(name: str = "web", uid: str = UID, **spec: Any) -> dict[str, Any]:
    """A profile that kubectl created."""
    return stored({"metadata": {"name": name}, "spec": {"selectors": [{"namespace": "web"}], **spec}}, uid)
