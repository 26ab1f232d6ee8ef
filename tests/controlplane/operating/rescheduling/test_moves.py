"""Pods that exist already are moved, whatever controls them, on a cluster whose fake nodes run pods."""

from collections.abc import Iterator

import pytest

from monopod.api.names import COMPUTE_TYPE
from monopod.pods.rules.nodes import REQUIRED
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.controlplane.operating.moving import (
    QUICK,
    TOLERATION,
    await_all_moved,
    blockers,
    build_pod_spec,
    create_namespace,
    fill_nodes,
    marks,
    pods_of,
    progress,
    protect,
    ready_pods,
    rescheduled,
    run_workload,
    uids,
)
from tests.controlplane.operating.observer import Observer


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("moves", tmp_path_factory.mktemp("moves"), fake_nodes=2) as lab:
        yield lab


@pytest.mark.eks("2.create-only")
def test_a_deployments_pods_are_replaced_one_after_the_other(lab: Lab, start: StartOperator) -> None:
    operator = start(*QUICK)
    create_namespace(lab, "gentle")
    run_workload(lab, "Deployment", "gentle", 5)
    protect(lab, "gentle", 4)
    with Observer(lab, "gentle") as observer:
        lab.create_profile("web", "gentle")
        eventually(lambda: progress(lab, "web").get("pods") == 5)
        await_all_moved(lab, "web")
    assert marks(lab, "gentle") == {"web"}
    eventually(lambda: len(ready_pods(lab, "gentle")) == 5)
    assert observer.fewest == 4
    assert len(observer.ended) == 5
    assert progress(lab, "web")["progress"] == "5/5"
    eventually(lambda: operator.metric('monopod_evictions_total{answer="evicted",purpose="rescheduling"}') == 5)
    eventually(lambda: operator.metric('monopod_rescheduling_pods{profile="web",state="moved"}') == 5)
    told = {"ReschedulingStarted", "ReschedulingFinished"}
    eventually(lambda: {event["reason"] for event in lab.events("default", "web")} >= told)
    moved = next(iter(observer.ended))
    assert eventually(lambda: "Rescheduled" in {event["reason"] for event in lab.events("gentle", moved)})


@pytest.mark.parametrize("kind", ["StatefulSet", "ReplicaSet", "ReplicationController"])
def test_pods_of_other_controllers_are_moved_too(lab: Lab, start: StartOperator, kind: str) -> None:
    start(*QUICK)
    namespace = kind.lower()
    create_namespace(lab, namespace)
    run_workload(lab, kind, namespace, 3)
    with Observer(lab, namespace) as observer:
        lab.create_profile("web", namespace)
        eventually(lambda: progress(lab, "web").get("pods") == 3)
        await_all_moved(lab, "web")
    assert observer.fewest >= 2
    assert marks(lab, namespace) == {"web"}


def test_an_owner_that_nobody_knows_makes_replacements_that_are_waited_for(lab: Lab, start: StartOperator) -> None:
    """Its template isn't known, nor how many pods it should have: what it had before the first eviction counts."""
    start(*QUICK)
    create_namespace(lab, "custom")
    owner: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": "custom"}}
    lab.create(owner).expect_ok()
    uid = (lab.get("ConfigMap", "owner", "custom") or {})["metadata"]["uid"]

    def create_pod(name: str) -> None:
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": True}
        metadata = {"name": name, "namespace": "custom", "ownerReferences": [reference]}
        lab.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": build_pod_spec()}).expect_ok()

    for number in range(3):
        create_pod(f"old-{number}")
    eventually(lambda: len(ready_pods(lab, "custom")) == 3)
    lab.create_profile("web", "custom")
    eventually(lambda: len(pods_of(lab, "custom")) == 2)
    eventually(lambda: "1 of 3 pods of ConfigMap custom/owner" in lab.condition("web", "Rescheduled")["message"])
    assert len(pods_of(lab, "custom")) == 2
    create_pod("new-0")
    eventually(lambda: len(pods_of(lab, "custom")) == 2)
    create_pod("new-1")
    eventually(lambda: not {"old-0", "old-1", "old-2"} & {pod["metadata"]["name"] for pod in pods_of(lab, "custom")})
    create_pod("new-2")
    await_all_moved(lab, "web")
    assert marks(lab, "custom") == {"web"}


