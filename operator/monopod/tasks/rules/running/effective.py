"""What a task runs in the end: its definition with the overrides, and whether Fargate and Monopod take that."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from monopod.tasks.rules.registration.overrides import InvalidOverride, apply_overrides
from monopod.tasks.rules.rule import SDK_CODE, Effect
from monopod.tasks.rules.running.refusal import INVALID, Refusal
from monopod.tasks.rules.sizes import read_cpu, read_memory
from monopod.tasks.rules.validation import validate

LONGEST_OVERRIDES: Final = 8192
"""Of the containers' overrides, as JSON."""

Json = dict[str, Any]


def compute_effective(definition: Mapping[str, Any], overrides: Mapping[str, Any]) -> Json:
    """The definition that a task with these overrides runs by.

    Args:
        definition: as it is registered.
        overrides: as RunTask takes them; empty if there are none.

    Raises:
        Refusal: what comes of it can't run.
    """
    _check_overrides(overrides)
    done = merge(definition, overrides)
    for finding in validate(done):
        if finding.rule.effect is not Effect.NOTE:
            code = INVALID if finding.rule.code == SDK_CODE else finding.rule.code
            raise Refusal(finding.message, code)
    return done


def merge(definition: Mapping[str, Any], overrides: Mapping[str, Any]) -> Json:
    """The definition with the overrides, whether or not that can run.

    Raises:
        Refusal: they name a container that isn't there.
    """
    # Of the task's own members an empty one changes nothing, as on AWS.
    given = {key: value for key, value in overrides.items() if value not in ("", [], {})}
    try:
        done = apply_overrides(definition, given)
    except InvalidOverride as invalid:
        raise Refusal(str(invalid), invalid.code) from None
    for key, amount in (("cpu", read_cpu(done.get("cpu"))), ("memory", read_memory(done.get("memory")))):
        if key in given and amount is not None:
            done[key] = str(amount)
    return done


def _check_overrides(overrides: Mapping[str, Any]) -> None:
    if overrides.get("inferenceAcceleratorOverrides"):
        raise Refusal("Unsupported field 'inferenceAccelerators'.")
    containers = overrides.get("containerOverrides") or ()
    if len(json.dumps(containers, separators=(",", ":"), ensure_ascii=False)) > LONGEST_OVERRIDES:
        raise Refusal(f"Container Overrides length must be at most {LONGEST_OVERRIDES}")
    names = Counter(each["name"] for each in containers if each.get("name") is not None)
    if twice := next((name for name, times in names.items() if times > 1), None):
        raise Refusal(f"There is more than one override for the container {twice}.")
