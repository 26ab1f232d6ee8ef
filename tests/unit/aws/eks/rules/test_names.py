import random
import re

import pytest

from monopod.aws.eks.rules.names import check_name, compute_object_name
from monopod.aws.wire.call import AwsError
from monopod.kube.objects.names import DNS_LABEL

CHARACTERS = "abcABC019-_-_éЖ文"


def draw_name(draw: random.Random) -> str:
    first = draw.choice("abAB09éЖ文")
    return first + "".join(draw.choices(CHARACTERS, k=draw.choice([0, 1, 2, 5, 62, 63, 99])))


@pytest.mark.parametrize("name", ["web", "0", "web-1", "a" * 63, "by.kubectl"])
def test_a_name_that_kubernetes_takes_is_the_same_on_both_sides(name: str) -> None:
    assert compute_object_name(name) == name


@pytest.mark.eks("1.name")
def test_each_name_of_a_new_profile_is_one_that_the_kind_takes_and_no_others() -> None:
    draw = random.Random(1)
    names = {draw_name(draw) for _ in range(2_000)} | {"a" * length for length in range(1, 101)}
    made = {name: compute_object_name(name) for name in names}
    for name, of_object in made.items():
        check_name(name)
        assert re.fullmatch(DNS_LABEL, of_object), name
        assert not of_object.startswith("eks-"), name
        assert compute_object_name(of_object) == of_object
    assert len(set(made.values())) == len(names)


def test_a_name_in_upper_case_can_still_be_read() -> None:
    assert re.fullmatch(r"team-a-web-[0-9a-f]{12}", compute_object_name("Team_A-Web"))


@pytest.mark.parametrize("name", ["EKS-web", "Éks", "_", "ЖЖ"])
def test_no_made_name_has_the_reserved_prefix_or_nothing_before_its_hash(name: str) -> None:
    assert re.fullmatch(r"(?!eks-)[a-z].*-[0-9a-f]{12}", compute_object_name(name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "can not be empty"),
        ("a" * 101, "should not be greater than 100 characters."),
        ("a.b", "contains invalid characters"),
        ("a b", "contains invalid characters"),
        ("a\n", "contains invalid characters"),
        ("-a", "contains invalid characters"),
        ("_a", "contains invalid characters"),
        ("a/../b", "contains invalid characters"),
        ("eks-web", "starts with the reserved prefix: 'eks-'."),
    ],
)
def test_what_eks_takes_for_no_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(AwsError) as refused:
        check_name(name)
    assert refused.value.code == "InvalidParameterException"
    assert refused.value.message.endswith(message)
