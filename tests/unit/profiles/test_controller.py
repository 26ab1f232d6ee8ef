"""A look at many profiles holds up nothing else, and nothing holds it up."""

import asyncio
from typing import Any

from monopod.api.names import PROFILE_LABEL, UNSUPPORTED_ANNOTATION
from monopod.bare_pods.controller import BareKeeper
from monopod.eviction.evictor import Evictor
from monopod.isolation.controller import Isolator
from monopod.kube.client.api import ServerTrouble
from monopod.kube.event_recorder import REFUSED_SECONDS
from monopod.kube.objects.conditions import Contribution
from monopod.manager.options import OperatorOptions
from monopod.manager.sources import WatchedCaches
from monopod.patching.announcer import Announcer
from monopod.patching.controller import Patcher
from monopod.profiles.controller import DECIDED_AT_ONCE, UNTOLD_SECONDS, Reconciler
from monopod.profiles.rules.conditions import Admission, PoliciesInstalled
from monopod.rescheduling.controller import Rescheduler
from tests.unit.fake_api import FakeApi, an_object
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, running, settle

PROFILES = 4 * DECIDED_AT_ONCE


async def read_admission() -> Admission:
    return PoliciesInstalled()


def a_reconciler(api: FakeApi, clock: FakeClock, caches: WatchedCaches, *contributors: Any) -> Reconciler:
    for name in ("monopod-namespaces", "monopod-quota"):
        config_map = an_object(name, namespace="monopod-system", version=2)
        api.answers["merge", f"/api/v1/namespaces/monopod-system/configmaps/{name}"] = config_map
    options, recorder = OperatorOptions(sandbox="kata", profile_quota=PROFILES), a_recorder(api, clock)
    isolator = Isolator(api, caches, options, recorder, PROBLEMS, clock)
    evictor = Evictor(api, options, PROBLEMS, lambda: True, clock)
    bare = BareKeeper(api, caches, evictor, options, recorder, PROBLEMS, clock)
    rescheduler = Rescheduler(api, caches, evictor, bare, options, recorder, PROBLEMS, clock)
    return Reconciler(
        api,
        caches,
        isolator,
        options,
        read_admission,
        evictor,
        rescheduler,
        Patcher(api, caches, evictor, bare, Announcer(recorder, lambda _: None, "lab"), PROBLEMS, clock),
        contributors,
        recorder,
        PROBLEMS,
        clock,
    )


async def test_events_that_can_not_be_posted_hold_up_nothing_and_are_tried_again() -> None:
    api, clock, caches = FakeApi(), FakeClock(), WatchedCaches("monopod-system")
    events = "create", "/api/v1/namespaces/prod/events"
    api.answers[events] = ServerTrouble(500, "", "webhook")
    labels, annotations = {PROFILE_LABEL: "web"}, {UNSUPPORTED_ANNOTATION: "why"}
    caches.pods.observe("ADDED", an_object("app", namespace="prod", labels=labels, annotations=annotations))
    reconciler = a_reconciler(api, clock, caches)
    reconciler.enqueue(0)
    clock.step(1)
    async with running(reconciler.controller):
        assert (reconciler.controller.completed, len(api.sent("create"))) == (1, 1)
        del api.answers[events]
        for _ in range(round(REFUSED_SECONDS / UNTOLD_SECONDS) + 1):
            clock.step(UNTOLD_SECONDS)
            await settle()
        assert len(api.sent("create")) == 2


async def test_while_many_profiles_are_decided_on_others_have_their_turn() -> None:
    api, clock, caches = FakeApi(), FakeClock(), WatchedCaches("monopod-system")
    for number in range(PROFILES):
        metadata: Any = an_object(f"web-{number}", finalizers=["monopod.dev/profile"])
        caches.profiles.observe("ADDED", {**metadata, "spec": {"selectors": [{"namespace": "prod"}]}})
    turns, decided = 0, dict[int, int]()

    class Contributions(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            decided[turns] = decided.get(turns, 0) + 1
            return Contribution()

    class Contributor:
        def contribute(self, *_: object) -> Contributions:
            return Contributions()

    reconciler = a_reconciler(api, clock, caches, Contributor())

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    reconciler.enqueue(0)
    clock.step(1)
    async with running(reconciler.controller):
        await settle()
    others.cancel()
    assert sum(decided.values()) >= PROFILES
    assert max(decided.values()) <= DECIDED_AT_ONCE
