"""What the chart says of an option is what the operator's model says of it: name, default, bounds."""

import json
from typing import Any

import pytest
import yaml

from chartgen.arguments import read_arguments
from monopod.__main__ import main
from monopod.manager.flags import Option, list_sections, read_options
from monopod.manager.options import OperatorOptions
from tests.chart.rendering import CHART, Rendered

OPTIONS = {option.flag: option for _, own in list_sections(OperatorOptions) for option in own}
ARGUMENTS = read_arguments(CHART / "templates" / "deployment.yaml")
BY_VALUE = {path: flag for flag, path in ARGUMENTS.items() if path}
VALUES: Any = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
MODEL = OperatorOptions.model_json_schema()["properties"]
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern", "enum")
STRICTER = {"metrics.port": {"minimum": 1}}
"""A port that the kernel chooses could be in no Service."""
OF_THE_POD = {"namespace", "identity"}


def find_option(flag: str) -> Option:
    """The option that a flag sets; of a switch that is on, the flag turns it off."""
    return OPTIONS.get(flag) or OPTIONS[flag.replace("--no-", "--", 1)]


def look_up(path: str) -> Any:
    value = VALUES
    for name in path.split("."):
        value = value[name]
    return value


def find_schema(path: str) -> Any:
    node = SCHEMA
    for name in path.split("."):
        node = node["properties"][name]
    return resolve(node)


def resolve(node: Any) -> Any:
    node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    return {**node, "items": resolve(node["items"])} if "items" in node else node


def read_bounds(node: Any) -> dict[str, Any]:
    found = {key: node[key] for key in (*BOUNDS, "minItems", "maxItems") if key in node}
    return {**found, "items": read_bounds(node["items"])} if "items" in node else found


def test_most_flags_are_values_of_the_chart() -> None:
    assert len(BY_VALUE) >= 14
    assert {flag for flag, path in ARGUMENTS.items() if not path} == {
        "--namespace",
        "--service-account",
        "--ledger",
        "--ledger-account",
        "--ecs-metadata-url",
        "--webhook-secrets",
    }


@pytest.mark.parametrize("path", BY_VALUE)
def test_a_value_has_the_default_of_its_option(path: str) -> None:
    default = find_option(BY_VALUE[path]).field.default
    assert look_up(path) == (list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("path", BY_VALUE)
def test_a_value_has_the_bounds_of_its_option(path: str) -> None:
    expected = read_bounds(MODEL[find_option(BY_VALUE[path]).name]) | STRICTER.get(path, {})
    assert read_bounds(find_schema(path)) == expected


@pytest.mark.parametrize("installed", ["default_chart", "default_manifests"])
def test_the_arguments_of_the_deployment_say_the_defaults(installed: str, request: pytest.FixtureRequest) -> None:
    rendered: Rendered = request.getfixturevalue(installed)
    run, *arguments = rendered.container["args"]
    given = main.commands[run].make_context(run, arguments).params
    options = read_options(OperatorOptions, given)
    assert options.model_dump(exclude=OF_THE_POD) == OperatorOptions().model_dump(exclude=OF_THE_POD)
    assert options.namespace == "$(POD_NAMESPACE)"
