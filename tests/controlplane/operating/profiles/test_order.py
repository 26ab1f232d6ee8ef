"""Profiles among each other: how many there may be, and which get in each other's way; and how a profile ends."""

import pytest

from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import SANDBOX, Lab, OperatorProcess, build_profile, eventually

FINALIZER = "monopod.dev/profile"


def finalizers(lab: Lab, name: str) -> list[str]:
    return list((lab.get("FargateProfile", name) or {"metadata": {}})["metadata"].get("finalizers", ()))


def distinction(lab: Lab, name: str) -> tuple[str, str]:
    condition = lab.condition(name, "Distinct")
    return condition.get("reason", ""), condition.get("message", "")


@pytest.mark.eks("1.quota")
def test_the_quota_holds_at_the_api_server_and_ends_with_a_deletion(lab: Lab, start: StartOperator) -> None:
    start("--no-leader-elect", "--profile-quota", "2")
    for name in ("a", "b"):
        lab.create_profile(name, f"{name}-*")
        lab.becomes_active(name)
    eventually(lambda: lab.quota() == {"profiles": "a\nb", "quota": "2"})
    third = build_profile("c", selectors=[{"namespace": "c-*"}])
    eventually(lambda: "quota of Fargate profiles" in lab.create(third, dry_run=True).message)
    lab.delete_profile("a")
    eventually(lambda: lab.create(third).ok)
    lab.becomes_active("c")


def test_profiles_that_got_past_the_quota_wait_for_room_and_older_ones_stay(lab: Lab, start: StartOperator) -> None:
    lab.create_namespace("quota")
    first = start("--no-leader-elect")
    lab.create_profile("a", "quota")
    lab.create_profile("b", "quota")
    lab.becomes_active("a")
    lab.becomes_active("b")
    first.kill()
    lab.create_profile("c", "quota")
    start("--no-leader-elect", "--profile-quota", "1")
    eventually(lambda: lab.phase("c") == "CREATE_FAILED")
    (issue,) = lab.status("c")["health"]["issues"]
    assert issue["code"] == "ProfileQuotaExceeded"
    assert (lab.phase("a"), lab.phase("b")) == ("ACTIVE", "ACTIVE")
    assert lab.namespace_marks("quota") == ("true", f"a|{SANDBOX}|Pend||\nb|{SANDBOX}|Pend||")
    lab.delete_profile("a")
    lab.delete_profile("b")
    lab.becomes_active("c")


@pytest.mark.usefixtures("operator")
def test_a_profile_that_never_wins_says_because_of_whom(lab: Lab) -> None:
    lab.create_profile("narrow", "shadow-x", labels={"tier": "web"})
    lab.becomes_active("narrow")
    assert distinction(lab, "narrow")[0] == "NoOverlap"
    lab.create_profile("all", "shadow-*")
    eventually(lambda: distinction(lab, "narrow")[0] == "NeverWins")
    assert "profile all comes first by name" in distinction(lab, "narrow")[1]
    assert lab.phase("narrow") == "ACTIVE"
    eventually(lambda: distinction(lab, "all")[0] == "NoOverlap")
    lab.delete_profile("all")
    eventually(lambda: distinction(lab, "narrow")[0] == "NoOverlap")


@pytest.mark.usefixtures("operator")
def test_profiles_with_equal_selectors_name_each_other(lab: Lab) -> None:
    lab.create_profile("a", "equal-*")
    lab.create_profile("b", "equal-**")
    eventually(lambda: [distinction(lab, name)[0] for name in ("a", "b")] == ["EqualSelectors"] * 2)
    assert "profile b selects the same pods" in distinction(lab, "a")[1]
    assert "profile a selects the same pods" in distinction(lab, "b")[1]


@pytest.mark.usefixtures("operator")
def test_a_finalizer_that_someone_takes_away_comes_back(lab: Lab) -> None:
    lab.create_profile("web", "taken-*")
    lab.becomes_active("web")
    lab.patch("FargateProfile", "web", {"metadata": {"finalizers": None}})
    eventually(lambda: finalizers(lab, "web") == [FINALIZER])


def test_a_profile_that_others_hold_is_let_go_and_stops_no_deletion(lab: Lab, operator: OperatorProcess) -> None:
    lab.create_profile("held", "held-*")
    lab.create_profile("other", "other-*")
    lab.becomes_active("held")
    lab.becomes_active("other")
    lab.patch("FargateProfile", "held", {"metadata": {"finalizers": [FINALIZER, "example.com/theirs"]}})
    lab.delete("FargateProfile", "held")
    eventually(lambda: finalizers(lab, "held") == ["example.com/theirs"])
    eventually(lambda: "example.com/theirs" in lab.condition("held", "Deleting").get("message", ""))
    lab.delete_profile("other")
    lab.create_profile("new", "new-*")
    lab.becomes_active("new")


def test_a_profile_deleted_while_no_operator_runs_waits_for_one(lab: Lab, start: StartOperator) -> None:
    lab.create_namespace("waiting")
    first = start("--no-leader-elect")
    lab.create_profile("web", "waiting")
    lab.becomes_active("web")
    lab.create_pod("waiting", "app")
    first.kill()
    lab.delete("FargateProfile", "web")
    assert finalizers(lab, "web") == [FINALIZER]
    assert lab.namespace_marks("waiting")[0] == "true"
    start("--no-leader-elect")
    eventually(lambda: lab.is_gone("web"))
    assert lab.namespace_marks("waiting") == (None, None)
    assert lab.list_all("Pod", "waiting") == []
