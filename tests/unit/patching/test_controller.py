"""What is handed to the evictor, and what has to be on record before."""

import datetime
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from monopod.api.names import SELECTORS_ANNOTATION
from monopod.kube.client.api import ApiError, ApiUnreachable, Json
from monopod.kube.objects.fields import Part
from monopod.patching.controller import KNOWN_SECONDS
from monopod.patching.history import DOUBT_SECONDS, PATIENCE_SECONDS
from monopod.patching.replacements import BOUNDED_SECONDS, VALID_SECONDS
from monopod.patching.rules.input import PatchingInput
from monopod.patching.rules.settings import Memory, PatchingSettings, Termination
from monopod.patching.rules.windows import Window, parse_schedule
from tests.unit.fake_api import an_object
from tests.unit.patching.scene import NOW, TERMS, Scene, a_notice, a_pod, an_owned_pod, evict, sandbox
from tests.unit.running import running, settle


async def test_no_pod_goes_before_the_notice_is_on_record_nor_where_nothing_is_enforced() -> None:
    scene = Scene("a", "b")
    async with running(scene.patcher.controller):
        scene.give(TERMS)
        assert await scene.go_on() == []
        told = scene.contribute({})
        assert (told["noticedAt"], told["stale"]) == (NOW, 2)
        recorded = replace(TERMS, memory=Memory.from_status(Part({"patching": told})))
        scene.give(recorded)
        assert await scene.go_on() == ["a"], "the first goes alone"
        scene.give(replace(recorded, paused=True))
        assert scene.evictor.wanted == ()
        scene.give(recorded, unwritten={"prod": "refused"})
        assert await scene.go_on() == []
        scene.give(recorded)
        assert await scene.go_on() == ["a"]
        scene.patcher.limit([])
        assert scene.evictor.wanted == (), "before anything of the profile is taken back"


async def test_a_look_that_ends_while_the_profile_is_taken_back_lets_no_pod_go() -> None:
    scene = Scene("a", "b")
    noticed = a_notice(scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=noticed))
        scene.patcher.limit([])  # nothing has been handed over yet
        assert await scene.go_on() == []
        scene.give(replace(TERMS, memory=noticed))
        assert await scene.go_on() == ["a"]


async def test_no_pod_goes_once_the_window_has_closed() -> None:
    scene = Scene("a")
    now = scene.clock.now()
    window = Window(parse_schedule("2 0 * * *"), datetime.timedelta(minutes=14, seconds=55), datetime.UTC)
    closes = scene.clock.monotonic() + 15
    memory = a_notice(now)
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, windows=(window,), memory=memory))
        assert await scene.go_on() == ["a"]
    [pod] = scene.evictor.wanted
    assert pod.known_until == pytest.approx(closes)


async def test_a_pod_that_has_waited_since_before_the_patch_holds_up_no_other() -> None:
    scene = Scene("a", "waits")
    *_, waiting = scene.api.lists["/api/v1/pods"]
    waiting["metadata"]["ownerReferences"][0]["uid"] = "another"
    waiting["status"] = {"phase": "Pending"}
    memory = a_notice(scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory))
        assert await scene.go_on() == ["a"]
        scene.evictor.update("patching", ())
        waiting["metadata"]["creationTimestamp"] = NOW  # it may be the first one's replacement
        scene.clock.step(60)
        assert await scene.go_on() == []


async def test_a_pod_that_never_becomes_ready_holds_up_those_of_others_for_ten_minutes_and_longer_each_time() -> None:
    scene = Scene("a", "b", "crashing")
    pods = scene.api.lists["/api/v1/pods"]
    for pod in pods:
        pod["metadata"]["ownerReferences"][0]["uid"] = f"owner of {pod['metadata']['name']}"
    pods[2]["metadata"]["creationTimestamp"] = pods[2]["status"]["startTime"] = NOW
    pods[2]["status"]["conditions"][0]["status"] = "False"
    memory = a_notice(scene.clock.now())

    async def wait(minutes: int) -> list[str]:
        for _ in range(minutes):
            scene.clock.step(54)
            found = await scene.go_on()
        return found

    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory))
        assert await wait(9) == []
        assert await wait(2) == ["a"]
        evict(scene, pods[0])
        assert await wait(9) == []
        assert await wait(2) == ["b"]
        evict(scene, pods[1])
        pods.append(an_owned_pod("c"))
        assert await wait(19) == [], "a patch that no pod comes up with takes one after the other, ever more slowly"
        assert await wait(2) == ["c"]
        pods[0]["status"]["conditions"][0]["status"] = "True"
        pods += [an_owned_pod(name) for name in "de"]
        assert await wait(2) == ["c", "d", "e"]


