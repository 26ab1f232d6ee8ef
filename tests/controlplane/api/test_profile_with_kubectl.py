"""A FargateProfile in the hands of kubectl: what may be changed, what is shown, how it is explained."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.builders import ROLE, a_profile, create, refusals

CREATE_ANOTHER = "can't be changed; create another profile with the new value, then delete this one"


@pytest.fixture
def existing(installed: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a profile made for one test, with the optional fields that the test's parameter names."""
    optional = getattr(request, "param", {})
    name = "existing"
    answer = create(
        installed, a_profile(name, selectors=[{"namespace": "prod", "labels": {"tier": "web"}}], **optional)
    )
    assert answer.returncode == 0, answer.stderr
    yield name
    installed.kubectl("delete", "fp", name, "--wait=true")


def patch(cluster: Any, name: str, spec: dict[str, Any], *arguments: str) -> Any:
    change = json.dumps({"spec": spec})
    return cluster.kubectl("patch", "fp", name, "--type=merge", "-p", change, *arguments, check=False)


GIVEN = {"runtimeClassName": "kata", "podExecutionRoleARN": ROLE}
ZONED = {"subnets": ["eu-1a"]}
FORBIDDEN_CHANGES = {
    "a selector's namespace": ({}, {"selectors": [{"namespace": "dev", "labels": {"tier": "web"}}]}, "selectors"),
    "a selector's labels": ({}, {"selectors": [{"namespace": "prod", "labels": {"tier": "api"}}]}, "selectors"),
    "a selector without its labels": ({}, {"selectors": [{"namespace": "prod"}]}, "selectors"),
    "one more selector": (
        {},
        {"selectors": [{"namespace": "prod", "labels": {"tier": "web"}}, {"namespace": "dev"}]},
        "selectors",
    ),
    "another runtimeClassName": (GIVEN, {"runtimeClassName": "gvisor"}, "runtimeClassName"),
    "runtimeClassName added": ({}, {"runtimeClassName": "kata"}, "runtimeClassName"),
    "runtimeClassName removed": (GIVEN, {"runtimeClassName": None}, "runtimeClassName"),
    "another podExecutionRoleARN": (GIVEN, {"podExecutionRoleARN": f"{ROLE}2"}, "podExecutionRoleARN"),
    "podExecutionRoleARN added": ({}, {"podExecutionRoleARN": ROLE}, "podExecutionRoleARN"),
    "other subnets": (ZONED, {"subnets": ["eu-1a", "eu-1b"]}, "subnets"),
    "subnets added": ({}, {"subnets": ["eu-1a"]}, "subnets"),
    "subnets removed": (ZONED, {"subnets": None}, "subnets"),
    "podExecutionRoleARN removed": (GIVEN, {"podExecutionRoleARN": None}, "podExecutionRoleARN"),
}


@pytest.mark.eks("1.immutable")
@pytest.mark.parametrize(
    ("existing", "change", "field"), FORBIDDEN_CHANGES.values(), ids=FORBIDDEN_CHANGES, indirect=["existing"]
)
def test_a_change_of_what_never_changes_is_refused(
    installed: Any, existing: str, change: dict[str, Any], field: str
) -> None:
    answer = patch(installed, existing, change)
    assert refusals(answer.stderr) == [f"spec.{field}: Forbidden: {field} {CREATE_ANOTHER}"]


ALLOWED_CHANGES = {
    "unsupportedPods": {"unsupportedPods": "Reject"},
    "tags added": {"tags": {"team": "web"}},
    "unsupportedPods back to its default": {"unsupportedPods": None},
    "security groups": {"securityGroups": ["web"], "podSecurityGroups": "Allow", "isolation": "PerGroup"},
    "what pods may have": {"allowedAnnotations": ["k8s.v1.cni.cncf.io/*"], "seLinuxOptions": "Allow"},
    "capabilities": {"allowedCapabilities": ["SYS_PTRACE", "NET_ADMIN"]},
    "what becomes of pods that opt out": {"optOut": "Refuse"},
    "what becomes of existing pods": {"existingPods": "Keep", "maxUnavailable": 2, "paused": True},
    "what becomes of pods that nothing replaces": {"barePods": "Recreate", "runningJobs": "Reschedule"},
}


@pytest.mark.eks("1.immutable")
@pytest.mark.parametrize("change", ALLOWED_CHANGES.values(), ids=ALLOWED_CHANGES)
@pytest.mark.parametrize("existing", [GIVEN], ids=[""], indirect=True)
def test_the_other_fields_may_change(installed: Any, existing: str, change: dict[str, Any]) -> None:
    answer = patch(installed, existing, change)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.eks("1.message-exists")
def test_a_profile_of_the_same_name_is_refused(installed: Any, existing: str) -> None:
    answer = create(installed, a_profile(existing))
    assert f'fargateprofiles.monopod.dev "{existing}" already exists' in answer.stderr


def set_status(cluster: Any, name: str, status: dict[str, Any]) -> Any:
    change = json.dumps({"status": status})
    return cluster.kubectl(
        "patch", "fp", name, "--subresource=status", "--type=merge", "-p", change, "-o", "json", check=False
    )


