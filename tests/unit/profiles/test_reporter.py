"""Statuses and events: said when there is something to say, and once."""

from typing import Any

import pytest

from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.event_recorder import OF_A_NAMESPACE
from monopod.manager.sources import WatchedCaches
from monopod.pods.view import PodView
from monopod.profiles.reporter import Reporter
from tests.unit.fake_api import FakeApi, an_object
from tests.unit.running import PROBLEMS, a_recorder

STATUS = "/apis/monopod.dev/v1beta1/fargateprofiles/web/status"
EVENTS = "/api/v1/namespaces/default/events"
TEXT = "Pod not supported on Fargate: fields not supported: HostNetwork"


@pytest.fixture
def api() -> FakeApi:
    return FakeApi({("merge", STATUS): lambda patch: {**an_object("web", version=2), **patch}})


@pytest.fixture
def reporter(api: FakeApi) -> Reporter:
    return Reporter(api, WatchedCaches("monopod-system"), a_recorder(api), PROBLEMS)


def a_status(phase: str = "ACTIVE", reason: str = "Active") -> dict[str, Any]:
    return {"phase": phase, "conditions": [{"type": "Ready", "reason": reason, "message": "because"}]}


def a_resource(status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {**an_object("web"), **({"status": status} if status else {})}


def a_pod(name: str = "app", text: str = TEXT) -> PodView:
    return PodView("prod", name, f"uid-{name}", "web", text)


def reasons(api: FakeApi) -> list[tuple[str, str]]:
    return [(body["reason"], body["message"]) for _, body in api.sent("create")]


async def test_a_new_status_is_written_after_its_event(api: FakeApi, reporter: Reporter) -> None:
    assert await reporter.report_status(a_resource(), a_status())
    assert [(method, path) for method, path, _ in api.requests] == [("create", EVENTS), ("merge", STATUS)]
    assert reasons(api) == [("Active", "because")]


async def test_the_same_status_is_not_written(api: FakeApi, reporter: Reporter) -> None:
    assert await reporter.report_status(a_resource(a_status()), a_status())
    assert api.requests == []


async def test_a_status_that_changes_without_its_phase_makes_no_event(api: FakeApi, reporter: Reporter) -> None:
    await reporter.report_status(a_resource(a_status()), {**a_status(), "pods": 2})
    assert (len(api.sent("create")), len(api.sent("merge"))) == (0, 1)


@pytest.mark.parametrize(
    "before", [None, a_status(), a_status("CREATE_FAILED", "DryRunRefused")], ids=["new", "active", "other"]
)
async def test_a_failure_makes_a_warning_with_its_reason(
    api: FakeApi, reporter: Reporter, before: dict[str, Any] | None
) -> None:
    await reporter.report_status(a_resource(before), a_status("CREATE_FAILED", "RuntimeClassNotFound"))
    assert reasons(api) == [("CreateFailed", "RuntimeClassNotFound: because")]


async def test_namespaces_that_cannot_be_written_are_told_once(api: FakeApi, reporter: Reporter) -> None:
    def refused(*names: str) -> dict[str, Any]:
        ids, message = [f"Namespace/{name}" for name in names], f"refused: {', '.join(names)}"
        issue = {"code": "PublishFailed", "message": message, "resourceIds": ids}
        return {**a_status(), "health": {"issues": [issue]}}

    await reporter.report_status(a_resource(a_status()), refused("a"))
    assert reasons(api) == [("PublishFailed", "refused: a")]
    await reporter.report_status(a_resource(refused("a", "b")), refused("b"))
    assert len(api.sent("create")) == 1
    await reporter.report_status(a_resource(refused("b")), refused("b", "c"))
    assert len(api.sent("create")) == 2


async def test_a_crd_that_drops_a_field_is_not_written_to_for_ever(api: FakeApi, reporter: Reporter) -> None:
    stored = a_status()
    api.answers["merge", STATUS] = {**an_object("web", version=2), "status": stored}
    wanted = {**a_status(), "newField": 1}
    await reporter.report_status(a_resource(), wanted)
    writes = len(api.requests)
    assert await reporter.report_status(a_resource(stored), wanted)
    assert len(api.requests) == writes


@pytest.mark.parametrize("error", [ApiUnreachable("away"), ApiError(500, "", "no"), ApiError(403, "", "no")], ids=str)
async def test_a_status_that_cannot_be_written_is_tried_again(
    api: FakeApi, reporter: Reporter, error: Exception
) -> None:
    api.answers["merge", STATUS] = error
    assert not await reporter.report_status(a_resource(), a_status())


async def test_the_event_of_a_status_that_is_written_at_the_second_try_happened_once(
    api: FakeApi, reporter: Reporter
) -> None:
    write = api.answers["merge", STATUS]
    api.answers["merge", STATUS] = ApiUnreachable("away")
    assert not await reporter.report_status(a_resource(), a_status())
    api.answers["merge", STATUS] = write
    assert await reporter.report_status(a_resource(), a_status())
    assert [path for _, path, _ in api.requests] == [EVENTS, STATUS, STATUS]


async def test_what_happens_again_after_a_status_was_written_is_counted(api: FakeApi, reporter: Reporter) -> None:
    for before in (None, a_status("CREATE_FAILED", "DryRunRefused")):
        await reporter.report_status(a_resource(before), a_status())
    (patch,) = [body for path, body in api.sent("merge") if path.startswith(EVENTS)]
    assert patch["count"] == 2


async def test_a_profile_that_is_gone_is_no_failure(api: FakeApi, reporter: Reporter) -> None:
    api.answers["merge", STATUS] = ApiError(404, "NotFound", "gone")
    assert await reporter.report_status(a_resource(), a_status())


async def test_an_unsupported_pod_gets_one_event(api: FakeApi, reporter: Reporter) -> None:
    assert await reporter.report_unsupported([a_pod(), a_pod("fine", "")])
    assert await reporter.report_unsupported([a_pod()])
    ((path, event),) = api.sent("create")
    assert path == "/api/v1/namespaces/prod/events"
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "FailedScheduling", TEXT)
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "prod",
        "name": "app",
        "uid": "uid-app",
    }


async def test_an_event_that_could_not_be_sent_is_sent_later(api: FakeApi, reporter: Reporter) -> None:
    path = ("create", "/api/v1/namespaces/prod/events")
    api.answers[path] = ApiUnreachable("away")
    assert not await reporter.report_unsupported([a_pod()])
    del api.answers[path]
    assert await reporter.report_unsupported([a_pod()])
    assert len(api.sent("create")) == 2


async def test_a_flood_of_pods_is_told_in_portions(api: FakeApi, reporter: Reporter) -> None:
    pods = [a_pod(f"pod-{number}") for number in range(round(OF_A_NAMESPACE.burst) + 50)]
    assert not await reporter.report_unsupported(pods)
    assert len(api.sent("create")) < len(pods)
