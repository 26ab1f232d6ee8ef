import pytest

from monopod.aws.eks.rules.subnets import find_zones
from monopod.aws.wire.call import AwsError

ZONES = {"subnet-1": "a", "subnet-2": "b", "subnet-3": "a", "private": "c"}


@pytest.mark.parametrize(
    ("subnets", "zones", "found"),
    [
        ([], ZONES, ()),
        (["subnet-2", "subnet-1", "subnet-3"], ZONES, ("b", "a")),
        (["private"], ZONES, ("c",)),
        (["eu-central-1a", "subnet-1"], ZONES, ("eu-central-1a", "a")),
        (["subnet-0ab49c01946ecc462", "subnet-2"], {}, ()),
        (["eu-central-1a"], {}, ("eu-central-1a",)),
    ],
    ids=["none", "table", "named-by-the-table", "zone-beside-subnet", "no-table", "zone-without-table"],
)
def test_subnets_are_the_zones_that_the_administrator_says(
    subnets: list[str], zones: dict[str, str], found: tuple[str, ...]
) -> None:
    assert find_zones(subnets, zones) == found


@pytest.mark.parametrize(
    ("subnets", "zones", "message"),
    [
        (["subnet-1", "subnet-9"], ZONES, "The subnet ID 'subnet-9' does not exist"),
        (["subnet-"], {}, "The subnet ID 'subnet-' does not exist"),
        (["subnet-xyz"], {}, "The subnet ID 'subnet-xyz' does not exist"),
        (
            ["eu-central-1a", "subnet-1"],
            {},
            "Subnet subnet-1 is in no known zone, so it can't be listed together with zones",
        ),
    ],
    ids=["not-in-the-table", "no-id", "not-hexadecimal", "zone-beside-any"],
)
def test_what_is_no_subnet_is_refused(subnets: list[str], zones: dict[str, str], message: str) -> None:
    with pytest.raises(AwsError) as refused:
        find_zones(subnets, zones)
    assert (refused.value.code, refused.value.message) == ("InvalidParameterException", message)
