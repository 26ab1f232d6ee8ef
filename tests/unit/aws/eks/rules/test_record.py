import copy
import json
from typing import Any

import pytest

from monopod.api.names import EKS_REQUEST_ANNOTATION, EKS_TOKEN_LABEL
from monopod.aws.eks.rules.names import compute_object_name
from monopod.aws.eks.rules.record import Record, hash_request, hash_token, read_record
from monopod.aws.eks.rules.request import build_profile
from tests.unit.aws.eks.builders import a_profile, a_request

ZONES = {"subnet-1": "a", "subnet-2": "a", "subnet-3": "b"}


def test_the_record_has_what_the_profile_cannot_say() -> None:
    request = a_request(fargateProfileName="Web_1", subnets=["subnet-3", "subnet-1", "subnet-2"])
    assert read_record(build_profile(request, ZONES)) == Record(
        "Web_1", ("subnet-3", "subnet-1", "subnet-2"), ("b", "a"), hash_request(request)
    )


def test_a_profile_of_kubectls_has_none() -> None:
    assert read_record(a_profile("by.kubectl")) == Record("by.kubectl")


@pytest.mark.parametrize(
    "annotation",
    ["", "{", "[]", "null", "7", '{"name": 7}', '{"name": "Other"}', "[" * 100_000, '{"subnets": ["subnet-1"]}'],
    ids=["empty", "broken", "list", "null", "number", "no-text", "other", "deep", "nameless"],
)
def test_an_annotation_that_does_not_fit_the_object_counts_for_nothing(annotation: str) -> None:
    profile = a_profile("web")
    profile["metadata"]["annotations"] = {EKS_REQUEST_ANNOTATION: annotation}
    assert read_record(profile) == Record("web")


def test_a_copied_manifest_under_another_name_has_its_own_name() -> None:
    profile = build_profile(a_request(fargateProfileName="Web"), {})
    profile["metadata"]["name"] = "copy"
    assert read_record(profile) == Record("copy")


@pytest.mark.parametrize("subnets", [["b"], [], None])
def test_a_copied_manifest_with_other_zones_has_no_subnets_of_before(subnets: list[str] | None) -> None:
    profile = build_profile(a_request(subnets=["subnet-1"]), ZONES)
    profile["spec"]["subnets"] = subnets
    assert read_record(profile).subnets is None


@pytest.mark.parametrize("said", [{"subnets": "subnet-1"}, {"subnets": [1]}, {"zones": [[]]}, {"request": 1}])
def test_parts_of_another_type_count_for_nothing(said: dict[str, Any]) -> None:
    profile = a_profile("web")
    profile["metadata"]["annotations"] = {EKS_REQUEST_ANNOTATION: json.dumps({"name": "web", **said})}
    assert read_record(profile) == Record("web")


def test_a_request_is_known_by_all_that_it_says_but_its_token() -> None:
    request = a_request(clientRequestToken="t1", tags={"a": "1", "b": "2"})
    again = {**dict(reversed(request.items())), "tags": {"b": "2", "a": "1"}, "clientRequestToken": "t2"}
    assert hash_request(request) == hash_request(again)
    for name in request.keys() - {"clientRequestToken"}:
        other = copy.deepcopy(request)
        other[name] = "other"
        assert hash_request(other) != hash_request(request)


@pytest.mark.parametrize("token", ["t", "x" * 5000, "with spaces / and ü", "\x00"])
def test_any_token_becomes_a_label(token: str) -> None:
    profile = build_profile(a_request(clientRequestToken=token), {})
    assert profile["metadata"]["labels"] == {EKS_TOKEN_LABEL: hash_token(token)}
    assert len(hash_token(token)) <= 63


def test_without_a_token_there_is_no_label() -> None:
    assert "labels" not in build_profile(a_request(), {})["metadata"]


def test_the_name_of_the_object_follows_from_the_profiles() -> None:
    assert build_profile(a_request(fargateProfileName="Web_1"), {})["metadata"]["name"] == compute_object_name("Web_1")
