"""What becomes of a profile: selectors on its namespaces, a dry run, and a status that says how it went."""

import json

import pytest

from monopod.kube.objects.resources import NAMESPACES
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import SANDBOX, Json, Lab, OperatorProcess, build_profile, eventually

# Hardly any audits: what happens then, the watches have done.
WATCHES_ALONE = ("--resync-seconds", "600")
PATTERNS = ("ConfigMap", "monopod-namespaces", "monopod-system")


def find_conditions(lab: Lab, profile: str) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in lab.status(profile)["conditions"]}


@pytest.mark.eks("1.creating", "1.wildcards-in-namespaces")
def test_a_profile_becomes_active_once_a_trial_pod_comes_back_sandboxed(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("active")
    lab.create_profile("web", "active", "act*", labels={"t?er": "we*"})
    lab.becomes_active("web")
    conditions = {
        "Ready": ("True", "Active"),
        "Valid": ("True", "SpecValid"),
        "RuntimeClassFound": ("True", "RuntimeClassFound"),
        "AdmissionInstalled": ("True", "PoliciesInstalled"),
        "Published": ("True", "SelectorsPublished"),
        "NamespaceMatched": ("True", "NamespacesMatched"),
        "Distinct": ("True", "NoOverlap"),
        "Isolated": ("True", "PodsIsolated"),
        "Enforced": ("True", "DryRunSandboxed"),
        "Rescheduled": ("True", "AllMoved"),
        "Patched": ("True", "SandboxesCurrent"),
        "CapacityAvailable": ("False", "NoSandboxNodes"),
    }
    eventually(lambda: find_conditions(lab, "web") == conditions)
    status = lab.status("web")
    assert all(one["observedGeneration"] == 1 for one in status["conditions"])
    assert (status["observedGeneration"], status["pods"], status["health"]) == (1, 0, {"issues": []})
    assert status["selectors"] == "active{t?er=we*}, act*{t?er=we*}"


def test_an_active_profile_really_sandboxes_a_pod(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("really")
    lab.create_profile("web", "really")
    lab.becomes_active("web")
    lab.create_pod("really", "app")
    pod = lab.get("Pod", "app", "really") or {}
    assert pod["spec"]["runtimeClassName"] == SANDBOX
    assert pod["metadata"]["labels"]["monopod.dev/profile"] == "web"


def test_the_table_shows_the_sandbox_of_a_profile_that_names_none(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_profile("plain", "plain-*")
    lab.becomes_active("plain")
    header, row = lab.kubectl("get", "fp", "plain", "-o", "wide").stdout.splitlines()
    assert row[header.index("RUNTIMECLASS") :].split()[0] == SANDBOX


def test_the_phase_and_the_reason_are_told_in_an_event(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_profile("told", "told-*")
    lab.becomes_active("told")
    events = eventually(lambda: lab.events("default", "told"))
    assert [(event["type"], event["reason"]) for event in events] == [("Normal", "Active")]


def test_a_profile_without_a_namespace_is_active_and_says_that_none_matches(
    lab: Lab, operator: OperatorProcess
) -> None:
    lab.create_profile("early", "early-*")
    lab.becomes_active("early")
    assert lab.condition("early", "NamespaceMatched")["reason"] == "NoNamespaceMatches"
    assert lab.condition("early", "Enforced")["reason"] == "DryRunSandboxed"
    lab.create_namespace("early-1")
    eventually(lambda: lab.condition("early", "NamespaceMatched")["reason"] == "NamespacesMatched")
    assert lab.namespace_marks("early-1") == ("true", f"early|{SANDBOX}|Pend||")


@pytest.mark.eks("1.create-failed", "1.health-issues")
def test_a_missing_runtime_class_fails_the_profile_until_it_exists(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("sandboxless")
    lab.create_profile("without", "sandboxless", runtimeClassName="absent")
    eventually(lambda: lab.phase("without") == "CREATE_FAILED")
    (issue,) = lab.status("without")["health"]["issues"]
    assert (issue["code"], issue["resourceIds"]) == ("RuntimeClassNotFound", ["RuntimeClass/absent"])
    assert "install the sandbox absent" in issue["message"]
    eventually(lambda: find_conditions(lab, "without")["CapacityAvailable"] == ("Unknown", "RuntimeClassNotFound"))
    events = eventually(lambda: lab.events("default", "without"))
    assert {event["reason"] for event in events} == {"CreateFailed"}
    try:
        lab.create(
            {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "absent"}, "handler": "x"}
        ).expect_ok()
        lab.becomes_active("without")
        assert lab.status("without")["health"] == {"issues": []}
    finally:
        lab.delete("RuntimeClass", "absent")
    eventually(lambda: lab.phase("without") == "CREATE_FAILED")


def test_a_class_that_is_no_sandbox_fails_the_profile(lab: Lab, operator: OperatorProcess) -> None:
    plain = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "plain"}, "handler": "runc"}
    lab.create(plain).expect_ok()
    try:
        lab.create_profile("unsandboxed", "unsandboxed", runtimeClassName="plain")
        eventually(lambda: lab.phase("unsandboxed") == "CREATE_FAILED")
        (issue,) = lab.status("unsandboxed")["health"]["issues"]
        assert (issue["code"], issue["resourceIds"]) == ("NotASandbox", ["RuntimeClass/plain"])
        lab.delete("RuntimeClass", "plain")
        lab.create({**plain, "handler": "kata-qemu"}).expect_ok()
        lab.becomes_active("unsandboxed")
    finally:
        lab.delete("RuntimeClass", "plain")


def test_a_sandbox_that_nobody_names_is_found_and_then_kept(lab: Lab, start: StartOperator) -> None:
    start("--sandbox", "")
    gvisor = lab.get("RuntimeClass", SANDBOX) or {}
    kata = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "own"}, "handler": "kata-clh"}
    lab.delete("RuntimeClass", SANDBOX)
    try:
        lab.create_namespace("finding")
        lab.create_profile("finder", "finding")
        eventually(lambda: lab.phase("finder") == "CREATE_FAILED")
        assert lab.reason("finder") == "RuntimeClassNotFound"
        pod: Json = {"metadata": {"name": "early", "namespace": "finding"}}
        pod |= {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "app", "image": "app"}]}}
        eventually(lambda: "monopod-found-no-sandbox" in lab.create(pod, dry_run=True).message)
        lab.restore(gvisor)
        lab.becomes_active("finder")
        assert lab.status("finder")["runtimeClassName"] == SANDBOX
        lab.create(kata).expect_ok()
        eventually(lambda: "though there is own, too" in lab.condition("finder", "RuntimeClassFound")["message"])
        lab.create_profile("later", "finding-later")
        lab.becomes_active("later")
        assert lab.status("later")["runtimeClassName"] == "own"
        assert lab.namespace_marks("finding")[1] == f"finder|{SANDBOX}|Pend||"
        lab.delete("RuntimeClass", SANDBOX)
        eventually(lambda: lab.status("finder")["runtimeClassName"] == "own")
        lab.becomes_active("finder")
    finally:
        lab.restore(gvisor)
        lab.delete("RuntimeClass", "own")


