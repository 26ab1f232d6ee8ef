"""What follows from lists of the past, from Events and from successors, and what doesn't."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from monopod.ledger.recorder.findings import Gathered, conclude
from monopod.ledger.recorder.past import Outage, PastList
from monopod.ledger.recorder.revision_times import RevisionTimes
from monopod.usage.rules.events import PodEvents
from monopod.usage.rules.lifetime import Evidence, Interval, Lifetime, join
from tests.unit.ledger.recorder.lifetimes import a_lifetime

SINCE, UNTIL = 100_000, 400_000
NONE = frozenset[str]().__contains__


def missing(uid: str = "x", **facts: object) -> Lifetime:
    """A pod that was known before, as the list that followed the outage closed it."""
    lifetime = a_lifetime(uid, version=5, alive=SINCE, gone=UNTIL)
    return replace(lifetime, evidence=frozenset({Evidence.LISTED_GONE}), **facts)  # type: ignore[arg-type] # a test's


def gather(*known: Lifetime, lists: Iterable[PastList] = (), events: Iterable[PodEvents] = ()) -> Gathered:
    """Each version is written at ten times its number, to the second."""
    outage = Outage(SINCE, UNTIL, 10_000, 40_000, frozenset({"stays"}), known)
    times = RevisionTimes()
    for version in range(10_000, 40_000, 100):
        times.add_write(version, version * 10)
    return Gathered(outage, [*lists], times, {(each.namespace, each.uid): each for each in events})


def list_at(version: int, *uids: str) -> PastList:
    return PastList(version, {uid: a_lifetime(uid, version=5) for uid in uids})


def events_of(uid: str, name: str = "", **facts: object) -> PodEvents:
    told = PodEvents(uid, "web", name or uid, None, "", None, None, 0, is_killing=False)
    return replace(told, **facts)  # type: ignore[arg-type] # a test's


def a_member(uid: str, workload: str, name: str, created: int, **about: object) -> Lifetime:
    known = a_lifetime(uid, alive=created)
    described = replace(known.description, workload=workload, name=name, **about)  # type: ignore[arg-type] # a test's
    return replace(known, description=described, created=created)


def end_of(found: list[Lifetime], uid: str = "x") -> Interval | None:
    return next(each.end for each in found if each.uid == uid)


def test_the_end_lies_between_the_last_list_that_shows_it_and_the_next() -> None:
    lists = [list_at(15_000, "x"), list_at(20_000, "x"), list_at(25_000), list_at(30_000)]
    (found,) = conclude(gather(missing(), lists=lists), [], NONE)
    assert found.end == Interval(200_000, 253_000)
    assert found.evidence == {"ListedGone", "ListedInPast"}


def test_it_was_gone_by_the_first_list_if_none_shows_it() -> None:
    found = conclude(gather(missing(), lists=[list_at(15_000), list_at(20_000)]), [], NONE)
    assert end_of(found) == Interval(SINCE, 153_000)


def test_a_list_says_nothing_of_a_pod_that_another_recorder_saw_later() -> None:
    later = missing(description=replace(missing().description, version=17_000))
    found = conclude(gather(later, lists=[list_at(15_000), list_at(20_000)]), [], NONE)
    assert end_of(found) == Interval(170_000, 203_000)


def test_a_pod_that_the_last_list_shows_was_gone_by_the_list_of_now() -> None:
    found = conclude(gather(missing(), lists=[list_at(35_000, "x")]), [], NONE)
    assert end_of(found) == Interval(350_000, UNTIL)


def test_a_pod_that_came_and_went_is_known_from_the_lists_that_show_it() -> None:
    (found,) = conclude(gather(lists=[list_at(15_000), list_at(20_000, "short"), list_at(25_000)]), [], NONE)
    assert (found.uid, found.end) == ("short", Interval(200_000, 253_000))
    assert found.evidence == {"ListedInPast"}


def test_without_anything_to_be_had_nothing_is_found() -> None:
    assert conclude(gather(missing()), [], NONE) == []


def test_what_a_list_says_against_what_was_seen_does_not_count() -> None:
    seen = missing(alive=180_000)
    found = conclude(gather(seen, lists=[list_at(15_000)]), [], NONE)
    assert end_of(found) == Interval(180_000, UNTIL)


def test_events_lengthen_a_life_and_name_what_they_were() -> None:
    events = events_of("x", alive=250_000, is_killing=True)
    (found,) = conclude(gather(missing(), events=[events]), [], NONE)
    assert found.end == Interval(250_000, UNTIL)
    assert found.evidence == {"ListedGone", "KillingEvent"}
    (found,) = conclude(gather(missing(), events=[replace(events, is_killing=False)]), [], NONE)
    assert found.evidence == {"ListedGone", "KubeletEvent"}


@pytest.mark.parametrize("alive", [50_000, SINCE, 260_000])
def test_events_that_are_known_or_refuted_do_not_count(alive: int) -> None:
    lists = [list_at(20_000, "x"), list_at(25_000)]
    gathered = gather(missing(), lists=lists, events=[events_of("x", alive=alive)])
    assert end_of(conclude(gathered, [], NONE)) == Interval(200_000, 253_000)


def test_events_of_another_namespace_lengthen_no_life() -> None:
    forged = events_of("x", namespace="theirs", alive=390_000, pull_started=101_000)
    assert conclude(gather(missing(), events=[forged]), [], NONE) == []
    own = events_of("x", alive=250_000)
    (found,) = conclude(gather(missing(), events=[forged, own]), [], NONE)
    assert (found.start, found.end) == (missing().start, Interval(250_000, UNTIL))


def test_an_event_tells_the_start_where_nothing_else_does() -> None:
    events = events_of("x", alive=150_000, pull_started=140_000, container_started=150_000)
    (found,) = conclude(gather(missing(), events=[events]), [], NONE)
    assert (found.start, found.container_started) == (140_000, 150_000)
    assert Evidence.PULLING_EVENT in found.evidence
    started = missing(pull_started=60_000)
    (found,) = conclude(gather(started, events=[events]), [], NONE)
    assert found.start == 60_000
    assert Evidence.PULLING_EVENT not in found.evidence


def test_the_next_pod_of_a_stateful_set_bounds_the_end_of_the_one_before() -> None:
    before = missing(description=a_member("x", "StatefulSet/db", "db-0", 0).description)
    after = a_member("y", "StatefulSet/db", "db-0", 200_000)
    (found,) = conclude(gather(before), [after], NONE)
    assert found.end == Interval(SINCE, 200_999)
    assert found.evidence == {"ListedGone", "NameReused"}


@pytest.mark.parametrize(
    "other",
    [
        a_member("y", "StatefulSet/db", "db-1", 200_000),
        a_member("y", "StatefulSet/db", "db-0", 50_000),
        a_member("y", "Pod/db-0", "db-0", 200_000),
        a_member("x", "StatefulSet/db", "db-0", 200_000),
    ],
    ids=["another number", "the one before it", "somebody else's pod of that name", "itself"],
)
def test_other_pods_bound_nothing(other: Lifetime) -> None:
    before = missing(description=a_member("x", "StatefulSet/db", "db-0", 0).description)
    assert conclude(gather(before), [other], NONE) == []


def test_a_creation_that_nobody_waited_with_bounds_nothing() -> None:
    before = missing(description=a_member("x", "Pod/db-0", "db-0", 0).description)
    assert conclude(gather(before), [a_member("y", "StatefulSet/db", "db-0", 200_000)], NONE) == []


SIBLINGS = (
    a_member("a", "Deployment/web", "web-7d4b9-bcdfg", 20_000),
    a_member("b", "Deployment/web", "web-7d4b9-hjklm", 390_000),
)


def unseen(**facts: object) -> PodEvents:
    told = {"scheduled": 200_000, "alive": 260_000, "node": "n9", "pull_started": 201_000, "is_killing": True}
    return replace(events_of("short", "web-7d4b9-npqrs"), **(told | facts))  # type: ignore[arg-type] # a test's


def test_a_pod_of_which_only_events_tell_is_what_those_around_it_are() -> None:
    (found,) = conclude(gather(events=[unseen()]), SIBLINGS, NONE)
    assert (found.start, found.end, found.created) == (201_000, Interval(260_000, UNTIL), 200_000)
    assert (found.description.name, found.description.node) == ("web-7d4b9-npqrs", "n9")
    assert found.description.cpu_millis == 250
    assert found.description.version == 0, "whatever is known otherwise is newer"
    assert Evidence.INFERRED_FROM_SIBLINGS in found.evidence
    assert not found.seen_by


def test_it_was_gone_by_the_first_list_after_its_last_event() -> None:
    lists = [list_at(15_000), list_at(23_000), list_at(26_050), list_at(30_000), list_at(35_000)]
    (found,) = conclude(gather(lists=lists, events=[unseen()]), SIBLINGS, NONE)
    assert found.end == Interval(260_000, 303_000)


def test_a_pod_that_was_only_placed_may_have_run_and_is_not_billed_for_it() -> None:
    (found,) = conclude(gather(events=[unseen(pull_started=None, alive=200_000)]), SIBLINGS, NONE)
    assert found.start is None
    assert found.evidence == {"ScheduledEvent", "InferredFromSiblings", "ListedGone"}


@pytest.mark.parametrize(
    ("facts", "siblings", "recorded"),
    [
        pytest.param({"scheduled": None}, SIBLINGS, (), id="nobody says when it was placed"),
        pytest.param({"scheduled": 50_000}, SIBLINGS, (), id="it was placed before the outage"),
        pytest.param({"uid": "stays"}, SIBLINGS, (), id="it exists"),
        pytest.param({}, SIBLINGS, ("short",), id="it is known, and ended before"),
        pytest.param({}, SIBLINGS[:1], (), id="none was made after it"),
        pytest.param({}, SIBLINGS[1:], (), id="none was made before it"),
        pytest.param({}, (), (), id="it is nobody's whom we know"),
        pytest.param(
            {},
            (*SIBLINGS, a_member("c", "Deployment/web", "web-7d4b9-zzzzz", 1, memory_mib=1024)),
            (),
            id="its siblings differ",
        ),
    ],
)
def test_what_is_not_certain_is_not_made_up(
    facts: dict[str, object], siblings: tuple[Lifetime, ...], recorded: tuple[str, ...]
) -> None:
    assert conclude(gather(events=[unseen(**facts)]), siblings, frozenset(recorded).__contains__) == []


def test_a_pod_that_two_namespaces_claim_is_not_made_up() -> None:
    claims = [unseen(), unseen(namespace="theirs")]
    assert conclude(gather(events=claims), SIBLINGS, NONE) == []


def test_a_pod_that_a_list_shows_is_not_counted_again_for_its_events() -> None:
    lists = [PastList(22_000, {"short": a_member("short", "Deployment/web", "web-7d4b9-npqrs", 200_000)})]
    (found,) = conclude(gather(lists=lists, events=[unseen()]), SIBLINGS, NONE)
    assert Evidence.INFERRED_FROM_SIBLINGS not in found.evidence
    assert found.end == Interval(260_000, UNTIL)


@pytest.mark.parametrize("seed", range(100))
def test_conclusions_only_narrow_and_give_the_same_in_any_order(seed: int) -> None:
    """What is concluded joins with what is known, whichever comes first, and whatever another recorder concludes."""
    dice = random.Random(seed)

    def guess() -> Gathered:
        showing = [list_at(version, *(["x"] * (dice.random() < 0.5))) for version in (15_000, 20_000, 25_000, 30_000)]
        events = events_of("x", alive=dice.randrange(SINCE, UNTIL), pull_started=dice.choice([None, 150_000]))
        return gather(known, lists=dice.sample(showing, dice.randrange(5)), events=[events])

    known = missing()
    guesses = []
    for _ in range(2):
        gathered = guess()
        ordered = replace(gathered, lists=sorted(gathered.lists, key=lambda past: past.version))
        guesses += conclude(ordered, [], NONE)
    for found in guesses:
        assert join(known, found) == join(found, known)
        end = join(known, found).end
        assert end is not None
        assert SINCE <= end.earliest <= end.latest <= UNTIL
        assert join(found, found) == found
