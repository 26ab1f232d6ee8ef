"""How large a pod may be in a namespace that a profile reaches, in CEL: the same bounds as `monopod.pods.rules.bounds`.

Numbers of keys come before anything that looks at each of them, so that refusing a large pod is cheap too. A pod of a
few labels pays for little more than sizes.
"""

from monopod.api.names import OUR_GATES, PROFILE_LABEL
from monopod.cel.expressions import Validation, Variable, quote, quote_all
from monopod.pods.cel.selection import IS_OWN
from monopod.pods.rules.bounds import (
    ADDED_NODE_ENTRIES,
    ADDED_VOLUME,
    ANNOTATIONS,
    CONTAINERS,
    ENTRIES,
    FEW_LABELS,
    GATES,
    LABEL_CHARACTERS,
    LABELS,
    LATER,
    MAX_GATES_IN_ALL,
    MAX_LABELS_IN_ALL,
    NODE_ENTRIES,
    NODE_TERMS,
    VOLUMES,
    WRITTEN_ANNOTATIONS,
    WRITTEN_RESOURCE,
    Bound,
)
from monopod.pods.rules.nodes import REQUIRED


def _labels(owner: str) -> str:
    return f"{owner}.metadata.?labels.orValue({{}})"


def _annotations(owner: str) -> str:
    return f"{owner}.metadata.?annotations.orValue({{}})"


def _count_labels(labels: str) -> str:
    return f"""({labels}.size() <= {LABELS.most} || {labels}.size() > {MAX_LABELS_IN_ALL}
        ? {labels}.size() : {labels}.filter(key, {IS_OWN}).size())"""


def _count_annotations(annotations: str) -> str:
    return f"""({annotations}.size() <= {ANNOTATIONS.most}
        ? {annotations}.size()
        : {annotations}.size() - {quote_all(WRITTEN_ANNOTATIONS)}.filter(key, key in {annotations}).size())"""


def _count_characters(labels: str) -> str:
    return f"""({labels}.size() <= {FEW_LABELS}
        ? 0 : {labels}.map(key, {IS_OWN}, key.size() + {labels}[key].size() + 2).sum())"""


_INITS = "object.spec.?initContainers.orValue([])"
_CONTAINERS = f"object.spec.containers.size() + {_INITS}.size()"
_VOLUMES = f"""(!has(object.spec.volumes) ? 0
        : object.spec.volumes.size() <= {VOLUMES.most} ? object.spec.volumes.size() : object.spec.volumes.size() -
          (object.spec.volumes.exists(volume, volume.name.startsWith({quote(ADDED_VOLUME)})) ? 1 : 0))"""
_CHARACTERS = f"(variables.labels.size() <= {FEW_LABELS} ? 0 : variables.labelText.size() - 1)"

_ENTRIES = f"""(object.spec.containers + {_INITS}).map(container,
          container.?ports.orValue([]).size() + container.?volumeDevices.orValue([]).size() +
          container.?securityContext.?capabilities.?add.orValue([]).size() +
          (has(container.resources) && has(container.resources.requests) ? container.resources.requests.size() -
            ({quote(WRITTEN_RESOURCE)} in container.resources.requests ? 1 : 0) : 0)).sum()"""

_TERMS = f"object.spec.?affinity.?nodeAffinity.?{REQUIRED}.?nodeSelectorTerms.orValue([])"
_NODE_TERMS = f"(has(object.spec.affinity) ? {_TERMS}.size() : 0)"
_NODE_ENTRIES = f"""(!has(object.spec.affinity) ? 0
        : {_TERMS}.map(term, (term.?matchExpressions.orValue([]) + term.?matchFields.orValue([]))
            .map(need, 1 + need.?values.orValue([]).size()).sum()).sum() -
          ({quote(PROFILE_LABEL)} in variables.labels ? {ADDED_NODE_ENTRIES} * {_TERMS}.size() : 0))"""

