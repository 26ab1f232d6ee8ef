"""What a pod's object tells of its state: whether it has ended, is ready, and by which profile it runs."""

from collections.abc import Mapping
from typing import Any

from monopod.api.names import PROFILE_LABEL
from monopod.kube.objects.fields import Part

Manifest = Mapping[str, Any]


def has_ended(pod: Manifest) -> bool:
    """Whether the pod's containers have run to their end, so that there is nothing to move."""
    return Part(pod).child("status").text("phase") in ("Succeeded", "Failed")


def get_mark(pod: Manifest) -> str:
    """The profile that the pod runs by; "" if it runs by none."""
    return Part(pod).child("metadata").text_map("labels").get(PROFILE_LABEL, "")


def is_ready(pod: Manifest) -> bool:
    """Whether a pod's condition says that it is Ready."""
    return any(
        condition.text("type") == "Ready" and condition.text("status") == "True"
        for condition in Part(pod).child("status").children("conditions")
    )