def test_pods_of_running_jobs_and_without_a_controller_stay_unless_the_profile_says_otherwise(
    lab: Lab, start: StartOperator
) -> None:
    start(*QUICK)
    create_namespace(lab, "staying")
    # No node takes the Job's pod, because fake ones end it at once.
    run_workload(lab, "Job", "staying", 1, "work", await_ready=False, restartPolicy="Never", tolerations=[])
    eventually(lambda: pods_of(lab, "staying", "work"))
    run_workload(lab, "DaemonSet", "staying", 1, "agent")
    lab.create_pod("staying", "bare", tolerations=[TOLERATION])
    eventually(lambda: ready_pods(lab, "staying", "agent") and len(ready_pods(lab, "staying")) >= 2)
    before = uids(lab, "staying")
    lab.create_profile("web", "staying")
    eventually(lambda: progress(lab, "web").get("left") == 2)
    await_all_moved(lab, "web")
    found = blockers(lab, "web")
    assert found["BarePodsLeft"]["examples"] == ["staying/bare"]
    assert found["RunningJobsLeft"]["pods"] == 1
    assert uids(lab, "staying") == before
    lab.patch("FargateProfile", "web", {"spec": {"runningJobs": "Reschedule"}})
    eventually(lambda: marks(lab, "staying", "work") == {"web"})
    assert marks(lab, "staying", "agent") == {None}


@pytest.mark.parametrize(("bound", "most"), [(2, 2), ("50%", 3)], ids=["a number", "a percentage"])
def test_no_more_pods_are_unavailable_than_the_profile_allows(
    lab: Lab, start: StartOperator, bound: int | str, most: int
) -> None:
    """Replacements can't be scheduled on nodes that are full, so none becomes Ready."""
    start(*QUICK)
    namespace = f"bound-{most}"
    create_namespace(lab, namespace)
    run_workload(lab, "Deployment", namespace, 6)
    lab.create_profile("web", namespace, maxUnavailable=bound, paused=True)
    eventually(lambda: progress(lab, "web").get("waiting") == 6)
    # It proves that replacements become Ready, so that none has to go first.
    run_workload(lab, "Deployment", namespace, 1, "proof")
    fill_nodes(lab)
    try:
        lab.patch("FargateProfile", "web", {"spec": {"paused": False}})
        eventually(lambda: len(ready_pods(lab, namespace, "web")) == 6 - most)
        eventually(lambda: f"{most} of 6 pods of Deployment" in lab.condition("web", "Rescheduled")["message"])
        assert len(ready_pods(lab, namespace, "web")) == 6 - most
    finally:
        lab.kubectl("delete", "pods", "-n", "default", "-l", "full=yes", "--force", "--grace-period=0")
    with Observer(lab, namespace) as observer:
        await_all_moved(lab, "web")
    assert observer.fewest >= 6 - most
    assert marks(lab, namespace) == {"web"}


def test_what_a_budget_refuses_is_shown_and_done_once_it_allows_it(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "refused")
    run_workload(lab, "Deployment", "refused", 2)
    protect(lab, "refused", "100%")
    before = uids(lab, "refused")
    lab.create_profile("web", "refused")
    eventually(lambda: rescheduled(lab, "web") == "Blocked")
    blocker = blockers(lab, "web")["BudgetExhausted"]
    assert blocker["pods"] == 2
    assert "PodDisruptionBudget refused/keep" in blocker["message"]
    assert uids(lab, "refused") == before
    assert lab.condition("web", "Ready")["status"] == "True"
    lab.delete("PodDisruptionBudget", "keep", "refused")
    await_all_moved(lab, "web")
    assert marks(lab, "refused") == {"web"}


