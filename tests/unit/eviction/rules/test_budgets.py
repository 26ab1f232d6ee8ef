from typing import Any

import pytest

from monopod.eviction.rules.budgets import Budget, foretell
from monopod.eviction.rules.order import OverBudget, SeveralBudgets
from tests.unit.builders import a_pod

APP = {"matchLabels": {"app": "web"}}


def a_budget(name: str = "keep", selector: Any = APP, allowed: int = 0, healthy: int = 4, **spec: Any) -> Budget:
    return Budget.from_resource(
        {
            "metadata": {"name": name, "namespace": "prod"},
            "spec": {**({} if selector is None else {"selector": selector}), **spec},
            "status": {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": 4},
        }
    )


def ask(*budgets: Budget, namespace: str = "prod", ready: bool = True, phase: str = "Running") -> object:
    pod = a_pod("web-1").in_namespace(namespace).labelled(app="web").build() | {"status": {"phase": phase}}
    return foretell(pod, ready, budgets)


FULL = OverBudget(("keep",), "it needs 4 healthy pods and has 4")


def test_a_budget_that_allows_nothing_refuses() -> None:
    assert ask(a_budget()) == FULL


def test_a_budget_that_allows_one_does_not_refuse() -> None:
    assert ask(a_budget(allowed=1)) is None


def test_several_budgets_refuse_whatever_they_allow() -> None:
    assert ask(a_budget(allowed=1), a_budget("other", allowed=1)) == SeveralBudgets()


@pytest.mark.parametrize(
    ("selector", "refused"),
    [(None, False), ({}, True), ({"matchLabels": {"app": "db"}}, False)],
    ids=["none-selects-nothing", "empty-selects-all", "another"],
)
def test_a_budget_is_about_the_pods_that_it_selects(selector: Any, refused: bool) -> None:
    assert (ask(a_budget(selector=selector)) is not None) == refused


def test_a_budget_of_another_namespace_says_nothing() -> None:
    assert ask(a_budget(), namespace="test") is None


def test_a_pod_that_has_not_started_is_missed_by_nobody() -> None:
    assert ask(a_budget(), phase="Pending") is None


@pytest.mark.parametrize(
    ("healthy", "policy", "refused"),
    [(4, None, False), (3, None, True), (3, "AlwaysAllow", False), (3, "IfHealthyBudget", True)],
)
def test_a_pod_that_is_not_ready_may_go_while_enough_others_are(
    healthy: int, policy: str | None, refused: bool
) -> None:
    spec: dict[str, Any] = {"unhealthyPodEvictionPolicy": policy} if policy else {}
    assert (ask(a_budget(healthy=healthy, **spec), ready=False) is not None) == refused
