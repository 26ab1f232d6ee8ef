"""A task definition that Fargate and Monopod take, and copies of it that they don't."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Definition = dict[str, Any]

ROLE = "arn:aws:iam::012345678901:role/ecsTaskExecutionRole"
CASES = Path(__file__).parent / "rules" / "cases.yaml"


def a_definition(**fields: object) -> Definition:
    """Without a finding, but for what the fields bring."""
    definition = {
        "family": "web",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [a_container()],
        **fields,
    }
    return deepcopy(definition)


def a_container(name: str = "app", **fields: object) -> Definition:
    return {"name": name, "image": "nginx:1.29", **fields}


def with_containers(*containers: Mapping[str, object]) -> Definition:
    return a_definition(executionRoleArn=ROLE, containerDefinitions=list(containers))


def with_container(**fields: object) -> Definition:
    """The definition with a container that has these fields, too."""
    return with_containers({**a_container(), **fields})


@dataclass(frozen=True)
class Case:
    """A definition and what is said of it."""

    id: str
    definition: Definition
    path: str
    rule: str
    code: str
    message: str


def read_cases() -> Iterator[Case]:
    """The table."""
    for subject, cases in yaml.safe_load(CASES.read_text()).items():
        for case in cases:
            code = case.get("code", "ClientException")
            yield Case(f"{subject}: {case['id']}", _build(case), case["at"], case["rule"], code, case["says"])


def _build(case: Mapping[str, Any]) -> Definition:
    if "container" in case:
        definition = with_containers(_without_null({**a_container(), **case["container"]}))
    elif "containers" in case:
        definition = with_containers(*({"image": "nginx:1.29", **each} for each in case["containers"]))
    else:
        definition = a_definition()
    definition |= case.get("task", {})
    return {key: value for key, value in definition.items() if key not in case.get("without", ())}


def _without_null(container: Definition) -> Definition:
    return {key: value for key, value in container.items() if key != "image" or value is not None}