def test_pods_that_several_budgets_select_are_named_and_never_deleted(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "several")
    run_workload(lab, "Deployment", "several", 1)
    protect(lab, "several", 0, "one")
    protect(lab, "several", 0, "two")
    lab.create_profile("web", "several")
    eventually(lambda: "SeveralBudgets" in blockers(lab, "web"))
    assert marks(lab, "several") == {None}
    lab.delete("PodDisruptionBudget", "two", "several")
    await_all_moved(lab, "web")


def test_a_pod_that_fargate_cannot_run_stays_where_it_runs(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "impossible")
    run_workload(lab, "Deployment", "impossible", 1, hostNetwork=True)
    lab.create_profile("web", "impossible")
    eventually(lambda: rescheduled(lab, "web") == "Blocked")
    assert "would stay Pending" in blockers(lab, "web")["PodsUnsupported"]["message"]
    assert marks(lab, "impossible") == {None}


def test_pods_that_opt_out_are_none_of_its_business(lab: Lab, start: StartOperator) -> None:
    operator = start(*QUICK)
    create_namespace(lab, "opting-out")
    run_workload(lab, "Deployment", "opting-out", annotations={"eks.amazonaws.com/compute-type": "ec2"})
    lab.create_profile("web", "opting-out")
    await_all_moved(lab, "web")
    operator.passes_happen(3)
    assert marks(lab, "opting-out") == {None}
    assert progress(lab, "web") == {}


@pytest.mark.eks("2.node-selector")
def test_pods_that_choose_their_nodes_are_moved_to_one_that_fits(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "choosing")
    run_workload(lab, "Deployment", "choosing", 2, "linux", nodeSelector={"kubernetes.io/os": "linux"})
    lab.create_profile("web", "choosing")
    await_all_moved(lab, "web")
    assert marks(lab, "choosing", "linux") == {"web"}
    asking = {"kubernetes.io/os": "linux", COMPUTE_TYPE: "fargate"}
    run_workload(lab, "Deployment", "choosing", 1, "on-fargate", nodeSelector=asking)
    off_fargate = {"key": COMPUTE_TYPE, "operator": "NotIn", "values": ["fargate"]}
    required = {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [off_fargate]}]}}
    affinity = {"nodeAffinity": required}
    run_workload(lab, "Deployment", "choosing", 1, "off-fargate", affinity=affinity, await_ready=False)
    (pod,) = eventually(lambda: pods_of(lab, "choosing", "off-fargate"))
    told = ("didn't match Pod's node affinity/selector", "MatchNodeSelector failed: Fargate profile web cannot")
    eventually(lambda: all(find_told(lab, "choosing", pod["metadata"]["name"], words) for words in told))


def find_told(lab: Lab, namespace: str, pod: str, words: str) -> list[str]:
    """What events of the scheduler and of the operator say of a pod in these words."""
    events = [event for event in lab.events(namespace, pod) if event["reason"] == "FailedScheduling"]
    return [event["message"] for event in events if words in event["message"]]