def test_kubectl_get_fp_shows_phase_selectors_pods_and_age(installed: Any, existing: str) -> None:
    set_status(installed, existing, {"phase": "ACTIVE", "selectors": "prod{tier=web}", "pods": 3})
    header, row = installed.kubectl("get", "fp", existing).stdout.splitlines()
    assert header.split() == ["NAME", "PHASE", "SELECTORS", "PODS", "AGE"]
    assert row.split()[:-1] == [existing, "ACTIVE", "prod{tier=web}", "3"]


def test_the_wide_table_says_what_the_profile_waits_for(installed: Any, existing: str) -> None:
    condition = {"type": "Ready", "status": "False", "reason": "CreateFailed", "message": "There is no RuntimeClass"}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    set_status(installed, existing, {"conditions": [condition]})
    header, row = installed.kubectl("get", "fp", existing, "-o", "wide").stdout.splitlines()
    costs = ["COST/HOUR", "COST/MONTH", "CURRENCY"]
    assert header.split() == [
        "NAME", "PHASE", "SELECTORS", "PODS", "MOVED", "RUNTIMECLASS", *costs, "MESSAGE", "AGE",
    ]  # fmt: skip
    assert "There is no RuntimeClass" in row
    assert row[header.index(costs[0]) : header.index("MESSAGE")].split() == []  # nobody said what it costs


@pytest.mark.parametrize(("amount", "is_taken"), [("0.0123", True), ("-1", False), ("NaN", False), ("1e9", False)])
def test_what_a_profile_costs_is_an_amount(installed: Any, existing: str, amount: str, is_taken: bool) -> None:
    usage = {"costPerHour": amount, "costThisMonth": "41.0712", "currency": "USD", "observedAt": "2026-01-01T00:00:00Z"}
    answer = set_status(installed, existing, {"usage": usage})
    assert (answer.returncode == 0) is is_taken
    assert is_taken or "status.usage.costPerHour: Invalid value" in answer.stderr


def test_an_unknown_phase_is_refused(installed: Any, existing: str) -> None:
    answer = set_status(installed, existing, {"phase": "READY"})
    assert 'status.phase: Unsupported value: "READY"' in answer.stderr


def test_a_condition_is_true_false_or_unknown(installed: Any, existing: str) -> None:
    condition = {"type": "Ready", "status": "Yes", "reason": "Active", "message": ""}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    answer = set_status(installed, existing, {"conditions": [condition]})
    assert 'status.conditions[0].status: Unsupported value: "Yes"' in answer.stderr


def merge(cluster: Any, name: str, change: dict[str, Any], *arguments: str) -> Any:
    answer = cluster.kubectl(
        "patch", "fp", name, "--type=merge", "-p", json.dumps(change), "-o", "json", *arguments, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_whoever_writes_the_status_leaves_the_spec_alone(installed: Any, existing: str) -> None:
    change = {"spec": {"unsupportedPods": "Reject"}, "status": {"phase": "ACTIVE"}}
    written = merge(installed, existing, change, "--subresource=status")
    assert (written["spec"]["unsupportedPods"], written["status"]) == ("Pend", {"phase": "ACTIVE"})


def test_whoever_writes_the_spec_leaves_the_status_alone(installed: Any, existing: str) -> None:
    change = {"spec": {"unsupportedPods": "Reject"}, "status": {"phase": "ACTIVE"}}
    written = merge(installed, existing, change)
    assert (written["spec"]["unsupportedPods"], written.get("status")) == ("Reject", None)


EXPLAINED = {
    "fp": "A FargateProfile says which pods run each in a sandbox of their own",
    "fp.spec": "selectors\t<[]Object> -required-",
    "fp.spec.selectors": "namespace\t<string> -required-",
    "fp.spec.selectors.labels": "Labels that a pod must carry, all of them; at most 5.",
    "fp.spec.unsupportedPods": "Pend, as on EKS",
    "fp.spec.podExecutionRoleARN": "Accepted so that profiles from EKS apply as they are",
    "fp.spec.existingPods": "Keep, as on EKS: they are left where they are.",
    "fp.spec.maxUnavailable": "a percentage of its replicas (rounded down, but at least 1).",
    "fp.status.phase": "ACTIVE means observed",
    "fp.status.rescheduling.blocked": "`blockers` says why",
    "sg.spec": "What the pods of the group may accept and open.",
    "sg.spec.egress.to.entity": "Nodes: the cluster's nodes.",
    "sgp.spec": "Which pods of the namespace have which groups.",
    "storedpod.status.phase": "NameTaken: another pod has the name",
}


@pytest.mark.parametrize(("path", "text"), EXPLAINED.items(), ids=EXPLAINED)
def test_kubectl_explain_reads_well(installed: Any, path: str, text: str) -> None:
    explanation = installed.kubectl("explain", path).stdout
    unwrapped = re.sub(r" *\n *", " ", explanation)
    assert text in unwrapped
    assert "<empty>" not in explanation
