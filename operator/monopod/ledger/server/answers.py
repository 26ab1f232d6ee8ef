"""Answers, from a store and a price book: what pods cost, which run, what is known of one. Synchronous, for threads.

Whoever asks has been checked, and `namespaces` is what they may see. Every answer says which span it is about, how much
of that was watched, and by which prices it was computed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from monopod.ledger.server.rules.amounts import (
    Money,
    Sum,
    compute_hourly,
    compute_money,
    encode_book,
    encode_coverage,
    encode_usage,
    to_text,
    to_time,
)
from monopod.ledger.server.rules.question import Question, Subject
from monopod.ledger.server.rules.question import Span as Period
from monopod.ledger.server.rules.receipt import build_receipt
from monopod.ledger.store.answers import (
    BY_NAMESPACE,
    BY_PROFILE,
    Dimension,
    Grouping,
    TooManyGroupsError,
    TooManyLifetimesError,
)
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import HOUR, Range, Terms, compute_bill, is_charged
from monopod.usage.rules.charge_period import Granularity, compute_month, split_charge_periods
from monopod.usage.rules.coverage import compute_coverage
from monopod.usage.rules.focus import Account, Export, build_rows, format_value
from monopod.usage.rules.focus_columns import FocusVersion
from monopod.usage.rules.lifetime import Lifetime, Watched, compute_last_seen, compute_last_watched
from monopod.usage.rules.price_book import PriceBook

Json = dict[str, Any]
Namespaces = frozenset[str] | None

MOST_ROWS: Final = 50_000
MOST_RECEIPTS: Final = 5_000
WATCH_TOLERANCE_MS: Final = 30_000
"""How old a recorder's last word may be while it watches: it commits every few seconds."""

_KEYS: Final[Mapping[Subject, tuple[str, ...]]] = {
    Subject.NAMESPACE: ("namespace",),
    Subject.PROFILE: ("profile",),
    Subject.WORKLOAD: ("namespace", "workload"),
    Subject.POD: ("namespace", "pod", "uid"),
    Subject.LABEL: ("value",),
}