def test_nothing_is_evicted_that_pod_security_would_not_let_back(lab: Lab, start: StartOperator) -> None:
    """The namespace was labelled after its pods were created."""
    start(*QUICK)
    create_namespace(lab, "forbidden")
    run_workload(lab, "Deployment", "forbidden", 1, "one")
    run_workload(lab, "StatefulSet", "forbidden", 3, "three")
    before = uids(lab, "forbidden")
    lab.patch("Namespace", "forbidden", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    lab.create_profile("web", "forbidden")
    eventually(lambda: rescheduled(lab, "web") == "Blocked")
    blocker = blockers(lab, "web")["ReplacementRefused"]
    assert 'violates PodSecurity "restricted:latest"' in blocker["message"]
    assert progress(lab, "web")["blocked"] == 4
    assert uids(lab, "forbidden") == before
    lab.patch("Namespace", "forbidden", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": None}}})
    await_all_moved(lab, "web")
    assert marks(lab, "forbidden") == {"web"}


QUOTAS: dict[str, tuple[Json, int]] = {
    # Five pods of 100Mi; each would need 512Mi and the sandbox's overhead instead.
    "no room for a first one": ({"requests.cpu": "2", "requests.memory": "900Mi"}, 0),
    "room for one": ({"requests.cpu": "4", "requests.memory": "1300Mi"}, 1),
    "room only where the old ones are": ({"pods": "5"}, 5),
}


@pytest.mark.parametrize(("hard", "moved"), QUOTAS.values(), ids=QUOTAS)
def test_no_more_is_evicted_than_a_quota_lets_come_back(lab: Lab, start: StartOperator, hard: Json, moved: int) -> None:
    operator = start(*QUICK)
    namespace = f"quota-{moved}"
    create_namespace(lab, namespace)
    resources = {name: {"cpu": "100m", "memory": "100Mi"} for name in ("requests", "limits")}
    containers = [{"name": "app", "image": "app", "resources": resources}]
    for number in range(5):
        run_workload(lab, "Deployment", namespace, 1, f"app{number}", containers=containers)
    metadata = {"name": "full", "namespace": namespace}
    lab.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}).expect_ok()
    eventually(lambda: (lab.get("ResourceQuota", "full", namespace) or {}).get("status", {}).get("used"))
    # Somewhere the profile's own dry run must have room, or the profile isn't Ready.
    create_namespace(lab, f"{namespace}-spare")
    lab.create_profile("web", f"{namespace}-spare", namespace)
    if moved == 5:
        await_all_moved(lab, "web")
        eventually(lambda: len(ready_pods(lab, namespace)) == 5)
        return
    eventually(lambda: rescheduled(lab, "web") == "Blocked" and progress(lab, "web")["blocked"] == 5 - moved)
    eventually(lambda: len(ready_pods(lab, namespace)) == 5)
    # Where the quota's status lags behind its pods, the operator counts them itself, and says so.
    message = blockers(lab, "web")["ReplacementRefused"]["message"]
    assert "exceeded quota: full" in message or "than its status says" in message
    eventually(lambda: operator.metric('monopod_evictions_total{answer="evicted",purpose="rescheduling"}') == moved)
    if moved:
        # As the quota controller does that counts before its cache knows the last replacement.
        lab.patch("ResourceQuota", "full/status", {"status": {"used": {"requests.memory": "400Mi"}}}, namespace)
        eventually(lambda: "than its status says" in blockers(lab, "web")["ReplacementRefused"]["message"])
        eventually(lambda: operator.metric('monopod_evictions_total{answer="evicted",purpose="rescheduling"}') == moved)
        eventually(lambda: len(ready_pods(lab, namespace)) == 5)
    lab.patch("ResourceQuota", "full", {"spec": {"hard": {"requests.cpu": "9", "requests.memory": "9Gi"}}}, namespace)
    await_all_moved(lab, "web")
    assert marks(lab, namespace) == {"web"}


def test_what_a_pod_frees_counts_in_each_of_several_full_quotas(lab: Lab, start: StartOperator) -> None:
    """The API server names one of them at random; by one that names the memory it is certain for both."""
    start(*QUICK)
    create_namespace(lab, "several-full")
    containers = [{"name": "app", "image": "app", "resources": {"requests": {"memory": "1792Mi"}}}]
    for name in ("one", "two"):
        run_workload(lab, "Deployment", "several-full", 1, name, containers=containers)
    create_namespace(lab, "several-full-spare")
    # A replacement takes 2 GiB and the sandbox's overhead: there is no third place, and just room for two.
    for name, hard in {"memory": {"requests.memory": "4500Mi"}, "pods": {"pods": "2"}}.items():
        metadata = {"name": name, "namespace": "several-full"}
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
        lab.create(quota).expect_ok()
        eventually(lambda: (lab.get("ResourceQuota", name, "several-full") or {}).get("status", {}).get("used"))  # noqa: B023 called at once
    with Observer(lab, "several-full") as observer:
        lab.create_profile("web", "several-full-spare", "several-full")
        eventually(lambda: progress(lab, "web").get("pods") == 2)
        await_all_moved(lab, "web")
    assert observer.fewest >= 1
    assert marks(lab, "several-full") == {"web"}


