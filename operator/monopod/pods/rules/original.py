"""The manifest that a pod was made from, as far as the pod still tells: what its author would create it from again.

The API server records which client wrote which field (metadata.managedFields), and it does so before mutating
admission has its say, and not when a pod is bound to a node. So what no one is recorded for was filled in: by
admission (the volume of the ServiceAccount's token, tolerations, a LimitRange's requests, sidecars, marks of ours), by
a RuntimeClass, by the scheduler. Such fields are left out; whatever fills them in does so again. Static defaults are
recorded like an author's own words; they are left out where the value can't depend on anything else.

Someone may have cleared the record. Then nothing is left out but what is the API server's beyond doubt, and above all
the node stays: no one knows any more whether the author named it. `exemptions` leaves such a pod alone.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    LOGGING_ANNOTATION,
    OUR_GATES,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    RECREATED_ANNOTATION,
    SPOT_CLASSES,
    STORAGE_ANNOTATION,
    TASK_LABEL,
    UNSUPPORTED_ANNOTATION,
)
from monopod.pods.rules.size import compute_pod_size, measure_need

Manifest = dict[str, Any]
Record = dict[str, Any]
"""Fields as the API server's fieldsV1 has them: `f:NAME` for fields, `k:{…}` for items of a list, {} for a leaf."""

_METADATA: Final = ("name", "namespace", "generateName", "labels", "annotations", "finalizers", "ownerReferences")
_FILLED_IN: Final = ("priority", "preemptionPolicy", "overhead", "ephemeralContainers")
"""Of a spec: admission works them out from other fields and refuses any other value, or a pod can't begin with them."""

_MARK_LABELS: Final = frozenset((PROFILE_LABEL, GROUP_COUNT_LABEL, TASK_LABEL, CAPACITY_PROVIDER_LABEL))
_MARK_ANNOTATIONS: Final = frozenset(
    (
        *(CAPACITY_ANNOTATION, LOGGING_ANNOTATION, STORAGE_ANNOTATION, UNSUPPORTED_ANNOTATION),
        *(POD_GROUPS_ANNOTATION, RECREATED_ANNOTATION),
    )
)
_NETWORK_ANNOTATIONS: Final = re.compile(
    r"cni\.projectcalico\.org/(podIPs?|containerID)|k8s\.v1\.cni\.cncf\.io/networks?-status"
)
"""What network plugins say of a pod that runs. On a pod that doesn't yet, Calico would believe the address."""

_SPEC_DEFAULTS: Final[Manifest] = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "enableServiceLinks": True,
    "securityContext": {},
}
_CONTAINER_DEFAULTS: Final[Manifest] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
}
_PROBE_DEFAULTS: Final[Manifest] = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_VOLUME_SOURCES: Final = ("secret", "configMap", "downwardAPI", "projected")
_DEFAULT_TOLERATIONS: Final = tuple(
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for state in ("not-ready", "unreachable")
)


def compute_original(pod: Mapping[str, Any]) -> Manifest:
    """The manifest of a pod as the API server sends it, managedFields included; a second time it changes nothing.

    The result shares no structure with the pod.
    """
    whole: Manifest = json.loads(json.dumps(dict(pod)))
    record = read_record(whole)
    metadata = {key: value for key, value in whole["metadata"].items() if key in _METADATA}
    spec: Manifest = whole["spec"]
    if record is not None:
        kept = record.get("f:metadata", {})
        for field in ("labels", "annotations"):
            metadata[field] = _keep_recorded(metadata.get(field) or {}, kept.get(f"f:{field}", {".": {}}))
        spec = _keep_recorded(spec, record["f:spec"])
    labels = metadata.get("labels") or {}
    if PROFILE_LABEL in (whole["metadata"].get("labels") or {}):
        if record is None:
            # Admission set the pin, and nothing tells whether the author had, too.
            labels.pop(EKS_PROFILE_LABEL, None)
        spec = _unsize(whole, spec)
        if spec.get("priorityClassName") in SPOT_CLASSES:
            del spec["priorityClassName"]
    metadata["labels"] = {key: value for key, value in labels.items() if not _is_our_label(key)}
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {key: value for key, value in annotations.items() if not _is_filled_in(key)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": _without_defaults({key: value for key, value in spec.items() if key not in _FILLED_IN}),
    }


