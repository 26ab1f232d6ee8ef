"""The end of a profile, on a cluster whose fake nodes run pods: gently, one after the other, whatever happens."""

import random
from collections.abc import Callable, Iterator

import pytest

from lab.cluster.kwok import TAINT
from monopod.api.names import PROFILE_LABEL
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.lab import DEADLINE_SECONDS, Json, Lab, eventually
from tests.controlplane.operating.observer import Observer

# So quick that what budgets don't hold back would be a storm.
QUICK = ("--no-leader-elect", "--evictions-per-minute", "60000")
IMPATIENT = (*QUICK, "--deletion-timeout-seconds", "3")


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("deletion", tmp_path_factory.mktemp("deletion"), fake_nodes=2) as lab:
        yield lab


def create_namespace(lab: Lab, name: str) -> None:
    lab.create_namespace(name)
    eventually(lambda: lab.get("ServiceAccount", "default", name))


def deploy(lab: Lab, namespace: str, replicas: int, name: str = "web", deadline: float = DEADLINE_SECONDS) -> None:
    """A Deployment, ready."""
    labels = {"app": name}
    spec = {
        "containers": [{"name": "app", "image": "app"}],
        "tolerations": [{"key": TAINT["key"], "operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
    }
    lab.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }
    ).expect_ok()
    eventually(lambda: count_ready(lab, namespace, name) == replicas, deadline)


def count_ready(lab: Lab, namespace: str, name: str = "web") -> int:
    deployment = lab.get("Deployment", name, namespace) or {}
    return int(deployment.get("status", {}).get("readyReplicas", 0))


def protect(lab: Lab, namespace: str, minimum: int | str, name: str = "keep") -> None:
    """A PodDisruptionBudget that the controller manager has worked out."""
    budget: Json = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"minAvailable": minimum, "selector": {"matchLabels": {"app": "web"}}},
    }
    lab.create(budget).expect_ok()
    eventually(lambda: (lab.get("PodDisruptionBudget", name, namespace) or {})["status"].get("expectedPods"))


def has_left(status: Json, total: int) -> bool:
    """Whether a profile says, while it is deleted, how many of so many pods are left."""
    messages = [one["message"] for one in status["conditions"] if one["type"] == "Deleting"]
    return status["phase"] == "DELETING" and any(f"/{total} left" in message for message in messages)


def find_issue(lab: Lab, profile: str, code: str) -> Json:
    """The profile's one issue, if it has this code."""
    found = lab.status(profile)["health"]["issues"]
    return dict(found[0]) if [one["code"] for one in found] == [code] else {}


def await_ended(observer: Observer, count: int) -> None:
    eventually(lambda: len(observer.ended) >= count)


def marks(lab: Lab, namespace: str) -> set[str | None]:
    """The profiles of the namespace's pods."""
    return {pod["metadata"]["labels"].get("monopod.dev/profile") for pod in lab.list_all("Pod", namespace)}


@pytest.mark.eks("1.deleting", "1.deleting-stops-pods", "1.replacements-elsewhere")
def test_pods_of_a_deleted_profile_are_replaced_outside_within_their_budget(lab: Lab, start: StartOperator) -> None:
    operator = start(*QUICK)
    create_namespace(lab, "gentle")
    lab.create_profile("web", "gentle")
    lab.becomes_active("web")
    deploy(lab, "gentle", 4)
    protect(lab, "gentle", 3)
    assert marks(lab, "gentle") == {"web"}
    with Observer(lab, "gentle") as observer:
        lab.delete("FargateProfile", "web")
        eventually(lambda: has_left(lab.status("web"), 4))
        eventually(lambda: lab.is_gone("web"))
    assert observer.fewest == 3
    assert len(observer.ended) == 4
    eventually(lambda: count_ready(lab, "gentle") == 4)
    assert marks(lab, "gentle") == {None}
    eventually(lambda: operator.metric('monopod_evictions_total{answer="evicted",purpose="deletion"}') == 4)
    assert {event["reason"] for event in lab.events("default", "web")} >= {"Deleting"}


