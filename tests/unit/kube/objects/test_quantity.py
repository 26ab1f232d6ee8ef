from fractions import Fraction

import pytest

from monopod.kube.objects.quantity import InvalidQuantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("1", 1),
        ("+1", 1),
        ("-1", -1),
        ("007", 7),
        ("1.5", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("1.", 1),
        ("250m", Fraction(1, 4)),
        ("100u", Fraction(1, 10_000)),
        ("1n", Fraction(1, 10**9)),
        ("2k", 2_000),
        ("2M", 2 * 10**6),
        ("2G", 2 * 10**9),
        ("2T", 2 * 10**12),
        ("2P", 2 * 10**15),
        ("2E", 2 * 10**18),
        ("1Ki", 2**10),
        ("1.5Mi", 3 * 2**19),
        ("512Mi", 2**29),
        ("1Gi", 2**30),
        ("1Ti", 2**40),
        ("1Pi", 2**50),
        ("1Ei", 2**60),
        ("1e3", 1_000),
        ("1E3", 1_000),
        ("1e+3", 1_000),
        ("15e-1", Fraction(3, 2)),
        ("1.5e3", 1_500),
        (" 1Gi ", 2**30),
    ],
)
def test_every_notation_of_kubernetes_is_read_exactly(text: str, amount: Fraction | int) -> None:
    assert parse_quantity(text) == amount


@pytest.mark.parametrize(
    ("value", "amount"),
    [(2, 2), (0, 0), (0.5, Fraction(1, 2)), (0.1, Fraction(1, 10)), (1e21, 10**21), (1e-7, Fraction(1, 10**7))],
)
def test_numbers_without_quotes_are_read_as_they_are_written(value: float, amount: Fraction | int) -> None:
    assert parse_quantity(value) == amount


def test_null_is_zero_as_in_the_api_server() -> None:
    assert parse_quantity(None) == 0


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.1n", Fraction(1, 10**9)),
        ("1.0000000001", 1 + Fraction(1, 10**9)),
        ("-0.1n", Fraction(-1, 10**9)),
        ("1e-30", Fraction(1, 10**9)),
    ],
)
def test_amounts_finer_than_a_billionth_are_rounded_away_from_zero(text: str, amount: Fraction) -> None:
    assert parse_quantity(text) == amount


def test_binary_amounts_stop_at_the_largest_64_bit_integer() -> None:
    assert parse_quantity("16Ei") == 2**63 - 1


@pytest.mark.parametrize("text", ["1" * 5000, "0." + "1" * 5000])
def test_more_digits_than_python_reads_are_refused(text: str) -> None:
    with pytest.raises(InvalidQuantity, match="at most 1000 digits"):
        parse_quantity(text)


@pytest.mark.timeout(1)
@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "0e999999999"])
def test_an_absurd_exponent_is_answered_at_once(text: str) -> None:
    parse_quantity(text)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "x", "1x", "1 Gi", "1ki", "1K", "1mi", "1gb", "1GB", "1GiB", "--1", "1..5", "1.5.5"),
        *("1e", "1e1.5", "1e3Gi", "٣", "nan", "inf", float("nan"), float("inf"), True, [], {}),
    ],
    ids=repr,
)
def test_what_is_no_quantity_is_refused_with_the_value_in_the_message(value: object) -> None:
    with pytest.raises(InvalidQuantity) as refusal:
        parse_quantity(value)
    assert repr(value) in str(refusal.value)
