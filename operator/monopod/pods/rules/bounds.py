"""How large a pod may be in a namespace that a profile reaches.

Admission looks at all of a pod's labels, annotations, containers and volumes, and that costs the API server time: for a
pod of 20,000 labels, without bounds, twenty times what its creation costs otherwise. Beyond some thousands CEL's own
budget refuses the request, and with it changes that must not fail, such as those of security groups. So these bounds
come first, and are cheap to check. They hold for every pod of the namespace: which profile would take it, if any, isn't
known yet. What the expressions don't look at, such as environment variables, has no bound.

What a pod has is counted without what admission adds to it, so that the second time it comes out as the first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    LOGGING_ANNOTATION,
    OUR_GATES,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
    UNSUPPORTED_ANNOTATION,
)
from monopod.kube.objects.fields import Part
from monopod.pods.rules.nodes import read_terms
from monopod.pods.rules.selection import is_written

MAX_LABELS: Final = 100
MAX_LABELS_IN_ALL: Final = 2 * MAX_LABELS
"""With those that admission writes: one for each security group, and five more."""

MAX_LABEL_CHARACTERS: Final = 4000
"""As `key=value` and a separator: patterns of profiles are tested against all of them as one text."""

FEW_LABELS: Final = 10
"""This many labels never reach these characters, which then needn't be counted: a key has at most 317, a value 63."""

MAX_ANNOTATIONS: Final = 100
MAX_CONTAINERS: Final = 60
"""Init containers among them. Each is looked at some thirty times."""

MAX_VOLUMES: Final = 100
MAX_ENTRIES: Final = 300
"""Ports, added capabilities, raw devices and requested resources of all containers together. With 500 capabilities or
400 unusual resources the expressions exceed CEL's budget: each is compared with each."""

MAX_NODE_TERMS: Final = 30
MAX_NODE_ENTRIES: Final = 100
"""Expressions, fields and values of all terms of a pod's required node affinity, which is compared with the profile's
zones and written again."""

ADDED_NODE_ENTRIES: Final = 21
"""What admission adds to each term at most: an expression and 16 zones, one for the compute type, and two entries
for Spot's nodes."""

MAX_GATES: Final = 30
MAX_GATES_IN_ALL: Final = MAX_GATES + len(OUR_GATES)

LATER: Final = 50
"""Labels and annotations that may be added to a pod of a profile once it exists: network plugins and controllers write
there, and a pod at the bounds must not keep them from it."""

WRITTEN_ANNOTATIONS: Final = (
    CAPACITY_ANNOTATION,
    LOGGING_ANNOTATION,
    STORAGE_ANNOTATION,
    UNSUPPORTED_ANNOTATION,
    POD_GROUPS_ANNOTATION,
)
"""Annotations that admission writes."""

ADDED_VOLUME: Final = "kube-api-access-"
"""How the name of the volume begins that Kubernetes itself adds, with the ServiceAccount's token."""

WRITTEN_RESOURCE: Final = "ephemeral-storage"
"""The resource that admission adds to a container's requests."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound.

    Attributes:
        what: where and what is counted, as the beginning and the end of a sentence with the number between.
        most: how many there may be.
    """

    what: tuple[str, str]
    most: int

    def explain(self, number: int | str) -> str:
        """Why a pod with this number is refused, as a sentence."""
        before, after = self.what
        return f"{before} {number} {after}{self.advice}"

    @property
    def advice(self) -> str:
        """The end of that sentence."""
        return f"; a pod may have at most {self.most} in a namespace that a Fargate profile reaches."


_CONTAINERS: Final = "spec.containers and spec.initContainers have"