@pytest.mark.eks("1.create-failed", "1.health-issues")
def test_missing_policies_fail_every_profile_until_they_are_back(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_profile("web", "policies-*")
    lab.becomes_active("web")
    binding = lab.get("MutatingAdmissionPolicyBinding", "monopod-pods") or {}
    lab.delete("MutatingAdmissionPolicyBinding", "monopod-pods")
    try:
        eventually(lambda: lab.phase("web") == "CREATE_FAILED")
        (issue,) = lab.status("web")["health"]["issues"]
        assert issue["code"] == "AdmissionPolicyMissing"
        assert issue["resourceIds"] == ["MutatingAdmissionPolicyBinding/monopod-pods"]
    finally:
        lab.restore(binding)
    lab.becomes_active("web")


def test_an_edited_policy_is_reported_and_takes_no_profile_out_of_force(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_profile("web", "edited-*")
    lab.becomes_active("web")
    policy = lab.get("MutatingAdmissionPolicy", "monopod-pods") or {}
    lab.patch("MutatingAdmissionPolicy", "monopod-pods", {"spec": {"failurePolicy": "Ignore"}})
    try:
        eventually(lambda: lab.reason("web") == "PolicyChanged")
        (issue,) = lab.status("web")["health"]["issues"]
        assert (issue["code"], issue["resourceIds"]) == ("PolicyChanged", ["MutatingAdmissionPolicy/monopod-pods"])
        assert (lab.phase("web"), lab.condition("web", "Enforced")["status"]) == ("ACTIVE", "True")
        lab.create_profile("later", "edited-later-*")
        lab.becomes_active("later")
    finally:
        lab.restore(policy)
    eventually(lambda: (lab.reason("web"), lab.reason("later")) == ("Active", "Active"))


def test_a_deleted_profile_leaves_nothing_on_its_namespaces(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("left")
    lab.create_profile("web", "left", "left-*")
    eventually(lambda: lab.namespace_marks("left") == ("true", f"web|{SANDBOX}|Pend||"))
    eventually(lambda: "|web|" in lab.patterns()["rows"])
    lab.delete_profile("web")
    eventually(lambda: lab.namespace_marks("left") == (None, None))
    eventually(lambda: lab.patterns()["rows"] == "")


def test_a_namespace_carries_the_rows_of_all_its_profiles(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("several")
    lab.create_profile("b", "several")
    lab.create_profile("a", "sev*", unsupportedPods="Reject")
    selectors = f"a|{SANDBOX}|Reject||\nb|{SANDBOX}|Pend||"
    eventually(lambda: lab.namespace_marks("several") == ("true", selectors))
    lab.delete_profile("a")
    eventually(lambda: lab.namespace_marks("several") == ("true", f"b|{SANDBOX}|Pend||"))


def test_what_someone_does_to_a_namespace_is_undone(lab: Lab, start: StartOperator) -> None:
    start(*WATCHES_ALONE)
    lab.create_namespace("tampered")
    lab.create_profile("web", "tampered")
    lab.becomes_active("web")
    expected = ("true", f"web|{SANDBOX}|Pend||")
    # Under the operator's identity, because a ValidatingAdmissionPolicy lets nobody else do this.
    assert mark(lab, "tampered", None, "forged") == 200
    eventually(lambda: lab.namespace_marks("tampered") == expected)


def test_a_namespace_that_no_profile_reaches_loses_forged_marks(lab: Lab, start: StartOperator) -> None:
    start(*WATCHES_ALONE)
    lab.create_namespace("forged")
    lab.create_profile("web", "elsewhere-*")
    lab.becomes_active("web")
    assert mark(lab, "forged", "true", "x|y|Pend||") == 200
    eventually(lambda: lab.namespace_marks("forged") == (None, None))


def mark(lab: Lab, namespace: str, label: str | None, selectors: str) -> int:
    marks = {"labels": {"monopod.dev/fargate": label}, "annotations": {"monopod.dev/profiles": selectors}}
    patch = {"metadata": marks}
    return lab.as_operator("PATCH", NAMESPACES.path(namespace), patch, "application/merge-patch+json")


def test_what_someone_does_to_the_patterns_is_undone(lab: Lab, start: StartOperator) -> None:
    start(*WATCHES_ALONE)
    lab.create_profile("web", "pattern-*")
    wanted = {"rows": f"^pattern\\-.*$|web|{SANDBOX}|Pend||", "protected": "kube-system\nmonopod-system"}
    eventually(lambda: lab.patterns() == wanted)
    lab.becomes_active("web")
    lab.patch("ConfigMap", "monopod-namespaces", {"data": {"rows": "forged", "more": "x"}}, "monopod-system")
    eventually(lambda: lab.patterns() == wanted)
    lab.delete(*PATTERNS)
    eventually(lambda: lab.patterns() == wanted)


def test_an_object_that_makes_no_sense_is_reported_and_stops_no_other(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("sensible")
    crd = lab.get("CustomResourceDefinition", "fargateprofiles.monopod.dev") or {}
    lax: Json = json.loads(json.dumps(crd))
    schema = lax["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema.pop("x-kubernetes-validations", None)
    lab.restore(lax)
    try:
        senseless = build_profile("senseless", selectors="all", runtimeClassName=["kata"])
        eventually(lambda: lab.create(senseless).ok)
        lab.create_profile("sensible", "sensible")
        lab.becomes_active("sensible")
        eventually(lambda: lab.phase("senseless") == "CREATE_FAILED")
        assert lab.condition("senseless", "Valid")["reason"] == "SpecInvalid"
        eventually(lambda: operator.metric('monopod_profile_issues{code="SpecInvalid",profile="senseless"}') == 1)
    finally:
        lab.delete_profile("senseless")
        lab.restore(crd)


def test_an_idle_operator_writes_nothing(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_namespace("idle")
    lab.create_profile("web", "idle")
    lab.becomes_active("web")
    operator.becomes_quiet()

    def versions() -> list[str]:
        watched = (lab.get("FargateProfile", "web"), lab.get("Namespace", "idle"), lab.get(*PATTERNS))
        return [str((item or {})["metadata"]["resourceVersion"]) for item in watched]

    before = versions(), operator.count_writes()
    operator.passes_happen(3)
    assert (versions(), operator.count_writes()) == before
