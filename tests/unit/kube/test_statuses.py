"""Statuses: written where they differ, and the answer goes into the cache."""

from typing import Any

import pytest
import structlog

from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.logs import ProblemLog
from monopod.kube.statuses import StatusWriter
from monopod.manager.sources import WatchedCaches
from tests.unit.fake_api import Answer, FakeApi, an_object

STATUS = "/apis/monopod.dev/v1beta1/fargateprofiles/web/status"
WANTED: dict[str, Any] = {"pods": 1}


class Setting:
    def __init__(self, answer: Answer) -> None:
        self.caches = WatchedCaches("monopod-system")
        self.api = FakeApi({("merge", STATUS): answer})
        problems = ProblemLog(structlog.stdlib.get_logger())
        self.writer = StatusWriter(self.api, self.caches.profiles, "profile", problems)


async def test_what_differs_is_written_and_what_the_api_server_answers_is_known_at_once() -> None:
    setting = Setting(lambda patch: {**an_object("web", version=2), **patch})
    assert await setting.writer.write("web", {"old": 1}, WANTED)
    assert setting.api.sent("merge") == [(STATUS, {"status": {"old": None, "pods": 1}})]
    assert (setting.caches.profiles.find("", "web") or {})["status"]["pods"] == 1
    assert await setting.writer.write("web", WANTED, WANTED)
    assert len(setting.api.sent("merge")) == 1


async def test_a_field_that_the_crd_drops_is_written_once() -> None:
    setting = Setting({**an_object("web", version=2), "status": {"pods": 1}})
    wanted = {**WANTED, "unknown": True}
    for _ in range(3):
        assert await setting.writer.write("web", WANTED, wanted)
    assert len(setting.api.sent("merge")) == 1
    setting.writer.retain([])
    assert setting.writer.differs("web", WANTED, wanted), "another object of the same name"


@pytest.mark.parametrize(
    ("error", "well"),
    [(ApiUnreachable("away"), False), (ApiError(403, "Forbidden", "no"), False), (ApiError(404, "NotFound", ""), True)],
    ids=["no answer", "refused", "gone meanwhile"],
)
async def test_a_failure_is_told_unless_the_object_is_gone(error: Exception, well: bool) -> None:
    assert await Setting(error).writer.write("web", None, WANTED) is well