async def test_the_first_pod_that_goes_counts_as_one_that_was_tried() -> None:
    scene = Scene("a", "b", "c", "d")
    pods = scene.api.lists["/api/v1/pods"]
    for pod in pods:
        pod["metadata"]["ownerReferences"][0]["uid"] = f"owner of {pod['metadata']['name']}"
    memory = a_notice(scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory))
        for pod, minutes in zip(pods, (0, 10, 20, 40), strict=True):
            for _ in range(minutes - 1):
                scene.clock.step(54)
                assert await scene.go_on() == [], f"before {minutes} minutes are over"
            for _ in range(2):
                scene.clock.step(54)
                going = await scene.go_on()
            assert going == [pod["metadata"]["name"]]
            evict(scene, pod)


def _refuse_in_two_zones() -> tuple[Scene, PatchingSettings]:
    """Pods a and c in one zone and b in the other, all refused and overdue."""
    scene = Scene("a", "b", "c")
    pods = scene.api.lists["/api/v1/pods"]
    pods[1]["spec"]["nodeName"] = "n-2"
    for name, zone in ("n", "one"), ("n-2", "two"):
        node = {"allocatable": {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}}
        labels = {"topology.kubernetes.io/zone": zone}
        scene.caches.nodes.observe("MODIFIED", {**an_object(name, version=2, labels=labels), "status": node})
    fresh = an_owned_pod("fresh")
    fresh["metadata"]["creationTimestamp"] = fresh["status"]["startTime"] = NOW
    pods.append(fresh)
    past = scene.clock.now() - datetime.timedelta(seconds=1)
    terminations = {name: Termination("prod", name, name, past, past, "no", announced=True) for name in "abc"}
    memory = Memory(a_notice(scene.clock.now()).notices, terminations)
    return scene, replace(TERMS, memory=memory, max_unavailable=3)


async def test_of_refused_pods_in_several_zones_none_goes_with_one_of_another_zone() -> None:
    scene, settings = _refuse_in_two_zones()
    async with running(scene.patcher.controller):
        scene.give(settings)
        assert await scene.go_on() == ["a", "b", "c"]
        scene.evictor.tell(next(pod for pod in scene.evictor.wanted if pod.name == "a"))
        assert sorted(pod.name for pod in scene.evictor.wanted) == ["a", "c"], "at once, and not with the next look"


async def test_until_it_is_known_whether_a_pod_was_evicted_none_of_another_zone_goes() -> None:
    scene, settings = _refuse_in_two_zones()
    async with running(scene.patcher.controller):
        scene.give(settings)
        assert await scene.go_on() == ["a", "b", "c"]
        scene.evictor.doubt(next(pod for pod in scene.evictor.wanted if pod.name == "a"))
        assert sorted(pod.name for pod in scene.evictor.wanted) == ["a", "c"], "at once, and not with the next look"
        scene.clock.step(DOUBT_SECONDS - 10)
        assert await scene.go_on() == ["a", "c"], "the API server may still grant it"
        scene.clock.step(10)
        assert await scene.go_on() == ["a", "b", "c"]
        scene.patcher.update(PatchingInput())
        await scene.go_on()
        assert len(scene.patcher.history) == 0


