"""Lists of ECS's in pages."""

from collections.abc import Iterable
from typing import Final

from monopod.aws.ecs.rules.refusals import refuse_page_size
from monopod.aws.rules.paging import LARGEST_PAGE, Page, take_page
from monopod.aws.wire.call import Params

_SMALLEST_PAGE: Final = 1


def take(
    keys: Iterable[str], asked: str, params: Params, *, largest: int = LARGEST_PAGE, descending: bool = False
) -> Page:
    """The keys of the page that a request asks for.

    Args:
        keys: all that there are.
        asked: what the list is of.
        params: the request's; `maxResults` and `nextToken` of it are read.
        largest: how many a page has at most.
        descending: whether the last comes first.

    Raises:
        AwsError: there is no such page.
    """
    size = params.get("maxResults", largest)
    if not _SMALLEST_PAGE <= size <= largest:
        raise refuse_page_size(largest)
    return take_page(keys, asked, size, params.get("nextToken"), descending=descending)


def build_answer(member: str, listed: list[str], page: Page) -> Params:
    """The answer with a page's items, and the token for the next if there is one."""
    return {member: listed, **({"nextToken": page.next_token} if page.next_token else {})}
