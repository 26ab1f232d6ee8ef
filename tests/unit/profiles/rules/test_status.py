"""A profile's phase, conditions and issues, from the facts."""

from dataclasses import replace
from typing import Any

import pytest

from monopod.api.earlier_status import complete_status
from monopod.api.reasons import Reason
from monopod.deletion.rules.ending import hold_back_until_deleted
from monopod.deletion.rules.stages import Evicting, Failed, Queued, Released
from monopod.eviction.rules.order import Obstacle
from monopod.isolation.rules.summary import Isolation
from monopod.kube.objects.conditions import Contribution, Finding, Severity
from monopod.kube.objects.status import build_status_patch
from monopod.pods.rules.dry_run import Impossible, NotSandboxed, Outcome, Pending, Refused, Sandboxed
from monopod.pods.rules.selection import Profile, Selector
from monopod.profiles.rules.conditions import PoliciesChanged, PoliciesMissing, PoliciesNotServed, Unreadable
from monopod.profiles.rules.overlap import Equal, Overlap, Shadowed
from monopod.profiles.rules.quota import hold_back_beyond_quota
from monopod.profiles.rules.sandboxes import NO_SANDBOX
from monopod.rescheduling.rules.progress import Tally
from monopod.selectors.capacity import Bound, Overflow
from tests.unit.profiles.rules.facts import Facts, decide_from

NOW = "2026-01-02T00:00:00Z"
BEFORE = "2026-01-01T00:00:00Z"
PROFILE = Profile("web", (Selector("prod-*", (("tier", "web"),)), Selector("dev")), "kata")
GOOD = Facts(generation=1, profile=PROFILE, reached=("prod-a",), outcome=Sandboxed("a pod in namespace prod-a"))
REFUSED = Refused("a pod in namespace prod-a", "exceeded quota (403 Forbidden)")
BEYOND_QUOTA, WAITS = hold_back_beyond_quota(10), hold_back_until_deleted("old")
EXCESS = Overflow("prod-*", 2001, Bound("selectors", 2000))
NOT_SANDBOXED = NotSandboxed("a pod in namespace prod-a", "it has no label monopod.dev/profile")


def decide(facts: Facts, previous: dict[str, Any] | None = None, now: str = NOW) -> dict[str, Any]:
    return decide_from(facts, previous or {}, now)


def condition(status: dict[str, Any], kind: str) -> tuple[str, str]:
    return next((one["status"], one["reason"]) for one in status["conditions"] if one["type"] == kind)


