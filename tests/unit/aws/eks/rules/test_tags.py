import pytest

from monopod.aws.eks.rules.tags import build_tagging, build_untagging, find_reserved_key, read_tags
from monopod.aws.wire.call import AwsError
from tests.unit.aws.eks.builders import UID, a_profile


def test_tagging_changes_no_other_tag_and_no_other_profile() -> None:
    assert build_tagging(a_profile(tags={"a": "1"}), {"b": ""}) == {
        "metadata": {"uid": UID},
        "spec": {"tags": {"b": ""}},
    }


def test_untagging_removes_those_that_there_are() -> None:
    profile = a_profile(tags={"a": "1", "b": "2"})
    assert build_untagging(profile, ["b", "c", "b"]) == {"metadata": {"uid": UID}, "spec": {"tags": {"b": None}}}
    assert build_untagging(profile, ["c"]) is None
    assert build_untagging(a_profile(), ["c"]) is None


def test_a_profile_without_tags_has_none() -> None:
    assert read_tags(a_profile()) == {}


@pytest.mark.parametrize("key", ["aws:", "aws:owner", "AWS:owner", "Aws:x"])
def test_a_key_that_only_aws_may_use_is_refused(key: str) -> None:
    assert find_reserved_key({"a": "", key: ""})
    with pytest.raises(AwsError, match="BadRequestException: aws: prefixed tag key names are not allowed"):
        build_tagging(a_profile(), {key: ""})


@pytest.mark.parametrize("key", ["aws", "awsx:owner", "my-aws:owner"])
def test_other_keys_are_free(key: str) -> None:
    assert not find_reserved_key({key: "aws:"})
