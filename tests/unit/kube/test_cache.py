"""The operator's copy of the cluster: what it takes from watch events, and what from lists."""

import json
import tracemalloc
from typing import Any

import pytest

from monopod.api.names import GROUPS_ANNOTATION
from monopod.kube.cache import Kind
from monopod.kube.objects.resources import RUNTIME_CLASSES
from monopod.kube.objects.views import RuntimeClassView, read_uid
from monopod.manager.sources import WatchedCaches
from monopod.pods.view import MAX_ANNOTATED, PodView, read_pod
from tests.unit.fake_api import FakeApi, an_object


@pytest.fixture
def kind() -> Kind[str]:
    return Kind(RUNTIME_CLASSES, read_uid)


def listing(*items: dict[str, Any]) -> FakeApi:
    api = FakeApi()
    api.lists[RUNTIME_CLASSES.list_path()] = list(items)
    return api


@pytest.mark.parametrize("event_type", [None, "ADDED", "MODIFIED"])
def test_an_event_of_an_object_is_taken_in(kind: Kind[str], event_type: str | None) -> None:
    assert kind.observe(event_type, an_object("kata"))
    assert kind.find("", "kata") == "kata"


def test_an_event_that_changes_nothing_that_matters_is_no_change(kind: Kind[str]) -> None:
    kind.observe("ADDED", an_object("kata"))
    assert not kind.observe("MODIFIED", an_object("kata", version=2, labels={"a": "b"}))


class Deep:
    """What Python doesn't compare, because it is nested too deeply."""

    def __eq__(self, other: object) -> bool:
        raise RecursionError

    def __hash__(self) -> int:
        return 0


def test_what_is_nested_too_deeply_to_compare_counts_as_changed() -> None:
    kind = Kind[Deep](RUNTIME_CLASSES, lambda _: Deep())
    kind.observe("ADDED", an_object("kata"))
    assert kind.observe("MODIFIED", an_object("kata", version=2))


def test_an_older_version_does_not_undo_a_newer_one() -> None:
    kind = WatchedCaches("monopod-system").namespaces
    kind.observe("MODIFIED", an_object("prod", version=10, labels={"monopod.dev/fargate": "true"}))
    assert not kind.observe("MODIFIED", an_object("prod", version=9))
    view = kind.find("", "prod")
    assert view is not None
    assert view.label == "true"


def test_a_deleted_object_is_gone(kind: Kind[str]) -> None:
    kind.observe("ADDED", an_object("kata"))
    assert kind.observe("DELETED", an_object("kata"))
    assert kind.find("", "kata") is None


def test_the_end_of_an_object_does_not_take_its_namesake_with_it(kind: Kind[str]) -> None:
    kind.observe("ADDED", an_object("kata", uid="new"))
    assert not kind.observe("DELETED", an_object("kata", uid="old"))
    assert kind.find("", "kata") == "new"


def test_what_is_told_late_of_an_object_does_not_replace_its_namesake() -> None:
    kind = WatchedCaches("monopod-system").runtime_classes
    kind.observe("ADDED", an_object("kata", uid="new", version=10))
    assert not kind.observe("MODIFIED", an_object("kata", uid="old", version=9))
    assert kind.find("", "kata") == RuntimeClassView("kata", "new", "")


async def test_the_first_list_is_the_whole_truth(kind: Kind[str]) -> None:
    kind.observe("ADDED", an_object("gone"))
    await kind.load(listing(an_object("kata"), an_object("gvisor")))
    assert kind.views() == ["gvisor", "kata"]


async def test_an_audit_that_agrees_finds_nothing(kind: Kind[str]) -> None:
    kind.observe("ADDED", an_object("kata"))
    assert await kind.audit(listing(an_object("kata", version=7)), grace=0) == 0


async def test_an_audit_puts_right_what_the_watch_has_missed(kind: Kind[str]) -> None:
    kind.observe("ADDED", an_object("deleted"))
    kind.observe("ADDED", an_object("changed", uid="before"))
    assert await kind.audit(listing(an_object("new"), an_object("changed", uid="after")), grace=0) == 3
    assert kind.views() == ["after", "new"]


async def test_what_arrives_while_an_audit_lists_is_newer_than_the_list(kind: Kind[str]) -> None:
    api = listing(an_object("kata", uid="listed"))
    original = api.list_pages

    async def list_while_events_arrive(*args: Any, **kwargs: Any) -> Any:
        async for item in original(*args, **kwargs):
            yield item
        kind.observe("ADDED", an_object("kata", uid="watched"))

    api.list_pages = list_while_events_arrive  # type: ignore[method-assign]  # events between list and comparison
    assert await kind.audit(api, grace=0) == 0
    assert kind.views() == ["watched"]


async def test_a_watch_that_misses_something_in_two_audits_is_dead(kind: Kind[str]) -> None:
    first, second = listing(an_object("a")), listing(an_object("a"), an_object("b"))
    found_dead = []
    for api in (first, second, second):
        await kind.audit(api, grace=0)
        found_dead.append(kind.is_dead)
    assert found_dead == [False, True, False]


def test_a_pod_is_known_by_its_profile_and_by_why_it_cannot_run() -> None:
    pod = an_object(
        "app",
        namespace="prod",
        labels={"monopod.dev/profile": "web"},
        annotations={"monopod.dev/unsupported": "Pod not supported on Fargate: …"},
    )
    view = read_pod(pod)
    text = "monopod.dev/profile=web"
    assert view == PodView("prod", "app", "app", "web", "Pod not supported on Fargate: …", label_text=text)
    assert view.labels == {"monopod.dev/profile": "web"}


@pytest.mark.parametrize("labels", [0, 1, 100, 1000])
def test_a_pods_labels_take_no_more_memory_than_their_text(labels: int) -> None:
    pod = an_object("app", namespace="prod", labels={f"k{number}": "" for number in range(labels)})
    pod = json.loads(json.dumps(pod))
    tracemalloc.start()
    views = [read_pod(pod) for _ in range(20)]  # Python keeps some memory of the first for the others
    kept = tracemalloc.get_traced_memory()[0] / len(views)
    tracemalloc.stop()
    assert len(views[0].labels) == labels
    assert kept < len(views[0].label_text) + 4096


def test_of_a_long_annotation_only_that_it_is_too_long_is_kept() -> None:
    pod = an_object("app", namespace="prod", annotations={GROUPS_ANNOTATION: "a," * 100_000})
    asked = read_pod(pod).asked
    assert asked is not None
    assert len(asked) == MAX_ANNOTATED + 1


def test_a_pod_is_known_by_its_age_its_controller_and_its_end() -> None:
    owners = [{"uid": "other"}, {"uid": "set", "controller": True}]
    pod = read_pod(an_object("app", namespace="prod", creationTimestamp="T", ownerReferences=owners))
    assert (pod.created, pod.controller, pod.terminating) == ("T", "set", False)
    assert read_pod(an_object("app", namespace="prod", deletionTimestamp="T")).terminating


def test_profiles_are_kept_without_the_record_of_who_wrote_them() -> None:
    caches = WatchedCaches("monopod-system")
    caches.profiles.observe("ADDED", {**an_object("web", managedFields=[{"manager": "kubectl"}]), "spec": {}})
    profile = caches.profiles.find("", "web") or {}
    assert "managedFields" not in profile["metadata"]
    assert profile["spec"] == {}
