"""Which profiles are to be published, from what the caches hold."""

import pytest

from monopod.api.names import PROFILE_FINALIZER
from monopod.api.reasons import Reason
from monopod.kube.client.api import Json
from monopod.manager.options import OperatorOptions
from monopod.manager.sources import WatchedCaches
from monopod.pods.rules.dry_run import Pending
from monopod.profiles.gather import Gatherer
from monopod.profiles.overlaps import Overlaps
from tests.unit.fake_api import an_object
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS

OPTIONS = OperatorOptions(sandbox="kata", namespace="monopod-system")


def a_gatherer(caches: WatchedCaches, options: OperatorOptions = OPTIONS) -> Gatherer:
    overlaps = Overlaps(options.protected, lambda: None, PROBLEMS, FakeClock())
    return Gatherer(caches, lambda *_: Pending(), overlaps, options, PROBLEMS)


@pytest.mark.parametrize(
    ("finalizers", "status", "is_published"),
    [
        ([PROFILE_FINALIZER], {}, True),
        ([], {}, False),
        (["example.com/another"], {"published": False}, False),
        ([], {"published": True}, True),
    ],
    ids=["guarded", "new", "refused", "published before"],
)
def test_nothing_of_a_new_profile_is_published_before_its_finalizer_is_there(
    finalizers: list[str], status: Json, is_published: bool
) -> None:
    caches = WatchedCaches("monopod-system")
    spec = {"selectors": [{"namespace": "prod"}]}
    caches.profiles.observe("ADDED", {**an_object("web", finalizers=finalizers), "spec": spec, "status": status})
    snapshot = a_gatherer(caches).snapshot()
    assert ("web" in snapshot.allocation.compiled) is is_published
    assert [profile.name for profile in snapshot.living] == (["web"] if is_published else [])
    reasons = [finding.reason for finding in snapshot.held_back.values()]
    assert reasons == ([] if is_published else [Reason.PUBLISH_FAILED])


def test_profiles_are_compiled_with_their_capacity_provider_and_the_label_of_spots_nodes() -> None:
    caches = WatchedCaches("monopod-system")
    spot = {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]}
    for name, more in (("batch", spot), ("web", {})):
        spec = {"selectors": [{"namespace": "prod"}], **more}
        caches.profiles.observe("ADDED", {**an_object(name, finalizers=[PROFILE_FINALIZER]), "spec": spec})
    plain = a_gatherer(caches).snapshot().allocation.compiled
    assert [selector.text for name in ("batch", "web") for selector in plain[name]] == [
        "batch|kata|Pend|||||||||Spot", "web|kata|Pend||",
    ]  # fmt: skip
    labelled = a_gatherer(caches, OPTIONS.model_copy(update={"spot_node_label": "kind=spot"})).snapshot()
    assert [selector.text for name in ("batch", "web") for selector in labelled.allocation.compiled[name]] == [
        "batch|kata|Pend|||||||||Spot|kind=spot", "web|kata|Pend||||||||||kind=spot",
    ]  # fmt: skip