PHASES = [
    pytest.param(GOOD, "ACTIVE", "Active", id="all is well"),
    pytest.param(replace(GOOD, outcome=Pending()), "CREATING", "DryRunPending", id="no trial yet"),
    pytest.param(replace(GOOD, outcome=NOT_SANDBOXED), "CREATE_FAILED", "DryRunNotSandboxed", id="not sandboxed"),
    pytest.param(
        replace(GOOD, outcome=NOT_SANDBOXED, was_active=True),
        "CREATE_FAILED",
        "DryRunNotSandboxed",
        id="no longer sandboxed",
    ),
    pytest.param(replace(GOOD, outcome=REFUSED), "CREATE_FAILED", "DryRunRefused", id="trial refused"),
    pytest.param(
        replace(GOOD, outcome=REFUSED, was_active=True), "ACTIVE", "Active", id="trial of an active one refused"
    ),
    pytest.param(replace(GOOD, outcome=Impossible()), "CREATE_FAILED", "DryRunImpossible", id="nothing can match"),
    pytest.param(replace(GOOD, runtime_class_exists=False), "CREATE_FAILED", "RuntimeClassNotFound", id="no class"),
    pytest.param(replace(GOOD, unsandboxed_by="runc"), "CREATE_FAILED", "NotASandbox", id="no sandbox"),
    pytest.param(
        replace(GOOD, admission=PoliciesMissing(("MutatingAdmissionPolicy/monopod-pods",))),
        "CREATE_FAILED",
        "AdmissionPolicyMissing",
        id="no policy",
    ),
    pytest.param(
        replace(GOOD, admission=PoliciesChanged(("MutatingAdmissionPolicy/monopod-pods",))),
        "ACTIVE",
        "PolicyChanged",
        id="an edited policy",
    ),
    pytest.param(
        replace(GOOD, admission=PoliciesChanged(("MutatingAdmissionPolicy/monopod-pods",)), outcome=Pending()),
        "CREATING",
        "PolicyChanged",
        id="an edited policy, no trial yet",
    ),
    pytest.param(
        replace(GOOD, admission=PoliciesNotServed()),
        "CREATE_FAILED",
        "MutatingAdmissionPolicyNotServed",
        id="old Kubernetes",
    ),
    pytest.param(replace(GOOD, reached=()), "ACTIVE", "Active", id="no namespace yet"),
    pytest.param(replace(GOOD, overflow=EXCESS), "CREATE_FAILED", "SelectorsTooLarge", id="selectors don't fit"),
    pytest.param(replace(GOOD, kept_for=EXCESS), "ACTIVE", "SelectorsKept", id="a change doesn't fit"),
    pytest.param(replace(GOOD, unwritten={"prod-a": "no"}), "ACTIVE", "PublishFailed", id="selectors not written"),
    pytest.param(replace(GOOD, profile=Unreadable("no selectors")), "CREATE_FAILED", "SpecInvalid", id="senseless"),
    pytest.param(
        replace(GOOD, profile=Unreadable("oops", Reason.INTERNAL_ERROR)), "CREATE_FAILED", "InternalError", id="a bug"
    ),
    pytest.param(replace(GOOD, held_back=BEYOND_QUOTA), "CREATE_FAILED", "ProfileQuotaExceeded", id="quota"),
    pytest.param(replace(GOOD, held_back=WAITS), "CREATING", "WaitsForDeletion", id="held back"),
    pytest.param(replace(GOOD, overlap=Shadowed(("all",))), "ACTIVE", "Active", id="never wins"),
    pytest.param(replace(GOOD, stage=Queued("old", 3)), "DELETING", "DeletionQueued", id="deletion queued"),
    pytest.param(replace(GOOD, stage=Evicting(BEFORE, 3, 4)), "DELETING", "Deleting", id="being deleted"),
    pytest.param(replace(GOOD, stage=Released(("theirs",))), "DELETING", "Deleting", id="kept by others"),
]


NO_ISSUE = ("Active", "DryRunPending", "Deleting", "DeletionQueued", "WaitsForDeletion")


@pytest.mark.eks("1.creating", case="no trial yet")
@pytest.mark.eks("1.create-failed", case="no class")
@pytest.mark.parametrize(("facts", "phase", "reason"), PHASES)
def test_the_phase_and_the_summary_follow_from_the_facts(facts: Facts, phase: str, reason: str) -> None:
    status = decide(facts)
    assert status["phase"] == phase
    assert condition(status, "Ready")[1] == reason


@pytest.mark.parametrize(("facts", "phase", "reason"), PHASES)
def test_whatever_is_wrong_is_an_issue_with_the_same_code_and_advice(facts: Facts, phase: str, reason: str) -> None:
    status = decide(facts)
    codes = [issue["code"] for issue in status["health"]["issues"]]
    assert codes == ([] if reason in NO_ISSUE else [reason])
    assert all(issue["message"] for issue in status["health"]["issues"])


def test_a_profile_is_ready_for_its_other_namespaces_and_says_which_one_it_cannot_write() -> None:
    status = decide(replace(GOOD, reached=("prod-a", "prod-b", "prod-c"), unwritten={"prod-b": "no"}))
    assert (status["phase"], condition(status, "Ready")) == ("ACTIVE", ("True", "Active"))
    assert condition(status, "Published") == ("False", "PublishFailed")
    (issue,) = status["health"]["issues"]
    assert issue["resourceIds"] == ["Namespace/prod-b"]
    assert issue["message"].startswith("1 of 3 namespaces (prod-b): prod-b: no")
    assert issue["message"] in status["conditions"][0]["message"]


def test_a_deletion_of_which_no_pod_goes_names_what_holds_it() -> None:
    status = decide(replace(GOOD, stage=Evicting(BEFORE, 1, 4, (BLOCKED,), NOW, stalled=True), pods=1))
    assert status["phase"] == "DELETING"
    assert status["deletion"] == {"startedAt": BEFORE, "pods": 4, "progressedAt": NOW}
    assert [issue["code"] for issue in status["health"]["issues"]] == ["BudgetExhausted"]


