"""What a lifetime is billed for, as the sums hold it: by the rules of `usage`, for one set of terms."""

from typing import Final

from monopod.ledger.store.rows import Spans
from monopod.usage.rules.bill import BilledUntil, LostNode, Terms, UnknownEnd, compute_bill
from monopod.usage.rules.lifetime import Lifetime

REVISION: Final = "1"
"""Of the rules: another one when they give another bill for the same facts, so that every sum is computed again."""


def encode_terms(terms: Terms) -> str:
    """Returns what the database remembers its sums by."""
    return " ".join((REVISION, terms.until, terms.unknown_end, terms.lost_node))


def decode_terms(text: str) -> Terms:
    """Returns the terms that were encoded."""
    _, until, unknown_end, lost_node = text.split()
    return Terms(BilledUntil(until), UnknownEnd(unknown_end), LostNode(lost_node))


def compute_spans(lifetime: Lifetime, terms: Terms, now: int) -> Spans | None:
    """Returns what a lifetime is billed for; None if nothing is. For one that has ended, `now` makes no difference."""
    bill = compute_bill(lifetime, terms, now)
    return None if bill is None else Spans(bill.start, bill.least, bill.end, bill.most)


def compute_final_spans(lifetime: Lifetime, terms: Terms) -> Spans | None:
    """Returns what an ended lifetime is billed for; None while it is open, too."""
    return None if lifetime.is_open else compute_spans(lifetime, terms, lifetime.alive)
