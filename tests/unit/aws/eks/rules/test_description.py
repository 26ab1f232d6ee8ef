import datetime
from typing import Any

import pytest

from monopod.aws.eks.rules.description import describe_profile, read_status
from monopod.aws.eks.rules.request import build_profile
from tests.unit.aws.eks.builders import ACCOUNT, ROLE, UID, a_profile, a_request, stored

ZONES = {"subnet-1": "a", "subnet-2": "a", "subnet-3": "b"}
EVERYTHING = a_request(
    fargateProfileName="Web_1",
    selectors=[
        {"namespace": "web-*", "labels": {"tier": "web?", "example.com/a": ""}},
        {"namespace": "a", "labels": {}},
        {"namespace": "b"},
    ],
    subnets=["subnet-3", "subnet-1", "subnet-2"],
    tags={"Team Größe": "a b", "empty": ""},
    clientRequestToken="t1",
)


@pytest.mark.parametrize(
    ("request_params", "zones"),
    [
        (EVERYTHING, ZONES),
        (EVERYTHING, {}),
        (a_request(), ZONES),
        (a_request(subnets=[], tags={}), ZONES),
        (a_request(subnets=["eu-central-1a"]), {}),
    ],
    ids=["everything", "everything-without-table", "nothing", "empty", "zone"],
)
def test_what_was_sent_comes_back_as_it_was_sent(request_params: dict[str, Any], zones: dict[str, str]) -> None:
    told = describe_profile(stored(build_profile(request_params, zones)), ACCOUNT)
    for name in ("fargateProfileName", "clusterName", "podExecutionRoleArn", "selectors"):
        assert told[name] == request_params[name]
    assert told["subnets"] == request_params.get("subnets", [])
    assert told["tags"] == request_params.get("tags", {})


def test_the_zones_of_the_subnets_are_the_profiles() -> None:
    assert build_profile(EVERYTHING, ZONES)["spec"]["subnets"] == ["b", "a"]
    assert "subnets" not in build_profile(EVERYTHING, {})["spec"]


def test_a_profile_of_kubectls_reads_as_one_of_ekss() -> None:
    told = describe_profile(a_profile("by.kubectl", subnets=["a"], podExecutionRoleARN=ROLE), ACCOUNT)
    assert told == {
        "fargateProfileName": "by.kubectl",
        "fargateProfileArn": f"arn:aws:eks:eu-central-1:111122223333:fargateprofile/c1/by.kubectl/{UID}",
        "clusterName": "c1",
        "createdAt": datetime.datetime(2026, 11, 29, 5, tzinfo=datetime.UTC),
        "podExecutionRoleArn": ROLE,
        "subnets": ["a"],
        "selectors": [{"namespace": "web"}],
        "status": "CREATING",
        "tags": {},
        "health": {"issues": []},
    }


def test_a_profile_without_a_role_names_none() -> None:
    assert "podExecutionRoleArn" not in describe_profile(a_profile(podExecutionRoleARN=""), ACCOUNT)


@pytest.mark.parametrize(
    ("phase", "terminating", "status"),
    [
        (None, False, "CREATING"),
        ("CREATING", False, "CREATING"),
        ("ACTIVE", False, "ACTIVE"),
        ("CREATE_FAILED", False, "CREATE_FAILED"),
        ("ACTIVE", True, "DELETING"),
        (None, True, "DELETING"),
        ("CREATE_FAILED", True, "DELETING"),
        ("DELETING", True, "DELETING"),
        ("DELETE_FAILED", True, "DELETE_FAILED"),
    ],
)
def test_the_status_is_the_phase_and_a_profile_that_goes_is_deleting(
    phase: str | None, terminating: bool, status: str
) -> None:
    profile = a_profile()
    profile["status"] = {"phase": phase} if phase else {}
    if terminating:
        profile["metadata"]["deletionTimestamp"] = "2026-11-29T06:00:00Z"
    assert read_status(profile) == status


def test_issues_have_a_code_that_aws_knows_and_monopods_words() -> None:
    issues = [
        {"code": "RuntimeClassNotFound", "message": "kata doesn't exist", "resourceIds": ["RuntimeClass/kata"]},
        {"code": "DryRunRefused", "message": "a quota"},
    ]
    profile = {**a_profile(), "status": {"phase": "CREATE_FAILED", "health": {"issues": issues}}}
    assert describe_profile(profile, ACCOUNT)["health"]["issues"] == [
        {
            "code": "InternalFailure",
            "message": "RuntimeClassNotFound: kata doesn't exist",
            "resourceIds": ["RuntimeClass/kata"],
        },
        {"code": "InternalFailure", "message": "DryRunRefused: a quota", "resourceIds": []},
    ]
