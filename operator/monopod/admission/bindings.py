"""What a Binding must not write on the pod that it binds to a node: marks, and another pod's task id.

The API server copies a Binding's labels and annotations to the pod, over the pod's own, past all other admission.
"""

from collections.abc import Sequence

from monopod.admission.marks import ANNOTATION_MARKS, LABEL_MARKS
from monopod.api.names import GROUP_LABEL_PREFIX, NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE, TASK_LABEL
from monopod.cel.expressions import Validation, Variable, quote, quote_all
from monopod.isolation.cel.groups import IS_GROUP
from monopod.pods.cel.support import CONFIGURES_NODE, CONFIGURES_SANDBOX

SUBRESOURCES = ("pods/binding", "bindings")

TASK = Variable(
    "task",
    "The pod's task id: its uid without dashes. Empty if the Binding doesn't say which pod it means. One that comes "
    "by the older of the two resources never does.",
    "object.metadata.?uid.orValue('').replace('-', '')",
)

_HAS_TASK = f"{quote(TASK_LABEL)} in object.metadata.?labels.orValue({{}})"


def _brings_none(field: str, names: Sequence[str], others: str = "false") -> str:
    return f"!object.metadata.?{field}.orValue({{}}).exists(key, key in {quote_all(names)} || {others})"


NOT_BOUND_WITH_MARKS = Validation(
    "The API server copies a Binding's labels and annotations to the pod, over the pod's own.",
    f"{_brings_none('labels', LABEL_MARKS, IS_GROUP)} && {_brings_none('annotations', ANNOTATION_MARKS)}",
    f"A Binding can't carry Monopod's marks ({', '.join((*LABEL_MARKS, GROUP_LABEL_PREFIX + '…', *ANNOTATION_MARKS))}),"
    " because they would be copied to the pod. Remove them from its metadata.",
)

NOT_BOUND_WITH_SANDBOX = Validation(
    "Nor does anybody configure the sandbox that is about to start, or the node for it, by a Binding.",
    f"""
    {_brings_none("annotations", (), CONFIGURES_SANDBOX)} &&
      (namespaceObject.metadata.?labels[?{quote(NAMESPACE_LABEL)}].orValue('') != {quote(NAMESPACE_LABEL_VALUE)} ||
       {_brings_none("annotations", (), CONFIGURES_NODE)})
    """,
    "A Binding can't carry annotations that configure the pod's sandbox, nor, where a Fargate profile reaches the "
    "namespace, its node, because they would be copied to the pod. Remove them from its metadata.",
)

BOUND_AS_ITSELF = Validation(
    "No one takes another pod's task id.",
    f"!({_HAS_TASK}) ||\n  (variables.task != '' && object.metadata.labels[{quote(TASK_LABEL)}] == variables.task)",
    f"A Binding's metadata.labels[{TASK_LABEL}] is the uid of the pod that it binds, without dashes. Leave it out; "
    "Monopod writes it where it is needed.",
)