@pytest.mark.parametrize("refused", ["", "b", "abc"])
async def test_a_namespace_whose_evictions_never_have_an_answer_holds_up_others_for_ten_minutes(refused: str) -> None:
    scene, settings = _refuse_in_two_zones()
    pods = scene.api.lists["/api/v1/pods"]
    for number, pod in enumerate(pods[:3]):  # a and c are workloads of their own
        pods[number] = {**an_owned_pod(pod["metadata"]["name"]), "spec": pod["spec"]}
    pods[1]["metadata"]["namespace"] = "shop"
    scene.caches.namespaces.observe("ADDED", an_object("shop", annotations={SELECTORS_ANNOTATION: "rows"}))
    scene.api.answers["try", "/api/v1/namespaces/shop/pods"] = sandbox
    terminations = {uid: each for uid, each in settings.memory.terminations.items() if uid in refused}
    settings = replace(settings, memory=replace(settings.memory, terminations=terminations))

    def ask(name: str) -> None:
        scene.evictor.doubt(next(pod for pod in scene.evictor.wanted if pod.name == name))

    async with running(scene.patcher.controller):
        scene.give(settings)
        await scene.go_on()
        for _ in range(5):
            for name in "ac":
                ask(name)
                scene.clock.step(54)
                assert await scene.go_on() == ["a", "c"]
        ask("a")
        assert await scene.go_on() == [], "the API server may still grant it"
        scene.clock.step(DOUBT_SECONDS)
        assert await scene.go_on() == ["b"], "in another zone"
        told = scene.contribute({})
        assert told["blocked"] == 2
        why = "prod/a, prod/c stays for now, because namespace prod has had no answer to evictions for ten minutes: "
        blocker = {"reason": "EvictionRefused", "message": f"{why}of a webhook, perhaps", "pods": 2}
        assert {**blocker, "examples": ["prod/a", "prod/c"]} in told["blockers"]
        scene.clock.step(PATIENCE_SECONDS)
        assert {"a", "c"} <= {*await scene.go_on()}, "it may have been mended"
        ask("a")
        assert await scene.go_on() == ["a", "c"], "for another ten minutes"


async def test_a_namespace_that_answers_some_evictions_isnt_left_alone() -> None:
    scene, settings = _refuse_in_two_zones()
    async with running(scene.patcher.controller):
        scene.give(replace(settings, memory=a_notice(scene.clock.now())))
        await scene.go_on()
        for minute in range(20):
            scene.evictor.doubt(next(pod for pod in scene.evictor.wanted if pod.name == "a"))
            if minute == 8:
                evict(scene, next(pod for pod in scene.api.lists["/api/v1/pods"] if pod["metadata"]["name"] == "c"))
            scene.clock.step(54)
            assert ("a" in await scene.go_on()) is (minute < 19)


async def test_a_look_during_which_a_refused_pod_goes_lets_none_of_another_zone_go() -> None:
    scene, settings = _refuse_in_two_zones()

    def try_later(body: dict[str, Any]) -> dict[str, Any]:
        scene.evictor.tell(next(pod for pod in scene.evictor.wanted if pod.name == "a"))
        return sandbox(body)

    async with running(scene.patcher.controller):
        scene.give(settings)
        assert await scene.go_on() == ["a", "b", "c"]
        scene.api.answers["try", "/api/v1/namespaces/prod/pods"] = try_later
        scene.clock.step(VALID_SECONDS + 1)
        await settle()
        assert sorted(pod.name for pod in scene.evictor.wanted) == ["a", "c"], "the list showed it as if it stayed"


async def test_nothing_is_remembered_of_pods_and_profiles_that_are_gone() -> None:
    scene = Scene("a", "b")
    pods = scene.api.lists["/api/v1/pods"]
    pods[1]["status"]["conditions"][0]["status"] = "False"
    pods[1]["metadata"]["creationTimestamp"] = NOW
    memory = a_notice(scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory, max_unavailable=1))
        await scene.go_on()
        assert len(scene.patcher.history) > 0
        pods[:] = [an_owned_pod("other")]
        scene.clock.step(60)
        await scene.go_on()
        assert [*scene.patcher.history.expected] == ["prod/owner of other"]
        scene.patcher.update(PatchingInput())
        await scene.go_on()
        assert len(scene.patcher.history) == 0


