"""A receipt: what one pod was billed for, second by second and price by price, and how each moment is known."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from monopod.ledger.rules.wire import encode_lifetime
from monopod.ledger.server.rules.amounts import Money, compute_money, encode_usage, to_text, to_time
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB
from monopod.usage.rules.bill import HOUR, MINIMUM_SECONDS, Bill, Terms, compute_bill, is_over
from monopod.usage.rules.lifetime import Evidence, Lifetime
from monopod.usage.rules.price import MIB_PER_GIB, MILLIS
from monopod.usage.rules.price_book import PriceBook, Span

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One resource of one price.

    Attributes:
        resource: `vCPU`, `memory` or `storage`.
        amount: vCPUs or GB, as provisioned.
        unit_price: of one for an hour.
    """

    resource: str
    since: int
    seconds: int
    amount: Fraction
    unit_price: Fraction
    version: str

    @property
    def cost(self) -> Fraction:
        """What it comes to."""
        return self.amount * self.seconds / HOUR * self.unit_price

    def encode(self) -> Json:
        """As answers have it."""
        return {
            "resource": self.resource,
            "since": to_time(self.since * 1000),
            "seconds": self.seconds,
            "amount": to_text(self.amount),
            "unitPrice": to_text(self.unit_price),
            "prices": self.version,
            "cost": to_text(self.cost),
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is billed of a lifetime, and why.

    Attributes:
        lifetime: the facts.
        bill: the billed span; None if its images never began to be pulled.
        lines: what `money.billed` is the sum of.
        money: the cost, within its bounds.
        explanation: sentences, in order: the start, the end, the minimum.
    """

    lifetime: Lifetime
    bill: Bill | None
    lines: tuple[Line, ...]
    money: Money
    explanation: tuple[str, ...]

    def encode(self) -> Json:
        """As answers have it."""
        bill = self.bill
        return {
            "facts": encode_lifetime(self.lifetime),
            "bill": None
            if bill is None
            else {
                "start": to_time(bill.start * 1000),
                "end": to_time(bill.end * 1000),
                "endNotBefore": to_time(bill.least * 1000),
                "endNotAfter": to_time(bill.most * 1000),
                "seconds": bill.seconds,
                "isOpen": bill.is_open,
                **encode_usage(bill.clip(bill.start, bill.end).billed),
            },
            "lines": [line.encode() for line in self.lines],
            "cost": self.money.encode(),
            "explanation": list(self.explanation),
        }


def build_receipt(lifetime: Lifetime, terms: Terms, book: PriceBook, now: int) -> Receipt:
    """The receipt of a lifetime whose `alive` is up to date."""
    bill = compute_bill(lifetime, terms, now)
    if bill is None:
        return Receipt(lifetime, None, (), Money(), ("Its images never began to be pulled, so nothing is billed.",))
    money, lines = Money(), list[Line]()
    for span in book.split(bill.start, bill.most):
        usage = bill.clip(span.since, span.until)
        money += compute_money(span.prices, usage, bill.description.capacity, bill.description.architecture)
        if usage.billed.seconds:
            lines += _build_lines(bill, span, usage.billed.seconds)
    return Receipt(lifetime, bill, tuple(lines), money, tuple(_explain(lifetime, bill, terms)))


def _build_lines(bill: Bill, span: Span, seconds: int) -> list[Line]:
    size, prices = bill.description, span.prices
    rate = prices.rates[prices.choose_rate(size.capacity, size.architecture)]
    extra = max(0, size.storage_gib - DEFAULT_STORAGE_GIB)
    parts = [
        ("vCPU", Fraction(size.cpu_millis, MILLIS), Fraction(rate.vcpu_hour)),
        ("memory", Fraction(size.memory_mib, MIB_PER_GIB), Fraction(rate.gb_hour)),
        *([("storage", Fraction(extra), Fraction(prices.storage_gb_hour or 0))] if extra else []),
    ]
    version = f"{prices.book}@{prices.effective}"
    return [Line(name, span.since, seconds, amount, price, version) for name, amount, price in parts]


_NARROWER: Final = {
    Evidence.LISTED_IN_PAST: "Lists of the API server's past show when it was still there, or gone.",
    Evidence.NAME_REUSED: "Its StatefulSet made the next pod of its name, so it was gone by then.",
    Evidence.KUBELET_EVENT: "It was there when its kubelet last reported an Event about it.",
    Evidence.KILLING_EVENT: "It was there when its kubelet reported that it was stopping a container.",
    Evidence.SCHEDULED_EVENT: "It was there when the Event of its scheduling was reported.",
}
"""Of an end that wasn't seen: what else is known of it."""


def _explain(lifetime: Lifetime, bill: Bill, terms: Terms) -> list[str]:
    told = []
    if lifetime.start is None:
        told.append("No recorder saw it start: if it ran, it was while none of them watched.")
    elif lifetime.start_is_acknowledged:
        told.append("It starts when the kubelet acknowledged the pod: when the image pull began isn't known.")
    elif Evidence.PULLING_EVENT in lifetime.evidence:
        told.append("It starts when the images began to be pulled, as an Event told.")
    else:
        told.append("It starts when the images began to be pulled.")
    if Evidence.INFERRED_FROM_SIBLINGS in lifetime.evidence and not lifetime.seen_by:
        told.append(
            "Nobody watched while it lived: its Events tell of it, and its size is that of its workload's pods before "
            "and after it, which are alike."
        )
    if is_over(lifetime, terms):
        told.append("It ends when its containers had ended.")
    elif bill.is_open:
        told.append("The pod exists still: it is billed until it was last seen.")
    elif bill.least == bill.most:
        seen = {
            Evidence.WATCHED_DELETION: "its deletion was watched.",
            Evidence.REPLAYED_DELETION: "its deletion was replayed from the API server's history.",
        }
        how = next((words for evidence, words in seen.items() if evidence in lifetime.evidence), "")
        told.append(f"The end is known to the second{': ' + how if how else '.'}")
    else:
        told.append(
            f"The end wasn't seen: it came within {bill.most - bill.least} s, between when the pod was last seen and "
            "when it was known to be gone."
        )
        told += [sentence for evidence, sentence in _NARROWER.items() if evidence in lifetime.evidence]
    if bill.seconds == MINIMUM_SECONDS:
        told.append(f"At least {MINIMUM_SECONDS} s are billed.")
    if lifetime.contradictions:
        told.append(
            "It was seen again after it was said to be gone: the cluster's state was restored, or a clock is wrong."
        )
    return told
