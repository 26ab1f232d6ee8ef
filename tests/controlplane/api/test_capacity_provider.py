"""Which capacity provider strategies a real API server accepts, and the words with which it refuses others."""

import json
from typing import Any

import pytest

from tests.controlplane.builders import a_profile, create, refusals

ON_SPOT = {"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}
MIXED = "spec.capacityProviderStrategy: Invalid value: a profile runs all of its pods on one capacity provider. Use two"

REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "two": ([{"capacityProvider": "FARGATE", "weight": 1}, ON_SPOT], MIXED),
    "a base on demand, the rest on Spot": ([{"capacityProvider": "FARGATE", "weight": 0, "base": 2}, ON_SPOT], MIXED),
    "no weight at all": (
        [{"capacityProvider": "FARGATE_SPOT", "weight": 0}],
        "spec.capacityProviderStrategy: Invalid value: at least one capacity provider needs a weight above 0",
    ),
    "the same twice": (
        [ON_SPOT, {**ON_SPOT, "weight": 0}],
        "spec.capacityProviderStrategy: Invalid value: the same capacity provider is listed twice",
    ),
    "another": (
        [{"capacityProvider": "EC2"}],
        'spec.capacityProviderStrategy[0].capacityProvider: Unsupported value: "EC2": supported values: "FARGATE", ',
    ),
    "a weight above AWS's": (
        [{**ON_SPOT, "weight": 1001}],
        "spec.capacityProviderStrategy[0].weight: Invalid value: 1001: ",
    ),
}


@pytest.mark.parametrize(("strategy", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_strategy_is_refused_for_one_reason(installed: Any, strategy: list[dict[str, Any]], reason: str) -> None:
    answer = create(installed, a_profile(capacityProviderStrategy=strategy), "--dry-run=server")
    assert answer.returncode != 0
    first, *more = refusals(answer.stderr)
    assert first.startswith(reason)
    assert all("some validation rules were not checked" in other for other in more), more


ACCEPTED: dict[str, list[dict[str, Any]]] = {
    "Spot": [ON_SPOT],
    "on demand": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
    "Spot, with the other named": [{**ON_SPOT, "base": 2}, {"capacityProvider": "FARGATE", "weight": 0, "base": 0}],
    "none": [],
}


@pytest.mark.parametrize("strategy", ACCEPTED.values(), ids=ACCEPTED)
def test_a_strategy_of_one_provider_is_accepted(installed: Any, strategy: list[dict[str, Any]]) -> None:
    answer = create(installed, a_profile(capacityProviderStrategy=strategy), "--dry-run=server", "-o", "json")
    assert answer.stderr == ""
    assert json.loads(answer.stdout)["spec"]["capacityProviderStrategy"] == strategy


def test_a_weight_needn_t_be_said(installed: Any) -> None:
    profile = a_profile(capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT"}])
    answer = create(installed, profile, "--dry-run=server", "-o", "json")
    assert json.loads(answer.stdout)["spec"]["capacityProviderStrategy"] == [ON_SPOT]


AFTER = "spec.spot.fallbackAfter: Invalid value: "
SPOT_REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a fallback to something else": (
        {"fallback": "Wait"},
        'spec.spot.fallback: Unsupported value: "Wait": supported values: "None", "OnDemand"',
    ),
    "a time without a fallback": (
        {"fallbackAfter": "2m"},
        "spec.spot: Invalid value: fallbackAfter has no effect without fallback: OnDemand",
    ),
    "too soon": (
        {"fallback": "OnDemand", "fallbackAfter": "29s"},
        f'{AFTER}"29s": must be a duration between 30s and 1h',
    ),
    "too late": (
        {"fallback": "OnDemand", "fallbackAfter": "1h1s"},
        f'{AFTER}"1h1s": must be a duration between 30s and 1h',
    ),
    "no duration": (
        {"fallback": "OnDemand", "fallbackAfter": "soon"},
        f'{AFTER}"soon": must be a duration between 30s and 1h',
    ),
    "a choice of something else": (
        {"podChoice": "Spot"},
        'spec.spot.podChoice: Unsupported value: "Spot": supported values: "Ignore", "Allow"',
    ),
}


@pytest.mark.parametrize(("spot", "reason"), SPOT_REFUSED.values(), ids=SPOT_REFUSED)
def test_what_is_said_of_spot_is_refused_for_one_reason(installed: Any, spot: dict[str, Any], reason: str) -> None:
    answer = create(installed, a_profile(spot=spot), "--dry-run=server")
    assert answer.returncode != 0
    first, *more = refusals(answer.stderr)
    assert first.startswith(reason)
    assert all("some validation rules were not checked" in other for other in more), more


@pytest.mark.parametrize("after", ["30s", "2m", "1m30s", "1h", "60m"])
def test_a_fallback_is_accepted_with_a_time_within_bounds(installed: Any, after: str) -> None:
    spot = {"fallback": "OnDemand", "fallbackAfter": after, "podChoice": "Allow"}
    answer = create(installed, a_profile(spot=spot), "--dry-run=server")
    assert answer.returncode == 0, answer.stderr
