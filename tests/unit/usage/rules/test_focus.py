"""Exports hold to FOCUS: its model and rules as `focus-data-toolkit` has them, and costs that are exact products."""

import datetime
import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from focus_data_toolkit.model.validator import lint_focus_1_4_structure
from focus_data_toolkit.schema.registry import version_columns

from monopod.usage.books import load_book
from monopod.usage.rules.bill import Terms, UnknownEnd, compute_bill
from monopod.usage.rules.charge_period import Granularity
from monopod.usage.rules.focus import Account, Export, Row, build_billing_periods, build_rows, format_value
from monopod.usage.rules.focus_columns import BILLING_PERIOD_COLUMNS, COLUMNS, FocusVersion, Kind, get_kind
from monopod.usage.rules.lifetime import Lifetime
from monopod.usage.rules.price_book import PriceBook
from tests.unit.usage.rules.golden_bills import NOON, Golden, a_lifetime, read_golden

AGES = 4 * 10**9
ACCOUNT = Account("cluster-uid", "demo")
RULES = ("SupportsMultiplePricingCategories", "SupportsUnitPricing")
GOLDEN = [each for each in read_golden() if each.seconds]

CHANGING = PriceBook.from_resource(
    {
        "name": "changing",
        "region": "eu-central-1",
        "currency": "EUR",
        "versions": [
            {
                "effective": effective,
                "source": "a test",
                "checked": effective,
                "rates": {"FARGATE": {"x86": {"vcpuHour": price, "gbHour": "0.01"}}},
                "storageGbHour": "0.0001",
            }
            for effective, price in (("2026-01-01", "0.04"), ("2026-12-10", "0.05"), ("2027-01-01", "0.06"))
        ],
    }
)


def an_export(**change: Any) -> Export:
    return replace(Export(ACCOUNT, load_book("us-east-1"), Terms(), 0, AGES, now=NOON), **change)


def build(lifetime: Lifetime, **change: Any) -> list[Row]:
    return list(build_rows(lifetime, an_export(**change)))


def lint(rows: Sequence[Row], dataset: str = "Cost and Usage") -> list[str]:
    text = [{column: format_value(value) for column, value in row.items()} for row in rows]
    return lint_focus_1_4_structure(dataset, text, supported_conditions=RULES).messages()


def amount(row: Row, column: str) -> Decimal:
    value = row[column]
    assert isinstance(value, Decimal)
    return value


def second(row: Row, column: str) -> int:
    return int(datetime.datetime.fromisoformat(format_value(row[column])).timestamp())