@pytest.mark.eks("1.replacement")
def test_pods_land_on_the_profile_that_replaces_the_deleted_one(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "replaced")
    lab.create_profile("a-old", "replaced")
    lab.becomes_active("a-old")
    deploy(lab, "replaced", 3)
    lab.create_profile("b-new", "replaced")
    lab.becomes_active("b-new")
    lab.delete("FargateProfile", "a-old")
    eventually(lambda: lab.is_gone("a-old"))
    eventually(lambda: count_ready(lab, "replaced") == 3)
    assert marks(lab, "replaced") == {"b-new"}


@pytest.mark.eks("1.delete-failed")
def test_a_budget_that_allows_nothing_fails_the_deletion_by_name_until_it_is_gone(
    lab: Lab, start: StartOperator
) -> None:
    start(*IMPATIENT)
    create_namespace(lab, "blocked")
    lab.create_profile("web", "blocked")
    lab.becomes_active("web")
    deploy(lab, "blocked", 2)
    protect(lab, "blocked", "100%")
    names = {f"Pod/blocked/{pod['metadata']['name']}" for pod in lab.list_all("Pod", "blocked")}
    lab.delete("FargateProfile", "web")
    eventually(lambda: lab.phase("web") == "DELETE_FAILED")
    held = {"PodDisruptionBudget/blocked/keep", *names}
    eventually(lambda: set(find_issue(lab, "web", "BudgetExhausted")["resourceIds"]) == held)
    assert "PodDisruptionBudget blocked/keep" in find_issue(lab, "web", "BudgetExhausted")["message"]
    assert eventually(lambda: "DeleteFailed" in {event["reason"] for event in lab.events("default", "web")})
    lab.delete("PodDisruptionBudget", "keep", "blocked")
    eventually(lambda: lab.is_gone("web"))


def test_a_pod_that_several_budgets_select_is_named(lab: Lab, start: StartOperator) -> None:
    start(*IMPATIENT)
    create_namespace(lab, "several")
    lab.create_profile("web", "several")
    lab.becomes_active("web")
    deploy(lab, "several", 1)
    protect(lab, "several", 0, "one")
    protect(lab, "several", 0, "two")
    lab.delete("FargateProfile", "web")
    eventually(lambda: lab.phase("web") == "DELETE_FAILED")
    eventually(lambda: find_issue(lab, "web", "SeveralBudgets"))
    lab.delete("PodDisruptionBudget", "two", "several")
    eventually(lambda: lab.is_gone("web"))


RESTRICTED = "pod-security.kubernetes.io/enforce"


