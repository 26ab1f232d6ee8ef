"""What a task runs in the end: its definition with the overrides, and whether Fargate and Monopod take that."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from monopod.tasks.rules.form.parameters import check_form
from monopod.tasks.rules.form.shapes import OVERRIDES, TASK_DEFINITION, Structure
from monopod.tasks.rules.registration.overrides import InvalidOverride, apply_overrides
from monopod.tasks.rules.rule import SDK_CODE, choose_refusal, describe_refusal
from monopod.tasks.rules.running.refusal import Refusal
from monopod.tasks.rules.sizes import read_cpu, read_memory
from monopod.tasks.rules.validation import validate

LONGEST_OVERRIDES: Final = 8192
"""Of the containers' overrides, as JSON."""

LONGEST_OTHERS: Final = 8192
"""Of all other overrides together, where AWS names no limit: each task of a request has them in its object."""

Json = dict[str, Any]


def compute_effective(definition: Mapping[str, Any], overrides: Mapping[str, Any]) -> Json:
    """The definition that a task with these overrides runs by.

    Args:
        definition: as it is registered; any JSON, as it may be kubectl's.
        overrides: as RunTask takes them, empty if there are none; any JSON, too.

    Raises:
        Refusal: what comes of it can't run.
    """
    _check_form(definition, TASK_DEFINITION, "The task definition")
    _check_form(overrides, OVERRIDES, "overrides")
    _check_overrides(overrides)
    done = merge(definition, overrides)
    if found := choose_refusal(validate(done)):
        raise Refusal(describe_refusal(found), found.rule.code)
    return done


def merge(definition: Mapping[str, Any], overrides: Mapping[str, Any]) -> Json:
    """The definition with the overrides, whether or not that can run.

    Raises:
        Refusal: they name a container that isn't there.
    """
    # Of the task's own members an empty one changes nothing, as on AWS.
    given = {key: value for key, value in overrides.items() if value not in ("", [], {}, None)}
    try:
        done = apply_overrides(definition, given)
    except InvalidOverride as invalid:
        raise Refusal(str(invalid), invalid.code) from None
    for key, amount in (("cpu", read_cpu(done.get("cpu"))), ("memory", read_memory(done.get("memory")))):
        if key in given and amount is not None:
            done[key] = str(amount)
    return done


def _check_form(value: Mapping[str, Any], shape: Structure, name: str) -> None:
    wrong = next((each for each in check_form(value, shape) if each.rule.code == SDK_CODE), None)
    if wrong:
        raise Refusal(f"{name} holds what it can't: {wrong.message}")


def _check_overrides(overrides: Mapping[str, Any]) -> None:
    if overrides.get("inferenceAcceleratorOverrides"):
        raise Refusal("Unsupported field 'inferenceAccelerators'.")
    containers = overrides.get("containerOverrides") or ()
    if _measure(containers) > LONGEST_OVERRIDES:
        raise Refusal(f"Container Overrides length must be at most {LONGEST_OVERRIDES}")
    if _measure({key: value for key, value in overrides.items() if key != "containerOverrides"}) > LONGEST_OTHERS:
        raise Refusal(f"The length of the other overrides must be at most {LONGEST_OTHERS}")
    names = Counter(each["name"] for each in containers if each.get("name") is not None)
    if twice := next((name for name, times in names.items() if times > 1), None):
        raise Refusal(f"There is more than one override for the container {twice}.")


def _measure(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
