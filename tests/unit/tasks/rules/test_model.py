"""The fields of a task definition are those of AWS's own model of the service."""

from typing import Any

import pytest

from monopod.tasks.rules.form.shapes import (
    AMOUNT,
    TASK_DEFINITION,
    ListOf,
    MapOf,
    Scalar,
    Shape,
    Structure,
    find_definition,
)
from monopod.tasks.rules.rule import SDK_CODE
from tests.unit.tasks.definitions import Case, read_cases

# What the service takes otherwise than the SDK: Python takes a boolean for a number, and null is absent.
OTHERWISE = ("form: true for a number", "form: null for what must be there")
FORM = [case for case in read_cases() if case.code == SDK_CODE and case.id not in OTHERWISE]
TYPES = {"string": "str", "integer": "int", "boolean": "bool"}


@pytest.fixture(scope="module")
def model() -> Any:
    loaders = pytest.importorskip("botocore.loaders", reason="botocore comes with the AWS endpoint")
    models = pytest.importorskip("botocore.model", reason="botocore comes with the AWS endpoint")
    return models.ServiceModel(loaders.Loader().load_service_model("ecs", "service-2"))


def describe(shape: Any) -> Any:
    """A shape of botocore's as nested tuples."""
    match shape.type_name:
        case "structure":
            members = {name: describe(member) for name, member in shape.members.items()}
            return members, frozenset(shape.required_members)
        case "list":
            return [describe(shape.member)]
        case "map":
            return {"*": describe(shape.value)}
        case _:
            return TYPES[shape.type_name], tuple(shape.enum if shape.type_name == "string" else ())


def describe_ours(shape: Shape) -> Any:
    match shape:
        case Structure(members=members, required=required):
            return {name: describe_ours(member) for name, member in members.items()}, required
        case ListOf(item=item):
            return [describe_ours(item)]
        case MapOf(value=value):
            return {"*": describe_ours(value)}
        case Scalar():
            return "str" if shape is AMOUNT else shape.python, shape.values


def test_what_is_registered_has_the_models_fields_types_and_values(model: Any) -> None:
    registered = model.operation_model("RegisterTaskDefinition").input_shape
    assert describe_ours(TASK_DEFINITION) == describe(registered)


def test_what_is_described_beyond_that_is_left_out(model: Any) -> None:
    described = model.operation_model("DescribeTaskDefinition").output_shape.members["taskDefinition"].members
    found = find_definition({"taskDefinition": {"family": "a", **dict.fromkeys(described, None)}})
    assert found is not None
    assert found.keys() == described.keys() & TASK_DEFINITION.members.keys()


@pytest.mark.parametrize("case", FORM, ids=[case.id for case in FORM])
def test_what_the_sdk_says_is_said_in_its_words(model: Any, case: Case) -> None:
    validate = pytest.importorskip("botocore.validate", reason="botocore comes with the AWS endpoint")
    registered = model.operation_model("RegisterTaskDefinition").input_shape
    report = validate.ParamValidator().validate(case.definition, registered).generate_report()
    assert case.message in report.splitlines()