@pytest.mark.eks("1.health-issues")
def test_an_issue_names_the_objects_that_it_is_about() -> None:
    (issue,) = decide(replace(GOOD, runtime_class_exists=False))["health"]["issues"]
    assert issue["resourceIds"] == ["RuntimeClass/kata"]
    assert "kubectl get runtimeclass" in issue["message"]


def test_a_profile_without_room_names_the_namespaces_and_the_bound() -> None:
    status = decide(replace(GOOD, overflow=EXCESS, reached=("dev", "prod-a")))
    [issue] = status["health"]["issues"]
    assert "namespaces prod-* would have 2001 selectors, and the capacity is 2000" in issue["message"]
    assert issue["resourceIds"] == ["Namespace/prod-a"]
    assert condition(status, "Enforced") == ("Unknown", "NoDryRun")


def test_without_a_namespace_yet_it_names_what_holds_the_rows() -> None:
    [issue] = decide(replace(GOOD, overflow=EXCESS, reached=()))["health"]["issues"]
    assert issue["resourceIds"] == ["ConfigMap/monopod-namespaces"]


def test_a_namespace_that_does_not_exist_yet_is_a_condition_and_no_issue() -> None:
    status = decide(replace(GOOD, reached=()))
    assert condition(status, "NamespaceMatched") == ("False", "NoNamespaceMatches")
    assert status["health"]["issues"] == []


def test_a_trial_that_was_not_made_is_neither_good_nor_bad() -> None:
    status = decide(replace(GOOD, runtime_class_exists=False, outcome=NOT_SANDBOXED))
    assert condition(status, "Enforced") == ("Unknown", "NoDryRun")


@pytest.mark.parametrize(
    ("overlap", "reason", "words"),
    [
        (Shadowed(("all",)), "NeverWins", "profile all comes first by name"),
        (Equal(("all",)), "EqualSelectors", "profile all selects the same pods"),
    ],
    ids=["shadowed", "equal"],
)
def test_an_overlap_is_a_condition_that_names_the_other_profile(overlap: Overlap, reason: str, words: str) -> None:
    status = decide(replace(GOOD, overlap=overlap))
    assert condition(status, "Distinct") == ("False", reason)
    assert words in next(one["message"] for one in status["conditions"] if one["type"] == "Distinct")
    assert (status["phase"], status["health"]["issues"]) == ("ACTIVE", [])


@pytest.mark.parametrize(
    ("isolation", "reason", "words"),
    [
        (
            Isolation(over_permissive=1, policies=("prod/x",), denied=2, groups=("db",)),
            "PodsOverPermissive",
            "2 pods are denied all traffic: db",
        ),
        (
            Isolation(unwritten=1, denied=1, groups=("web",)),
            "PoliciesNotWritten",
            "1 pod is not as security groups say",
        ),
    ],
    ids=["over-permissive and denied", "not written"],
)
def test_pods_whose_network_is_not_as_their_groups_say_are_counted(
    isolation: Isolation, reason: str, words: str
) -> None:
    status = decide(replace(GOOD, isolation=isolation))
    assert condition(status, "Isolated") == ("False", reason)
    assert words in next(one["message"] for one in status["conditions"] if one["type"] == "Isolated")
    assert (status["phase"], status["health"]["issues"]) == ("ACTIVE", [])


BLOCKED = Obstacle(Reason.BUDGET_EXHAUSTED, "PodDisruptionBudget prod/web doesn't allow it", ("prod/a",), ("prod/web",))


def test_a_deletion_tells_how_far_it_is() -> None:
    status = decide(replace(GOOD, stage=Evicting(BEFORE, 12, 40, (BLOCKED,), BEFORE), pods=12))
    assert status["deletion"] == {"startedAt": BEFORE, "pods": 40}
    assert [(one["type"], one["status"]) for one in status["conditions"]] == [("Ready", "False"), ("Deleting", "True")]
    assert status["conditions"][0]["message"].startswith("pods: 12/40 left; PodDisruptionBudget prod/web")


def test_a_queued_deletion_has_not_begun_and_names_the_profile_before_it() -> None:
    status = decide(replace(GOOD, stage=Queued("old", 3)))
    assert "deletion" not in status
    assert "waits until profile old is deleted" in status["conditions"][0]["message"]


