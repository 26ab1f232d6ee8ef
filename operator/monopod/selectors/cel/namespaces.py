"""Namespaces: those that are created get their compiled selectors at once, and no one but the operator changes any.

The label and the annotation of a namespace are the switch of everything else: without the label its new pods run
unsandboxed. The operator writes them on namespaces that exist; for those to come it keeps a ConfigMap with the
compiled profiles, from which a policy writes them, so that a namespace and its first pod can be created in one go
while the operator is down. An installation brings that ConfigMap empty: no namespace is reached. Without any, neither
policy applies, so that no one's namespaces suffer from half an installation.

Three more annotations are the operator's: that the namespace is isolated, its SecurityGroupPolicies, and the workloads
that Spot lacks room for. A new namespace has none of them, so that its first pods wait until the operator has written
its default-deny policy.
"""

from monopod.api.names import (
    GROUP_POLICIES_ANNOTATION,
    ISOLATED_ANNOTATION,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    ON_DEMAND_ANNOTATION,
    SELECTORS_ANNOTATION,
)
from monopod.cel.compiled_selectors import LINE_SEPARATOR, PATTERNS_KEY, PROTECTED_KEY, SEPARATOR
from monopod.cel.expressions import Validation, Variable, quote
from monopod.cel.json_patch import drop_if, escape_pointer, put, put_map_if_absent

SUBRESOURCES = ("namespaces", "namespaces/status", "namespaces/finalize")
"""Where a namespace's metadata can change once it exists."""

NAME = Variable("name", "The new namespace's name.", "object.metadata.?name.orValue('')")

PROTECTED = Variable(
    "protected",
    "Namespaces that only their exact name reaches, never a wildcard.",
    f"params.?data[?{quote(PROTECTED_KEY)}].orValue('').split({quote(LINE_SEPARATOR)})",
)

PATTERN_LINES = Variable(
    "patternLines",
    "Each line of the ConfigMap as the namespace, a name or a regular expression (it begins with ^), and the selector. "
    "A variable of its own, because each has a budget of its own.",
    f"""
    params.?data[?{quote(PATTERNS_KEY)}].orValue('')
      .split({quote(LINE_SEPARATOR)})
      .filter(line, line != '')
      .map(line, line.split({quote(SEPARATOR)}, 2))
    """,
)

EXPECTED_SELECTORS = Variable(
    "expectedSelectors",
    "The selectors of this namespace: of each line the part after the namespace, where that is this one or matches it.",
    f"""
    variables.patternLines
      .filter(line, line[0].startsWith('^')
        ? !(variables.name in variables.protected) && variables.name.matches(line[0])
        : variables.name == line[0])
      .map(line, line[1])
      .join({quote(LINE_SEPARATOR)})
    """,
)

NAMESPACE_VARIABLES = (NAME, PROTECTED, PATTERN_LINES, EXPECTED_SELECTORS)

_LABEL_PATH = f"/metadata/labels/{escape_pointer(NAMESPACE_LABEL)}"
_SELECTORS_PATH = f"/metadata/annotations/{escape_pointer(SELECTORS_ANNOTATION)}"
_HAS_LABEL = f"{quote(NAMESPACE_LABEL)} in object.metadata.?labels.orValue({{}})"
_HAS_SELECTORS = f"{quote(SELECTORS_ANNOTATION)} in object.metadata.?annotations.orValue({{}})"

LATER_ANNOTATIONS = (ISOLATED_ANNOTATION, GROUP_POLICIES_ANNOTATION, ON_DEMAND_ANNOTATION)
"""What the operator writes on a namespace once it exists."""


def _has(annotation: str) -> str:
    return f"{quote(annotation)} in object.metadata.?annotations.orValue({{}})"


_DROP_LATER = " +\n    ".join(
    drop_if(_has(name), f"/metadata/annotations/{escape_pointer(name)}") for name in LATER_ANNOTATIONS
)

