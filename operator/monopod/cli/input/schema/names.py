"""Names, labels and annotations, as the API server takes them: k8s.io/apimachinery, pkg/util/validation."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from monopod.cli.input.schema.structural import Fault
from monopod.kube.objects.label_selector import is_label_key, is_label_value

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"

_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)
_KEY_RULE: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character"
)
_LONGEST_NAME: Final = 253


def compute_metadata_faults(
    metadata: Mapping[str, Any], path: str = "metadata", *, named: bool = True
) -> Iterator[Fault]:
    """What is wrong with an object's metadata; `named` is False for a pod template's, which needs no name."""
    name = metadata.get("name")
    if named and not name and not metadata.get("generateName"):
        yield Fault(f"{path}.name", "Required value: name or generateName is required")
    if isinstance(name, str) and name and named:
        yield from _compute_name_faults(name, f"{path}.name")
    for key, value in _pairs(metadata.get("labels")):
        yield from _compute_key_faults(key, f"{path}.labels")
        if isinstance(value, str) and not is_label_value(value):
            yield Fault(f"{path}.labels", f"Invalid value: {json.dumps(value)}: {_VALUE_RULE}")
    for key, _ in _pairs(metadata.get("annotations")):
        yield from _compute_key_faults(key.lower(), f"{path}.annotations")


def _pairs(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((key, inner) for key, inner in value.items() if isinstance(key, str))


def _compute_name_faults(name: str, path: str) -> Iterator[Fault]:
    if len(name) > _LONGEST_NAME:
        yield Fault(path, f"Invalid value: {json.dumps(name)}: must be no more than {_LONGEST_NAME} bytes")
    elif not re.fullmatch(_SUBDOMAIN, name):
        yield Fault(path, f"Invalid value: {json.dumps(name)}: {_SUBDOMAIN_RULE}")


def _compute_key_faults(key: str, path: str) -> Iterator[Fault]:
    if not is_label_key(key):
        yield Fault(path, f"Invalid value: {json.dumps(key)}: {_KEY_RULE}")