def _unsize(pod: Manifest, spec: Manifest) -> Manifest:
    """The spec without the size that admission gave it.

    It writes over an author's own pod-level resources. They are taken for its work as long as the containers alone come
    to the same size; else they are what makes it this size again.
    """
    if "resources" not in spec or CAPACITY_ANNOTATION not in (pod["metadata"].get("annotations") or {}):
        return spec
    rest = {key: value for key, value in spec.items() if key != "resources"}
    asked = measure_need(pod)
    row, alone = compute_pod_size(asked), compute_pod_size(measure_need({**pod, "spec": rest}))
    if row is not None and alone is not None and row > alone:
        # Admission writes both; a pod that lacks one isn't admission's.
        cpu, memory = asked.pod_cpu_millis or 0, asked.pod_memory_mib or 0
        rest["resources"] = {"requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}}
    return rest


def read_record(pod: Mapping[str, Any]) -> Record | None:
    """Which fields clients wrote, the status left out; None if the pod's creation isn't on record any more."""
    record: Record = {}
    for entry in pod["metadata"].get("managedFields") or ():
        if entry.get("subresource") != "status":
            _merge(record, entry.get("fieldsV1") or {})
    containers = record.get("f:spec", {}).get("f:containers", {})
    # A container can't be renamed: whoever is recorded for its name created the pod.
    names = [f'k:{{"name":"{each["name"]}"}}' for each in pod["spec"]["containers"]]
    return record if any("f:name" in containers.get(name, {}) for name in names) else None


def _merge(into: Record, fields: Mapping[str, Any]) -> None:
    for key, below in fields.items():
        _merge(into.setdefault(key, {}), below)


def _keep_recorded(value: Any, record: Record) -> Any:
    """The part of a value that is on record."""
    if not record:
        return value
    if isinstance(value, dict):
        return {
            key: {} if _was_empty(key, record[f"f:{key}"]) else _keep_recorded(below, record[f"f:{key}"])
            for key, below in value.items()
            if f"f:{key}" in record
        }
    if isinstance(value, list):
        items = [(json.loads(key[2:]), below) for key, below in record.items() if key.startswith("k:")]
        if not items:
            return value  # a set, of whose members no one fills in any
        found = [(item, _find_item(item, items)) for item in value]
        return [_keep_recorded(item, below) for item, below in found if below is not None]
    return value


def _was_empty(key: str, record: Record) -> bool:
    # The API server writes `resources: {}` on every container, and a LimitRange fills it in after it was recorded.
    return key == "resources" and not record


def _find_item(item: Any, items: Iterable[tuple[Mapping[str, Any], Record]]) -> Record | None:
    return next((below for key, below in items if all(item.get(name) == text for name, text in key.items())), None)


def _is_our_label(key: str) -> bool:
    return key in _MARK_LABELS or key.startswith(GROUP_LABEL_PREFIX)


def _is_filled_in(annotation: str) -> bool:
    return annotation in _MARK_ANNOTATIONS or _NETWORK_ANNOTATIONS.fullmatch(annotation) is not None


def _without_defaults(spec: Manifest) -> Manifest:
    rest = _without(spec, _SPEC_DEFAULTS)
    if "serviceAccountName" in spec and rest.get("serviceAccount") == spec["serviceAccountName"]:
        del rest["serviceAccount"]  # the old name of the same field
    if tolerations := _without_default_tolerations(rest.pop("tolerations", [])):
        rest["tolerations"] = tolerations
    if gates := [gate for gate in rest.pop("schedulingGates", []) if gate.get("name") not in OUR_GATES]:
        rest["schedulingGates"] = gates
    for field in ("containers", "initContainers"):
        if field in rest:
            rest[field] = [_without_container_defaults(each) for each in rest[field]]
    for term in _each_term(rest):
        _drop_label_keys(term)
    for volume in rest.get("volumes", []):
        for source in _VOLUME_SOURCES:
            if source in volume:
                volume[source] = _without(volume[source] or {}, {"defaultMode": 420})
    return rest


def _without_container_defaults(container: Manifest) -> Manifest:
    rest = _without(container, _CONTAINER_DEFAULTS)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in rest:
            rest[probe] = _without(rest[probe] or {}, _PROBE_DEFAULTS)
            if "httpGet" in rest[probe]:
                rest[probe]["httpGet"] = _without(rest[probe]["httpGet"], {"scheme": "HTTP"})
    for port in rest.get("ports", []):
        if port.get("protocol") == "TCP":
            del port["protocol"]
    return rest


def _each_term(spec: Manifest) -> Iterator[Manifest]:
    """All that selects other pods."""
    yield from spec.get("topologySpreadConstraints", [])
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        yield from affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        for weighted in affinity.get("preferredDuringSchedulingIgnoredDuringExecution", []):
            yield weighted["podAffinityTerm"]


def _drop_label_keys(term: Manifest) -> None:
    """Takes off the expressions that the API server appends for label keys, and refuses where they are already."""
    selector = term.get("labelSelector") or {}
    expressions = selector.get("matchExpressions", [])
    match = [(key, "In") for key in term.get("matchLabelKeys", [])]
    mismatch = [(key, "NotIn") for key in term.get("mismatchLabelKeys", [])]
    for key, operator in reversed([*match, *mismatch]):
        if expressions and (expressions[-1]["key"], expressions[-1]["operator"]) == (key, operator):
            expressions.pop()
    if "matchExpressions" in selector and not expressions:
        del selector["matchExpressions"]


def _without_default_tolerations(tolerations: list[Manifest]) -> list[Manifest]:
    """Without those that admission appends, and would again."""
    rest = list(tolerations)
    for default in reversed(_DEFAULT_TOLERATIONS):
        if rest and rest[-1] == default:
            rest.pop()
    return rest


def _without(fields: Manifest, defaults: Manifest) -> Manifest:
    return {key: value for key, value in fields.items() if key not in defaults or defaults[key] != value}