class TooManyRows(Exception):
    """An answer would be too long; another question gets it in parts."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What answers are made from.

    Attributes:
        store: the lifetimes.
        book: the prices.
        terms: how lifetimes are billed.
        account: whose pods these are, in FOCUS.
    """

    store: Store
    book: PriceBook
    terms: Terms
    account: Account

    def list_namespaces(self, period: Period, now: int) -> frozenset[str]:
        """Those in which something was used."""
        groups = self.store.sum_usage(period.since, period.until, BY_NAMESPACE, now=now)
        return frozenset(group.key[0] for group in groups)

    def answer_cost(self, question: Question, namespaces: Namespaces, now: int) -> Json:
        """What pods cost, by what was asked for, the dearest first.

        Raises:
            TooManyRows: there are too many.
        """
        sums = self._sum(question.span, Grouping(Dimension(question.by), question.label), namespaces, now)
        if len(sums) > MOST_ROWS:
            raise TooManyRows
        names = _KEYS[question.by]
        rows = sorted(sums.items(), key=lambda item: (-item[1].money.billed, item[0]))
        return {
            **self._describe(question.span, self.store.fetch_watched()),
            "by": f"label={question.label}" if question.by is Subject.LABEL else question.by,
            "rows": [{"key": dict(zip(names, key, strict=True)), **total.encode()} for key, total in rows],
            "total": _add(sums.values()).encode(),
        }

    def answer_running(self, namespaces: Namespaces, now: int) -> Json:
        """Which pods run, what they cost in an hour, and what the month comes to if nothing changes.

        Raises:
            TooManyRows: there are too many.
        """
        second = now // 1000
        rows, hourly = list[Json](), Fraction()
        for lifetime, start, price in self._price_running(second):
            if namespaces is not None and lifetime.description.namespace not in namespaces:
                continue
            hourly += price
            rows.append({**_describe_pod(lifetime), "since": to_time(start), "hourly": to_text(price)})
        if len(rows) > MOST_ROWS:
            raise TooManyRows
        begin, end = compute_month(second)
        month = Period(begin * 1000, second * 1000)
        spent = _add(self._sum(month, BY_NAMESPACE, namespaces, now).values())
        left = Fraction(end - second, HOUR)
        return {
            **self._describe(month, self.store.fetch_watched()),
            "pods": rows,
            "hourly": to_text(hourly),
            "monthToDate": spent.encode(),
            "projectedMonth": to_text(spent.money.billed + hourly * left),
        }

    def answer_profiles(self, now: int) -> Json:
        """What the pods of each profile cost in an hour, and this month so far, for the statuses of profiles.

        Raises:
            TooManyRows: there are too many profiles.
        """
        second = now // 1000
        hourly = dict[str, Fraction]()
        for lifetime, _, price in self._price_running(second):
            profile = lifetime.description.profile
            hourly[profile] = hourly.get(profile, Fraction()) + price
        begin, _ = compute_month(second)
        month = self._sum(Period(begin * 1000, second * 1000), BY_PROFILE, None, now)
        spent = {profile: total.money.billed for (profile,), total in month.items()}
        return {
            "currency": self.book.currency,
            "profiles": {
                profile: {
                    "hourly": to_text(hourly.get(profile, Fraction())),
                    "month": to_text(spent.get(profile, Fraction())),
                }
                for profile in sorted(hourly.keys() | spent.keys())
            },
        }

    def _price_running(self, second: int) -> Iterator[tuple[Lifetime, int, Fraction]]:
        """Yields the lifetimes whose bills grow, since when they are billed, and what they cost in an hour."""
        prices = self.book.get_prices(second)
        for lifetime in self.store.list_open():
            if is_charged(lifetime, self.terms) and lifetime.start is not None:
                yield lifetime, lifetime.start, compute_hourly(prices, lifetime.description)

    def answer_receipt(self, question: Question, now: int) -> Json:
        """All that is known of a pod's or a workload's lifetimes, and how their bills come about.

        Raises:
            TooManyRows: there are too many.
        """
        (namespace,) = question.namespaces
        name, workload = question.name or None, question.workload or None
        period = (question.span.since, question.span.until)
        try:
            found = self.store.find(
                namespace, name=name, workload=workload, uid=question.uid, period=period, most=MOST_RECEIPTS
            )
        except TooManyLifetimesError as error:
            message = f"There are more than {MOST_RECEIPTS} pods: ask for a shorter span by since and until."
            raise TooManyRows(message) from error
        windows = self.store.fetch_watched()
        lifetimes = list(extend(found, windows))
        receipts = [build_receipt(each, self.terms, self.book, now) for each in lifetimes]
        since = min((each.created for each in lifetimes), default=question.span.since)
        total = sum((each.money for each in receipts), Money())
        return {
            **self._describe(Period(since, question.span.until), windows),
            "terms": encode_terms(self.terms),
            "receipts": [each.encode() for each in receipts],
            "total": total.encode(),
        }

    def answer_coverage(self, period: Period) -> Json:
        """How much was watched, and by whom."""
        windows = self.store.fetch_watched()
        inside = [each for each in windows if each.until > period.since and each.since < period.until]
        return {
            **self._describe(period, windows),
            "terms": encode_terms(self.terms),
            "watched": [
                {"recorder": each.recorder, "since": to_time(each.since), "until": to_time(each.until)}
                for each in inside
            ],
        }

    def answer_verify(self) -> Json:
        """Where sums aren't what the lifetimes say; none if all is well."""
        found = list[Json]()
        count = 0
        for each in self.store.verify():
            count += 1
            if count <= MOST_ROWS:
                found.append({"what": each.what, "kept": each.kept, "computed": each.computed})
        return {"differences": found, "count": count}

    def describe(self, period: Period) -> Json:
        """What heads every answer."""
        return self._describe(period, self.store.fetch_watched())

    def iterate(self, period: Period, namespaces: Namespaces) -> Iterator[Lifetime]:
        """Yields the lifetimes that are billed for some of a span."""
        windows = self.store.fetch_watched()
        yield from extend(self.store.iterate(period.since, period.until, namespaces=namespaces), windows)

    def build_export(self, period: Period, version: FocusVersion, granularity: Granularity, now: int) -> Export:
        """What an export in FOCUS is to hold."""
        since, until = period.since // 1000, period.until // 1000
        return Export(self.account, self.book, self.terms, since, until, now, version, granularity)

    def _describe(self, period: Period, windows: list[Watched]) -> Json:
        coverage = compute_coverage(windows, period.since, period.until, WATCH_TOLERANCE_MS)
        return {
            "since": to_time(period.since),
            "until": to_time(period.until),
            "coverage": encode_coverage(coverage),
            "currency": self.book.currency,
            "book": encode_book(self.book, period.since, period.until),
        }

    def _sum(self, period: Period, by: Grouping, namespaces: Namespaces, now: int) -> dict[tuple[str, ...], Sum]:
        sums = dict[tuple[str, ...], Sum]()
        for span in self.book.split(period.since // 1000, period.until // 1000):
            since, until = span.since * 1000, span.until * 1000
            try:
                groups = self.store.sum_usage(since, until, by, now=now, namespaces=namespaces, most=MOST_ROWS)
            except TooManyGroupsError as error:
                raise TooManyRows from error
            for group in groups:
                usage = Range(group.least, group.billed, group.most)
                money = compute_money(span.prices, usage, group.capacity, group.architecture)
                sums[group.key] = sums.get(group.key, Sum()) + Sum(usage, money)
        return sums


def extend(lifetimes: Iterable[Lifetime], windows: Iterable[Watched]) -> Iterator[Lifetime]:
    """Yields the lifetimes, the open ones alive until the last moment at which a recorder that knew them watched."""
    until = compute_last_watched(windows)
    for lifetime in lifetimes:
        if lifetime.is_open:
            yield replace(lifetime, alive=max(lifetime.alive, compute_last_seen(lifetime.seen_by, until)))
        else:
            yield lifetime


def build_export_rows(
    lifetime: Lifetime, ledger: Ledger, period: Period, granularity: Granularity, now: int
) -> Iterator[Json]:
    """Yields what one lifetime was billed for, in each charge period in which it was."""
    bill = compute_bill(lifetime, ledger.terms, now)
    if bill is None:
        return
    since, until = max(bill.start, period.since // 1000), min(bill.most, period.until // 1000)
    for span in split_charge_periods(since, until, granularity, ledger.book):
        usage = bill.clip(span.since, span.until)
        money = compute_money(span.prices, usage, bill.description.capacity, bill.description.architecture)
        yield {
            **_describe_pod(lifetime),
            "periodStart": to_time(span.since * 1000),
            "periodEnd": to_time(span.until * 1000),
            **encode_usage(usage.billed),
            **money.encode_flat(),
            "currency": ledger.book.currency,
            "prices": f"{span.prices.book}@{span.prices.effective}",
            "start": to_time(bill.start * 1000),
            "endNotBefore": to_time(bill.least * 1000),
            "endNotAfter": "" if bill.is_open else to_time(bill.most * 1000),
            "evidence": " ".join(sorted(lifetime.evidence)),
        }


def build_focus_rows(lifetime: Lifetime, export: Export) -> Iterator[Json]:
    """Yields the rows of FOCUS of one lifetime; amounts as exact texts."""
    for row in build_rows(lifetime, export):
        yield {column: None if value is None else format_value(value) for column, value in row.items()}


def encode_terms(terms: Terms) -> Json:
    """How lifetimes are billed, in the words of the chart's values."""
    return {"until": terms.until, "unknownEnd": terms.unknown_end, "lostNode": terms.lost_node}


def _describe_pod(lifetime: Lifetime) -> Json:
    description = lifetime.description
    return {
        "namespace": description.namespace,
        "pod": description.name,
        "uid": lifetime.uid,
        "profile": description.profile,
        "workload": description.workload,
        "cpuMillis": description.cpu_millis,
        "memoryMib": description.memory_mib,
        "storageGib": description.storage_gib,
        "capacity": description.capacity,
        "architecture": description.architecture,
        "node": description.node,
    }


def _add(sums: Iterable[Sum]) -> Sum:
    return sum(sums, Sum())
