"""What of ECS's records is fixed, where the kinds' own rules can't say it.

In the rules of a CRD two structures of free form are equal if they have as many members and those that have a name in
common are equal (apiserver's `unstructuredMap.Equal`): a member may take another's place. A policy compares them whole.
"""

from typing import Final

from monopod.admission.shapes import Document, build_validating, to_documents
from monopod.api.ecs.names import ECS_GROUP, ECS_TASK_DEFINITION_PLURAL, ECS_TASK_PLURAL, ECS_VERSION
from monopod.cel.expressions import Validation, quote

_SAME_DEFINITION: Final = Validation(
    "Tasks run by it.",
    "request.operation == 'CREATE' || object.spec.?definition == oldObject.spec.?definition",
    "Definition can't be changed; register another revision.",
)
_SAME_OVERRIDES: Final = Validation(
    "The task runs by them.",
    "request.operation == 'CREATE' || object.spec.?overrides == oldObject.spec.?overrides",
    "Overrides can't be changed; run another task.",
)

# By its estimate of what this costs, the API server wouldn't take it as a rule of the kind: names have no bound there.
_NAMED: Final = Validation(
    "A family whose name Kubernetes takes is the beginning of the name; of any other the beginning is made from it.",
    f"""
    request.operation != 'CREATE' || request.resource.resource != {quote(ECS_TASK_DEFINITION_PLURAL)} ||
      object.metadata.name == object.spec.family + '.' + string(object.spec.revision) ||
      !object.spec.family.matches('^[a-z0-9]([-a-z0-9]{{0,57}}[a-z0-9])?$')
    """,
    "A task definition is named for its family and its revision, as in web.3.",
)


def build_ecs_records() -> tuple[Document, Document]:
    """The policy and its binding."""
    rule = {
        "apiGroups": [ECS_GROUP],
        "apiVersions": [ECS_VERSION],
        "operations": ["CREATE", "UPDATE"],
        "resources": [ECS_TASK_DEFINITION_PLURAL, ECS_TASK_PLURAL],
    }
    return build_validating(
        "monopod-ecs-records",
        "Keeps what was registered and what was asked for as it was, of task definitions and tasks of ECS's.",
        {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": to_documents((_SAME_DEFINITION, _SAME_OVERRIDES, _NAMED)),
        },
    )
