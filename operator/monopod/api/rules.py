"""Rules that the API server itself enforces on Monopod's kinds, written next to the field or kind they guard.

A rule here is one entry of a CRD's `x-kubernetes-validations`. Rules are not run in Python: the API server is the
judge, so that a profile from kubectl, from Helm or from any other client meets the same ones.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

VALIDATIONS = "x-kubernetes-validations"

Reason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"]


@dataclass(frozen=True)
class Rule:
    """A CEL expression that must hold, and the message a user reads when it doesn't.

    As metadata of an annotated type (`Annotated[str, Rule(…)]`) it guards that value; `for_kind` puts rules on a model.
    `expression` sees the value as `self` and, if it names `oldSelf`, runs only on updates.
    `field` moves the message from the guarded value to one of its fields (`.selectors`).
    """

    expression: str
    message: str
    reason: Reason = "FieldValueInvalid"
    field: str = ""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Adds the rule to the schema of the annotated type."""
        schema = handler(core_schema)
        return {**schema, VALIDATIONS: [*schema.get(VALIDATIONS, []), self.to_schema()]}

    def to_schema(self) -> dict[str, str]:
        """Returns the rule as Kubernetes writes it."""
        # A folded docstring-like source is easier to review; CEL itself doesn't care for the white space.
        schema = {"rule": " ".join(self.expression.split()), "message": self.message, "reason": self.reason}
        return {**schema, "fieldPath": self.field} if self.field else schema


def for_kind(*rules: Rule) -> dict[str, Any]:
    """Returns rules on a whole model, for its `model_config["json_schema_extra"]`."""
    return {VALIDATIONS: [rule.to_schema() for rule in rules]}


def unchangeable(field: str, *, optional: bool = False) -> Rule:
    """Returns the rule, for the model that holds it, that a field keeps the value it was created with.

    It stands on the model and not on the field, because a rule on an optional field doesn't run when an update adds
    or removes the field.
    """
    same = f"self.{field} == oldSelf.{field}"
    if optional:
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    return Rule(
        same,
        f"{field} can't be changed; create another profile with the new value, then delete this one",
        "FieldValueForbidden",
        f".{field}",
    )