def test_a_failed_deletion_names_the_pods_and_the_budget() -> None:
    status = decide(replace(GOOD, stage=Failed(BEFORE, 1, 4, (BLOCKED,))))
    (issue,) = status["health"]["issues"]
    assert (status["phase"], issue["code"]) == ("DELETE_FAILED", "BudgetExhausted")
    assert issue["resourceIds"] == ["PodDisruptionBudget/prod/web", "Pod/prod/a"]


def test_a_restarted_operator_keeps_the_issues_of_a_failed_deletion_until_it_knows_more() -> None:
    first = decide(replace(GOOD, stage=Failed(BEFORE, 1, 4, (BLOCKED,))))
    second = decide(replace(GOOD, stage=Failed(BEFORE, 1, 4)), first)
    assert second["health"] == first["health"]


def test_the_table_columns_are_filled() -> None:
    status = decide(replace(GOOD, pods=7))
    columns = (status["selectors"], status["runtimeClassName"], status["pods"], status["observedGeneration"])
    assert columns == ("prod-*{tier=web}, dev", "kata", 7, 1)


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    first = decide(GOOD, now=BEFORE)
    second = decide(replace(GOOD, runtime_class_exists=False), first)
    times = {one["type"]: one["lastTransitionTime"] for one in second["conditions"]}
    assert times["Valid"] == BEFORE
    assert times["RuntimeClassFound"] == NOW


def test_a_pod_that_is_replaced_late_begins_no_round_of_its_own() -> None:
    status: dict[str, Any] = {}
    for minute, waiting in enumerate((1, 0, 1)):
        status = decide(replace(GOOD, moves=Tally(waiting=waiting)), status, f"2026-01-02T00:0{minute}:00Z")
    assert status["rescheduling"]["startedAt"] == "2026-01-02T00:00:00Z"


def test_the_same_facts_make_the_same_status() -> None:
    first = decide(GOOD, now=BEFORE)
    assert decide(GOOD, first) == first


@pytest.mark.parametrize(
    "outcome", [GOOD.outcome, NOT_SANDBOXED, REFUSED, Impossible()], ids=lambda one: type(one).__name__
)
def test_a_restarted_operator_keeps_what_the_last_trial_said(outcome: Outcome) -> None:
    first = decide(replace(GOOD, outcome=outcome), now=BEFORE)
    was_active = first["phase"] == "ACTIVE"
    assert decide(replace(GOOD, outcome=Pending(), was_active=was_active), first) == first


@pytest.mark.parametrize(
    "facts",
    [
        replace(GOOD, held_back=BEYOND_QUOTA),
        replace(GOOD, stage=Queued("old", 3)),
        replace(GOOD, outcome=REFUSED),
    ],
    ids=["held back", "deleted", "failed"],
)
def test_a_profile_that_was_published_stays_so_in_its_status(facts: Facts) -> None:
    first = decide(facts)
    assert first["published"] is False
    second = decide(replace(GOOD, published=True))
    assert decide(facts, second)["published"] is True


def test_it_is_remembered_since_when_a_profile_is_enforced() -> None:
    first = decide(GOOD, now=BEFORE)
    assert (first["enforcedSince"], decide(GOOD, first)["enforcedSince"]) == (BEFORE, BEFORE)
    lost = decide(replace(GOOD, runtime_class_exists=False), first)
    assert "enforcedSince" not in lost
    assert decide(GOOD, lost)["enforcedSince"] == NOW


@pytest.mark.parametrize(
    ("severity", "phase", "ready", "issues"),
    [
        (Severity.REMARK, "ACTIVE", "True", []),
        (Severity.PARTIAL, "ACTIVE", "True", ["NoMeter"]),
        (Severity.FAULT, "ACTIVE", "False", ["NoMeter"]),
        (Severity.FAILURE, "CREATE_FAILED", "False", ["NoMeter"]),
    ],
)
def test_a_capability_that_nothing_here_knows_of_contributes_what_it_found_and_its_fields(
    severity: Severity, phase: str, ready: str, issues: list[str]
) -> None:
    unmetered = Finding("Metered", False, "NoMeter", "nothing counts its seconds", severity=severity)
    status = decide_from(GOOD, {}, NOW, Contribution((unmetered,), {"metered": {"seconds": 3}}))
    assert (status["phase"], condition(status, "Ready")[0], status["metered"]) == (phase, ready, {"seconds": 3})
    assert [issue["code"] for issue in status["health"]["issues"]] == issues
    assert status["conditions"][-1]["type"] == "Metered"


