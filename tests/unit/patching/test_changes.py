"""A round whose terms change while it goes on: clocks, the wait, windows, the date, the RuntimeClass."""

import datetime
from collections.abc import AsyncIterator
from typing import Any

import pytest

from monopod.kube.client.api import Json
from tests.unit.fake_api import an_object
from tests.unit.patching.scene import NOW, PATCHED, Profile, Scene, evict
from tests.unit.running import running

LEAP = {"schedule": "0 0 29 2 *", "duration": "15m"}
BERLIN = {"schedule": "30 2 * * *", "duration": "1h", "timeZone": "Europe/Berlin"}

NIGHTS = {
    "spring, on the day before": ("2026-03-28", "01:30", "02:30"),
    "spring, when half past two is skipped": ("2026-03-29", "01:30", "02:30"),
    "spring, on the day after": ("2026-03-30", "00:30", "01:30"),
    "autumn, on the day before": ("2026-10-24", "00:30", "01:30"),
    "autumn, when there are two, the first": ("2026-10-25", "00:30", "01:30"),
    "autumn, on the day after": ("2026-10-26", "01:30", "02:30"),
}


@pytest.mark.parametrize(("day", "opens", "closes"), NIGHTS.values(), ids=NIGHTS)
async def test_pods_go_by_the_clocks_of_the_windows_place_also_while_they_change(
    day: str, opens: str, closes: str
) -> None:
    scene = Scene("a")
    profile, evening = Profile(scene, wait="0m", windows=[BERLIN]), datetime.datetime.fromisoformat(f"{day}T00:00:00Z")
    going: list[str] = []
    async with running(scene.patcher.controller):
        profile.give()
        await profile.go_on()
        await profile.step((evening - scene.clock.now()).total_seconds())
        await profile.go_on()
        assert profile.told.items() >= {"phase": "Waiting", "evictionsFrom": f"{day}T{opens}:00Z"}.items()
        await profile.step((evening - scene.clock.now()).total_seconds() + 300)
        while scene.clock.now() < evening + datetime.timedelta(hours=3):
            going += [f"{scene.clock.now():%H:%M}"] * bool(profile.list_going())
            await profile.step(300)
    assert (going[0], len(going)) == (opens, 12), "for an hour, every five minutes of it"
    assert going[-1] < closes