def test_where_a_quota_counts_nothing_goes_while_a_workload_lacks_pods_that_may_need_the_room(
    lab: Lab, start: StartOperator
) -> None:
    """Its pod may be the one that an operator evicted that was killed then; this one has never had any."""
    create_namespace(lab, "lacking")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": "lacking"}}
    lab.create({**quota, "spec": {"hard": {"requests.memory": "4Gi"}}}).expect_ok()
    eventually(lambda: (lab.get("ResourceQuota", "full", "lacking") or {}).get("status", {}).get("used"))
    small, large = (
        [{"name": "app", "image": "app", "resources": {"requests": {"memory": memory}}}] for memory in ("1Mi", "8Gi")
    )
    run_workload(lab, "Deployment", "lacking", 2, containers=small)
    before = uids(lab, "lacking")
    run_workload(lab, "StatefulSet", "lacking", 1, "gone", containers=large, await_ready=False)
    start(*QUICK)
    lab.create_profile("web", "lacking")
    eventually(lambda: rescheduled(lab, "web") == "Blocked")
    assert "StatefulSet lacking/gone has 0 of 1 pods" in blockers(lab, "web")["ReplacementRefused"]["message"]
    assert uids(lab, "lacking") == before
    lab.delete("StatefulSet", "gone", "lacking")
    await_all_moved(lab, "web")


NODES: dict[str, tuple[Json, str]] = {
    "none has the label": ({"nodeSelector": {"sandboxes": "yes"}}, "didn't match Pod's node affinity/selector"),
    "all are cordoned": ({}, "were unschedulable"),
}


@pytest.mark.parametrize(("scheduling", "words"), NODES.values(), ids=NODES)
def test_nothing_is_evicted_without_a_node_for_its_replacement(
    lab: Lab, start: StartOperator, scheduling: Json, words: str
) -> None:
    start(*QUICK)
    namespace = f"no-node-{len(scheduling)}"
    create_namespace(lab, namespace)
    run_workload(lab, "Deployment", namespace, 1, "one")
    run_workload(lab, "Deployment", namespace, 10, "ten")
    before = uids(lab, namespace)
    runtime_class = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": namespace}}
    lab.create({**runtime_class, "handler": "runsc", "scheduling": scheduling}).expect_ok()
    if not scheduling:
        lab.kubectl("cordon", "kwok-0", "kwok-1")
    try:
        lab.create_profile("web", namespace, runtimeClassName=namespace)
        eventually(lambda: rescheduled(lab, "web") == "Blocked")
        assert words in blockers(lab, "web")["ReplacementUnschedulable"]["message"]
        assert progress(lab, "web")["blocked"] == 11
        assert uids(lab, namespace) == before
        lab.kubectl("uncordon", "kwok-0", "kwok-1")
        lab.kubectl("label", "node", "kwok-0", "sandboxes=yes")
        await_all_moved(lab, "web")
        assert marks(lab, namespace) == {"web"}
    finally:
        lab.kubectl("uncordon", "kwok-0", "kwok-1")
        lab.kubectl("label", "node", "kwok-0", "sandboxes-")


def test_on_full_nodes_one_pod_goes_and_the_rest_stays_until_there_is_room(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    for namespace in ("full-a", "full-b"):
        create_namespace(lab, namespace)
        run_workload(lab, "Deployment", namespace, 1, "one")
        run_workload(lab, "Deployment", namespace, 3, "three")
    fill_nodes(lab)
    try:
        lab.create_profile("web", "full-*", maxUnavailable="100%")
        eventually(lambda: "no node has room" in lab.condition("web", "Rescheduled").get("message", ""))
        assert sum(len(ready_pods(lab, namespace)) for namespace in ("full-a", "full-b")) == 7
        assert sum(len(ready_pods(lab, namespace, "one")) for namespace in ("full-a", "full-b")) == 2
    finally:
        lab.kubectl("delete", "pods", "-n", "default", "-l", "full=yes", "--force", "--grace-period=0")
    await_all_moved(lab, "web")