def test_a_result_is_not_remembered_beyond_a_time_in_which_nothing_could_be_tried() -> None:
    first = decide(GOOD)
    assert first["dryRun"]["result"] == "Sandboxed"
    assert "dryRun" not in decide(replace(GOOD, runtime_class_exists=False), first)


LIVING = {
    str(row.id): facts
    for row in PHASES
    if isinstance(facts := row.values[0], Facts) and not facts.stage and isinstance(facts.profile, Profile)
}


@pytest.mark.parametrize("facts", LIVING.values(), ids=LIVING)
def test_the_version_before_finds_in_conditions_what_fields_remember(facts: Facts) -> None:
    """So that a downgrade, which drops the fields, forgets nothing; nor does the upgrade after it."""
    published = not (facts.held_back or facts.overflow)
    status: dict[str, Any] = {}
    for moves in (Tally(waiting=1), Tally()):
        status = decide(replace(facts, moves=moves, published=published), status, BEFORE)
    told = {key: value for key, value in status.items() if key not in ("published", "enforcedSince", "dryRun")}
    if "rescheduling" in told:
        told["rescheduling"] = {key: value for key, value in told["rescheduling"].items() if key != "endedAt"}
    assert complete_status(told) == status


def test_what_a_trial_said_about_another_spec_is_forgotten() -> None:
    first = decide(replace(GOOD, outcome=NOT_SANDBOXED))
    assert decide(replace(GOOD, outcome=Pending(), generation=2), first)["phase"] == "CREATING"


def test_a_profile_whose_cause_of_failure_is_gone_is_created_again() -> None:
    first = decide(replace(GOOD, runtime_class_exists=False))
    assert decide(replace(GOOD, outcome=Pending()), first)["phase"] == "CREATING"


def test_a_status_is_written_only_if_it_differs_and_drops_what_nobody_wants() -> None:
    assert build_status_patch({"phase": "ACTIVE"}, {"phase": "ACTIVE"}) is None
    assert build_status_patch(None, {"phase": "ACTIVE"}) == {"status": {"phase": "ACTIVE"}}
    assert build_status_patch({"old": 1}, {"phase": "ACTIVE"}) == {"status": {"old": None, "phase": "ACTIVE"}}
    nested = build_status_patch({"capacity": {"nodes": 1, "warm": {"ready": 1}}}, {"capacity": {"nodes": 1}})
    assert nested == {"status": {"capacity": {"nodes": 1, "warm": None}}}


FOUND = replace(GOOD, detected=True, classes=("kata", "runc"), sandboxes=("kata",))


def message_of(status: dict[str, Any], kind: str) -> str:
    return next(str(one["message"]) for one in status["conditions"] if one["type"] == kind)


def test_a_sandbox_that_nobody_named_is_told_with_the_others() -> None:
    text = "RuntimeClass kata exists and was taken because neither the profile nor the chart's value sandbox names one"
    assert message_of(decide(FOUND), "RuntimeClassFound") == text
    several = replace(FOUND, sandboxes=("kata", "kata-clh", "gvisor"))
    assert (
        message_of(decide(several), "RuntimeClassFound") == f"{text}; it stays, though there is kata-clh, gvisor, too"
    )


def test_a_cluster_without_a_sandbox_is_told_what_to_do() -> None:
    nothing = replace(PROFILE, runtime_class=NO_SANDBOX)
    status = decide(replace(FOUND, profile=nothing, runtime_class_exists=False, classes=("runc",), sandboxes=()))
    (issue,) = status["health"]["issues"]
    assert (status["phase"], issue["code"], issue["resourceIds"]) == ("CREATE_FAILED", "RuntimeClassNotFound", [])
    assert issue["message"].startswith("no RuntimeClass is Kata's or gVisor's (there is only runc), so matching pods")
    assert "kata-deploy" in issue["message"]
    assert "runtimeClassName" not in status


def test_a_missing_class_is_told_with_those_that_exist() -> None:
    status = decide(replace(GOOD, runtime_class_exists=False, sandboxes=("kata-qemu", "gvisor")))
    assert message_of(status, "RuntimeClassFound").endswith(
        "`kubectl get runtimeclass`, where there is kata-qemu, gvisor"
    )