@pytest.mark.parametrize("trouble", [ApiUnreachable("timed out"), ApiError(500, "InternalError", "boom")], ids=str)
async def test_a_namespace_whose_dry_runs_get_no_answer_holds_up_its_own_pods_alone(trouble: Exception) -> None:
    scene = Scene("a", "z")
    pods = scene.api.lists["/api/v1/pods"]
    pods[1] = an_owned_pod("z", namespace="away")
    scene.caches.namespaces.observe("ADDED", an_object("away", annotations={SELECTORS_ANNOTATION: "rows"}))
    fresh = an_owned_pod("fresh")
    fresh["metadata"]["creationTimestamp"] = fresh["status"]["startTime"] = NOW
    pods.append(fresh)
    scene.api.answers["try", "/api/v1/namespaces/away/pods"] = trouble
    memory = a_notice(scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory))
        assert await scene.go_on() == ["a"]
        (blocker,) = scene.contribute({})["blockers"]
    assert (blocker["reason"], blocker["examples"]) == ("ReplacementRefused", ["away/z"])


async def test_pods_go_though_every_dry_run_takes_longer_than_what_was_seen_is_good_for() -> None:
    scene = Scene("a")

    def answer_slowly(body: dict[str, Any]) -> dict[str, Any]:
        scene.clock.step(KNOWN_SECONDS + 5)
        return sandbox(body)

    scene.api.answers["try", "/api/v1/namespaces/prod/pods"] = answer_slowly
    # With a quota each look tries again.
    scene.api.lists["/api/v1/namespaces/prod/resourcequotas"] = [{**an_object("q"), "spec": {"hard": {"pods": "9"}}}]
    memory = a_notice(scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory))
        for _ in range(3):
            scene.api.requests.clear()
            scene.clock.step(BOUNDED_SECONDS + 1)
            await settle()
            assert scene.list_going() == ["a"]
            assert len(scene.api.sent("try")) == 1, "what is known is used before anything is tried again"


async def test_pods_go_though_the_list_of_them_takes_longer_than_what_was_seen_is_good_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene("a")
    whole = scene.api.read_pages

    async def read_slowly(path: str, *more: Any, **options: Any) -> AsyncIterator[Json]:
        async for page in whole(path, *more, **options):
            yield page
        scene.clock.step((KNOWN_SECONDS + 5) * (path == "/api/v1/pods"))

    monkeypatch.setattr(scene.api, "read_pages", read_slowly)
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=a_notice(scene.clock.now())))
        await settle()
        assert scene.list_going() == ["a"]


async def test_pods_that_name_the_owner_of_pods_in_another_namespace_are_none_of_its() -> None:
    scene = Scene("a")
    lacking, fresh, *forged = [a_pod("b"), *(an_owned_pod(f"f-{number}") for number in range(31))]
    lacking["status"]["conditions"][0]["status"] = "False"
    for pod in (fresh, lacking):
        pod["metadata"]["creationTimestamp"] = pod["status"]["startTime"] = NOW
    for pod in forged:
        pod["metadata"]["namespace"] = "evil"
        pod["metadata"]["ownerReferences"][0]["uid"] = "owner"
    scene.api.lists["/api/v1/pods"] += [lacking, fresh, *forged]
    scene.caches.namespaces.observe("ADDED", an_object("evil", annotations={SELECTORS_ANNOTATION: "rows"}))
    scene.api.answers["try", "/api/v1/namespaces/evil/pods"] = sandbox
    memory = a_notice(scene.clock.now())
    async with running(scene.patcher.controller):
        scene.give(replace(TERMS, memory=memory, max_unavailable="10%"))
        found = await scene.go_on()
        assert "a" not in found, "its workload lacks one already"
        assert len(found) == 3, "of theirs a tenth"


async def test_where_no_profile_is_enforced_it_is_said_once_that_no_stored_pod_is_wanted() -> None:
    scene = Scene()
    async with running(scene.patcher.controller):
        for _ in range(3):
            scene.patcher.update(PatchingInput())
            await scene.go_on()
    assert scene.bare.told == ("patching",)
