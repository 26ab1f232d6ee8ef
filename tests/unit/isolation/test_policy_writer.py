"""Policies are written where they differ and nowhere else, and what others do to them is told from what we did."""

from typing import Any

import pytest

from monopod.api.names import POLICY_LABEL
from monopod.isolation.policy_writer import PolicyWriter
from monopod.isolation.rules.changes import PolicyView
from monopod.isolation.rules.network_policies import Rules, build_base_policy, build_pod_policy, digest_spec
from monopod.kube.client.api import ApiError, ApiUnreachable, Cause
from monopod.manager.sources import WatchedCaches
from tests.unit.fake_api import FakeApi, conflict

Json = dict[str, Any]
PATH = "/apis/networking.k8s.io/v1/namespaces/prod/networkpolicies/monopod-base"
BASE = build_base_policy("prod")


def stored(policy: Json, version: int = 1, **spec: Any) -> Json:
    """The policy as the API server has it."""
    metadata = {**policy["metadata"], "uid": "uid", "resourceVersion": str(version)}
    kept = {key: value for key, value in {**policy["spec"], **spec}.items() if value != []}
    return {**policy, "metadata": metadata, "spec": kept}


class Writing:
    """A writer on a mirror of its own, and what it says has been tampered with."""

    def __init__(self) -> None:
        self.api = FakeApi({("apply", PATH): lambda body: stored(body)})
        self.caches = WatchedCaches("monopod-system")
        self.tampered: list[tuple[str, bool]] = []
        self.writer = PolicyWriter(self.api, self.caches, self._see)

    def _see(self, policy: PolicyView, *, deleted: bool) -> None:
        self.tampered.append((policy.name, deleted))

    def existing(self) -> list[PolicyView]:
        return self.caches.network_policies.look_up("place", ("prod", "base"))

    async def apply(self) -> None:
        await self.writer.apply([BASE], self.existing())

    def observe(self, item: Json, event: str = "MODIFIED") -> None:
        self.caches.network_policies.observe(event, item)


async def test_a_policy_that_is_as_it_should_be_is_not_written_again() -> None:
    writing = Writing()
    await writing.apply()
    for _ in range(5):
        await writing.apply()
    assert len(writing.api.requests) == 1


async def test_what_was_just_written_is_not_taken_for_tampering_however_often_the_watch_tells_of_it() -> None:
    writing = Writing()
    await writing.apply()
    writing.observe(stored(BASE))
    writing.observe(stored(BASE, version=2))
    assert writing.tampered == []


