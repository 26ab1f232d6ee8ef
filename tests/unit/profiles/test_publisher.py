"""Compiled selectors reach namespaces, and one namespace's trouble stays its own."""

import asyncio
import functools
import time
from typing import Any

import pytest
import structlog

from monopod.isolation.default_deny import DefaultDenyPolicies
from monopod.isolation.group_resolver import SecurityGroupResolver
from monopod.isolation.policy_writer import PolicyWriter
from monopod.kube.client.api import ApiError, ApiUnreachable, Json, ServerTrouble
from monopod.kube.logs import ProblemLog
from monopod.kube.refusals import Refusals
from monopod.manager.sources import WatchedCaches
from monopod.pods.rules.selection import Profile
from monopod.profiles.publisher import Publisher
from monopod.selectors.compile import STALE_SECONDS, compile_profile
from monopod.selectors.publication import Publication
from tests.unit.builders import a_profile, a_selector
from tests.unit.fake_api import FakeApi, an_object, not_found
from tests.unit.running import a_recorder

SYSTEM = "monopod-system"
PATTERNS = f"/api/v1/namespaces/{SYSTEM}/configmaps/monopod-namespaces"
WEB = a_profile("web", a_selector("prod-*"))


class Setting:
    """A publisher, and namespaces that take what is written on them."""

    def __init__(self, *namespaces: str) -> None:
        self.api = FakeApi()
        self.caches = WatchedCaches(SYSTEM)
        problems = ProblemLog(structlog.stdlib.get_logger())
        writer = PolicyWriter(self.api, self.caches, lambda policy, *, deleted: None)
        self.now = 100.0
        base = DefaultDenyPolicies(self.caches, writer, problems, lambda: self.now)
        membership = SecurityGroupResolver(self.api, self.caches, "kata", problems)
        protected = frozenset({"kube-system"})
        refusals = Refusals(clock=lambda: self.now)
        self.publisher = Publisher(
            self.api,
            self.caches,
            base,
            membership,
            SYSTEM,
            protected,
            a_recorder(self.api),
            problems,
            refusals,
        )
        for name in namespaces:
            self.caches.namespaces.observe("ADDED", an_object(name))
            self.api.answers["merge", f"/api/v1/namespaces/{name}"] = functools.partial(written, name)
            self.api.answers["apply", base_policy(name)] = policy_written
        self.api.answers["merge", PATTERNS] = lambda patch: {
            **an_object("monopod-namespaces", namespace=SYSTEM, version=2),
            **patch,
        }

    async def publish(self, *profiles: Profile) -> Publication:
        self.api.requests.clear()
        return await self.publisher.publish({profile.name: compile_profile(profile) for profile in profiles})

    def compiled(self, name: str) -> str | None:
        view = self.caches.namespaces.find("", name)
        assert view is not None
        return view.compiled

    def isolated(self, name: str) -> str | None:
        view = self.caches.namespaces.find("", name)
        assert view is not None
        return view.isolated


def written(name: str, patch: Json, version: int = 2) -> Json:
    metadata: dict[str, Any] = {
        key: {k: v for k, v in patch["metadata"][key].items() if v is not None} for key in ("labels", "annotations")
    }
    return an_object(name, uid=patch["metadata"]["uid"], version=version, **metadata)


def policy_written(policy: Json) -> Json:
    metadata = policy["metadata"]
    return {**policy, **an_object(metadata["name"], namespace=metadata["namespace"], labels=metadata["labels"])}


async def test_reached_namespaces_get_their_rows_and_others_nothing() -> None:
    setting = Setting("prod-a", "dev")
    publication = await setting.publish(WEB)
    assert (setting.compiled("prod-a"), setting.compiled("dev")) == ("web|kata|Pend||", None)
    assert (publication.reached, publication.complete) == (1, True)


async def test_a_second_time_nothing_is_written() -> None:
    setting = Setting("prod-a", "dev")
    await setting.publish(WEB)
    await setting.publish(WEB)
    assert setting.api.requests == []


EVENTS = "/api/v1/namespaces/default/events"


def events(setting: Setting) -> list[tuple[str, str]]:
    found = [body for path, body in setting.api.sent("create") if path == EVENTS]
    return [(body["involvedObject"]["name"], body["reason"]) for body in found]


