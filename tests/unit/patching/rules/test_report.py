"""What a profile's status says of its patching."""

import datetime
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monopod.api.profile_parts.patching import MAX_TERMINATIONS
from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Obstacle
from monopod.kube.objects.timestamps import format_time
from monopod.patching.rules import report
from monopod.patching.rules.report import (
    Facts,
    compute_announcement,
    contribute_patching,
    decide_patching,
    list_due,
)
from monopod.patching.rules.rounds import Done, Evicting, Noticed, Overdue, Round, Waiting
from monopod.patching.rules.settings import Memory, PatchingSettings, Termination
from monopod.patching.rules.staleness import Cause, Patch, StalePod
from monopod.patching.rules.windows import build_window

DAY = datetime.timedelta(days=1)
DATE = datetime.datetime(2026, 3, 20, tzinfo=datetime.UTC)
NOW = "2026-03-21T00:00:00Z"
SETTINGS = PatchingSettings("web", "gvisor")


def pods(
    count: int, cause: Cause = Cause.PATCH, *, precede: bool | None = None, date: datetime.datetime = DATE
) -> tuple[StalePod, ...]:
    precede = cause is Cause.PATCH if precede is None else precede
    patch = Patch("gvisor", date) if precede else None
    return tuple(
        StalePod("prod", f"p{number}", f"p{number}", "web", "n", DATE - DAY, cause, DATE + DAY, precedes=patch)
        for number in range(count)
    )


def facts(current: Round, **more: Any) -> Facts:
    return Facts(**{"settings": SETTINGS, "round": current, "dates": {"gvisor": DATE}, **more})


def evicting(count: int, cause: Cause = Cause.PATCH) -> Evicting:
    return Evicting(pods(count, cause), "a", pods(count, cause), None)


def decide(found: Facts, before: dict[str, Any] | None = None, now: str = NOW) -> dict[str, Any]:
    return decide_patching(found, before or {}, now) or {}


def test_without_anything_to_replace_there_is_nothing_to_say() -> None:
    assert decide(facts(Done())) == {}


def test_a_round_counts_from_its_notice_to_its_end() -> None:
    told = decide(facts(Noticed(pods(3), DATE + 8 * DAY)))
    assert told.items() >= {
        "phase": "Noticed", "patched": "2026-03-20T00:00:00Z", "noticedAt": NOW, "progress": "0/3",
        "evictionsFrom": "2026-03-28T00:00:00Z",
    }.items()  # fmt: skip
    later = decide(facts(evicting(1)), told, "2026-03-28T00:00:00Z")
    assert later.items() >= {"noticedAt": NOW, "progress": "2/3", "replaced": 2, "stale": 1, "zone": "a"}.items()
    assert "evictionsFrom" not in later
    end = decide(facts(Done()), later, "2026-03-29T00:00:00Z")
    assert end.items() >= {"phase": "Done", "progress": "3/3", "finishedAt": "2026-03-29T00:00:00Z"}.items()
    assert decide(facts(Done()), end, "2026-03-30T00:00:00Z") == end


def test_a_new_date_is_a_new_round_with_a_new_notice() -> None:
    end = decide(facts(Done()), decide(facts(evicting(3))), NOW)
    again = pods(2, date=DATE + DAY)
    found = facts(Evicting(again, "a", again, None), dates={"gvisor": DATE + DAY})
    later = decide(found, end, "2026-03-25T00:00:00Z")
    assert later.items() >= {"noticedAt": "2026-03-25T00:00:00Z", "progress": "0/2"}.items()
    assert "finishedAt" not in later


def test_each_runtime_class_has_a_notice_of_its_own_as_long_as_its_date_stands() -> None:
    kata = replace(pods(1)[0], uid="k", precedes=Patch("kata", DATE - DAY))
    both = (*pods(1), kata)
    dates = {"gvisor": DATE, "kata": DATE - DAY}
    first = decide(facts(evicting(1), dates=dates))
    found = decide(facts(Evicting(both, "a", both, None), dates=dates), first, "2026-03-25T00:00:00Z")
    assert found.items() >= {"patched": "2026-03-19T00:00:00Z", "noticedAt": "2026-03-25T00:00:00Z"}.items()
    notices = {each["runtimeClassName"]: each["noticedAt"] for each in found["notices"]}
    assert notices == {"gvisor": NOW, "kata": "2026-03-25T00:00:00Z"}, "an older date, and yet noticed later"
    later = decide(facts(evicting(1), dates={"gvisor": DATE}), found, "2026-03-26T00:00:00Z")
    assert [each["runtimeClassName"] for each in later["notices"]] == ["gvisor"]
    assert "finishedAt" not in later


