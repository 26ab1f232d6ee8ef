"""The prices that a user names."""

import datetime

from monopod.api.names import FARGATE
from monopod.cli.failure import UnreadableInput
from monopod.usage.books import UnknownBook, load_book
from monopod.usage.rules.price import PriceList


def read_prices(book: str, architecture: str) -> PriceList:
    """The prices of a book that hold today.

    Raises:
        UnreadableInput: there is no such book, or it has no price for the architecture.
    """
    try:
        prices = load_book(book).get_prices(int(datetime.datetime.now(datetime.UTC).timestamp()))
    except UnknownBook as problem:
        raise UnreadableInput(str(problem)) from None
    if (FARGATE, architecture) not in prices.rates:
        raise UnreadableInput(f"The price book {book} has no price for {architecture}.")
    return prices
