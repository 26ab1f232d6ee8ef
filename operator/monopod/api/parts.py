"""What several kinds are made of: the base of all objects in them, conditions, names, label selectors.

The docstrings are the CRDs' descriptions, as everywhere in this package.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from monopod.api.rules import Rule, for_kind

ATOMIC_LIST: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
ATOMIC_MAP: dict[str, Any] = {"x-kubernetes-map-type": "atomic"}

MAX_LABELS_SELECTED = 8


class Part(BaseModel):
    """Any object within a kind: camelCase in YAML, snake_case in Python."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        use_attribute_docstrings=True,
        frozen=True,
    )


GroupName = Annotated[
    str,
    Field(max_length=63),
    Rule(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "the name of a SecurityGroup consists of at most 63 lower-case letters, digits and '-', "
        "and starts and ends with a letter or a digit",
    ),
]


class Condition(Part):
    """One aspect of the object's state, in the form that all Kubernetes kinds share."""

    type: Annotated[str, Field(max_length=316)]
    """The aspect, in CamelCase."""

    status: Literal["True", "False", "Unknown"]
    """Whether the aspect holds."""

    observed_generation: Annotated[int | None, Field(ge=0)] = None
    """The metadata.generation of the object that this condition is about."""

    last_transition_time: Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
    """When the status last changed."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why the status is what it is, as one CamelCase word."""

    message: Annotated[str, Field(max_length=32768)]
    """The same for a person, with what to do where something is to be done."""


# A pattern and not a rule with a better message: selectors are in so many places that rules would cost too much.
LabelValue = Annotated[
    str, Field(max_length=63, json_schema_extra={"pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"})
]

LABEL_KEY = "^([a-z0-9.-]+/)?[A-Za-z0-9_.-]+$"
BAD_KEY = "a label key is a name (letters, digits, '-', '_' and '.'), if need be after a DNS name and '/'"


class LabelRequirement(Part):
    """One requirement on the label of a key."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 "
                ": !has(self.values) || self.values.size() == 0",
                "In and NotIn need values; Exists and DoesNotExist take none",
                "FieldValueInvalid",
                ".values",
            )
        )
    )

    key: Annotated[str, Field(min_length=1, max_length=317), Rule(f"self.matches('{LABEL_KEY}')", BAD_KEY)]
    """The label's key."""

    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """What the label must be. NotIn and DoesNotExist hold where there is no such label."""

    values: Annotated[list[LabelValue] | None, Field(max_length=10, json_schema_extra=ATOMIC_LIST)] = None
    """The values of In and NotIn; at most 10."""


class LabelSelector(Part):
    """Objects by their labels; all requirements must hold. Without any (`{}`) it selects all."""

    match_labels: Annotated[
        dict[str, LabelValue] | None,
        Field(max_length=MAX_LABELS_SELECTED, json_schema_extra=ATOMIC_MAP),
        Rule(f"self.all(key, key.size() <= 317 && key.matches('{LABEL_KEY}'))", BAD_KEY),
    ] = None
    """Labels with their values; at most 8."""

    match_expressions: Annotated[
        list[LabelRequirement] | None, Field(max_length=MAX_LABELS_SELECTED, json_schema_extra=ATOMIC_LIST)
    ] = None
    """Requirements; at most 8."""
