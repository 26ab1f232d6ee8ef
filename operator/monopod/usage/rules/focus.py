"""Lifetimes as rows of FOCUS, the open format of cost data, 1.4 and 1.2.

A lifetime has up to three rows in each charge period: vCPU, memory, and ephemeral storage above 20 GiB. FOCUS demands
that a cost be its price times its quantity, and a quantity in hours rarely has an end (61 s are 0.016944… hours). So
quantities are rounded to twelve decimals, and costs are exact products of these.
"""

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from monopod.api.names import FARGATE_SPOT
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB, PodSize, format_capacity
from monopod.usage.rules.bill import HOUR, Bill, Terms, Usage, compute_bill
from monopod.usage.rules.charge_period import Granularity, compute_month, split_charge_periods
from monopod.usage.rules.focus_columns import COLUMNS, FocusVersion
from monopod.usage.rules.lifetime import ARM, Lifetime
from monopod.usage.rules.price import MIB_PER_GIB, MILLIS, PriceList, round_amount
from monopod.usage.rules.price_book import PriceBook, Span

PROVIDER = "Monopod"

Row = dict[str, str | Decimal | None]
"""A row by column, in the order of the columns; times are text such as `2026-11-28T12:00:00Z`."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose pods these are.

    Attributes:
        cluster_id: the uid of the namespace kube-system.
        cluster_name: "" if it has none.
    """

    cluster_id: str
    cluster_name: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """What an export is to hold; times are seconds since the epoch, `now` milliseconds.

    Attributes:
        since: first second.
        until: first second that is no longer in it.
    """

    account: Account
    book: PriceBook
    terms: Terms
    since: int
    until: int
    now: int
    version: FocusVersion = FocusVersion.V1_4
    granularity: Granularity = Granularity.DAY


@dataclass(frozen=True, slots=True)
class _Meter:
    """What is charged: a quantity, in hours, at a price."""

    name: str
    sku: str
    unit: str
    quantity: Fraction
    price: Decimal


def build_rows(lifetime: Lifetime, export: Export) -> Iterator[Row]:
    """The rows of a lifetime, by charge period; none if it isn't billed for any second of the export."""
    bill = compute_bill(lifetime, export.terms, export.now)
    if bill is None:
        return
    since, until = max(bill.start, export.since), min(bill.end, export.until)
    shared = _describe_pod(lifetime, bill, export)
    for span in split_charge_periods(since, until, export.granularity, export.book):
        usage = bill.clip(span.since, span.until).billed
        for meter in _list_meters(usage, span.prices, lifetime):
            values = {**shared, **_describe_period(span), **_charge(meter, span.prices, lifetime)}
            yield {column: values.get(column) for column in COLUMNS[export.version]}


def build_billing_periods(since: int, until: int, now: int) -> Iterator[Row]:
    """The rows of the data set Billing Period: each month of a span that has begun; all in seconds since the epoch."""
    start, end = compute_month(since)
    while start < min(until, now):
        yield _build_billing_period(start, end, now)
        start, end = compute_month(end)


def _build_billing_period(start: int, end: int, now: int) -> Row:
    return {
        "BillingPeriodCreated": _format_time(start),
        "BillingPeriodEnd": _format_time(end),
        "BillingPeriodLastUpdated": _format_time(now),
        "BillingPeriodStart": _format_time(start),
        "BillingPeriodStatus": "Open",  # what was seen late may still change any month
        "InvoiceIssuerName": PROVIDER,
    }