async def test_the_wait_may_change_while_it_goes_on_and_after_it() -> None:
    scene = Scene("a", "b", "c")
    profile, start = Profile(scene, wait="7d"), scene.clock.now()

    def later(days: int) -> str:
        return (start + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    async with running(scene.patcher.controller):
        profile.give()
        assert await profile.go_on() == []
        assert profile.told.items() >= {"phase": "Noticed", "noticedAt": NOW, "evictionsFrom": later(7)}.items()
        await profile.step(86400)
        profile.change(wait="2d")
        assert await profile.go_on() == []
        assert profile.told["evictionsFrom"] == later(2), "it counts from the notice that is on record"
        await profile.step(86400)
        assert await profile.go_on() == ["a"]
        await profile.replace("a")
        assert await profile.go_on() == ["b"]
        profile.change(wait="14d")
        assert profile.list_going() == [], "before anything is looked at"
        assert await profile.go_on() == []
        expected = {"phase": "Noticed", "noticedAt": NOW, "evictionsFrom": later(14), "progress": "1/3"}
        assert profile.told.items() >= expected.items()
        profile.change(wait="0m")
        assert await profile.go_on() == ["b"]
        await profile.replace("b")
        await profile.replace("c")
        assert profile.told.items() >= {"phase": "Done", "progress": "3/3", "noticedAt": NOW}.items()


async def test_windows_may_change_while_pods_go() -> None:
    scene = Scene("a", "b")
    profile = Profile(scene, wait="0m", windows=[{"schedule": "* * * * *", "duration": "15m"}])
    async with running(scene.patcher.controller):
        profile.give()
        assert await profile.go_on() == ["a"]
        await profile.replace("a")
        assert await profile.go_on() == ["b"]
        profile.change(wait="0m", windows=[LEAP])
        assert profile.list_going() == [], "before anything is looked at"
        assert await profile.go_on() == []
        expected = {"phase": "Waiting", "evictionsFrom": "2028-02-29T00:00:00Z", "progress": "1/2"}
        assert profile.told.items() >= expected.items()
        profile.change(wait="0m", windows=[LEAP, {**BERLIN, "schedule": "0 0 30 2 *"}])
        assert await profile.go_on() == [], "one can't be used, and none of them is guessed"
        profile.change(wait="0m")
        assert await profile.go_on() == ["b"]


async def test_a_patch_whose_date_is_taken_back_isnt_said_to_be_finished_and_has_a_notice_of_its_own_later() -> None:
    scene = Scene("a", "b")
    profile = Profile(scene, wait="0m")
    async with running(scene.patcher.controller):
        profile.give()
        await profile.go_on()
        await profile.replace("a")
        assert await profile.go_on() == ["b"]
        scene.date_patch(None)
        profile.give()
        assert profile.list_going() == [], "before anything is looked at"
        assert await profile.go_on() == []
        assert profile.told.items() >= {"phase": "Done", "progress": "1/1", "stale": 0}.items()
        assert not {"patched", "noticedAt", "finishedAt"} & profile.told.keys()
        profile.change(wait="1d")
        scene.date_patch(PATCHED)
        profile.give()
        assert await profile.go_on() == []
        assert profile.told.items() >= {"phase": "Noticed", "patched": PATCHED, "progress": "0/1"}.items()
        assert profile.told["noticedAt"] > NOW


async def test_a_replacement_from_the_second_of_the_date_is_replaced_once_more_and_none_after_it() -> None:
    scene = Scene("a")
    scene.date_patch(NOW)
    profile = Profile(scene, wait="0m")
    async with running(scene.patcher.controller):
        profile.give()
        assert await profile.go_on() == ["a"]
        (pod,) = scene.api.lists["/api/v1/pods"]
        evict(scene, pod)
        pod["metadata"]["creationTimestamp"] = pod["status"]["startTime"] = NOW
        pod["status"]["conditions"][0]["status"] = "True"
        assert await profile.go_on() == ["a"], "it can't be told to be newer"
        await profile.replace("a")
        assert profile.told.items() >= {"phase": "Done", "stale": 0}.items()


async def test_another_date_in_the_middle_of_a_round_begins_the_next() -> None:
    scene = Scene("a", "b")
    profile = Profile(scene, wait="0m")
    async with running(scene.patcher.controller):
        profile.give()
        await profile.go_on()
        await profile.replace("a")
        await profile.step(60)
        scene.date_patch(date := scene.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        profile.change(wait="7d")
        assert await profile.go_on() == []
        assert profile.told.items() >= {"phase": "Noticed", "patched": date, "stale": 2, "progress": "0/2"}.items()


@pytest.mark.parametrize("date", [None, PATCHED, NOW], ids=["never patched", "patched at once", "patched later"])
async def test_a_round_goes_on_where_the_profile_leaves_its_runtime_class_for_another(date: str | None) -> None:
    scene = Scene("a", "b", "c")
    profile = Profile(scene, wait="0m")
    date_class(scene, "kata", date)
    async with running(scene.patcher.controller):
        profile.give()
        await profile.go_on()
        await profile.replace("a")
        assert await profile.go_on() == ["b"]
        profile.status["runtimeClassName"] = "kata"
        profile.give()
        assert profile.list_going() == [], "before anything is looked at"
        assert await profile.go_on() == [], "the replacement would be in the old sandbox"
        (blocker,) = profile.told["blockers"]
        assert blocker["reason"] == "ReplacementNotSandboxed"
        scene.run_in("kata")
        await profile.step(60)
        assert await profile.go_on() == ["b"]
        await profile.replace("b", "kata")
        assert profile.told.items() >= {"phase": "Evicting", "progress": "2/3", "noticedAt": NOW}.items()
        assert await profile.go_on() == ["c"]
        await profile.replace("c", "kata")
        assert profile.told.items() >= {"phase": "Done", "progress": "3/3", "patched": PATCHED}.items()
        assert profile.told["finishedAt"]


async def test_pods_in_a_former_runtime_class_are_out_of_date_by_its_date_with_a_notice_of_its_own() -> None:
    scene = Scene("a", "b")
    scene.date_patch(None)
    date_class(scene, "kata", PATCHED)
    scene.run_in("kata")
    profile = Profile(scene, wait="1d")
    profile.status["runtimeClassName"] = "kata"
    *_, young = scene.api.lists["/api/v1/pods"]
    young["spec"]["runtimeClassName"] = "kata"
    async with running(scene.patcher.controller):
        profile.give()
        assert await profile.go_on() == []
        assert profile.told.items() >= {"phase": "Noticed", "patched": PATCHED, "stale": 1}.items(), "b, and not a"
        scene.clock.step(86400)
        assert await profile.go_on() == ["b"]
        await profile.replace("b", "kata")
        assert profile.told.items() >= {"phase": "Done", "progress": "1/1"}.items()
        await profile.step(60)
        scene.date_patch(PATCHED)
        profile.give()
        assert await profile.go_on() == [], "of the same date, and yet another patch"
        assert profile.told.items() >= {"phase": "Noticed", "patched": PATCHED, "progress": "0/1"}.items()
        assert profile.told["noticedAt"] > NOW
        assert {each["runtimeClassName"]: each["noticedAt"] for each in profile.told["notices"]} == {
            "gvisor": profile.told["noticedAt"], "kata": NOW,
        }  # fmt: skip
        scene.clock.step(86400)
        assert await profile.go_on() == ["a"]
        await profile.replace("a", "kata")
        assert profile.told.items() >= {"phase": "Done", "progress": "1/1"}.items()


async def test_a_former_runtime_class_whose_date_cant_be_read_is_said_and_ends_no_round() -> None:
    scene = Scene("a")
    profile = Profile(scene, wait="1d")
    profile.status["runtimeClassName"] = "kata"
    async with running(scene.patcher.controller):
        profile.give()
        await profile.go_on()
        before = profile.told
        assert before.items() >= {"phase": "Noticed", "stale": 1}.items()
        scene.date_patch("yesterday")
        profile.give()
        await profile.go_on()
        assert profile.told == before
        told = scene.patcher.contribute({"web": profile.status}, NOW)["web"]
        assert (told.findings[0].reason, "RuntimeClass/gvisor" in told.findings[0].message) == (
            "PatchDateInvalid",
            True,
        )


@pytest.mark.parametrize("cause", ["the patch of another class", "their own, though they have ended"])
async def test_pods_that_no_patch_is_about_are_listed_once(cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene("a")
    if cause == "the patch of another class":
        scene.date_patch(None)
        date_class(scene, "kata", PATCHED)
    else:
        scene.api.lists["/api/v1/pods"][0]["status"]["phase"] = "Succeeded"
    profile, listed = Profile(scene, wait="0m"), list[int]()
    whole = scene.api.read_pages

    def count(path: str, *more: Any, **options: Any) -> AsyncIterator[Json]:
        listed.append(path == "/api/v1/pods")
        return whole(path, *more, **options)

    monkeypatch.setattr(scene.api, "read_pages", count)
    async with running(scene.patcher.controller):
        profile.give()
        for _ in range(5):
            await profile.step(60)
    assert sum(listed) == 1, "to see which class they run in, and whether they do"


def date_class(scene: Scene, name: str, date: str | None) -> None:
    annotations = {"monopod.dev/patched": date} if date else {}
    found = an_object(name, annotations=annotations)
    scene.caches.runtime_classes.observe("ADDED", {**found, "handler": name})


async def test_sandboxes_that_are_too_old_go_without_a_patch_a_notice_and_a_wait() -> None:
    scene = Scene("a", "b")
    scene.date_patch(None)
    profile = Profile(scene, wait="14d", maxPodAge="1h")
    async with running(scene.patcher.controller):
        profile.give()
        await profile.step(30 * 60)
        assert await profile.go_on() == []
        assert profile.told == {}, "none is older than an hour"
        await profile.step(15 * 60)
        assert await profile.go_on() == ["a"]
        assert profile.told.items() >= {"phase": "Evicting", "stale": 2, "progress": "0/2"}.items()
        assert not {"patched", "noticedAt"} & profile.told.keys()
        await profile.replace("a")
        assert await profile.go_on() == ["b"]
        await profile.replace("b")
        assert profile.told.items() >= {"phase": "Done", "progress": "2/2"}.items()
