"""A scheduled termination is told of: by one event, and to the webhook for as long as it is on record."""

import datetime
from dataclasses import replace

from monopod.kube.metrics import SCHEDULED_TERMINATIONS
from monopod.notices.rules.notice import Notice, NoticedPod, ScheduledTermination
from monopod.patching.announcer import Announcer
from monopod.patching.rules.settings import Memory, PatchingSettings, Termination
from tests.unit.fake_api import FakeApi
from tests.unit.running import a_recorder

REFUSED_AT = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
AT = REFUSED_AT + datetime.timedelta(days=3)
WORDS = "Cannot evict pod as it would violate the pod's disruption budget."
STUCK = Termination("shop", "web-1", "uid-1", REFUSED_AT, AT, WORDS)
NOTICE = ScheduledTermination(NoticedPod("shop", "web-1", "uid-1", "web"), WORDS, REFUSED_AT, AT)


def remembering(termination: Termination) -> PatchingSettings:
    return PatchingSettings("web", memory=Memory(terminations={termination.uid: termination}))


def count_announced() -> float:
    return float(SCHEDULED_TERMINATIONS._value.get())


async def test_there_is_one_event_with_awss_values_and_a_notice_with_each_look() -> None:
    api, sent, before = FakeApi(), list[Notice](), count_announced()
    announcer = Announcer(a_recorder(api), sent.append, "lab")
    assert await announcer.announce([remembering(STUCK)])
    assert announcer.get_announced("web") == {"uid-1"}
    assert not await announcer.announce([remembering(STUCK)])
    ((_, event),) = api.sent("create")
    assert (event["reason"], event["involvedObject"]["uid"]) == ("ScheduledTermination", "uid-1")
    for value in ("clusterName lab", "podName web-1", "podNamespace shop", repr(WORDS)):
        assert value in event["message"]
    assert sent == [NOTICE, NOTICE], "the webhook sends it once, and again after what it dropped"
    assert count_announced() == before + 1


async def test_an_operator_that_starts_later_posts_no_event_and_tells_the_webhook() -> None:
    api, sent = FakeApi(), list[Notice]()
    announcer = Announcer(a_recorder(api), sent.append, "lab")
    assert not await announcer.announce([remembering(replace(STUCK, announced=True))])
    assert sent == [NOTICE]
    assert api.sent("create") == []
