"""What is said of pods that were evicted."""

from dataclasses import replace

from monopod.kube.client.api import ServerTrouble
from monopod.kube.event_recorder import REFUSED_SECONDS
from tests.unit.rescheduling.test_controller import PODS, Setting, an_old_pod


async def test_an_eviction_that_can_not_be_told_yet_is_told_later_and_keeps_no_other_waiting() -> None:
    setting = Setting(an_old_pod("a"))
    setting.update()
    await setting.run()
    troubled, other = (f"/api/v1/namespaces/{name}/events" for name in ("prod", "other"))
    setting.api.answers["create", troubled] = ServerTrouble(500, "", "webhook")
    setting.evictor.tell(setting.evictor.wanted[0])
    setting.api.lists[PODS] = [an_old_pod("b")]
    await setting.run()
    setting.evictor.tell(replace(setting.evictor.wanted[0], namespace="other"))
    await setting.run(5)
    assert [path for path, _ in setting.api.sent("create")] == [troubled, other]
    del setting.api.answers["create", troubled]
    await setting.run(2 * REFUSED_SECONDS)
    assert [path for path, _ in setting.api.sent("create")] == [troubled, other, troubled]
