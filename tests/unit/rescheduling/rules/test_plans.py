"""Which pods run elsewhere, and whose turn it is."""

import datetime
from typing import Any

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL
from monopod.api.reasons import Reason
from monopod.kube.objects.fields import InvalidProfile
from monopod.rescheduling.rules.plans import WorkloadPlan, order_moves, plan_workloads
from monopod.rescheduling.rules.pod_verdict import (
    Elsewhere,
    Impossible,
    InPlace,
    LeftAlone,
    NamespaceContext,
    NotConcerned,
    PodState,
    PodVerdict,
    judge,
    observe,
)
from monopod.rescheduling.rules.settings import ReschedulingSettings
from monopod.workloads.rules.replacement import Owner, Workload, build_bare_workload, build_replacement, read_workload
from tests.unit.builders import Manifest, a_pod, a_profile, a_profile_resource, a_selector

IN_FORCE = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
TERMS = ReschedulingSettings("web", started=IN_FORCE, trusted=IN_FORCE)
TEMPLATE: Manifest = {"metadata": {"labels": {"tier": "web"}}, "spec": a_pod().build()["spec"]}
OTHER = a_profile("z", a_selector("prod"))


def a_place(settings: ReschedulingSettings = TERMS, **more: Any) -> NamespaceContext:
    profiles = (a_profile("web", a_selector("prod", tier="web")), OTHER)
    return NamespaceContext("prod", profiles, {"web": settings}, **more)


def a_workload(desired: int | None = 4, kind: str = "Deployment", template: Manifest | None = TEMPLATE) -> Workload:
    return Workload("prod", kind, "web", "uid-web", desired, template)