_GATES = f"""(!has(object.spec.schedulingGates) ? 0
        : object.spec.schedulingGates.size() <= {GATES.most} || object.spec.schedulingGates.size() > {MAX_GATES_IN_ALL}
        ? object.spec.schedulingGates.size()
        : object.spec.schedulingGates.filter(gate, !(gate.name in {quote_all(OUR_GATES)})).size())"""

_COUNTS: tuple[tuple[Bound, str], ...] = (
    (LABELS, _count_labels("variables.labels")),
    (ANNOTATIONS, _count_annotations("variables.annotations")),
    (CONTAINERS, _CONTAINERS),
    (VOLUMES, _VOLUMES),
    (ENTRIES, _ENTRIES),
    (NODE_TERMS, _NODE_TERMS),
    (NODE_ENTRIES, _NODE_ENTRIES),
    (GATES, _GATES),
    (LABEL_CHARACTERS, _CHARACTERS),
)


def _explain(bound: Bound, count: str) -> str:
    before, after = bound.what
    return f"{quote(before + ' ')} + string({count}) + {quote(f' {after}{bound.advice}')}"


_HAS_LISTS = f"""dyn(object.spec.containers) != null && object.spec.containers.size() > 0 &&
  (!has(object.spec.affinity) || dyn({_TERMS}) != null)"""
"""Lists that Go writes even if there is none are null in a pod that lacks them; and some expressions ask for the first
container."""

WITHIN_BOUNDS = Variable(
    "withinBounds",
    "Whether the pod is small enough to be looked at; the cheapest and most telling numbers first. What lacks a list "
    "that Kubernetes requires isn't looked at either: the API server refuses it in its own words.",
    " &&\n".join([_HAS_LISTS, *(f"{count} <= {bound.most}" for bound, count in _COUNTS)]),
)

NOT_TOO_LARGE = Validation(
    "Beyond these bounds the policies would cost too much, and at some point fail.",
    "variables.withinBounds",
    "This pod is too large for a namespace that a Fargate profile reaches.",
    "\n: ".join(f"{count} > {bound.most}\n  ? {_explain(bound, count)}" for bound, count in _COUNTS[:-1])
    + f"\n: {_explain(*_COUNTS[-1])}",
)


def grows(field: str) -> str:
    """Whether a change adds labels or annotations to a pod beyond what is bearable, which is refused.

    What looks at each of them asks for this first: the time that it takes grows with the square of their number.
    """
    new, old, most = {
        "labels": (_labels("object"), _labels("oldObject"), LABELS.most + LATER),
        "annotations": (_annotations("object"), _annotations("oldObject"), ANNOTATIONS.most + LATER),
    }[field]
    return f"{new}.size() > {most} && {new}.size() > {old}.size()"


def build_growth_refused(by_operator: str) -> tuple[Validation, ...]:
    """The validations of changes to a pod of a profile: it doesn't grow beyond the bounds.

    A pod that is beyond them, because it is older than they are, may still be changed as long as it doesn't grow.

    Args:
        by_operator: whether the change is the operator's, which gives the pod other security groups.
    """
    new, old = _labels("object"), _labels("oldObject")
    return (
        Validation(
            "Labels: by these profiles and SecurityGroupPolicies select.",
            f"""
            {new} == {old} || ({by_operator}) ||
              (!({grows("labels")}) &&
               ({_count_characters(new)} <= {LABEL_CHARACTERS.most} ||
                {_count_characters(new)} <= {_count_characters(old)}))
            """,
            f"A pod of a Fargate profile can't grow beyond {LABELS.most + LATER} labels or {LABEL_CHARACTERS.most} "
            "characters of labels.",
        ),
        Validation(
            "Annotations: all are looked at whenever the pod changes.",
            f"!({grows('annotations')})",
            f"A pod of a Fargate profile can't grow beyond {ANNOTATIONS.most + LATER} annotations.",
        ),
        Validation(
            "Ephemeral containers come after admission.",
            f"""
            request.?subResource.orValue('') != 'ephemeralcontainers' ||
              object.spec.?ephemeralContainers.orValue([]).size() <= {CONTAINERS.most}
            """,
            f"A pod of a Fargate profile can't have more than {CONTAINERS.most} ephemeral containers.",
        ),
    )