def test_pods_that_only_grow_old_need_no_notice() -> None:
    told = decide(facts(evicting(2, Cause.AGE), dates={}))
    assert not {"patched", "noticedAt", "finishedAt"} & told.keys()
    assert "finishedAt" not in decide(facts(Done(), dates={}), told)


def test_a_patch_is_noticed_and_not_finished_as_long_as_pods_from_before_it_are_there_whatever_they_go_for() -> None:
    old = pods(2, Cause.AGE, precede=True)
    told = decide(facts(Evicting(old, "a", old, None)))
    assert (told["patched"], told["noticedAt"]) == ("2026-03-20T00:00:00Z", NOW)
    later = decide(facts(Evicting(old[1:], "a", old[1:], None)), told, "2026-03-22T00:00:00Z")
    assert "finishedAt" not in later
    younger = pods(1, Cause.AGE)
    end = decide(facts(Evicting(younger, "a", younger, None)), later, "2026-03-23T00:00:00Z")
    assert (end["finishedAt"], end["phase"]) == ("2026-03-23T00:00:00Z", "Evicting")


def test_a_refused_pod_has_a_time_that_no_change_of_windows_moves() -> None:
    told = decide(facts(evicting(2), refused={"p0": "no"}))
    (each,) = told["terminations"]
    assert (each["refusedAt"], each["scheduledTerminationTime"]) == (NOW, "2026-03-24T00:00:00Z")
    window = build_window("0 2 * * SAT", datetime.timedelta(hours=4), ZoneInfo("Europe/Berlin"))
    narrower = replace(SETTINGS, windows=(window,))
    later = decide(facts(evicting(2), settings=narrower, refused={"p0": "no", "p1": "no"}), told, NOW)
    times = [each["scheduledTerminationTime"] for each in later["terminations"]]
    assert times == ["2026-03-24T00:00:00Z", "2026-03-28T01:00:00Z"]
    assert later["blocked"] == 2
    gone = decide(facts(evicting(1)), later, NOW)
    assert [each["uid"] for each in gone["terminations"]] == ["p0"], "it stays on the list until it is gone"


def test_what_was_announced_is_on_record_for_good() -> None:
    told = decide(facts(evicting(1), refused={"p0": "no"}))
    announced = decide(facts(evicting(1), announced=frozenset({"p0"})), told)
    assert announced["terminations"][0]["announced"] is True
    assert decide(facts(evicting(1)), announced)["terminations"] == announced["terminations"]


def test_no_more_terminations_are_listed_than_there_is_room_for() -> None:
    many = MAX_TERMINATIONS + 5
    refused = {f"p{number}": "n" * 2000 for number in range(many)}
    told = decide(facts(evicting(many), refused=refused))
    assert (len(told["terminations"]), told["blocked"]) == (MAX_TERMINATIONS, many)
    assert len(told["terminations"][0]["evictErrorMessage"]) == 512
    fewer = facts(Evicting(pods(many)[5:], "a", (), None), refused=refused)
    assert len(decide(fewer, told)["terminations"]) == MAX_TERMINATIONS, "the places of those that are gone are taken"


def test_the_windows_are_searched_once_however_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = list[datetime.datetime]()

    def search(moment: datetime.datetime, _: object) -> datetime.datetime:
        searched.append(moment)
        return moment

    monkeypatch.setattr(report, "compute_termination", search)
    told = decide(facts(evicting(50), refused=dict.fromkeys((f"p{number}" for number in range(50)), "no")))
    assert (len(told["terminations"]), len(searched)) == (50, 1)
    decide(facts(evicting(50)), told)
    assert len(searched) == 1