@pytest.mark.parametrize(
    "annotations",
    [
        {"monopod.dev/profiles": "forged", "monopod.dev/isolated": "true"},
        {"monopod.dev/profiles": "web|kata|Pend||"},
        {},
    ],
    ids=["selectors forged", "isolation taken away", "all taken away"],
)
async def test_what_someone_did_to_a_namespace_is_undone_and_reported(annotations: dict[str, str]) -> None:
    setting = Setting("prod-a", "prod-b")
    await setting.publish(WEB)
    labels = {"monopod.dev/fargate": "true"}
    setting.caches.namespaces.observe(
        "MODIFIED", an_object("prod-a", version=3, labels=labels, annotations=annotations)
    )
    setting.api.answers["merge", "/api/v1/namespaces/prod-a"] = functools.partial(written, "prod-a", version=4)
    await setting.publish(WEB)
    assert (setting.compiled("prod-a"), setting.isolated("prod-a")) == ("web|kata|Pend||", "true")
    assert events(setting) == [("prod-a", "MarksRestored")]
    await setting.publish(WEB)
    assert setting.api.requests == []


async def test_marks_that_someone_puts_on_a_namespace_that_no_profile_reaches_are_reported_too() -> None:
    setting = Setting("dev")
    await setting.publish(WEB)
    setting.caches.namespaces.observe("MODIFIED", an_object("dev", version=3, labels={"monopod.dev/fargate": "true"}))
    await setting.publish(WEB)
    assert events(setting) == [("dev", "MarksRestored")]


async def test_what_follows_from_a_change_of_profiles_is_not_reported() -> None:
    setting = Setting("prod-a")
    for profiles in ((WEB,), (WEB, a_profile("all", a_selector("prod-a"))), (), (WEB,)):
        await setting.publish(*profiles)
        assert setting.api.sent("merge")
        assert events(setting) == []


async def test_a_namesake_of_a_deleted_namespace_is_written_without_a_report() -> None:
    setting = Setting("prod-a")
    await setting.publish(WEB)
    setting.caches.namespaces.observe("ADDED", an_object("prod-a", uid="new", version=9))
    await setting.publish(WEB)
    assert [body["metadata"]["uid"] for path, body in setting.api.sent("merge") if path != PATTERNS] == ["new"]
    assert events(setting) == []


async def test_a_write_that_failed_is_tried_again_without_a_report() -> None:
    setting = Setting("prod-a")
    answer = setting.api.answers["merge", "/api/v1/namespaces/prod-a"]
    setting.api.answers["merge", "/api/v1/namespaces/prod-a"] = ApiUnreachable("away")
    await setting.publish(WEB)
    setting.api.answers["merge", "/api/v1/namespaces/prod-a"] = answer
    await setting.publish(WEB)
    assert setting.compiled("prod-a")
    assert events(setting) == []


def base_policy(namespace: str) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/monopod-base"


async def test_a_namespace_gets_its_base_policy_before_it_is_marked_as_isolated() -> None:
    setting = Setting("prod-a", "dev")
    await setting.publish(WEB)
    assert [path for _, path, _ in setting.api.requests] == [
        base_policy("prod-a"),
        "/api/v1/namespaces/prod-a",
        PATTERNS,
    ]
    assert setting.isolated("prod-a") == "true"


async def test_a_namespace_whose_base_policy_cannot_be_written_gets_its_rows_and_no_mark() -> None:
    setting = Setting("prod-a", "prod-b")
    setting.api.answers["apply", base_policy("prod-a")] = ApiError(403, "Forbidden", "no")
    publication = await setting.publish(WEB)
    assert (setting.compiled("prod-a"), setting.isolated("prod-a")) == ("web|kata|Pend||", None)
    assert setting.isolated("prod-b") == "true"
    assert list(publication.unwritten) == ["prod-a"]


async def test_a_base_policy_that_vanished_is_written_again() -> None:
    setting = Setting("prod-a")
    await setting.publish(WEB)
    setting.caches.network_policies.observe("DELETED", an_object("monopod-base", namespace="prod-a"))
    await setting.publish(WEB)
    assert [path for path, _ in setting.api.sent("apply")] == [base_policy("prod-a")]


