"""Notices to build on."""

import datetime

from monopod.notices.rules.envelopes import Origin
from monopod.notices.rules.notice import NoticedPod, ScheduledTermination, SpotInterruption, TaskStateChange

ORIGIN = Origin("lab", "111122223333", "eu-west-1")
BEGAN = datetime.datetime(2026, 3, 1, 12, 0, 0, tzinfo=datetime.UTC)


def an_interruption(name: str = "web-1") -> SpotInterruption:
    pod = NoticedPod("shop", name, f"0f3a-{name}", "web")
    return SpotInterruption(pod, "Preemption", "FARGATE_SPOT", BEGAN, BEGAN + datetime.timedelta(seconds=120))


def a_termination() -> ScheduledTermination:
    pod = NoticedPod("shop", "web-1", "0f3a", "web")
    until = datetime.datetime(2026, 3, 4, 12, 0, 0, 832000, tzinfo=datetime.UTC)
    return ScheduledTermination(pod, "Cannot evict pod as it would violate the pod's disruption budget.", BEGAN, until)


def a_task(version: int = 3) -> TaskStateChange:
    members = {
        "lastStatus": "RUNNING",
        "desiredStatus": "STOPPED",
        "stopCode": "SpotInterruption",
        "containers": [{"name": "web", "id": "c1", "lastStatus": "RUNNING"}],
    }
    return TaskStateChange("default", "0" * 32, "uid", version, "web", 7, BEGAN, members)