def test_pods_that_stay_are_counted_with_the_reason() -> None:
    found = facts(Done(), left={Reason.ECS_TASKS_LEFT: ("ecs/t",), Reason.BARE_PODS_LEFT: ("prod/x", "prod/y")})
    told = decide(found)
    assert (told["left"], told["phase"]) == (3, "Done")
    assert [(each["reason"], each["pods"]) for each in told["blockers"]] == [("ECSTasksLeft", 1), ("BarePodsLeft", 2)]


CONDITIONS = {
    "SandboxesCurrent": (facts(Done()), "True"),
    "PatchNoticed": (facts(Noticed(pods(1), DATE + DAY)), "False"),
    "PatchWaiting": (facts(Waiting(pods(1), DATE + DAY)), "False"),
    "PatchEvicting": (facts(evicting(1)), "False"),
    "PatchOverdue": (facts(Overdue(pods(1), DATE, may_go=True)), "False"),
    "Paused": (facts(evicting(1), settings=replace(SETTINGS, paused=True)), "False"),
    "PatchWindowInvalid": (facts(evicting(1), settings=replace(SETTINGS, fault="no")), "False"),
    "PatchDateInvalid": (facts(Done(), date_fault="no"), "False"),
}


@pytest.mark.parametrize("reason", CONDITIONS)
def test_the_condition_says_where_it_stands_and_is_no_fault(reason: str) -> None:
    found, status = CONDITIONS[reason]
    (finding,) = contribute_patching(found, {}, NOW).findings
    assert (finding.reason, finding.holds, finding.is_fault) == (reason, status == "True", False)


def test_what_is_not_known_leaves_what_is_said() -> None:
    before = decide(facts(evicting(1)))
    told = contribute_patching(None, {"patching": before}, NOW)
    assert told.fields == {"patching": before}
    assert (told.findings[0].holds, told.findings[0].keeps) == (None, True)


def test_a_date_that_cant_be_read_ends_no_round_and_forgets_no_termination() -> None:
    before = decide(facts(evicting(2), refused={"p0": "no"}))
    told = contribute_patching(facts(Done(), dates={}, date_fault="no"), {"patching": before}, NOW)
    assert told.fields == {"patching": before}
    assert told.findings[0].reason == Reason.PATCH_DATE_INVALID


def test_an_obstacle_blocks_the_pods_that_it_names() -> None:
    obstacle = Obstacle(Reason.REPLACEMENTS_NOT_READY, "two are missing", ("prod/p0", "prod/other"))
    told = decide(facts(evicting(2), obstacles=(obstacle,)))
    assert told["blocked"] == 1
    assert told["blockers"][0]["reason"] == "ReplacementsNotReady"


def test_only_pods_whose_announced_time_is_past_are_deleted_in_a_window_and_if_the_profile_says_so() -> None:
    def known(uid: str, at: datetime.datetime, *, announced: bool = True) -> Termination:
        return Termination("prod", uid, uid, DATE, at, announced=announced)

    listed = {
        each.uid: each for each in (known("p0", DATE), known("p1", DATE + DAY), known("p2", DATE, announced=False))
    }
    deleting = replace(SETTINGS, deletes_overdue=True, memory=Memory(terminations=listed))
    assert list_due(deleting, evicting(3), DATE) == {"p0"}
    assert list_due(deleting, Overdue(pods(3), DATE, may_go=True), DATE) == {"p0"}
    assert list_due(deleting, Overdue(pods(3), DATE, may_go=False), DATE) == frozenset()
    assert list_due(deleting, Waiting(pods(3), DATE), DATE) == frozenset()
    assert list_due(replace(deleting, deletes_overdue=False), evicting(3), DATE) == frozenset()


def test_the_announcement_has_the_values_of_awss_event_and_says_what_comes() -> None:
    each = Termination("prod", "a", "a", DATE, DATE + 3 * DAY, "Cannot evict pod")
    text = compute_announcement(each, SETTINGS, "lab")
    assert "clusterName lab, fargateProfileName web, podName a, podNamespace prod" in text
    assert f"scheduledTerminationTime {format_time(each.at)}[UTC], evictErrorMessage 'Cannot evict pod'" in text
    assert "it stays then" in text
    assert "it is deleted then" in compute_announcement(each, replace(SETTINGS, deletes_overdue=True), "lab")
