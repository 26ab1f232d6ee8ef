"""A lifetime is the same whatever was seen twice, in another order, by others, or read from a backup."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import pytest

from monopod.usage.rules.lifetime import Description, Evidence, Interval, Lifetime, Watched, join, join_watched

SEEDS = range(200)

A_POD = Lifetime(
    "uid",
    Description(7, "prod", "web-1", "web", "Deployment/web", 250, 512, 20, "FARGATE", "x86", "node-1", ()),
    created=1_000,
)


def a_fact(dice: random.Random) -> Lifetime:
    """Anything that a recorder may claim, contradictions included."""

    def perhaps() -> int | None:
        return dice.choice([None, dice.randrange(0, 200_000)])

    return Lifetime(
        "uid",
        replace(A_POD.description, version=dice.randrange(3), node=dice.choice(["", "a", "b"])),
        created=dice.choice([1_000, 2_000]),
        pull_started=perhaps(),
        acknowledged=perhaps(),
        container_started=perhaps(),
        finished=perhaps(),
        alive=dice.randrange(0, 200_000),
        gone=frozenset(dice.randrange(0, 200_000) for _ in range(dice.randrange(3))),
        node_renewed=perhaps(),
        seen_by=frozenset(dice.sample(["a", "b", "c"], dice.randrange(3))),
        evidence=frozenset(dice.sample(list(Evidence), dice.randrange(4))),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_join_is_commutative_associative_and_idempotent(seed: int) -> None:
    dice = random.Random(seed)
    a, b, c = a_fact(dice), a_fact(dice), a_fact(dice)
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(join(a, b), b) == join(a, b)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_with_duplicates_and_restored_backups_gives_the_same_lifetime(seed: int) -> None:
    dice = random.Random(seed)
    facts = [a_fact(dice) for _ in range(dice.randrange(1, 9))]
    expected = reduce(join, facts)
    repeated = facts + [dice.choice(facts) for _ in range(5)]
    dice.shuffle(repeated)
    # Two recorders share the facts, one is restored from a backup that it took on the way, then they exchange all.
    half = dice.randrange(len(repeated) + 1)
    one = [reduce(join, repeated[:half])] if half else []
    other = [reduce(join, repeated[half:])] if half < len(repeated) else []
    backup = [reduce(join, repeated[: dice.randrange(len(repeated)) + 1])]
    merged = one + other + backup
    dice.shuffle(merged)
    assert reduce(join, merged) == expected


def test_different_pods_are_not_joined() -> None:
    with pytest.raises(ValueError, match="different pods"):
        join(A_POD, replace(A_POD, uid="other"))


def test_the_newest_description_wins_whichever_comes_last() -> None:
    older = replace(A_POD, description=replace(A_POD.description, version=6, node="zzz"))
    assert join(A_POD, older).description == join(older, A_POD).description == A_POD.description


@pytest.mark.parametrize(
    ("change", "start", "acknowledged"),
    [
        pytest.param({}, None, False, id="never on a node"),
        pytest.param({"pull_started": 5, "acknowledged": 3}, 5, False, id="the pull, not the mounts before it"),
        pytest.param({"pull_started": 5, "acknowledged": 3, "container_started": 5}, 5, False, id="container at once"),
        pytest.param({"pull_started": 9, "acknowledged": 3, "container_started": 5}, 3, True, id="sandbox made again"),
        pytest.param({"pull_started": 9, "container_started": 5}, 9, False, id="sandbox made again, nothing earlier"),
        pytest.param({"acknowledged": 3, "container_started": 5}, 3, True, id="no condition, as with kwok"),
        pytest.param({"acknowledged": 3}, 3, True, id="no condition, no container"),
        pytest.param({"acknowledged": 3, "evidence": frozenset({"PullPending"})}, None, False, id="waits for a mount"),
        pytest.param({"acknowledged": 3, "evidence": frozenset({"Rejected"})}, None, False, id="refused by the node"),
        pytest.param(
            {"acknowledged": 3, "container_started": 5, "evidence": frozenset({"PullPending"})},
            3,
            True,
            id="waited, then ran unseen",
        ),
    ],
)
def test_the_bill_starts_where_the_pull_does(
    change: dict[str, int | frozenset[str]], start: int | None, acknowledged: bool
) -> None:
    build: Callable[..., Lifetime] = replace
    lifetime = build(A_POD, **change)
    assert (lifetime.start, lifetime.start_is_acknowledged) == (start, acknowledged)


@pytest.mark.parametrize(
    ("alive", "gone", "end", "contradictions"),
    [
        pytest.param(90_000, (), None, 0, id="open"),
        pytest.param(90_000, (90_000,), Interval(90_000, 90_000), 0, id="a watched deletion is exact"),
        pytest.param(90_000, (90_000, 90_004), Interval(90_000, 90_000), 0, id="the other one's later list adds none"),
        pytest.param(90_004, (90_000, 90_004), Interval(90_004, 90_004), 0, id="two recorders, milliseconds apart"),
        pytest.param(60_000, (90_000, 95_000), Interval(60_000, 90_000), 0, id="gone during an outage"),
        pytest.param(90_000, (60_000,), None, 1, id="seen again: it is open"),
        pytest.param(90_000, (60_000, 99_000), Interval(90_000, 99_000), 1, id="seen again, then gone"),
    ],
)
def test_the_end_lies_between_last_seen_and_first_known_to_be_gone(
    alive: int, gone: tuple[int, ...], end: Interval | None, contradictions: int
) -> None:
    lifetime = replace(A_POD, alive=alive, gone=frozenset(gone))
    assert (lifetime.end, lifetime.is_open, lifetime.contradictions) == (end, end is None, contradictions)


def test_a_window_is_as_long_as_the_latest_that_is_known() -> None:
    assert join_watched(Watched("a", 1, 5), Watched("a", 1, 9)) == Watched("a", 1, 9)
    with pytest.raises(ValueError, match="different windows"):
        join_watched(Watched("a", 1, 5), Watched("a", 2, 9))
