"""What the isolator makes of events that come late, in another order, or while it is at work."""

import pytest

from monopod.api.names import (
    ISOLATION_GATE,
    POLICY_LABEL,
    TASK_LABEL,
)
from monopod.gates import controller
from monopod.isolation.controller import COME_SECONDS, GONE_SECONDS, STRAY_SECONDS, UNTOLD_SECONDS, WORKERS
from monopod.isolation.rules.network_policies import build_base_policy
from monopod.isolation.rules.summary import Isolation
from monopod.kube.client.api import ApiError, Json, ServerTrouble
from tests.unit.fake_api import an_object, not_found
from tests.unit.isolation.cluster import POD, POLICIES, Cluster
from tests.unit.running import settle


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_a_pod_that_goes_while_it_is_worked_on_is_not_counted_as_closed(cluster: Cluster) -> None:
    def refuse(_: Json) -> Json:
        cluster.delete(cluster.caches.pods, "app")
        raise not_found()

    cluster.api.answers["merge", POD] = refuse
    cluster.put_profile(securityGroups=["later"])
    cluster.put_pod()
    async with cluster.at_work():
        assert [path for path, _ in cluster.api.sent("merge")] == [POD]
        assert cluster.isolator.sum_up() == {}


async def test_pods_that_share_a_policy_get_their_own_when_their_profile_is_gone_before_them(cluster: Cluster) -> None:
    cluster.put_profile(isolation="PerGroup")
    cluster.put_pod()
    cluster.put_pod("other")
    async with cluster.at_work():
        assert cluster.policies() == {"monopod-groups.web"}
        cluster.delete(cluster.caches.profiles, "web", namespace="")
        await cluster.comes(lambda: cluster.policies() == {"app.web", "other.web"})
        cluster.delete(cluster.caches.pods, "other")
        await settle()
        assert "app.web" in cluster.policies()


async def test_a_policy_that_someone_else_gave_to_a_pod_is_left_alone(cluster: Cluster) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "app", "uid": "app"}
    theirs = an_object("theirs", namespace="prod", ownerReferences=[owner])
    cluster.put(cluster.caches.network_policies, {**theirs, "spec": {"podSelector": {}}})
    cluster.put_profile()
    cluster.put_pod()
    async with cluster.at_work():
        assert cluster.policies() == {"app.web", "theirs"}


async def test_the_policy_of_ecs_tasks_is_left_to_whoever_runs_them(cluster: Cluster) -> None:
    async with cluster.at_work():
        for kind in ("tasks", "odd"):
            policy = an_object(kind, namespace="prod", labels={POLICY_LABEL: kind})
            cluster.put(cluster.caches.network_policies, policy)
        cluster.clock.step(STRAY_SECONDS)
        await cluster.comes(lambda: "odd" not in cluster.policies())
        assert "tasks" in cluster.policies()


@pytest.mark.parametrize(
    "refusal",
    [ApiError(403, "Forbidden", "exceeded quota: none"), ServerTrouble(500, "", "failed calling webhook")],
    ids=["quota", "webhook"],
)
async def test_a_pod_whose_policy_cannot_be_written_says_so_once(cluster: Cluster, refusal: Exception) -> None:
    cluster.api.answers["apply", f"{POLICIES}/app.web"] = refusal
    cluster.put_profile()
    cluster.put_pod()
    async with cluster.at_work():
        await cluster.comes(lambda: bool(cluster.events()))
        cluster.clock.step(60)
        await settle()
        ((reason, message),) = cluster.events()
        assert reason == "SecurityGroupsNotEnforced"
        assert str(refusal) in message
        assert cluster.isolator.sum_up() == {"web": Isolation(unwritten=1)}
        del cluster.api.answers["apply", f"{POLICIES}/app.web"]
        await cluster.comes(lambda: cluster.policies() == {"app.web"})
        assert cluster.isolator.sum_up() == {}


async def test_a_closed_pod_whose_event_can_not_be_posted_yet_gets_it_later(cluster: Cluster) -> None:
    events = "create", "/api/v1/namespaces/prod/events"
    cluster.api.answers[events] = ServerTrouble(429, "TooManyRequests", "busy")
    cluster.put_profile(securityGroups=["missing"])
    cluster.put_pod(group="missing")
    async with cluster.at_work():
        assert [reason for reason, _ in cluster.events()] == ["SecurityGroupNotFound"]
        del cluster.api.answers[events]
        for _ in range(4):
            cluster.clock.step(UNTOLD_SECONDS)
            await settle()
        assert [reason for reason, _ in cluster.events()] == ["SecurityGroupNotFound"] * 2


