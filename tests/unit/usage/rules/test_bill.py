"""A bill is a span of whole seconds, and every report clips it."""

import random
from functools import reduce
from itertools import pairwise
from operator import add

import pytest

from monopod.usage.rules.bill import BilledUntil, LostNode, Range, Terms, UnknownEnd, Usage, compute_bill
from monopod.usage.rules.lifetime import Lifetime
from tests.unit.usage.rules.golden_bills import NOON, Golden, a_lifetime, read_golden

SEEDS = range(150)
GOLDEN = read_golden()
AGES = 10**12


def test_there_are_enough_of_them() -> None:
    assert len(GOLDEN) >= 60


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_a_bill_is_what_was_computed_by_hand(golden: Golden) -> None:
    bill = compute_bill(golden.lifetime, golden.terms, golden.now)
    if golden.seconds is None:
        assert bill is None
        return
    assert bill is not None
    assert bill.start == (golden.lifetime.start or golden.lifetime.alive) // 1000
    assert (bill.least - bill.start, bill.seconds, bill.most - bill.start) == golden.seconds
    assert bill.clip(0, AGES).billed == golden.usage
    assert bill.is_open == golden.lifetime.is_open


def a_random_lifetime(dice: random.Random) -> Lifetime:
    moments = {key: dice.randrange(0, 20_000_000) for key in ("finished", "node", "container") if dice.random() < 0.5}
    return a_lifetime(
        size=(dice.choice([250, 500, 4000]), dice.choice([512, 1024, 30720]), dice.choice([20, 21, 198])),
        pull=dice.randrange(0, 4000) * 1000,
        ack=0,
        alive=dice.choice([0, dice.randrange(0, 20_000_000)]),
        gone=[dice.randrange(0, 20_000_000) for _ in range(dice.randrange(3))],
        **moments,
    )


def random_terms(dice: random.Random) -> Terms:
    return Terms(dice.choice(list(BilledUntil)), dice.choice(list(UnknownEnd)), dice.choice(list(LostNode)))


@pytest.mark.parametrize("seed", SEEDS)
def test_reports_of_adjacent_periods_add_up(seed: int) -> None:
    dice = random.Random(seed)
    bill = compute_bill(a_random_lifetime(dice), random_terms(dice), NOON + 10_000_000)
    assert bill is not None
    around = range(bill.start - 100, bill.most + 100)
    cuts = sorted([0, AGES, *(dice.choice(around) for _ in range(6))])
    whole = bill.clip(0, AGES)
    assert reduce(add, (bill.clip(since, until) for since, until in pairwise(cuts))) == whole
    hours = list(bill.split_hours())
    assert reduce(add, (amount for _, amount in hours)) == whole
    assert [hour % 3600 for hour, _ in hours] == [0] * len(hours)
    assert all(amount.most.seconds for _, amount in hours)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_billed_lies_between_the_least_and_the_most(seed: int) -> None:
    dice = random.Random(seed)
    bill = compute_bill(a_random_lifetime(dice), random_terms(dice), NOON + 10_000_000)
    assert bill is not None
    assert bill.start + 60 <= bill.least <= bill.end <= bill.most
    since = dice.randrange(bill.start - 10, bill.most + 10)
    part = bill.clip(since, since + dice.randrange(0, 5000))
    assert part.least.seconds <= part.billed.seconds <= part.most.seconds


@pytest.mark.parametrize("alive", [0, 1, 999, 30_000, 59_999])
@pytest.mark.parametrize("pull", [0, 3570_000, 3599_000])
def test_the_minimum_of_a_minute_lands_once_across_an_hour(alive: int, pull: int) -> None:
    end = pull + alive
    bill = compute_bill(a_lifetime(pull=pull, alive=end, gone=[end]), Terms(), NOON)
    assert bill is not None
    assert sum(amount.billed.seconds for _, amount in bill.split_hours()) == 60


def test_a_period_before_or_after_has_nothing_of_it() -> None:
    bill = compute_bill(a_lifetime(pull=0, alive=61_000, gone=[61_000]), Terms(), NOON)
    assert bill is not None
    assert bill.clip(0, bill.start) == bill.clip(bill.end, AGES) == bill.clip(bill.end, bill.start) == Range()


def test_a_month_of_ten_thousand_of_the_largest_pods_stays_exact() -> None:
    bill = compute_bill(a_lifetime(size=(16000, 122880, 198), pull=0, alive=0, gone=[2_592_000_000]), Terms(), NOON)
    assert bill is not None
    assert reduce(add, [bill.clip(0, AGES).most] * 10_000) == Usage(
        25_920_000_000, 414_720_000_000_000, 3_185_049_600_000_000, 4_613_760_000_000
    )


@pytest.mark.eks("5.starts-with-the-pull")
def test_the_bill_starts_with_the_pull_and_not_with_the_mounts() -> None:
    bill = compute_bill(a_lifetime(ack=0, pull=40_000, container=52_000, alive=140_000, gone=[140_000]), Terms(), NOON)
    assert bill is not None
    assert (bill.start, bill.seconds) == (NOON // 1000 + 40, 100)


@pytest.mark.eks("5.until-the-object-is-gone")
def test_a_completed_pod_is_billed_until_its_object_is_gone() -> None:
    bill = compute_bill(a_lifetime(pull=0, finished=30_000, alive=86_400_000, gone=[86_400_000]), Terms(), NOON)
    assert bill is not None
    assert bill.seconds == 86_400


@pytest.mark.eks("5.per-second")
def test_a_second_that_has_begun_is_billed() -> None:
    bill = compute_bill(a_lifetime(pull=0, alive=61_001, gone=[61_001]), Terms(), NOON)
    assert bill is not None
    assert bill.seconds == 62


@pytest.mark.eks("5.minute")
def test_five_seconds_are_billed_as_a_minute() -> None:
    bill = compute_bill(a_lifetime(pull=0, alive=5_000, gone=[5_000]), Terms(), NOON)
    assert bill is not None
    assert bill.seconds == 60


@pytest.mark.eks("5.storage")
def test_storage_is_billed_above_what_every_pod_has() -> None:
    bill = compute_bill(a_lifetime(size=(250, 512, 21), pull=0, alive=60_000, gone=[60_000]), Terms(), NOON)
    assert bill is not None
    assert bill.clip(0, AGES).billed.storage_gib_seconds == 60


def test_a_recorder_whose_clock_was_ahead_bills_no_second_that_is_to_come() -> None:
    bill = compute_bill(a_lifetime(alive=86_400_000, pull=0), Terms(), NOON + 90_000)
    assert bill is not None
    assert (bill.least - bill.start, bill.seconds, bill.most - bill.start) == (90, 90, 90)
