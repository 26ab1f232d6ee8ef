import base64
import string

import pytest

from monopod.aws.rules.paging import LARGEST_PAGE, take_page
from monopod.aws.wire.call import AwsError

ASKED = "ListFargateProfiles c1"


def walk(names: list[str], size: int | None) -> list[list[str]]:
    pages = []
    token = None
    while token != "":
        page = take_page(names, ASKED, size, token)
        pages.append(page.names)
        token = page.next_token
    return pages


@pytest.mark.parametrize("names", [[], ["b"], list("cbaCBA"), list(reversed(string.printable)), ["ü", "文", "z", "/"]])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_pages_hold_each_name_once_in_order_and_none_is_empty(names: list[str], size: int) -> None:
    pages = walk(names, size)
    assert [name for page in pages for name in page] == sorted(names)
    assert all(len(page) == size for page in pages[:-1])
    assert pages[-1] or not names


@pytest.mark.eks("1.pages")
def test_without_a_size_a_page_is_as_large_as_awss() -> None:
    assert [len(page) for page in walk([f"{number:03}" for number in range(250)], None)] == [LARGEST_PAGE, 100, 50]


def test_what_comes_or_goes_meanwhile_leaves_no_gap() -> None:
    first = take_page("bdf", ASKED, 2, None)
    assert take_page("abcef", ASKED, 2, first.next_token).names == ["e", "f"]


def test_a_list_can_be_read_from_its_end() -> None:
    first = take_page("abcd", ASKED, 3, None, descending=True)
    assert first.names == ["d", "c", "b"]
    assert take_page("abxcd", ASKED, 3, first.next_token, descending=True).names == ["a"]


def test_the_same_question_has_the_same_token() -> None:
    assert take_page("abc", ASKED, 1, None) == take_page("cab", ASKED, 1, None)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "abc",
        "ä",
        take_page("abc", "ListFargateProfiles c2", 1, None).next_token,
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b'["ListFargateProfiles c1", 1]').decode(),
        base64.urlsafe_b64encode(b'{"ListFargateProfiles c1": 1}').decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
    ],
    ids=["empty", "garbage", "not-ascii", "of-another-cluster", "deep", "number", "mapping", "bytes"],
)
def test_a_token_for_something_else_is_refused(token: str) -> None:
    with pytest.raises(AwsError, match="InvalidParameterException"):
        take_page("abc", ASKED, 1, token)