def forbid(lab: Lab, namespace: str) -> None:
    lab.patch("Namespace", namespace, {"metadata": {"labels": {RESTRICTED: "restricted"}}})
    pod = {
        "metadata": {"name": "forbidden", "namespace": namespace},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    # The API server learns of the label a moment later.
    eventually(lambda: not lab.create({"apiVersion": "v1", "kind": "Pod", **pod}, dry_run=True).ok)


def allow(lab: Lab, namespace: str) -> None:
    lab.patch("Namespace", namespace, {"metadata": {"labels": {RESTRICTED: None}}})


def cordon(lab: Lab, _: str) -> None:
    lab.kubectl("cordon", "kwok-0", "kwok-1")


def uncordon(lab: Lab, _: str) -> None:
    lab.kubectl("uncordon", "kwok-0", "kwok-1")


CAUSES = {
    "Pod Security": (forbid, allow, "ReplacementRefused", "violates PodSecurity"),
    "no node": (cordon, uncordon, "ReplacementUnschedulable", "2 node(s) were unschedulable"),
}


@pytest.mark.parametrize(("begin", "end", "reason", "words"), CAUSES.values(), ids=CAUSES)
def test_nothing_of_a_deleted_profile_is_evicted_that_could_not_come_back(
    lab: Lab,
    start: StartOperator,
    begin: Callable[[Lab, str], None],
    end: Callable[[Lab, str], None],
    reason: str,
    words: str,
) -> None:
    start(*IMPATIENT)
    namespace = reason.lower()
    create_namespace(lab, namespace)
    lab.create_profile("web", namespace)
    lab.becomes_active("web")
    deploy(lab, namespace, 2)
    begin(lab, namespace)
    try:
        with Observer(lab, namespace) as observer:
            lab.delete("FargateProfile", "web")
            eventually(lambda: lab.phase("web") == "DELETE_FAILED")
            eventually(lambda: len(find_issue(lab, "web", reason)["resourceIds"]) == 2)
            assert words in find_issue(lab, "web", reason)["message"]
        assert (observer.fewest, observer.ended) == (2, set())
    finally:
        end(lab, namespace)
    eventually(lambda: lab.is_gone("web"))
    eventually(lambda: count_ready(lab, namespace) == 2)


def test_pods_of_a_deleted_profile_go_one_after_the_other_where_a_quota_counts_them(
    lab: Lab, start: StartOperator
) -> None:
    """It has room only where the old ones are, and first not even there."""
    start(*QUICK)
    create_namespace(lab, "counted")
    lab.create_profile("web", "counted")
    lab.becomes_active("web")
    deploy(lab, "counted", 2, "one")
    deploy(lab, "counted", 2, "two")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": "counted"}}
    lab.create({**quota, "spec": {"hard": {"pods": "3"}}}).expect_ok()
    eventually(lambda: (lab.get("ResourceQuota", "full", "counted") or {}).get("status", {}).get("used"))
    with Observer(lab, "counted") as observer:
        lab.delete("FargateProfile", "web")
        eventually(lambda: "exceeded quota: full" in lab.condition("web", "Deleting").get("message", ""))
        assert observer.ended == set()
        lab.patch("ResourceQuota", "full", {"spec": {"hard": {"pods": "4"}}}, "counted")
        eventually(lambda: lab.is_gone("web"))
    eventually(lambda: count_ready(lab, "counted", "one") + count_ready(lab, "counted", "two") == 4)


@pytest.mark.eks("1.one-deleting", "1.none-created-meanwhile")
def test_deletions_queue_and_what_is_created_meanwhile_waits(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "queued")
    create_namespace(lab, "queued-too")
    lab.create_profile("first", "queued")
    lab.create_profile("second", "queued-too")
    lab.becomes_active("first")
    lab.becomes_active("second")
    deploy(lab, "queued", 2)
    deploy(lab, "queued-too", 2)
    protect(lab, "queued", "100%")
    lab.delete("FargateProfile", "first")
    eventually(lambda: lab.reason("first") == "Deleting")
    lab.delete("FargateProfile", "second")
    eventually(lambda: lab.reason("second") == "DeletionQueued")
    assert "profile first" in lab.condition("second", "Deleting")["message"]
    lab.create_profile("third", "queued", "queued-too")
    eventually(lambda: lab.reason("third") == "WaitsForDeletion")
    assert lab.phase("third") == "CREATING"
    assert "profile first" in lab.condition("third", "Published")["message"]
    eventually(lambda: lab.namespace_marks("queued") == lab.namespace_marks("queued-too") == (None, None))
    assert marks(lab, "queued-too") == {"second"}
    lab.delete("PodDisruptionBudget", "keep", "queued")
    eventually(lambda: lab.is_gone("first") and lab.is_gone("second"))
    lab.becomes_active("third")


def test_a_failed_deletion_gives_way_to_the_next(lab: Lab, start: StartOperator) -> None:
    start(*IMPATIENT)
    create_namespace(lab, "failed")
    create_namespace(lab, "failed-not")
    lab.create_profile("first", "failed")
    lab.create_profile("second", "failed-not")
    lab.becomes_active("first")
    lab.becomes_active("second")
    deploy(lab, "failed", 1)
    deploy(lab, "failed-not", 1)
    protect(lab, "failed", "100%")
    lab.delete("FargateProfile", "first")
    eventually(lambda: lab.phase("first") in ("DELETING", "DELETE_FAILED"))
    lab.delete("FargateProfile", "second")
    eventually(lambda: lab.is_gone("second"))
    eventually(lambda: lab.phase("first") == "DELETE_FAILED")


SLOW_TO_FAIL = (*QUICK, "--deletion-timeout-seconds", "60")


def test_a_deletion_of_which_no_pod_goes_lets_the_next_begin(lab: Lab, start: StartOperator) -> None:
    start(*SLOW_TO_FAIL)
    for name in ("stalled", "stalled-not"):
        create_namespace(lab, name)
        lab.create_profile(name, name)
        lab.becomes_active(name)
        lab.create_pod(name, "pod", tolerations=[{"key": TAINT["key"], "operator": "Exists"}])
    lab.patch("Pod", "pod", {"metadata": {"finalizers": ["example.com/hold"]}}, "stalled")
    lab.delete("FargateProfile", "stalled")
    eventually(lambda: lab.reason("stalled") == "Deleting")
    lab.delete("FargateProfile", "stalled-not")
    lab.create_profile("late", "stalled*")
    eventually(lambda: lab.is_gone("stalled-not"))
    lab.becomes_active("late")
    assert lab.phase("stalled") == "DELETING", "it goes on"
    (issue,) = lab.status("stalled")["health"]["issues"]
    assert (issue["code"], issue["resourceIds"]) == ("PodsTerminating", ["Pod/stalled/pod"])
    lab.patch("Pod", "pod", {"metadata": {"finalizers": None}}, "stalled")
    eventually(lambda: lab.is_gone("stalled"))


def test_an_operator_that_is_killed_again_and_again_comes_to_the_same_end(lab: Lab, start: StartOperator) -> None:
    flags = ("--no-leader-elect", "--evictions-per-minute", "30")
    operator = start(*flags)
    create_namespace(lab, "killed")
    lab.create_profile("web", "killed")
    lab.becomes_active("web")
    deploy(lab, "killed", 5)
    protect(lab, "killed", 4)
    with Observer(lab, "killed") as observer:
        lab.delete("FargateProfile", "web")
        begun = eventually(lambda: lab.status("web").get("deletion", {}))
        for evicted in (1, 2, 4):
            await_ended(observer, evicted)
            operator.kill()
            operator = start(*flags)
            status = lab.status("web")
            assert not status or status["deletion"]["startedAt"] == begun["startedAt"]
        eventually(lambda: lab.is_gone("web"))
    assert observer.fewest == 4
    assert len(observer.ended) == 5
    assert begun["pods"] == 5
    eventually(lambda: marks(lab, "killed") == {None})


MANY = 120
FEWEST = 117
KILLS = 5
MANY_SECONDS = 400.0


@pytest.mark.timeout(1800)
def test_many_pods_move_within_their_budget_whenever_the_operator_is_killed(
    lab: Lab, start: StartOperator, seed: int
) -> None:
    operator = start(*QUICK)
    create_namespace(lab, "many")
    lab.create_profile("web", "many")
    lab.becomes_active("web")
    deploy(lab, "many", MANY, deadline=MANY_SECONDS)
    protect(lab, "many", FEWEST)
    moments = sorted(random.Random(seed).sample(range(1, MANY), KILLS))
    with Observer(lab, "many") as observer:
        lab.delete("FargateProfile", "web")
        for evicted in moments:
            eventually(lambda: len(observer.ended) >= evicted, deadline=MANY_SECONDS)  # noqa: B023 called at once
            operator.kill()
            operator = start(*QUICK)
        eventually(lambda: lab.is_gone("web"), deadline=MANY_SECONDS)
        assert lab.list_all("Pod", "many", f"?labelSelector={PROFILE_LABEL}") == []
    # How close it comes depends on how fast replacements are Ready; below is a violation.
    assert FEWEST <= observer.fewest < MANY
    assert len(observer.ended) == MANY, "no replacement was evicted"
    eventually(lambda: count_ready(lab, "many") == MANY)
    assert marks(lab, "many") == {None}


def test_a_pod_that_nobody_replaces_is_evicted_too(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "bare")
    lab.create_profile("web", "bare")
    lab.becomes_active("web")
    lab.create_pod("bare", "pending")
    lab.create_pod("bare", "running", tolerations=[{"key": TAINT["key"], "operator": "Exists"}])
    eventually(lambda: (lab.get("Pod", "running", "bare") or {})["status"]["phase"] == "Running")
    lab.delete_profile("web")
    assert lab.list_all("Pod", "bare") == []
