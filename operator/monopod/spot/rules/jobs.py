"""Whether a Job bears that its pods are evicted."""

from collections.abc import Mapping
from typing import Any

from monopod.kube.objects.fields import Part


def ignores_disruptions(job: Mapping[str, Any]) -> bool:
    """Whether the Job doesn't count an evicted pod as failed: its podFailurePolicy ignores DisruptionTarget."""
    rules = Part(job).child("spec").child("podFailurePolicy").children("rules")
    return any(
        rule.text("action") == "Ignore"
        and any(
            pattern.text("type") == "DisruptionTarget" and (pattern.text("status") or "True") == "True"
            for pattern in rule.children("onPodConditions")
        )
        for rule in rules
    )