CHANGES: dict[str, Json] = {
    "opened": {"ingress": [{}]},
    "a direction left out": {"policyTypes": ["Ingress"]},
    "a narrower selector": {"podSelector": {**BASE["spec"]["podSelector"], "matchLabels": {"a": "b"}}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_change_by_someone_else_is_noticed_and_written_over(change: Json) -> None:
    writing = Writing()
    await writing.apply()
    writing.observe(stored(BASE, version=2, **change))
    assert writing.tampered == [("monopod-base", False)]
    await writing.apply()
    assert len(writing.api.sent("apply")) == 2


async def test_a_policy_that_lost_its_label_is_noticed_and_written_again() -> None:
    writing = Writing()
    await writing.apply()
    bare = stored(BASE, version=2)
    writing.observe({**bare, "metadata": {**bare["metadata"], "labels": {}}})
    assert writing.tampered == [("monopod-base", False)]
    await writing.apply()
    assert writing.api.sent("apply")[1][1]["metadata"]["labels"] == {POLICY_LABEL: "base"}


async def test_a_deletion_by_someone_else_is_noticed_and_one_of_our_own_is_not() -> None:
    writing = Writing()
    await writing.apply()
    writing.observe(stored(BASE, version=2), "DELETED")
    assert writing.tampered == [("monopod-base", True)]
    await writing.apply()
    await writing.writer.apply([], writing.existing())
    assert [path for path, _ in writing.api.sent("delete")] == [PATH]
    assert (writing.tampered, writing.existing()) == ([("monopod-base", True)], [])


async def test_lists_that_another_manager_put_in_are_replaced_where_an_apply_leaves_them() -> None:
    writing = Writing()
    theirs = {**BASE["spec"]["podSelector"], "matchLabels": {"theirs": "true"}}
    writing.api.answers["apply", PATH] = lambda body: stored(body, podSelector=theirs)
    writing.api.answers["patch", PATH] = lambda _: stored(BASE, version=2)
    await writing.apply()
    ((_, patch),) = writing.api.sent("patch")
    assert {"op": "replace", "path": "/spec", "value": BASE["spec"]} in patch["operations"]
    assert {"op": "test", "path": "/metadata/uid", "value": "uid"} in patch["operations"]
    await writing.apply()
    assert len(writing.api.sent("apply")) == 1


def foreign(**metadata: Any) -> Json:
    """What an apply makes of a policy that someone made before us under our name."""
    ours = stored(BASE)
    return {**ours, "metadata": {**ours["metadata"], **metadata}}


PREPARED: dict[str, tuple[Json, str]] = {
    "an owner that may go": ({"ownerReferences": [{"kind": "ConfigMap", "uid": "theirs"}]}, "ownerReferences"),
    "a finalizer": ({"finalizers": ["example.com/theirs"]}, "finalizers"),
}


@pytest.mark.parametrize(("metadata", "field"), PREPARED.values(), ids=PREPARED.keys())
async def test_a_policy_that_someone_made_before_us_is_freed_of_what_could_take_or_hold_it(
    metadata: Json, field: str
) -> None:
    writing = Writing()
    writing.api.answers["apply", PATH] = lambda _: foreign(**metadata)
    writing.api.answers["patch", PATH] = lambda _: stored(BASE, version=2)
    await writing.apply()
    ((_, patch),) = writing.api.sent("patch")
    assert {"op": "remove", "path": f"/metadata/{field}"} in patch["operations"]
    (view,) = writing.existing()
    assert writing.writer.has_written(("prod", "monopod-base"), view)


async def test_a_policy_that_is_going_is_let_go_and_written_anew() -> None:
    writing = Writing()
    going = foreign(finalizers=["example.com/theirs"], deletionTimestamp="2026-01-01T00:00:00Z")
    answers = iter([going, stored(BASE, version=3)])
    writing.api.answers["apply", PATH] = lambda _: next(answers)
    writing.api.answers["patch", PATH] = lambda _: foreign(deletionTimestamp="2026-01-01T00:00:00Z")
    await writing.apply()
    assert [verb for verb, _, _ in writing.api.requests] == ["apply", "patch", "apply"]
    (view,) = writing.existing()
    assert writing.writer.has_written(("prod", "monopod-base"), view)


async def test_a_policy_that_a_finalizer_holds_is_freed_before_it_is_deleted() -> None:
    writing = Writing()
    writing.observe(foreign(finalizers=["example.com/theirs"]))
    await writing.writer.apply([], writing.existing())
    assert [verb for verb, _, _ in writing.api.requests] == ["patch", "delete"]
    assert writing.existing() == []


@pytest.mark.parametrize(
    "metadata",
    [{"finalizers": ["example.com/theirs"]}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}],
    ids=["held", "going"],
)
async def test_a_policy_that_is_not_wholly_ours_is_written_again(metadata: Json) -> None:
    writing = Writing()
    writing.observe(foreign(**metadata))
    (view,) = writing.existing()
    assert view.digest != digest_spec(BASE)


async def test_of_a_namespace_that_is_going_nothing_is_raised() -> None:
    writing = Writing()
    causes = (Cause("NamespaceTerminating", "namespace prod is being terminated"),)
    writing.api.answers["apply", PATH] = ApiError(403, "Forbidden", "in other words", causes)
    await writing.apply()
    assert writing.existing() == []


@pytest.mark.parametrize(
    "trouble",
    [ApiError(403, "Forbidden", "it says: being terminated"), ApiUnreachable("away")],
    ids=["refused", "away"],
)
async def test_any_other_refusal_is_raised_to_be_tried_again(trouble: Exception) -> None:
    writing = Writing()
    writing.api.answers["apply", PATH] = trouble
    with pytest.raises(type(trouble)):
        await writing.apply()


async def test_a_write_that_failed_is_not_remembered() -> None:
    writing = Writing()
    writing.api.answers["apply", PATH] = ApiError(403, "Forbidden", "no")
    with pytest.raises(ApiError):
        await writing.apply()
    writing.observe(stored(BASE))
    writing.observe(stored(BASE, version=2), "DELETED")
    assert writing.tampered == []


async def test_what_something_changes_on_its_way_is_raised_to_be_tried_again() -> None:
    writing = Writing()
    writing.api.answers["apply", PATH] = lambda body: stored(body, ingress=[{}])
    writing.api.answers["patch", PATH] = lambda _: stored(BASE, version=2, ingress=[{}])
    with pytest.raises(ApiError, match="NetworkPolicy monopod-base of namespace prod isn't stored as it was written"):
        await writing.apply()
    (view,) = writing.existing()
    assert not writing.writer.has_written(("prod", "monopod-base"), view)


async def test_a_policy_that_is_replaced_by_a_namesake_as_we_delete_it_is_left_to_the_watch() -> None:
    writing = Writing()
    await writing.apply()
    writing.api.answers["delete", PATH] = conflict()
    await writing.writer.apply([], writing.existing())
    assert len(writing.existing()) == 1


async def test_a_pods_policy_is_written_before_the_one_that_it_replaces_is_deleted() -> None:
    writing = Writing()
    old, new = (build_pod_policy("prod", "app", "u-1", [group], Rules()) for group in ("db", "web"))
    collection = PATH.removesuffix("/monopod-base")
    for policy in (old, new):
        writing.api.answers["apply", f"{collection}/{policy['metadata']['name']}"] = lambda body: stored(body)
    await writing.writer.apply([old], [])
    await writing.writer.apply([new], writing.caches.network_policies.look_up("owner", "u-1"))
    assert [(verb, path.rsplit("/", 1)[1]) for verb, path, _ in writing.api.requests] == [
        ("apply", "app.db"),
        ("apply", "app.web"),
        ("delete", "app.db"),
    ]