NAMESPACE_PATCH = f"""
    // What only the operator knows of a namespace.
    {_DROP_LATER} +
    (variables.expectedSelectors == '' ? (
    // No profile reaches the namespace, whatever its manifest says.
    {drop_if(_HAS_LABEL, _LABEL_PATH)} +
    {drop_if(_HAS_SELECTORS, _SELECTORS_PATH)}
    ) : (
    {put_map_if_absent("/metadata/labels", "has(object.metadata.labels)")} +
    {put_map_if_absent("/metadata/annotations", "has(object.metadata.annotations)")} +
    {put(_LABEL_PATH, quote(NAMESPACE_LABEL_VALUE))} +
    {put(_SELECTORS_PATH, "variables.expectedSelectors")}
    ))
"""
"""The operations that mark a new namespace, or remove marks that it must not have."""

_NOT_BY_HAND = (
    f"Only Monopod writes metadata.labels[{NAMESPACE_LABEL}] and metadata.annotations[{SELECTORS_ANNOTATION}]. "
    "Create the namespace again, without them: profiles may have changed at that moment. If it fails again, the "
    "MutatingAdmissionPolicy monopod-namespaces or its binding is missing, or a webhook undoes its work."
)

# The API server makes up the rest of a generated name after all mutation, so the profiles that reach it can't be known
# then; refusing it is better than to let its first pods run unsandboxed.
_NOT_GENERATED = (
    "A Fargate profile reaches this namespace, and that must be known before it exists. Create it with metadata.name "
    "instead of metadata.generateName."
)

CREATED_WITH_ITS_SELECTORS = Validation(
    "A new namespace has exactly the selectors that the mutating policy gives it, so it can't have a generated name.",
    f"""
    object.metadata.?labels[?{quote(NAMESPACE_LABEL)}].orValue('')
      == (variables.expectedSelectors == '' ? '' : {quote(NAMESPACE_LABEL_VALUE)}) &&
    object.metadata.?annotations[?{quote(SELECTORS_ANNOTATION)}].orValue('') == variables.expectedSelectors
    """,
    _NOT_BY_HAND,
    f"""
    object.metadata.?generateName.orValue('') == ''
      ? {quote(_NOT_BY_HAND)}
      : {quote(_NOT_GENERATED)}
    """,
)


def build_kept_by_operator(service_account: str) -> tuple[Validation, ...]:
    """The validations of changes to namespaces; new ones are looked at for what the operator writes later.

    Args:
        service_account: the operator's user name, which alone may change what the pods' policies read.
    """
    label = f"metadata.?labels[?{quote(NAMESPACE_LABEL)}]"
    selectors = f"metadata.?annotations[?{quote(SELECTORS_ANNOTATION)}]"
    by_operator = f"request.operation == 'CREATE' || request.userInfo.username == {quote(service_account)}"
    return (
        Validation(
            "The label switches sandboxing on for the namespace's new pods.",
            f"{by_operator} || object.{label} == oldObject.{label}",
            f"metadata.labels[{NAMESPACE_LABEL}] is written by Monopod's operator alone. Leave it as it is; to keep a "
            "namespace's pods out of a Fargate profile, change the profiles that select it.",
        ),
        Validation(
            "The annotation holds the profiles that the pods' policies read.",
            f"{by_operator} || object.{selectors} == oldObject.{selectors}",
            f"metadata.annotations[{SELECTORS_ANNOTATION}] is written by Monopod's operator alone. Leave it as it is; "
            "to change which pods run on Fargate, change the profiles that select the namespace.",
        ),
        *(_written_later(service_account, name) for name in LATER_ANNOTATIONS),
    )


def _written_later(service_account: str, annotation: str) -> Validation:
    value = f"metadata.?annotations[?{quote(annotation)}]"
    return Validation(
        "By it new pods run at once instead of waiting for the operator, get their security groups, or run on demand.",
        f"""
        request.operation == 'CREATE' ? !object.{value}.hasValue()
          : request.userInfo.username == {quote(service_account)} || object.{value} == oldObject.{value}
        """,
        f"metadata.annotations[{annotation}] is written by Monopod's operator alone, on a namespace that exists. Leave "
        "it as it is, and leave it out of a new namespace.",
    )
