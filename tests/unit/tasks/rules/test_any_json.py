"""Whatever a task definition is made of: it is judged, and nothing ends in a traceback."""

import json
import random
from typing import Any

import pytest

from monopod.cli.commands import fargate
from monopod.tasks.rules.form.shapes import TASK_DEFINITION, ListOf, MapOf, Scalar, Shape, Structure, find_definition
from monopod.tasks.rules.validation import validate
from tests.unit.cli.running import run

TEXTS = [
    "",
    "app",
    "web",
    "256",
    "1 vCPU",
    "FARGATE",
    "awsvpc",
    "arn:aws:s3:::b/k",
    "x" * 300,
    "\ud800",
    "\x1b[0m",
    "é",
    "-",
    "80-90",
    "{}",
    "{name}",
    "%s",
]
NUMBERS = [0, 1, -1, 80, 512, 65536, 2**63, -(2**70), 10**30]
ODD: list[Any] = [None, True, False, 1.5, -0.0, 1e308, [], {}, [[]], [None], {"": None}, {"name": {}}]


class Maker:
    """Definitions that are mostly of the right shape, with anything at all in between."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._odd = self._random.choice([0.0, 0.02, 0.2, 0.7])
        self._present = self._random.choice([0.1, 0.4, 0.9])

    def anything(self, depth: int = 0) -> Any:
        choice = self._random.random()
        if depth > 3 or choice < 0.7:
            return self._random.choice([*TEXTS, *NUMBERS, *ODD])
        if choice < 0.85:
            return [self.anything(depth + 1) for _ in range(self._random.randrange(4))]
        return {self._random.choice(TEXTS): self.anything(depth + 1) for _ in range(self._random.randrange(4))}

    def make(self, shape: Shape) -> Any:
        if self._random.random() < self._odd:
            return self.anything()
        match shape:
            case Scalar(python="int"):
                return self._random.choice(NUMBERS)
            case Scalar(python="bool"):
                return self._random.random() < 0.5
            case Scalar(values=values):
                return self._random.choice([*values, *values, *TEXTS] if values else TEXTS)
            case ListOf(item=item):
                return [self.make(item) for _ in range(self._random.randrange(3))]
            case MapOf(value=value):
                return {self._random.choice(TEXTS): self.make(value) for _ in range(self._random.randrange(3))}
            case Structure(members=members):
                found = {
                    name: self.make(each) for name, each in members.items() if self._random.random() < self._present
                }
                return found | ({self._random.choice(TEXTS): 1} if self._random.random() < self._odd else {})


@pytest.mark.parametrize("part", range(6))
def test_any_definition_is_judged(part: int) -> None:
    for seed in range(part * 100, (part + 1) * 100):
        definition = Maker(seed).make(TASK_DEFINITION)
        if not isinstance(definition, dict):
            continue
        findings = validate(definition)
        assert findings == validate(json.loads(json.dumps(definition))), seed
        for finding in findings:
            assert (finding.path + finding.message + finding.advice).isprintable(), (seed, finding)


def test_the_definitions_that_are_made_say_much() -> None:
    """Else the others show nothing: most rules are met."""
    told = {finding.rule.name for seed in range(250) for finding in _judge(Maker(seed).make(TASK_DEFINITION))}
    assert len(told) > 75, sorted(told)


def _judge(definition: Any) -> Any:
    return validate(definition) if isinstance(definition, dict) else ()


@pytest.mark.parametrize("part", range(3))
def test_any_document_is_known_for_what_it_is(part: int) -> None:
    for seed in range(part * 300, (part + 1) * 300):
        found = find_definition(Maker(seed).anything())
        assert found is None or validate(found)


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("seed", range(1000, 1020))
def test_no_json_ends_in_a_traceback(seed: int, output: str) -> None:
    maker = Maker(seed)
    documents = [maker.make(TASK_DEFINITION), {"taskDefinition": maker.make(TASK_DEFINITION)}, maker.anything()]
    result = run("lint", "-f", "-", "-o", output, stdin="\n".join(json.dumps(each) for each in documents))
    assert result.exit_code in (0, 1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert fargate.name == "fargate"


@pytest.mark.parametrize("depth", [100, 900, 100_000])
@pytest.mark.parametrize(("opening", "closing"), ["[]", ('{"a":', "}")])
def test_deep_json_is_judged_or_refused(depth: int, opening: str, closing: str) -> None:
    nested = opening * depth + ("1" if opening != "[" else "") + closing * depth
    for text in (nested, f'{{"family": "a", "containerDefinitions": {nested}}}'):
        result = run("lint", "-f", "-", stdin=text)
        assert result.exit_code in (1, 2)
        assert isinstance(result.exception, SystemExit)
