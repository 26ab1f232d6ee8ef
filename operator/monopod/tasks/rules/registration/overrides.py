"""What RunTask changes in a task definition for one task."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

Json = dict[str, Any]

_OF_THE_TASK: Final = ("cpu", "memory", "executionRoleArn", "taskRoleArn", "ephemeralStorage")
_OF_A_CONTAINER: Final = (
    *("command", "environmentFiles", "cpu", "memory", "memoryReservation", "resourceRequirements"),
)


class InvalidOverride(ValueError):
    """An override that AWS refuses; the message is AWS's, the code `code`."""

    code = "InvalidParameterException"


def apply_overrides(definition: Mapping[str, Any], overrides: Mapping[str, Any]) -> Json:
    """The definition that the task runs by. Whether it would be one that can run is for `validate` to say.

    Args:
        definition: as it is registered.
        overrides: RunTask's `overrides`, of the form that the service's model describes.

    Raises:
        InvalidOverride: it names a container that isn't there.
    """
    done = deepcopy(dict(definition))
    done |= {key: deepcopy(overrides[key]) for key in _OF_THE_TASK if key in overrides}
    containers = {each.get("name"): each for each in done["containerDefinitions"]}
    for override in overrides.get("containerOverrides", ()):
        name = override.get("name")
        if name is None:
            raise InvalidOverride("Container override must contain a container name.")
        if name not in containers:
            raise InvalidOverride(f"Override for container named {name} is not a container in the TaskDefinition.")
        container = containers[name]
        container |= {key: deepcopy(override[key]) for key in _OF_A_CONTAINER if key in override}
        if override.get("environment"):
            container["environment"] = _merge(container.get("environment") or (), override["environment"])
    return done


def _merge(variables: Sequence[Mapping[str, Any]], overrides: Sequence[Mapping[str, Any]]) -> list[Json]:
    """The variables, each with its new value where it has one, and then those that are new."""
    merged = {each.get("name"): dict(each) for each in (*variables, *overrides)}
    return list(merged.values())
