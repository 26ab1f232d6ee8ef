"""What `kubectl fargate rollout` makes of a profile's status, and when it stops watching."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from monopod.cli.failure import Missing
from monopod.cli.rollout import output
from monopod.cli.rollout.command import BLOCKED_SECONDS, STALLED_SECONDS, UNREACHABLE_SECONDS, follow, read_rollout
from monopod.cli.rollout.state import Rollout, State
from monopod.kube.client.api import ApiError, ApiUnreachable, ServerTrouble
from monopod.kube.objects.fields import InvalidProfile
from tests.unit.cli.running import run


def a_status(reason: str = "Moving", holds: str = "False", **told: Any) -> dict[str, Any]:
    condition = {"type": "Rescheduled", "status": holds, "reason": reason, "message": "as it is"}
    return {"observedGeneration": 2, "conditions": [condition], **({"rescheduling": told} if told else {})}


def a_resource(status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": "web", "generation": 2}, "spec": {}, "status": status or {}}


def a_rollout(state: State = State.MOVING, moved: int = 1, **fields: Any) -> Rollout:
    return Rollout("web", state, "as it is", pods=4, moved=moved, **fields)


@pytest.mark.parametrize(
    ("reason", "holds", "state"),
    [
        ("AllMoved", "True", State.DONE),
        ("ExistingPodsKept", "True", State.DONE),
        ("Moving", "False", State.MOVING),
        ("Paused", "False", State.PAUSED),
        ("Blocked", "False", State.BLOCKED),
        ("RecreationOff", "False", State.BLOCKED),
        ("PodsNotListed", "Unknown", State.UNKNOWN),
    ],
)
def test_the_state_is_what_the_condition_says(reason: str, holds: str, state: State) -> None:
    assert read_rollout(a_resource(a_status(reason, holds))).state is state


def test_the_numbers_are_those_of_the_status() -> None:
    blocker = {"reason": "BudgetExhausted", "message": "full", "pods": 2, "examples": ["a/b"]}
    status = a_status(
        startedAt="2026-01-01T00:00:00Z", pods=9, moved=3, waiting=2, blocked=2, left=2, blockers=[blocker]
    )
    rollout = read_rollout(a_resource(status))
    assert output.build_report(rollout) == {
        "profile": "web",
        "state": "Moving",
        "message": "as it is",
        "startedAt": "2026-01-01T00:00:00Z",
        "pods": 9,
        "moved": 3,
        "waiting": 2,
        "blocked": 2,
        "left": 2,
        "blockers": [blocker],
    }


def test_a_status_of_before_the_last_change_says_nothing() -> None:
    resource = a_resource(a_status("AllMoved", "True"))
    resource["metadata"]["generation"] = 3
    assert read_rollout(resource).state is State.UNKNOWN


def test_a_profile_that_the_operator_has_not_seen_is_not_done() -> None:
    assert read_rollout(a_resource()).state is State.UNKNOWN


def test_a_status_that_nobody_can_have_written_is_refused() -> None:
    with pytest.raises(InvalidProfile, match=r"status\.rescheduling\.pods: must be a whole number"):
        read_rollout(a_resource(a_status(pods="many")))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def watch(answers: Iterator[Rollout | Exception]) -> tuple[list[Rollout], float]:
    """What is seen until the watch ends, and how many seconds that takes."""
    clock = Clock()

    def fetch() -> Rollout:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return list(follow(fetch, clock, clock.wait)), clock.now


def forever(answer: Rollout | Exception) -> Iterator[Rollout | Exception]:
    while True:
        yield answer


@pytest.mark.parametrize("last", [State.DONE, State.PAUSED])
def test_the_watch_ends_when_all_is_done_or_paused(last: State) -> None:
    seen, _ = watch(iter([a_rollout(State.UNKNOWN), a_rollout(), a_rollout(last)]))
    assert [each.state for each in seen] == [State.UNKNOWN, State.MOVING, last]


def test_the_watch_ends_when_nothing_moves_for_some_time() -> None:
    seen, took = watch(forever(a_rollout(State.BLOCKED)))
    assert seen[-1].state is State.BLOCKED
    assert took == BLOCKED_SECONDS


def test_a_budget_that_is_exhausted_for_a_moment_does_not_end_the_watch() -> None:
    blocked = [a_rollout(State.BLOCKED)] * int(BLOCKED_SECONDS)
    moved = [a_rollout(State.BLOCKED, moved=2)] * int(BLOCKED_SECONDS)
    seen, _ = watch(iter([*blocked, *moved, a_rollout(), *blocked, a_rollout(State.DONE)]))
    assert seen[-1].state is State.DONE


@pytest.mark.parametrize("state", [State.MOVING, State.UNKNOWN])
def test_the_watch_ends_when_nothing_has_changed_for_long(state: State) -> None:
    seen, took = watch(forever(a_rollout(state)))
    assert STALLED_SECONDS <= took < STALLED_SECONDS + 5
    assert seen[-1].state is state


@pytest.mark.parametrize(
    "failure", [ApiUnreachable("away"), ServerTrouble(503, "", "starting"), ServerTrouble(429, "", "busy")], ids=str
)
def test_an_api_server_that_is_away_for_a_moment_does_not_end_the_watch(failure: Exception) -> None:
    seen, _ = watch(iter([a_rollout(), failure, failure, a_rollout(State.DONE)]))
    assert len(seen) == 2


def test_an_api_server_that_stays_away_ends_the_watch() -> None:
    clock = Clock()
    with pytest.raises(ApiUnreachable, match="away"):
        list(follow(_raise(ApiUnreachable("away")), clock, clock.wait))
    assert clock.now > UNREACHABLE_SECONDS


@pytest.mark.parametrize("failure", [ApiError(403, "Forbidden", "no"), Missing("gone")], ids=str)
def test_a_refusal_ends_the_watch_at_once(failure: Exception) -> None:
    clock = Clock()
    with pytest.raises(type(failure)):
        list(follow(_raise(failure), clock, clock.wait))
    assert clock.now == 0


def _raise(failure: Exception) -> Callable[[], Rollout]:
    def fetch() -> Rollout:
        raise failure

    return fetch


def test_without_a_terminal_only_changes_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    looks = [a_rollout(waiting=3), a_rollout(waiting=3), a_rollout(State.DONE, moved=4)]
    assert output.show(iter(looks)) is looks[-1]
    assert capsys.readouterr().out == (
        "web: Moving: 1/4 moved, 3 waiting, 0 blocked, 0 left alone\n"
        "web: Done: 4/4 moved, 0 waiting, 0 blocked, 0 left alone\n"
    )


def test_on_a_terminal_a_bar_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(force_terminal=True, width=120, record=True)
    monkeypatch.setattr(output, "Console", lambda **_: console)
    output.show(iter([a_rollout(), a_rollout(State.DONE, moved=3, left=1)]))
    text = console.export_text()
    assert "web: Done ━━━━" in text
    assert "3/4 moved, 0 waiting, 0 blocked, 1 left alone" in text


@pytest.mark.parametrize("options", [["--pause", "--resume"], ["--pause", "--watch"], ["--watch", "-o", "json"]])
def test_options_that_contradict_each_other_are_refused(options: list[str]) -> None:
    assert run("rollout", "web", *options).exit_code == 2


def test_without_a_usable_kubeconfig_the_status_is_2() -> None:
    result = run("rollout", "web", "--kubeconfig", "/nowhere/at/all")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: The kubeconfig can't be used: ")
