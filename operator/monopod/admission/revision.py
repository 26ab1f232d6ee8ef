"""Whether the policies of a cluster still say what was installed, or someone has edited them since.

Every policy and binding carries the revision of the text that it was rendered from. Only where that is the revision
that this program knows can the two be compared: during an upgrade the operator and the chart's policies may be of
different versions for a while, and that is no edit. An edit with kubectl changes the spec and leaves the revision.

The API server fills defaults in, so fields that say what goes without saying are left out on both sides, and so are
fields that the Kubernetes version these policies are written for doesn't know: a newer one may have more defaults.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from monopod.api.names import REVISION_ANNOTATION

Document = dict[str, Any]
Found = Mapping[tuple[str, str], Mapping[str, Any]]

_DEFAULTS: Final = {"matchPolicy": "Equivalent", "scope": "*", "failurePolicy": "Fail", "reinvocationPolicy": "Never"}

_FIELDS: Final = frozenset({
    *("failurePolicy", "matchConditions", "matchConstraints", "paramKind", "variables", "validations", "mutations"),
    *("reinvocationPolicy", "auditAnnotations", "policyName", "paramRef", "matchResources", "validationActions"),
    *("namespaceSelector", "objectSelector", "resourceRules", "excludeResourceRules", "matchPolicy"),
    *("matchLabels", "matchExpressions", "key", "operator", "values", "selector", "parameterNotFoundAction"),
    *("apiGroups", "apiVersions", "operations", "resources", "resourceNames", "scope", "apiVersion", "kind"),
    *("name", "namespace", "expression", "message", "messageExpression", "reason", "valueExpression"),
    *("patchType", "jsonPatch", "applyConfiguration"),
})  # fmt: skip
"""All fields of the specs of policies and bindings, at any depth."""


def get_revision(spec: Mapping[str, Any]) -> str:
    """The revision of a policy that is rendered with this spec."""
    return "sha256:" + hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def find_missing(expected: Iterable[Document], found: Found) -> tuple[str, ...]:
    """Which of the policies and bindings aren't there, as KIND/NAME."""
    return tuple("/".join(_key(document)) for document in expected if _key(document) not in found)


def find_changed(expected: Iterable[Document], found: Found) -> tuple[str, ...]:
    """Which of the policies and bindings were edited since they were installed, as KIND/NAME.

    Args:
        expected: as they are rendered for this cluster: with the operator's name and its namespace.
        found: the cluster's own, by kind and name.
    """
    return tuple("/".join(_key(each)) for each in expected if _key(each) in found and _differ(each, found[_key(each)]))


def _key(document: Mapping[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _differ(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    known, theirs = (_read_revision(document) for document in (expected, found))
    return known == theirs and _normalise(expected.get("spec")) != _normalise(found.get("spec"))


def _read_revision(document: Mapping[str, Any]) -> str:
    return str((document["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION) or "")


def _normalise(part: Any, *, named: bool = True) -> Any:
    """Without defaults and empty parts, which mean the same as none; `named` if the keys are fields of the API."""
    if isinstance(part, Mapping):
        fields = {
            key: _normalise(value, named=key != "matchLabels")
            for key, value in part.items()
            if not named or (key in _FIELDS and _DEFAULTS.get(key) != value)
        }
        return {key: value for key, value in fields.items() if not named or value not in (None, "", {}, [])}
    if isinstance(part, list):
        return [_normalise(each) for each in part]
    return part.strip() if isinstance(part, str) else part