LABELS: Final = Bound(("metadata.labels has", "labels"), MAX_LABELS)
ANNOTATIONS: Final = Bound(("metadata.annotations has", "annotations"), MAX_ANNOTATIONS)
CONTAINERS: Final = Bound((_CONTAINERS, "containers"), MAX_CONTAINERS)
VOLUMES: Final = Bound(("spec.volumes has", "volumes"), MAX_VOLUMES)
ENTRIES: Final = Bound((_CONTAINERS, "ports, added capabilities, volumeDevices and requests together"), MAX_ENTRIES)
_TERMS: Final = "spec.affinity.nodeAffinity, as far as it is required, has"
NODE_TERMS: Final = Bound((_TERMS, "terms"), MAX_NODE_TERMS)
NODE_ENTRIES: Final = Bound((_TERMS, "expressions, fields and values together"), MAX_NODE_ENTRIES)
GATES: Final = Bound(("spec.schedulingGates has", "scheduling gates"), MAX_GATES)
LABEL_CHARACTERS: Final = Bound(("metadata.labels has", "characters"), MAX_LABEL_CHARACTERS)


def compute_excess(pod: Mapping[str, object]) -> str:
    """Why the pod is refused in a namespace that a profile reaches: what it has too many of; "" if it isn't.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    root = Part(pod)
    for bound, count in _COUNTS:
        number = count(root)
        if number > bound.most:
            return bound.explain(number)
    return ""


def _read_labels(pod: Part) -> dict[str, str]:
    return pod.child("metadata").text_map("labels")


def _count_labels(pod: Part) -> int:
    labels = _read_labels(pod)
    if len(labels) > MAX_LABELS_IN_ALL:
        return len(labels)
    return sum(not is_written(key) for key in labels)


def _count_annotations(pod: Part) -> int:
    return sum(key not in WRITTEN_ANNOTATIONS for key in pod.child("metadata").text_map("annotations"))


def _get_containers(pod: Part) -> tuple[Part, ...]:
    spec = pod.child("spec")
    return (*spec.children("containers"), *spec.children("initContainers"))


def _count_volumes(pod: Part) -> int:
    volumes = pod.child("spec").children("volumes")
    return len(volumes) - any(volume.text("name").startswith(ADDED_VOLUME) for volume in volumes)


def _count_entries(pod: Part) -> int:
    return sum(map(_count_entries_of, _get_containers(pod)))


def _count_entries_of(container: Part) -> int:
    resources = container.child("resources")
    # The API server copies limits to requests where these are missing.
    requested = {*resources.child("requests").fields, *resources.child("limits").fields} - {WRITTEN_RESOURCE}
    added = container.child("securityContext").child("capabilities").texts("add")
    return len(container.children("ports")) + len(added) + len(container.children("volumeDevices")) + len(requested)


def _count_node_entries(pod: Part) -> int:
    terms = read_terms(pod.fields)
    needs = [need for term in terms for field in ("matchExpressions", "matchFields") for need in term.children(field)]
    added = ADDED_NODE_ENTRIES * len(terms) if PROFILE_LABEL in _read_labels(pod) else 0
    return len(needs) + sum(len(need.texts("values")) for need in needs) - added


def _count_gates(pod: Part) -> int:
    gates = pod.child("spec").children("schedulingGates")
    return len(gates) if len(gates) > MAX_GATES_IN_ALL else sum(gate.text("name") not in OUR_GATES for gate in gates)


def _count_characters(pod: Part) -> int:
    labels = _read_labels(pod)
    if len(labels) <= FEW_LABELS:
        return 0
    return sum(len(key) + len(value) + 2 for key, value in labels.items() if not is_written(key))


_COUNTS: Final[tuple[tuple[Bound, Callable[[Part], int]], ...]] = (
    (LABELS, _count_labels),
    (ANNOTATIONS, _count_annotations),
    (CONTAINERS, lambda pod: len(_get_containers(pod))),
    (VOLUMES, _count_volumes),
    (ENTRIES, _count_entries),
    (NODE_TERMS, lambda pod: len(read_terms(pod.fields))),
    (NODE_ENTRIES, _count_node_entries),
    (GATES, _count_gates),
    (LABEL_CHARACTERS, _count_characters),
)
