from dataclasses import replace

import pytest

from monopod.aws.eks.rules.arns import ClusterArn, ProfileArn, build_cluster_arn, build_profile_arn, parse_arn
from monopod.aws.wire.call import AwsError
from tests.unit.aws.eks.builders import ACCOUNT, UID

PROFILE = f"arn:aws:eks:eu-central-1:111122223333:fargateprofile/c1/Web_1/{UID}"


def test_a_profiles_arn_has_its_name_and_the_objects_uid() -> None:
    assert build_profile_arn(ACCOUNT, "Web_1", UID) == PROFILE
    assert parse_arn(ACCOUNT, PROFILE) == ProfileArn("Web_1", UID)


def test_the_clusters_arn() -> None:
    assert build_cluster_arn(ACCOUNT) == "arn:aws:eks:eu-central-1:111122223333:cluster/c1"
    assert parse_arn(ACCOUNT, build_cluster_arn(ACCOUNT)) == ClusterArn()


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("my-rack", "aws")],
)
def test_the_partition_is_the_regions(region: str, partition: str) -> None:
    assert build_cluster_arn(replace(ACCOUNT, region=region)).startswith(f"arn:{partition}:eks:{region}:")


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("", "BadRequestException"),
        ("web", "BadRequestException"),
        ("arn:aws:ecs:eu-central-1:111122223333:cluster/c1", "BadRequestException"),
        ("arn:aws:eks:eu-central-1:1111:cluster/c1", "BadRequestException"),
        (f"{PROFILE}\n", "BadRequestException"),
        (PROFILE.replace("/c1/", "/c2/"), "NotFoundException"),
        (PROFILE.replace("111122223333", "444455556666"), "NotFoundException"),
        (PROFILE.replace("eu-central-1", "us-east-1"), "NotFoundException"),
        (PROFILE.replace("fargateprofile", "nodegroup"), "NotFoundException"),
        (PROFILE.replace(f"/{UID}", ""), "NotFoundException"),
        (f"{PROFILE}/more", "NotFoundException"),
        (PROFILE.replace("/Web_1/", "//"), "NotFoundException"),
        (build_cluster_arn(replace(ACCOUNT, cluster="c2")), "NotFoundException"),
    ],
)
def test_an_arn_that_names_nothing_here_is_refused(arn: str, code: str) -> None:
    with pytest.raises(AwsError) as refused:
        parse_arn(ACCOUNT, arn)
    assert refused.value.code == code