async def test_a_namespace_is_unmarked_before_its_base_policy_goes() -> None:
    setting = Setting("prod-a")
    await setting.publish(WEB)
    await setting.publish()
    assert setting.isolated("prod-a") is None
    for seconds, expected in ((0.0, []), (STALE_SECONDS - 0.1, []), (0.2, [base_policy("prod-a")])):
        setting.now += seconds
        await setting.publish()
        assert [path for path, _ in setting.api.sent("delete")] == expected


async def test_a_namespace_that_cannot_be_unmarked_keeps_its_base_policy() -> None:
    setting = Setting("prod-a")
    await setting.publish(WEB)
    setting.api.answers["merge", "/api/v1/namespaces/prod-a"] = ApiUnreachable("away")
    for _ in range(3):
        await setting.publish()
        setting.now += STALE_SECONDS
        assert setting.api.sent("delete") == []


async def test_the_base_policy_stays_as_long_as_a_pod_of_a_profile() -> None:
    setting = Setting("prod-a")
    await setting.publish(WEB)
    pod = an_object("app", namespace="prod-a", labels={"monopod.dev/profile": "web"})
    setting.caches.pods.observe("ADDED", pod)
    await setting.publish()
    assert setting.isolated("prod-a") is None
    setting.now += STALE_SECONDS
    await setting.publish()
    assert setting.api.sent("delete") == []
    setting.now += STALE_SECONDS
    setting.caches.pods.observe("DELETED", pod)
    await setting.publish()
    assert [path for path, _ in setting.api.sent("delete")] == [base_policy("prod-a")]


async def test_without_its_profile_a_namespace_is_cleared() -> None:
    setting = Setting("prod-a")
    await setting.publish(WEB)
    await setting.publish()
    assert setting.compiled("prod-a") is None


NAMESPACE = "/api/v1/namespaces/prod-a"
TOO_MUCH = ApiError(422, "Invalid", "metadata.annotations: Too long: may not be more than 262144 bytes")


def refuse_content(setting: Setting, error: Exception = TOO_MUCH) -> None:
    """Has the API server take of prod-a the label alone."""
    take = functools.partial(written, "prod-a", version=9)

    def answer(patch: Json) -> Json:
        if any(patch["metadata"]["annotations"].values()):
            raise error
        return take(patch)

    setting.api.answers["merge", NAMESPACE] = answer


def refuses_pods(setting: Setting, name: str = "prod-a") -> bool:
    view = setting.caches.namespaces.find("", name)
    return view is not None and view.refuses_pods


@pytest.mark.parametrize("error", [ApiError(403, "Forbidden", "no"), ApiUnreachable("away")], ids=str)
async def test_a_namespace_that_cannot_be_written_is_reported_and_stops_no_other(error: Exception) -> None:
    setting = Setting("prod-a", "prod-b")
    setting.api.answers["merge", NAMESPACE] = error
    publication = await setting.publish(WEB)
    assert list(publication.unwritten) == ["prod-a"]
    assert publication.unwritten["prod-a"].endswith(f"so what it carried before holds: {error}")
    assert setting.compiled("prod-b") == "web|kata|Pend||"


async def test_a_refusal_is_that_namespaces_and_no_answer_is_everybodys() -> None:
    setting = Setting("prod-a")
    setting.api.answers["merge", NAMESPACE] = ApiUnreachable("away")
    publication = await setting.publish(WEB)
    assert (publication.complete, publication.retry, events(setting)) == (False, None, [])
    refuse_content(setting)
    publication = await setting.publish(WEB)
    assert (publication.complete, publication.retry) == (True, 0.5)
    assert events(setting) == [("prod-a", "PublishFailed")]


TOO_LARGE = ServerTrouble(500, "", "etcdserver: request is too large")


@pytest.mark.parametrize("error", [TOO_MUCH, ApiError(403, "Forbidden", "no"), TOO_LARGE], ids=str)
async def test_a_namespace_whose_selectors_are_refused_gets_the_label_alone(error: Exception) -> None:
    setting = Setting("prod-a")
    refuse_content(setting, error)
    publication = await setting.publish(WEB)
    assert refuses_pods(setting)
    assert publication.unwritten == {"prod-a": f"it can't be written, so its new pods are refused: {error}"}


async def test_rows_that_are_out_of_date_and_cannot_be_replaced_are_withdrawn() -> None:
    setting = Setting("prod-a")
    await setting.publish(WEB)
    refuse_content(setting)
    await setting.publish(WEB, a_profile("all", a_selector("prod-a")))
    assert refuses_pods(setting)


