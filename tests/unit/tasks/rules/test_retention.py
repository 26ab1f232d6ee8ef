"""How long stopped tasks are kept."""

import datetime
from typing import Any

from monopod.tasks.rules.retention import MOST_KEPT, find_expired

NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)


def stopped(minutes: float, name: str = "t", namespace: str = "ecs-a", status: str = "STOPPED") -> dict[str, Any]:
    at = (NOW - datetime.timedelta(minutes=minutes)).isoformat()
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "status": {"lastStatus": status, "stoppedAt": at}}


def test_a_stopped_task_is_kept_for_an_hour() -> None:
    assert list(find_expired([stopped(59), stopped(61, status="RUNNING"), {"metadata": {}}], NOW)) == []
    assert list(find_expired([task := stopped(60)], NOW)) == [task]


def test_of_a_cluster_only_so_many_are_kept_but_none_goes_that_waiters_ask_for() -> None:
    old = [stopped(20 + number / 1000, str(number)) for number in range(MOST_KEPT + 3)]
    others = [stopped(30, str(number), "ecs-b") for number in range(5)]
    new = [stopped(10, str(number)) for number in range(10)]
    gone = list(find_expired([*old, *new, *others], NOW))
    assert sorted(int(task["metadata"]["name"]) for task in gone) == list(range(MOST_KEPT - 10, MOST_KEPT + 3))
    assert {task["metadata"]["namespace"] for task in gone} == {"ecs-a"}