REFUSALS = {
    "refused": ApiError(403, "Forbidden", "out of budget"),
    "webhook broken": ServerTrouble(500, "", "failed calling webhook"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_pod_whose_labels_cannot_be_written_has_the_rules_of_its_new_groups_and_says_so(
    cluster: Cluster, refusal: Exception
) -> None:
    cluster.put_profile()
    cluster.put_pod()
    cluster.put_group("none", ingress=[])
    async with cluster.at_work():
        assert cluster.policies() == {"app.web"}
        cluster.api.answers["merge", POD] = refusal
        cluster.put_profile(securityGroups=["none"])
        await cluster.comes(lambda: cluster.policies() == {"app.none"})
        await cluster.comes(lambda: bool(cluster.events()))
        assert cluster.events()[0][0] == "SecurityGroupsNotEnforced"
        assert cluster.isolator.sum_up() == {"web": Isolation(unwritten=1)}


async def test_a_pod_that_changes_groups_is_at_no_instant_open_to_both(cluster: Cluster) -> None:
    cluster.put_profile()
    cluster.put_pod(identified=True)
    cluster.put_group("none", ingress=[])
    async with cluster.at_work():
        before = len(cluster.api.requests)
        cluster.put_profile(securityGroups=["none"])
        await cluster.comes(lambda: cluster.policies() == {"app.none"})
        await settle()
        written = [
            (method, path.rpartition("/")[2], bool(body.get("spec", {}).get("ingress")))
            for method, path, body in cluster.api.requests[before:]
            if method in ("apply", "delete", "merge")
        ]
        assert written == [
            ("apply", "app.web", False),
            ("merge", "app", False),
            ("apply", "app.none", False),
            ("delete", "app.web", False),
        ]


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_pod_whose_policy_cannot_get_its_new_name_has_the_rules_and_labels_of_its_new_groups(
    cluster: Cluster, refusal: Exception
) -> None:
    cluster.put_profile()
    cluster.put_pod()
    cluster.put_group("none", ingress=[])
    async with cluster.at_work():
        before = len(cluster.api.requests)
        cluster.api.answers["apply", f"{POLICIES}/app.none"] = refusal
        cluster.put_profile(securityGroups=["none"])
        await cluster.comes(lambda: bool(cluster.events()))
        requests = cluster.api.requests[before:]
        assert next(body["spec"].get("ingress") for _, path, body in requests if path.endswith("/app.web")) == []
        assert [method for method, path, _ in requests if path == POD]


async def test_a_pod_whose_new_groups_cannot_share_a_policy_leaves_that_of_its_old_groups(cluster: Cluster) -> None:
    cluster.put_profile(isolation="PerGroup")
    cluster.put_pod(identified=True)
    cluster.put_group("none", ingress=[])
    async with cluster.at_work():
        cluster.api.answers["apply", f"{POLICIES}/monopod-groups.none"] = REFUSALS["refused"]
        before = len(cluster.api.requests)
        cluster.put_profile(isolation="PerGroup", securityGroups=["none"])
        await cluster.comes(lambda: bool([path for method, path, _ in cluster.api.requests[before:] if path == POD]))


async def test_a_pod_whose_labels_cannot_be_written_is_left_out_of_the_policy_that_it_shared(cluster: Cluster) -> None:
    cluster.put_profile(isolation="PerGroup")
    cluster.put_pod(identified=True)
    cluster.put_pod("other", identified=True)
    cluster.put_group("none", ingress=[])
    async with cluster.at_work():
        assert cluster.policies() == {"monopod-groups.web"}
        cluster.api.answers["merge", POD] = REFUSALS["refused"]
        cluster.put_profile(isolation="PerGroup", securityGroups=["none"])
        await cluster.comes(lambda: "app.none" in cluster.policies())
        shared = [body for path, body in cluster.api.sent("apply") if path == f"{POLICIES}/monopod-groups.web"]
        left_out = {"key": TASK_LABEL, "operator": "NotIn", "values": ["app"]}
        assert left_out in shared[-1]["spec"]["podSelector"]["matchExpressions"]
        # The groups are as before again: nothing has to be written on the pod any more.
        cluster.put_profile(isolation="PerGroup")
        await cluster.comes(lambda: "app.none" not in cluster.policies())
        shared = [body for path, body in cluster.api.sent("apply") if path == f"{POLICIES}/monopod-groups.web"]
        assert left_out not in shared[-1]["spec"]["podSelector"]["matchExpressions"]


async def test_a_pod_without_an_identity_stays_with_its_old_groups_until_its_labels_can_be_written(
    cluster: Cluster,
) -> None:
    cluster.put_profile(isolation="PerGroup")
    cluster.put_pod()
    cluster.put_pod("other")
    cluster.put_group("none", ingress=[])
    async with cluster.at_work():
        cluster.api.answers["merge", POD] = REFUSALS["refused"]
        cluster.put_profile(isolation="PerGroup", securityGroups=["none"])
        await cluster.comes(lambda: cluster.isolator.sum_up() == {"web": Isolation(unwritten=1)})
        assert cluster.policies() == {"monopod-groups.none", "monopod-groups.web"}
        del cluster.api.answers["merge", POD]
        await cluster.comes(lambda: cluster.policies() == {"monopod-groups.none"})
        assert not any(TASK_LABEL in body["metadata"]["labels"] for _, body in cluster.api.sent("merge"))


async def test_only_a_pod_with_a_policy_of_its_own_gets_an_identity_and_once(cluster: Cluster) -> None:
    cluster.put_profile(isolation="PerGroup")
    cluster.put_pod()
    async with cluster.at_work():
        assert cluster.policies() == {"monopod-groups.web"}
        assert cluster.api.sent("merge") == []
        cluster.put_profile()
        await cluster.comes(lambda: cluster.policies() == {"app.web"})
        await settle()
        assert [body["metadata"]["labels"].get(TASK_LABEL) for _, body in cluster.api.sent("merge")] == ["app"]


async def test_a_namespace_that_is_made_again_is_not_closed_by_the_base_policy_of_its_namesake(
    cluster: Cluster,
) -> None:
    cluster.put(cluster.caches.network_policies, build_base_policy("prod"))
    cluster.isolator.base.update(["prod"])
    assert cluster.isolator.base.is_seen("prod")
    async with cluster.at_work():
        # The watch of policies was interrupted so long that it never tells of the end of the first one's.
        cluster.put(cluster.caches.namespaces, an_object("prod", uid="another"))
        assert not cluster.isolator.base.is_seen("prod")
        await settle()
        assert [path for path, _ in cluster.api.sent("apply")] == [f"{POLICIES}/monopod-base"]
        assert cluster.isolator.base.is_seen("prod")
        assert cluster.events() == []


async def test_what_a_set_of_groups_opens_is_forgotten_with_its_last_pod(cluster: Cluster) -> None:
    cluster.put_profile()
    cluster.put_pod()
    cluster.put_pod("other")
    async with cluster.at_work():
        answer = cluster.isolator.rules.find(("web",))
        cluster.delete(cluster.caches.pods, "other")
        assert cluster.isolator.rules.find(("web",)) is answer
        cluster.delete(cluster.caches.pods, "app")
        assert cluster.isolator.rules.find(("web",)) is not answer


@pytest.fixture
def gated(cluster: Cluster) -> Cluster:
    """A pod waits; by what the watches have told, its namespace is closed."""
    cluster.put_profile()
    cluster.put_pod()
    cluster.put(cluster.caches.network_policies, build_base_policy("prod"))
    gate = {"schedulingGates": [{"name": ISOLATION_GATE}]}
    cluster.api.lists["/api/v1/pods"] = [{**an_object("app", namespace="prod"), "spec": gate}]
    return cluster


async def test_a_pod_is_released_once_its_namespace_is_closed(gated: Cluster) -> None:
    gated.api.lists[POLICIES] = [gated.api.stamp(build_base_policy("prod"))]
    async with gated.at_work():
        assert POD in [path for path, _ in gated.api.sent("patch")]


async def test_no_pod_is_released_by_what_a_watch_told_that_has_died_since(gated: Cluster) -> None:
    async with gated.at_work():
        gated.clock.step(controller.POLL_SECONDS)
        await settle()
        written = [path for method, path, _ in gated.api.requests if method in ("apply", "patch")]
        assert written.index(f"{POLICIES}/monopod-base") < written.index(POD)


@pytest.mark.parametrize(
    "refusal",
    [ApiError(403, "Forbidden", "not on Sundays"), ServerTrouble(500, "", "failed calling webhook")],
    ids=["refused", "webhook broken"],
)
async def test_a_pod_that_cannot_be_released_says_so(gated: Cluster, refusal: Exception) -> None:
    gated.api.lists[POLICIES] = [gated.api.stamp(build_base_policy("prod"))]
    gated.api.answers["patch", POD] = refusal
    async with gated.at_work():
        await gated.comes(lambda: ("WaitsForIsolation", f"Can't be released: {refusal}") in gated.events())


async def test_a_running_pod_keeps_its_groups_while_its_service_account_is_made_anew(cluster: Cluster) -> None:
    policy = {"serviceAccountSelector": {"matchLabels": {"team": "ci"}}, "securityGroups": {"groupIds": ["web"]}}
    cluster.put(cluster.caches.group_policies, {**an_object("ci", namespace="prod"), "spec": policy})
    account = an_object("ci", namespace="prod", labels={"team": "ci"})
    cluster.put(cluster.caches.accounts, account)
    cluster.put_profile(securityGroups=["wide"])
    cluster.put_group("wide")
    cluster.api.answers["get", POD] = {"spec": {"serviceAccountName": "ci"}}
    cluster.put_pod(identified=True)
    async with cluster.at_work():
        assert cluster.policies() == {"app.web"}
        cluster.delete(cluster.caches.accounts, "ci")
        await settle()
        assert cluster.api.sent("merge") == []
        cluster.api.answers["merge", POD] = not_found()
        cluster.put(cluster.caches.accounts, {**account, "metadata": {**account["metadata"], "labels": {}}})
        await cluster.comes(lambda: bool(cluster.api.sent("merge")))


def _put_many_pods(cluster: Cluster) -> list[str]:
    """Pods that nodes may reach, the last of them the newest; their policies' names."""
    cluster.put_profile()
    cluster.put_group("web", ingress=[{"from": [{"entity": "Nodes"}]}])
    names = [f"pod-{number:02}" for number in range(3 * WORKERS)]
    for number, name in enumerate(names):
        cluster.put_pod(name, created=f"2026-11-01T00:00:{number:02}Z")
    return [f"{name}.web" for name in names]


async def _settle_with(cluster: Cluster, names: list[str]) -> None:
    await cluster.comes(lambda: cluster.policies() == {*names})
    cluster.clock.step(COME_SECONDS)
    await settle(1000)
    cluster.api.requests.clear()


async def test_nodes_that_come_change_the_policies_of_the_newest_pods_first(cluster: Cluster) -> None:
    names = _put_many_pods(cluster)
    async with cluster.at_work():
        await _settle_with(cluster, names)
        cluster.put_node("first", "10.0.0.1")
        cluster.put_node("second", "10.0.0.2")
        cluster.clock.step(COME_SECONDS)
        await cluster.comes(lambda: len(cluster.applied()) == len(names))
        assert cluster.applied() == names[::-1]


async def test_a_pod_that_comes_with_nodes_does_not_wait_for_the_policies_of_all_others(cluster: Cluster) -> None:
    names = _put_many_pods(cluster)
    async with cluster.at_work():
        await _settle_with(cluster, names)
        cluster.put_node("first", "10.0.0.1")
        cluster.clock.step(COME_SECONDS)
        await cluster.comes(lambda: bool(cluster.applied()))
        cluster.put_pod("new", created="2026-11-02T00:00:00Z")
        await cluster.comes(lambda: len(cluster.applied()) == len(names) + 1)
        assert "new.web" in cluster.applied()[: 2 * WORKERS]


async def test_nodes_that_go_one_after_the_other_change_policies_once(cluster: Cluster) -> None:
    names = _put_many_pods(cluster)
    for number in range(3):
        cluster.put_node(f"node-{number}", f"10.0.0.{number + 1}")
    async with cluster.at_work():
        await _settle_with(cluster, names)
        for number in range(3):
            cluster.delete(cluster.caches.nodes, f"node-{number}", namespace="")
            cluster.clock.step(GONE_SECONDS / 4)
            await settle()
        assert cluster.applied() == []
        cluster.clock.step(GONE_SECONDS / 4)
        await cluster.comes(lambda: len(cluster.applied()) == len(names))
        cluster.clock.step(2 * GONE_SECONDS)
        await settle()
        assert len(cluster.applied()) == len(names)