def a_live_pod(
    name: str = "pod",
    *,
    mark: str = "",
    created: str = "2026-01-01T10:00:00Z",
    ready: bool = True,
    terminating: bool = False,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Manifest:
    marks = {PROFILE_LABEL: mark, EKS_PROFILE_LABEL: mark} if mark else {}
    pod = a_pod(name).in_namespace("prod").labelled(labels or {"tier": "web"}).labelled(marks).with_spec(**spec).build()
    pod["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": created}
    pod["metadata"] |= {"deletionTimestamp": created} if terminating else {}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    pod["status"] = {"phase": "Running", "conditions": conditions}
    return pod


def scan(
    *pods: Manifest, workload: Workload | None = None, settings: ReschedulingSettings = TERMS, **more: Any
) -> WorkloadPlan:
    workload, context = workload or a_workload(), a_place(settings)
    (plan,) = plan_workloads(workload, [observe(pod, workload, context) for pod in pods], context, **more)
    return plan


def names(plan: WorkloadPlan) -> tuple[list[str], list[str]]:
    return [pod.name for pod in plan.now], [pod.name for pod in plan.later]


VERDICTS: dict[str, tuple[Manifest, Workload, PodVerdict]] = {
    "unmarked": (a_live_pod(), a_workload(), Elsewhere("web")),
    "marked": (a_live_pod(mark="web"), a_workload(), InPlace()),
    "by a profile that lost": (a_live_pod(mark="z"), a_workload(), Elsewhere("web")),
    "for a profile that moves none": (a_live_pod(labels={"a": "b"}), a_workload(template=None), NotConcerned()),
    "labels of a webhook": (a_live_pod(), a_workload(template={"spec": TEMPLATE["spec"]}), Elsewhere("web")),
    "pinned elsewhere": (
        a_live_pod(mark="web"),
        a_workload(template={**TEMPLATE, "metadata": {"labels": {EKS_PROFILE_LABEL: "z", "tier": "web"}}}),
        NotConcerned(),
    ),
    "opting out": (
        a_live_pod(),
        a_workload(template={**TEMPLATE, "spec": {**TEMPLATE["spec"], "nodeName": "node-1"}}),
        NotConcerned(),
    ),
    "with a nodeSelector, for which an earlier release left it alone": (
        a_live_pod(),
        a_workload(template={**TEMPLATE, "spec": {**TEMPLATE["spec"], "nodeSelector": {"a": "b"}}}),
        Elsewhere("web"),
    ),
    "bare": (a_live_pod(), build_bare_workload("prod"), LeftAlone("web", Reason.BARE_PODS_LEFT)),
    "of a job": (a_live_pod(), a_workload(kind="Job"), LeftAlone("web", Reason.RUNNING_JOBS_LEFT)),
    "of a custom job": (
        a_live_pod(restartPolicy="Never"),
        a_workload(kind="TaskRun", template=None),
        LeftAlone("web", Reason.RUNNING_JOBS_LEFT),
    ),
}


@pytest.mark.parametrize(("pod", "workload", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_the_verdict_on_a_pod(pod: Manifest, workload: Workload, verdict: PodVerdict) -> None:
    assert judge(pod, workload, a_place()) == verdict


def test_what_fargate_cannot_run_is_not_moved() -> None:
    workload = a_workload(template={**TEMPLATE, "spec": {**TEMPLATE["spec"], "hostNetwork": True}})
    assert isinstance(judge(a_live_pod(), workload, a_place()), Impossible)


def test_a_pod_with_a_capability_is_moved_where_the_profile_allows_it() -> None:
    template = {**TEMPLATE, "spec": a_pod().adding_capabilities("SYS_PTRACE").build()["spec"]}
    allowing = a_profile("web", a_selector("prod", tier="web"), capabilities=("SYS_PTRACE",))
    workload = a_workload(template=template)
    assert isinstance(judge(a_live_pod(), workload, a_place()), Impossible)
    allowed = NamespaceContext("prod", (allowing, OTHER), {"web": TERMS})
    assert judge(a_live_pod(), workload, allowed) == Elsewhere("web")


def test_a_pod_whose_claims_fargate_cannot_mount_is_not_moved() -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    pod, claims = a_live_pod(volumes=volumes), {"data": {"spec": {"volumeName": "v"}, "status": {"phase": "Bound"}}}
    local, shared = {"v": {"spec": {"hostPath": {"path": "/"}}}}, {"v": {"spec": {"nfs": {"server": "s"}}}}
    assert isinstance(judge(pod, a_workload(), a_place(claims=claims, volumes=local)), Impossible)
    assert judge(pod, a_workload(), a_place(claims=claims, volumes=shared)) == Elsewhere("web")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_stays(phase: str) -> None:
    assert judge(a_live_pod() | {"status": {"phase": phase}}, a_workload(), a_place()) == NotConcerned()


def test_a_deletion_moves_its_own_pods() -> None:
    assert judge(a_live_pod(mark="z"), a_workload(), a_place(deleting=frozenset({"z"}))) == NotConcerned()


def test_the_oldest_goes_first_and_the_others_wait_for_its_replacement() -> None:
    old = [a_live_pod(f"old-{hour}", created=f"2026-01-01T0{hour}:00:00Z") for hour in (3, 1, 2)]
    new = a_live_pod("new", mark="web", created="2026-01-01T13:00:00Z")
    assert names(scan(*old, new)) == (["old-1"], ["old-2", "old-3"])
    coming = scan(*old, a_live_pod("new", mark="web", ready=False))
    assert names(coming) == ([], ["old-1", "old-2", "old-3"])
    assert coming.replacing == 1
    assert "1 of 4 pods of Deployment prod/web aren't Ready" in coming.waiting_for


def test_a_pod_that_is_being_deleted_counts_as_unavailable_and_is_not_asked_for_again() -> None:
    plan = scan(*(a_live_pod(f"old-{number}") for number in range(3)), a_live_pod("going", terminating=True))
    assert (names(plan)[0], plan.replacing) == ([], 1)


def test_a_pod_that_does_not_end_is_named() -> None:
    assert (
        "prod/stuck is being deleted" in scan(a_live_pod("stuck", terminating=True), workload=a_workload(1)).waiting_for
    )


def test_a_pod_that_is_not_ready_does_not_wait_for_one_that_is() -> None:
    broken = a_live_pod("broken", ready=False, created="2026-01-01T11:00:00Z")
    assert names(scan(*(a_live_pod(f"old-{n}") for n in range(3)), broken))[0] == ["broken"]


@pytest.mark.parametrize(
    ("bound", "desired", "budget"),
    [("10%", 4, 1), ("10%", 20, 2), ("50%", 5, 2), ("100%", 3, 3), (2, 10, 2), ("10%", 0, 1)],
)
def test_how_many_may_be_unavailable(bound: int | str, desired: int, budget: int) -> None:
    assert ReschedulingSettings("web", max_unavailable=bound).compute_budget(desired) == budget


@pytest.mark.parametrize(
    "settings",
    [
        ReschedulingSettings("web", started=IN_FORCE, trusted=IN_FORCE, paused=True),
        ReschedulingSettings("web", started=IN_FORCE),
        ReschedulingSettings("web"),
    ],
    ids=["paused", "not Ready", "its beginning isn't on record"],
)
def test_nothing_is_evicted_for_a_profile_that_is(settings: ReschedulingSettings) -> None:
    assert names(scan(a_live_pod("a"), workload=a_workload(1), settings=settings)) == ([], ["a"])


def test_a_replacement_that_came_up_elsewhere_stops_its_workload() -> None:
    misplaced = a_live_pod("stray", created="2026-01-01T12:00:31Z")
    plan = scan(a_live_pod("old"), misplaced, workload=a_workload(2))
    assert names(plan) == ([], [])
    (obstacle,) = plan.obstacles
    assert (obstacle.reason, set(obstacle.pods)) == (Reason.REPLACEMENT_NOT_SANDBOXED, {"prod/old", "prod/stray"})


@pytest.mark.parametrize(
    ("mark", "created"),
    [("", "2026-01-01T12:00:30Z"), ("gone", "2026-01-01T12:00:31Z")],
    ids=["created while admission came into force", "by a profile that is gone"],
)
def test_what_shows_nothing_about_replacements_is_moved(mark: str, created: str) -> None:
    assert names(scan(a_live_pod("young", mark=mark, created=created), workload=a_workload(1)))[0] == ["young"]


def test_of_an_owner_that_nobody_knows_the_number_of_pods_before_counts() -> None:
    custom = a_workload(None, "Rollout", None)
    assert names(scan(a_live_pod("a"), a_live_pod("b"), workload=custom))[0] == ["a"]
    assert names(scan(a_live_pod("b"), workload=custom, expected=2)) == ([], ["b"])


def test_a_pod_without_a_controller_waits_for_those_that_are_gone_and_not_for_strangers() -> None:
    settings = ReschedulingSettings("web", recreates_bare_pods=True, started=IN_FORCE, trusted=IN_FORCE)
    bare, stranger = build_bare_workload("prod"), a_live_pod("stranger", labels={"a": "b"}, ready=False)
    assert names(scan(a_live_pod("a"), stranger, workload=bare, settings=settings))[0] == ["a"]
    assert names(scan(a_live_pod("a"), workload=bare, settings=settings, missing=("prod/b",))) == ([], ["a"])
    assert names(scan(a_live_pod("a"), workload=bare, settings=settings, missing=("prod/a",)))[0] == ["a"], (
        "it is there"
    )


def test_a_pod_without_a_controller_that_cannot_be_moved_takes_nobodys_turn_and_waits_for_its_own() -> None:
    settings = ReschedulingSettings("web", recreates_bare_pods=True, started=IN_FORCE, trusted=IN_FORCE)
    bare, pods = build_bare_workload("prod"), [a_live_pod(name) for name in "abc"]
    blocked = scan(*pods, workload=bare, settings=settings, blocked=("prod/a", "prod/b"))
    assert names(blocked) == (["c"], ["a", "b"]), "if what hinders them goes, not all move at once"


def test_a_pod_without_a_controller_that_is_terminating_for_minutes_keeps_no_other_waiting() -> None:
    settings = ReschedulingSettings("web", recreates_bare_pods=True, started=IN_FORCE, trusted=IN_FORCE)
    bare, context = build_bare_workload("prod"), a_place(settings)
    pods = [a_live_pod("held", terminating=True, ready=False), a_live_pod("a"), a_live_pod("b")]
    for now, moving in (("2026-01-01T10:01:00Z", []), ("2026-01-01T10:02:00Z", ["a"])):
        seen = [observe(pod, bare, context, now) for pod in pods]
        (plan,) = plan_workloads(bare, seen, context, missing=("prod/held",))
        assert [pod.name for pod in plan.now] == moving
    (obstacle,) = plan.obstacles
    assert (obstacle.reason, obstacle.pods) == (Reason.PODS_TERMINATING, ("prod/held",))


def test_two_profiles_share_the_bound_of_a_workload() -> None:
    settings = {"web": TERMS, "z": ReschedulingSettings("z", started=IN_FORCE, trusted=IN_FORCE)}
    context = NamespaceContext("prod", a_place().profiles, settings)
    custom = a_workload(None, "Rollout", None)
    pods = [a_live_pod("a"), a_live_pod("b", labels={"other": "yes"})]
    plans = plan_workloads(custom, [observe(pod, custom, context) for pod in pods], context)
    assert [len(plan.now) for plan in plans] == [1, 0]
    assert [pod.name for pod, _ in order_moves(plans)] == ["a", "b"]


def test_replacements_count_until_they_are_ready() -> None:
    workload, context = a_workload(1), a_place()
    pod_states: list[PodState] = [observe(a_live_pod(mark="web", ready=False), workload, context)]
    assert plan_workloads(workload, pod_states, context) == ()
    (plan,) = plan_workloads(workload, pod_states, context, settling=True)
    assert (plan.replacing, plan.is_moving) == (1, True)


def test_the_deployment_behind_a_replica_set_is_the_workload() -> None:
    owner = Owner("apps/v1", "ReplicaSet", "web-1", "uid-1")
    replica_set = {"spec": {"replicas": 1, "template": TEMPLATE}}
    deployment = {"metadata": {"name": "web", "uid": "uid-web"}, "spec": {"replicas": 7}}
    workload = read_workload("prod", owner, replica_set, deployment)
    assert (str(workload), workload.uid, workload.desired) == ("Deployment prod/web", "uid-web", 7)
    assert read_workload("prod", owner, {"spec": {"template": TEMPLATE}}).desired == 1


@pytest.mark.parametrize(
    ("spec", "status", "desired"),
    [
        ({"parallelism": 5}, {}, 5),
        ({"parallelism": 5, "completions": 12}, {"succeeded": 10}, 2),
        ({"parallelism": 5, "completions": 12}, {"succeeded": 1}, 5),
        ({"completions": 3}, {}, 1),
    ],
)
def test_of_a_job_as_many_pods_count_as_it_still_runs_at_a_time(spec: Manifest, status: Manifest, desired: int) -> None:
    job = {"spec": {**spec, "template": TEMPLATE}, "status": status}
    assert read_workload("prod", Owner("batch/v1", "Job", "work", "uid-work"), job).desired == desired


def test_what_a_stateful_set_holds_back_is_replaced_as_it_is_and_not_from_the_new_template() -> None:
    """By `partition`, pods with smaller ordinals stay at the revision that they are of, also if they are deleted."""
    impossible = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "hostNetwork": True}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    stateful_set = {
        "spec": {"replicas": 4, "ordinals": {"start": 1}, "template": impossible, "updateStrategy": strategy},
        "status": {"updateRevision": "new"},
    }
    workload = read_workload("prod", Owner("apps/v1", "StatefulSet", "db", "uid-db"), stateful_set)

    def judge_pod(name: str, revision: str) -> PodVerdict:
        labels = {"tier": "web", "controller-revision-hash": revision}
        return judge(a_live_pod(name, labels=labels), workload, a_place())

    assert judge_pod("db-2", "old") == Elsewhere("web")
    assert isinstance(judge_pod("db-2", "new"), Impossible)
    assert isinstance(judge_pod("db-3", "old"), Impossible)


def test_a_replacement_is_made_from_the_template_and_carries_no_marks() -> None:
    pod = a_live_pod(mark="web", labels={"tier": "old", "pod-template-hash": "x"}, nodeName="node")
    replacement = build_replacement(pod, a_workload())
    assert replacement["metadata"]["labels"] == {"tier": "web", "pod-template-hash": "x"}
    assert "nodeName" not in replacement["spec"]


def test_terms_are_read_with_their_defaults() -> None:
    resource = a_profile_resource("web", {"namespace": "prod"})
    assert ReschedulingSettings.from_resource(resource) == ReschedulingSettings("web")
    spec = {"existingPods": "Keep", "maxUnavailable": 3, "barePods": "Recreate", "runningJobs": "Reschedule"}
    resource = a_profile_resource("web", {"namespace": "prod"}, paused=True, **spec)
    assert ReschedulingSettings.from_resource(resource) == ReschedulingSettings("web", False, 3, True, True, True)


@pytest.mark.parametrize(("told", "is_open"), [({}, False), ({"waiting": 1}, True), ({"blocked": 1}, True)])
def test_whether_pods_were_on_their_way_is_read_from_the_status(told: dict[str, int], is_open: bool) -> None:
    status = {"rescheduling": {"startedAt": "2026-01-01T00:00:00Z", "waiting": 0, "blocked": 0, **told}}
    resource = {**a_profile_resource("web", {"namespace": "prod"}), "status": status}
    assert ReschedulingSettings.from_resource(resource).is_open is is_open


def test_where_pods_are_not_recreated_the_terms_say_that_it_was_asked_for() -> None:
    for bare_pods, lacking in (("Recreate", True), ("Leave", False)):
        settings = ReschedulingSettings.from_resource(a_profile_resource("web", barePods=bare_pods), recreation=False)
        assert (settings.recreates_bare_pods, settings.lacks_recreation) == (False, lacking)


def test_new_pods_are_trusted_once_the_profile_is_enforced_and_its_beginning_on_record() -> None:
    begun = {"rescheduling": {"startedAt": "2026-01-01T12:00:00Z"}}
    enforced = {"enforcedSince": "2026-01-01T11:00:00Z"}
    for status, trusted in (({**begun, **enforced}, IN_FORCE), (begun, None), (enforced, None)):
        assert ReschedulingSettings.from_resource(a_profile_resource("web") | {"status": status}).trusted == trusted


@pytest.mark.parametrize("value", [0, -1, "0%", "101%", "ten", True, 1.5])
def test_a_bound_that_bounds_nothing_is_refused(value: object) -> None:
    with pytest.raises(InvalidProfile, match="maxUnavailable"):
        ReschedulingSettings.from_resource(a_profile_resource("web", maxUnavailable=value))
