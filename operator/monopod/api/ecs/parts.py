"""What several kinds of ECS's are made of.

AWS's documents stand in them as AWS's own JSON: in camelCase, by AWS's names, so that nothing is translated twice. What
they may hold is for `monopod.tasks.rules` to say.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from monopod.api.rules import Rule

Document = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
"""AWS's own JSON."""

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]

EcsName = Annotated[
    str,
    Field(max_length=255),
    Rule(
        "self.matches('^[A-Za-z0-9_-]{1,255}$')",
        "a name on ECS consists of 1 to 255 letters (uppercase and lowercase), numbers, hyphens and underscores",
    ),
]


def fixed(field: str, advice: str, *, optional: bool = False) -> Rule:
    """Returns the rule, for the model that holds it, that a field keeps the value it was created with."""
    same = f"self.{field} == oldSelf.{field}"
    if optional:
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    return Rule(same, f"{field} can't be changed; {advice}", "FieldValueForbidden", f".{field}")