def test_61_seconds_of_the_smallest_size() -> None:
    vcpu, memory = build(a_lifetime(pull=0, alive=61_000, gone=[61_000]))
    assert (format_value(vcpu["PricingQuantity"]), format_value(vcpu["ListCost"])) == (
        "0.004236111111",
        "0.00017147777777328",
    )
    assert (format_value(memory["PricingQuantity"]), format_value(memory["ListCost"])) == (
        "0.008472222222",
        "0.00003765902777679",
    )
    assert (vcpu["SkuMeter"], memory["SkuMeter"]) == ("Fargate-vCPU-Hours:perCPU", "Fargate-GB-Hours")
    assert vcpu["SkuPriceId"] == "us-east-1/2026-01-01/Fargate-vCPU-Hours:perCPU"
    assert (vcpu["ChargePeriodStart"], vcpu["ChargePeriodEnd"]) == ("2026-11-28T12:00:00Z", "2026-11-28T12:01:01Z")
    assert (vcpu["BillingPeriodStart"], vcpu["BillingPeriodEnd"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert (vcpu["ResourceId"], vcpu["SubAccountId"]) == ("pod/demo/prod/web-1/uid", "prod")
    assert (vcpu["x_Provisioned"], vcpu["x_Estimated"]) == ("0.25vCPU 0.5GB", "false")


@pytest.mark.parametrize("book", ["us-east-1", "sa-east-1", "my-rack"])
@pytest.mark.parametrize("granularity", list(Granularity))
def test_exports_of_1_4_pass_the_lint(book: str, granularity: Granularity) -> None:
    rows = [
        row
        for golden in GOLDEN
        if golden.seconds and golden.seconds[1] < 10**4
        for row in build(golden.lifetime, book=load_book(book), granularity=granularity, terms=golden.terms)
    ]
    assert len(rows) >= 2 * 60
    assert lint(rows) == []


def test_the_lint_sees_a_wrong_cost() -> None:
    """Or the test above would show nothing."""
    row = build(a_lifetime(pull=0, alive=61_000, gone=[61_000]))[0]
    assert lint([{**row, "ListCost": amount(row, "ListCost") + Decimal("0.001")}])


def test_billing_periods_of_1_4_pass_the_lint() -> None:
    now = NOON // 1000
    rows = list(build_billing_periods(now - 70 * 86_400, now + 400 * 86_400, now))
    assert all(tuple(row) == BILLING_PERIOD_COLUMNS for row in rows)
    assert lint(rows, "Billing Period") == []
    assert all(row["BillingPeriodEnd"] == following["BillingPeriodStart"] for row, following in pairwise(rows))
    assert second(rows[0], "BillingPeriodStart") <= now - 70 * 86_400
    assert second(rows[-1], "BillingPeriodStart") <= now < second(rows[-1], "BillingPeriodEnd")


def test_every_row_lies_in_a_billing_period_of_the_same_span() -> None:
    lifetime = a_lifetime(pull=0, alive=80 * 86_400_000, gone=[80 * 86_400_000])
    known = {(row["BillingPeriodStart"], row["BillingPeriodEnd"]) for row in build_billing_periods(0, AGES, AGES)}
    rows = build(lifetime)
    assert len({row["BillingPeriodStart"] for row in rows}) > 2
    assert {(row["BillingPeriodStart"], row["BillingPeriodEnd"]) for row in rows} <= known


def test_a_span_that_has_not_begun_has_no_billing_period() -> None:
    assert list(build_billing_periods(NOON // 1000 + 40 * 86_400, AGES, NOON // 1000)) == []


def test_1_2_has_every_column_of_1_2() -> None:
    columns = [column for column in COLUMNS[FocusVersion.V1_2] if not column.startswith("x_")]
    assert len(columns) == 57
    assert set(columns) == version_columns("Cost and Usage", "1.2")
    row = build(a_lifetime(pull=0, alive=61_000, gone=[61_000]), version=FocusVersion.V1_2)[0]
    assert tuple(row) == COLUMNS[FocusVersion.V1_2]
    assert (row["ProviderName"], row["PublisherName"], row["InvoiceId"]) == ("Monopod", "Monopod", None)


def test_1_4_has_no_column_that_1_4_has_not() -> None:
    columns = {column for column in COLUMNS[FocusVersion.V1_4] if not column.startswith("x_")}
    assert columns <= version_columns("Cost and Usage", "1.4")


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_the_rows_add_up_to_the_bill(golden: Golden) -> None:
    """Off by the rounding of each quantity at the thirteenth decimal, times a price."""
    rows = build(golden.lifetime, terms=golden.terms, now=golden.now)
    total = sum((Fraction(amount(row, "BilledCost")) for row in rows), Fraction())
    assert abs(total - Fraction(golden.usd_seconds) / 3600) <= len(rows) * Fraction(1, 2 * 10**13)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("granularity", list(Granularity))
def test_no_row_crosses_a_month_or_a_change_of_prices_and_none_is_missing(seed: int, granularity: Granularity) -> None:
    dice = random.Random(seed)
    pull, length = dice.randrange(50 * 86_400) * 1000, dice.randrange(1, 60 * 86_400) * 1000
    if granularity is Granularity.HOUR:
        length //= 40
    lifetime = a_lifetime(size=(500, 1024, 42), pull=pull, alive=pull + length, gone=[pull + length])
    bill = compute_bill(lifetime, Terms(), NOON)
    assert bill is not None
    rows = build(lifetime, book=CHANGING, granularity=granularity)
    by_meter = {meter: [row for row in rows if row["SkuMeter"] == meter] for meter in {row["SkuMeter"] for row in rows}}
    assert len(by_meter) == 3
    longest = {Granularity.HOUR: 3600, Granularity.DAY: 86_400, Granularity.LIFETIME: AGES}[granularity]
    for meter_rows in by_meter.values():
        periods = [(second(row, "ChargePeriodStart"), second(row, "ChargePeriodEnd")) for row in meter_rows]
        assert [start for start, _ in periods] == [bill.start, *(end for _, end in periods[:-1])]
        assert periods[-1][1] == bill.end
        for (start, end), row in zip(periods, meter_rows, strict=True):
            assert 0 < end - start <= longest
            assert second(row, "BillingPeriodStart") <= start < end <= second(row, "BillingPeriodEnd")
            expected = {CHANGING.get_prices(start).effective, CHANGING.get_prices(end - 1).effective}
            assert {str(each) for each in expected} == {format_value(row["SkuPriceId"]).split("/")[1]}
    for row in rows:
        for cost, price in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
            product = Fraction(amount(row, price)) * Fraction(amount(row, "PricingQuantity"))
            assert Fraction(amount(row, cost)) == product


def test_an_export_is_clipped_and_adjacent_ones_add_up() -> None:
    lifetime = a_lifetime(pull=0, alive=7_200_000, gone=[7_200_000])
    middle = NOON // 1000 + 3600
    early, late = build(lifetime, until=middle), build(lifetime, since=middle)
    assert [row["ChargePeriodEnd"] for row in early] == ["2026-11-28T13:00:00Z"] * 2
    assert [row["ChargePeriodStart"] for row in late] == ["2026-11-28T13:00:00Z"] * 2
    assert build(lifetime, until=NOON // 1000) == build(lifetime, since=NOON // 1000 + 7200) == []
    assert amount(early[0], "BilledCost") + amount(late[0], "BilledCost") == Decimal("0.02024")


def test_a_pod_that_was_never_billed_has_no_rows() -> None:
    assert build(a_lifetime(alive=90_000, gone=[90_000])) == []


def test_spot_and_arm_have_skus_of_their_own() -> None:
    lifetime = a_lifetime(architecture="arm", pull=0, alive=60_000, gone=[60_000])
    spot = replace(lifetime, description=replace(lifetime.description, capacity="FARGATE_SPOT"))
    row = build(spot, book=load_book("sa-east-1"))[0]
    assert row["SkuMeter"] == "SpotUsage-Fargate-ARM-vCPU-Hours:perCPU"
    assert (row["PricingCategory"], row["ListUnitPrice"]) == ("Dynamic", Decimal("0.01870297"))
    assert lint([row]) == []
    plain = build(spot, book=load_book("eu-central-1"))[0]
    assert (plain["SkuMeter"], plain["PricingCategory"]) == ("Fargate-vCPU-Hours:perCPU", "Standard")
    assert (plain["x_CapacityProvider"], plain["x_Architecture"]) == ("FARGATE_SPOT", "arm")


def test_storage_is_a_row_where_it_has_a_price() -> None:
    lifetime = a_lifetime(size=(250, 512, 115), pull=0, alive=3_600_000, gone=[3_600_000])
    row = build(lifetime)[2]
    assert (row["SkuMeter"], format_value(row["PricingQuantity"])) == ("Fargate-EphemeralStorage-GB-Hours", "95")
    assert format_value(row["ListCost"]) == "0.010545"
    assert row["x_Provisioned"] == "0.25vCPU 0.5GB 115GiB"
    assert len(build(lifetime, book=load_book("eu-central-1"))) == 2


def test_tags_are_the_labels_of_the_pod() -> None:
    lifetime = a_lifetime(pull=0, alive=60_000, gone=[60_000])
    labels = (("app", "shöp"), ("stage", "test"))
    row = build(replace(lifetime, description=replace(lifetime.description, labels=labels)))[0]
    assert row["Tags"] == '{"app":"shöp","stage":"test"}'


def test_an_end_that_was_not_seen_is_said() -> None:
    lifetime = a_lifetime(ack=0, alive=100_000, gone=[400_500], evidence=["ListedGone", "Acknowledged"])
    row = build(lifetime, terms=Terms(unknown_end=UnknownEnd.MIDDLE))[0]
    assert row["ChargePeriodEnd"] == "2026-11-28T12:04:11Z"
    assert (row["x_Estimated"], row["x_StartAcknowledged"], row["x_Evidence"]) == (
        "true",
        "true",
        "Acknowledged,ListedGone",
    )
    assert (row["x_EndNotBefore"], row["x_EndNotAfter"]) == ("2026-11-28T12:01:40Z", "2026-11-28T12:06:41Z")


@pytest.mark.parametrize("version", list(FocusVersion))
def test_kinds_fit_the_values(version: FocusVersion) -> None:
    for row in build(a_lifetime(pull=0, alive=61_000, gone=[61_000]), version=version):
        for column, value in row.items():
            if value is not None:
                assert isinstance(value, Decimal) == (get_kind(column) is Kind.DECIMAL), column
                assert format_value(value).endswith("00Z") or get_kind(column) is not Kind.TIME or "01Z" in str(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("a", "a"),
        (Decimal("1E-12"), "0.000000000001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("95.000"), "95"),
        (Decimal("100"), "100"),
        (Decimal(0), "0"),
    ],
)
def test_values_are_written_without_exponents(value: str | Decimal | None, text: str) -> None:
    assert format_value(value) == text