@pytest.mark.parametrize("error", [ApiError(409, "Conflict", "uid"), ServerTrouble(503, "", "busy")], ids=str)
async def test_another_namespace_of_the_name_or_an_overloaded_server_refuses_no_pods(error: Exception) -> None:
    setting = Setting("prod-a")
    await setting.publish(WEB)
    refuse_content(setting, error)
    await setting.publish(WEB, a_profile("all", a_selector("prod-a")))
    assert setting.compiled("prod-a") == "web|kata|Pend||"


async def test_the_operators_own_namespace_never_refuses_its_pods() -> None:
    setting = Setting(SYSTEM)
    setting.api.answers["merge", f"/api/v1/namespaces/{SYSTEM}"] = TOO_MUCH
    await setting.publish(a_profile("own", a_selector(SYSTEM)))
    assert len([path for path, _ in setting.api.sent("merge") if path.endswith(SYSTEM)]) == 1


async def test_what_was_refused_is_tried_again_ever_more_slowly_and_said_once() -> None:
    setting = Setting("prod-a")
    refuse_content(setting)
    await setting.publish(WEB)
    for wait, attempts in ((0.4, 0), (0.2, 1), (0.9, 0), (0.2, 1), (1.9, 0), (0.2, 1)):
        setting.now += wait
        publication = await setting.publish(WEB)
        assert len([path for path, _ in setting.api.sent("merge") if path == NAMESPACE]) == attempts
        assert events(setting) == []
        assert list(publication.unwritten) == ["prod-a"]
    setting.api.answers["merge", NAMESPACE] = functools.partial(written, "prod-a", version=10)
    setting.now += 30.0
    publication = await setting.publish(WEB)
    assert (publication.unwritten, publication.retry, setting.compiled("prod-a")) == ({}, None, "web|kata|Pend||")
    assert events(setting) == []


async def test_other_content_is_tried_at_once() -> None:
    setting = Setting("prod-a")
    refuse_content(setting)
    await setting.publish(WEB, a_profile("all", a_selector("prod-a")))
    setting.api.answers["merge", NAMESPACE] = functools.partial(written, "prod-a", version=10)
    assert (await setting.publish(WEB)).unwritten == {}
    assert setting.compiled("prod-a") == "web|kata|Pend||"


async def test_a_base_policy_that_is_refused_is_no_reason_to_try_at_every_pass() -> None:
    setting = Setting("prod-a")
    setting.api.answers["apply", base_policy("prod-a")] = ApiError(403, "Forbidden", "exceeded quota")
    assert (await setting.publish(WEB)).retry == 0.5
    assert events(setting) == [("prod-a", "PublishFailed")]
    publication = await setting.publish(WEB)
    assert setting.api.requests == []
    assert publication.complete
    assert "so its new pods wait: exceeded quota" in publication.unwritten["prod-a"]


async def test_a_namespace_that_is_gone_is_no_trouble() -> None:
    setting = Setting("prod-a")
    setting.api.answers["merge", "/api/v1/namespaces/prod-a"] = not_found()
    assert (await setting.publish(WEB)).complete


async def test_a_configmap_that_is_missing_is_created() -> None:
    setting = Setting()
    setting.api.answers["merge", PATTERNS] = not_found()
    setting.api.answers["apply", PATTERNS] = lambda body: {
        **body,
        **an_object("monopod-namespaces", namespace=SYSTEM, version=2),
    }
    assert (await setting.publish(WEB)).complete
    ((_, body),) = setting.api.sent("apply")
    assert body["data"]["rows"] == r"^prod\-.*$|web|kata|Pend||"


async def test_thousands_of_namespaces_do_not_hold_up_the_loop() -> None:
    setting = Setting()
    for number in range(3000):
        setting.caches.namespaces.observe("ADDED", an_object(f"ns-{number}"))
    profiles = [a_profile(f"p-{number}", a_selector(f"prod-{number}-*")) for number in range(20)]
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()  # of its own: how long others had the machine doesn't matter
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watching, began = asyncio.create_task(watch()), time.thread_time()
    await setting.publish(*profiles)
    took = time.thread_time() - began
    watching.cancel()
    assert longest < took / 2