def format_value(value: str | Decimal | None) -> str:
    """A value as FOCUS writes it in CSV: without an exponent, and nothing for null."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value or ""


def _list_meters(usage: Usage, prices: PriceList, lifetime: Lifetime) -> Iterator[_Meter]:
    capacity, architecture = prices.choose_rate(lifetime.description.capacity, lifetime.description.architecture)
    rate = prices.rates[capacity, architecture]
    prefix = f"{'SpotUsage-' if capacity == FARGATE_SPOT else ''}Fargate-{'ARM-' if architecture == ARM else ''}"
    vcpu_hours = Fraction(usage.milli_vcpu_seconds, MILLIS * HOUR)
    yield _Meter("vCPU", f"{prefix}vCPU-Hours:perCPU", "vCPU-Hours", vcpu_hours, rate.vcpu_hour)
    gib_hours = Fraction(usage.mib_seconds, MIB_PER_GIB * HOUR)
    yield _Meter("Memory", f"{prefix}GB-Hours", "GiB-Hours", gib_hours, rate.gb_hour)
    if usage.storage_gib_seconds and prices.storage_gb_hour is not None:
        gib_hours = Fraction(usage.storage_gib_seconds, HOUR)
        yield _Meter(
            "Ephemeral storage", "Fargate-EphemeralStorage-GB-Hours", "GiB-Hours", gib_hours, prices.storage_gb_hour
        )


def _charge(meter: _Meter, prices: PriceList, lifetime: Lifetime) -> Row:
    quantity = round_amount(meter.quantity)
    with localcontext(prec=60):  # an exact product: quantities and prices have at most twenty decimals together
        cost = quantity * meter.price
    pod = lifetime.description
    return {
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), cost),
        "PricingCurrencyEffectiveCost": cost,
        **dict.fromkeys(("BillingCurrency", "PricingCurrency"), prices.currency),
        "ChargeDescription": f"{meter.name} of pod {pod.namespace}/{pod.name}",
        **dict.fromkeys(("PricingQuantity", "ConsumedQuantity"), quantity),
        **dict.fromkeys(("PricingUnit", "ConsumedUnit"), meter.unit),
        **dict.fromkeys(("ListUnitPrice", "ContractedUnitPrice"), meter.price),
        **dict.fromkeys(("PricingCurrencyListUnitPrice", "PricingCurrencyContractedUnitPrice"), meter.price),
        "PricingCategory": "Dynamic" if meter.sku.startswith("SpotUsage-") else "Standard",
        **dict.fromkeys(("RegionId", "RegionName"), prices.region or None),
        **dict.fromkeys(("SkuId", "SkuMeter"), meter.sku),
        "SkuPriceId": f"{prices.book}/{prices.effective}/{meter.sku}",
        "SkuPriceDetails": _write_json({"x_PriceSource": prices.source, "x_PriceChecked": str(prices.checked)}),
    }


def _describe_period(span: Span) -> Row:
    month = compute_month(span.since)
    return {
        "BillingPeriodStart": _format_time(month[0]),
        "BillingPeriodEnd": _format_time(month[1]),
        "ChargePeriodStart": _format_time(span.since),
        "ChargePeriodEnd": _format_time(span.until),
    }


def _describe_pod(lifetime: Lifetime, bill: Bill, export: Export) -> Row:
    pod, account = lifetime.description, export.account
    cluster = account.cluster_name or account.cluster_id
    end = lifetime.end
    size = format_capacity(PodSize(pod.cpu_millis, pod.memory_mib))
    storage = f" {pod.storage_gib}GiB" if pod.storage_gib > DEFAULT_STORAGE_GIB else ""
    return {
        "BillingAccountId": account.cluster_id,
        "BillingAccountName": account.cluster_name or None,
        "BillingAccountType": "Cluster",
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        **dict.fromkeys(("InvoiceIssuerName", "ServiceProviderName", "ProviderName", "PublisherName"), PROVIDER),
        "ResourceId": f"pod/{cluster}/{pod.namespace}/{pod.name}/{lifetime.uid}",
        "ResourceName": pod.name,
        "ResourceType": "Pod",
        "ServiceCategory": "Compute",
        "ServiceName": "Fargate profile (Monopod)",
        "ServiceSubcategory": "Serverless Compute",
        **dict.fromkeys(("SubAccountId", "SubAccountName"), pod.namespace),
        "SubAccountType": "Namespace",
        "Tags": _write_json(dict(lifetime.description.labels)),
        "x_Profile": pod.profile,
        "x_Workload": pod.workload,
        "x_Node": pod.node or None,
        "x_CapacityProvider": pod.capacity,
        "x_Architecture": pod.architecture,
        "x_Provisioned": size + storage,
        "x_Estimated": "true" if bill.least != bill.most else "false",
        "x_StartAcknowledged": "true" if lifetime.start_is_acknowledged else "false",
        "x_EndNotBefore": _format_time(end.earliest // 1000) if end else None,
        "x_EndNotAfter": _format_time(-(-end.latest // 1000)) if end else None,
        "x_Evidence": ",".join(sorted(lifetime.evidence)) or None,
    }


def _write_json(values: Mapping[str, str]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _format_time(second: int) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
