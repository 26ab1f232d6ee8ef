"""What a store promises, whatever database it is in. The tiers subclass it, each with a fixture `url`."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from monopod.ledger.store.answers import (
    BY_NAMESPACE,
    BY_POD,
    BY_PROFILE,
    BY_SERIES,
    BY_WORKLOAD,
    Dimension,
    Grouping,
    Position,
    TooManyGroupsError,
    TooManyLifetimesError,
)
from monopod.ledger.store.store import Store
from monopod.ledger.store.writer import MOST_WINDOWS
from monopod.usage.rules.bill import BilledUntil, LostNode, Terms, UnknownEnd, Usage
from monopod.usage.rules.coverage import compute_coverage
from monopod.usage.rules.lifetime import Lifetime, Watched, compute_last_watched
from tests.ledger import BEGIN, HOUR_MS, Model, a_lifetime, exchange, make_views, read_everything

NOW = BEGIN + 200 * HOUR_MS
FOREVER = (0, BEGIN * 2)
DAMAGE = (
    "UPDATE usage_hour SET billed = billed + 1",
    "DELETE FROM usage_hour",
    "UPDATE usage_group SET most = most + 1",
    "UPDATE lifetime SET billed_until = billed_until + 1",
    "UPDATE lifetime SET is_open = NOT is_open",
)
TERMS = {
    "as AWS": Terms(),
    "latest": Terms(unknown_end=UnknownEnd.LATEST),
    "terminated": Terms(BilledUntil.POD_TERMINATED, UnknownEnd.MIDDLE, LostNode.STOP),
}
KEYS = {
    "namespace": (BY_NAMESPACE, lambda one: (one.description.namespace,)),
    "profile": (BY_PROFILE, lambda one: (one.description.profile,)),
    "series": (BY_SERIES, lambda one: (one.description.namespace, one.description.profile)),
    "workload": (BY_WORKLOAD, lambda one: (one.description.namespace, one.description.workload)),
    "pod": (BY_POD, lambda one: (one.description.namespace, one.description.name, one.uid)),
    "label": (Grouping(Dimension.LABEL, "app"), lambda one: (dict(one.description.labels).get("app", ""),)),
    "odd label": (
        Grouping(Dimension.LABEL, "it's.example/ö"),
        lambda one: (dict(one.description.labels).get("it's.example/ö", ""),),
    ),
}


class StoreContract:
    """Tests of any store."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[Store]:
        opened = Store.open(url, Terms())
        yield opened
        opened.close()

    @pytest.fixture
    def copy_path(self, tmp_path: Path) -> Path:
        return tmp_path / "copy.db"

    def test_facts_in_any_order_and_more_than_once_give_the_same_store(self, store: Store) -> None:
        random, model = Random(1), Model()
        views = [view for number in range(40) for view in make_views(random, f"uid-{number}")]
        model.join(views)
        for _ in range(2):
            random.shuffle(views)
            for begin in range(0, len(views), 17):
                store.join(views[begin : begin + 17])
        assert read_everything(store)[0] == model.lifetimes
        assert list(store.verify()) == []

    @pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS)
    def test_sums_are_those_of_every_lifetimes_bill(self, url: str, terms: Terms) -> None:
        random, model = Random(2), Model()
        windows = [Watched("ledger-0", BEGIN, BEGIN + 100 * HOUR_MS), Watched("ledger-1", BEGIN, BEGIN + 90 * HOUR_MS)]
        store = Store.open(url, terms)
        views = [view for number in range(40) for view in make_views(random, f"uid-{number}")]
        for begin in range(0, len(views), 20):
            store.join(views[begin : begin + 20], watched=windows)
        model.join(views, windows)
        moment = BEGIN + random.randrange(60 * HOUR_MS)
        periods = [FOREVER, (BEGIN - BEGIN % HOUR_MS, NOW), (moment, moment + 30 * HOUR_MS), (moment, moment + 1234)]
        for since, until in periods:
            for by, key in KEYS.values():
                for namespaces in (None, frozenset({"team-1", "team-9"})):
                    summed = store.sum_usage(since, until, by, now=NOW, namespaces=namespaces)
                    assert summed == model.sum_usage(since, until, key, terms, NOW, namespaces)
        totals = model.sum_usage(*FOREVER, lambda one: (one.description.namespace, one.description.profile), terms, NOW)
        assert store.sum_totals(now=NOW) == totals
        store.close()

    def test_windows_stay_few_however_often_recorders_begin_anew(self, store: Store, url: str) -> None:
        """Also where a peer tells its own ones again and again."""
        windows = [Watched(f"ledger-{n % 2}", BEGIN + n * 1000, BEGIN + n * 1000 + 1500) for n in range(500)]
        gap = Watched("ledger-0", BEGIN - 9000, BEGIN - 4000)
        for number in range(0, 500, 50):
            store.join([], watched=windows[number : number + 50])
        store.join([], watched=[gap, *windows])
        kept = store.fetch_watched()
        assert compute_coverage(kept, gap.since, NOW).gaps == compute_coverage([gap, *windows], gap.since, NOW).gaps
        last = compute_last_watched(kept)
        assert (last["ledger-0"], last["ledger-1"]) == (windows[498].until, windows[499].until)
        other = Store.open(url)
        for _ in range(3):
            store.join([], watched=[*kept, *windows[:50]])
            other.join([], watched=[*kept, *windows[-60:]])
        assert len(store.fetch_watched()) <= MOST_WINDOWS + 2
        assert len(kept) <= MOST_WINDOWS
        assert list(store.verify()) == []
        other.close()

    def test_it_is_known_which_namespace_and_profile_used_something_first(self, store: Store) -> None:
        """Also of pods that still run, and whatever came to be known first."""
        hour = BEGIN // HOUR_MS
        late = BEGIN + 3 * HOUR_MS
        store.join([a_lifetime("a", seconds=90, created=late), a_lifetime("b", seconds=None, namespace="data")])
        assert store.find_first_hours(now=NOW) == {("default", "web"): hour + 3, ("data", "web"): hour}
        store.join([a_lifetime("c", seconds=None), a_lifetime("d", created=late, namespace="data")])
        assert store.find_first_hours(now=NOW) == {("default", "web"): hour, ("data", "web"): hour}

    def test_sums_of_adjacent_periods_add_up(self, store: Store) -> None:
        random = Random(3)
        store.join([view for number in range(40) for view in make_views(random, f"uid-{number}")])
        cuts = [0, *sorted(BEGIN + random.randrange(150 * HOUR_MS) for _ in range(12)), NOW]
        summed = Usage()
        for since, until in pairwise(cuts):
            for group in store.sum_usage(since, until, BY_PROFILE, now=NOW):
                summed += group.billed
        whole = Usage()
        for group in store.sum_usage(0, NOW, BY_PROFILE, now=NOW):
            whole += group.billed
        assert summed == whole

    @pytest.mark.parametrize("by", [BY_POD, BY_WORKLOAD])
    def test_an_answer_that_memory_may_not_hold_is_refused(self, store: Store, by: Grouping) -> None:
        pods = [a_lifetime(f"uid-{number}", seconds=61, workload=f"Pod/{number}") for number in range(5)]
        store.join([*pods, a_lifetime("uid-5", seconds=None, workload="Pod/5")])
        assert len(store.sum_usage(*FOREVER, by, now=NOW, most=6)) == 6
        with pytest.raises(TooManyGroupsError):
            store.sum_usage(*FOREVER, by, now=NOW, most=5)

    def test_sixty_one_seconds_are_billed_as_sixty_one(self, store: Store) -> None:
        store.join([a_lifetime(seconds=61)])
        (group,) = store.sum_usage(*FOREVER, BY_NAMESPACE, now=NOW)
        assert group.billed == Usage(61, 61 * 250, 61 * 512, 0)

    def test_a_pod_that_was_seen_again_is_billed_as_open(self, store: Store) -> None:
        store.join([a_lifetime(seconds=90)])
        store.join([a_lifetime(seconds=None, created=BEGIN)], watched=[Watched("ledger-0", BEGIN, BEGIN + 500_000)])
        store.join([replace(a_lifetime(seconds=None), alive=BEGIN + 200_000)])
        assert [one.uid for one in store.list_open()] == ["uid-1"]
        (group,) = store.sum_usage(*FOREVER, BY_NAMESPACE, now=BEGIN + 600_000)
        assert (group.least.seconds, group.billed.seconds, group.most.seconds) == (500, 500, 600)
        assert list(store.verify()) == []

    def test_a_pod_described_anew_counts_in_its_new_group_only(self, store: Store) -> None:
        first = a_lifetime()
        store.join([first])
        store.join([replace(first, description=replace(first.description, version=2, profile="other"))])
        assert [group.key for group in store.sum_usage(*FOREVER, BY_PROFILE, now=NOW)] == [("other",)]
        assert list(store.verify()) == []

    def test_facts_position_and_windows_are_kept_together(self, store: Store) -> None:
        store.join([a_lifetime()], position=Position("ledger-0", "41"), watched=[Watched("ledger-0", 5, 9)])
        store.join([], position=Position("ledger-0", "42"), watched=[Watched("ledger-0", 5, 7)])
        assert store.fetch_position("ledger-0") == Position("ledger-0", "42")
        assert store.fetch_position("ledger-1") is None
        assert store.fetch_watched() == [Watched("ledger-0", 5, 9)]

    def test_a_join_that_fails_keeps_nothing(self, store: Store) -> None:
        nothing: Any = None
        bad = replace(a_lifetime("uid-2"), created=nothing)
        with pytest.raises(IntegrityError):
            store.join([a_lifetime(), bad], position=Position("ledger-0", "41"))
        assert store.fetch("uid-1") is None
        assert store.fetch_position("ledger-0") is None
        store.join([a_lifetime()])
        assert list(store.verify()) == []

    def test_lifetimes_are_found_by_pod_and_by_workload(self, store: Store) -> None:
        early = a_lifetime("uid-1", name="db-0", workload="StatefulSet/db")
        late = a_lifetime("uid-2", created=BEGIN + 5, name="db-0", workload="StatefulSet/db")
        other = a_lifetime("uid-3", namespace="other", name="db-0", workload="StatefulSet/db")
        store.join([late, other, early, a_lifetime("uid-4")])
        assert store.find("default", name="db-0") == [early, late]
        assert store.find("default", workload="StatefulSet/db") == [early, late]
        assert store.find("default", workload="StatefulSet/web") == []
        with pytest.raises(TooManyLifetimesError):
            store.find("default", workload="StatefulSet/db", most=1)
        assert store.find("default", name="db-0", period=(0, late.created), most=1) == [early]

    def test_an_export_has_every_lifetime_of_the_period_once(self, store: Store) -> None:
        random, model = Random(4), Model()
        views = [view for number in range(40) for view in make_views(random, f"uid-{number}")]
        store.join(views)
        model.join(views)
        since, until = BEGIN + 20 * HOUR_MS, BEGIN + 21 * HOUR_MS
        found = list(store.iterate(since, until, namespaces=frozenset({"team-0", "team-1"})))
        billed = {
            one.uid
            for one in model.lifetimes.values()
            if one.description.namespace in ("team-0", "team-1")
            and (one.is_open or self._is_billed(model, one, since, until))
        }
        assert sorted(one.uid for one in found) == sorted(billed)
        assert all(model.lifetimes[one.uid] == one for one in found)

    def test_an_export_that_is_broken_off_holds_nothing_back(self, store: Store) -> None:
        store.join([a_lifetime("uid-1"), a_lifetime("uid-2")])
        exported = store.iterate(*FOREVER)
        next(exported)
        exported.close()
        store.join([a_lifetime("uid-3")])
        assert len(list(store.iterate(*FOREVER))) == 3

    @staticmethod
    def _is_billed(model: Model, lifetime: Lifetime, since: int, until: int) -> bool:
        alone = Model()
        alone.join([lifetime])
        return bool(alone.sum_usage(since, until, lambda _: (), Terms(), NOW))

    def test_two_stores_that_exchange_changes_end_up_alike(self, store: Store, tmp_path: Path) -> None:
        random, model = Random(5), Model()
        other = Store.open(f"sqlite:///{tmp_path / 'other.db'}", Terms())
        for number in range(60):
            views = make_views(random, f"uid-{number}")
            window = Watched(random.choice(("ledger-0", "ledger-1")), number // 20, number)
            for one in (store, other):
                one.join(random.sample(views, random.randrange(len(views) + 1)))
            store.join(views[:2], watched=[window])
            other.join(views[2:], watched=[window])
            model.join(views, [window])
            if number % 13 == 0:
                exchange(store, other)
        exchange(store, other)
        assert read_everything(store) == read_everything(other)
        assert read_everything(store) == (model.lifetimes, [model.watched[key] for key in sorted(model.watched)])
        assert store.sum_usage(*FOREVER, BY_WORKLOAD, now=NOW) == other.sum_usage(*FOREVER, BY_WORKLOAD, now=NOW)
        other.close()

    def test_a_page_of_large_lifetimes_has_fewer_and_the_pages_have_all(self, store: Store) -> None:
        labels = tuple((f"label-{number}", "x" * 60) for number in range(200))
        lifetimes = {f"uid-{number}": a_lifetime(f"uid-{number}", labels=labels) for number in range(7)}
        store.join([*lifetimes.values()], watched=[Watched("ledger-0", 1, 2)])
        found, after, pages = dict[str, Lifetime](), 0, 0
        while True:
            changes = store.fetch_changes(after, 5, most_text=20_000)
            found.update({each.uid: each for each in changes.lifetimes})
            after, pages = changes.last, pages + 1
            assert len(changes.lifetimes) <= 2
            assert bool(changes.watched) is changes.is_end
            if changes.is_end:
                break
        assert found == lifetimes
        assert pages == 4
        assert len(store.fetch_changes(0, 5, most_text=0).lifetimes) == 1

    def test_stores_that_know_the_same_have_nothing_to_tell(self, store: Store) -> None:
        store.join([a_lifetime()])
        last = store.fetch_changes(0, 10).last
        store.join([a_lifetime()], watched=[Watched("ledger-0", 1, 2)])
        changes = store.fetch_changes(last, 10)
        assert (changes.lifetimes, changes.last, changes.is_end) == ((), last, True)

    @pytest.mark.parametrize("statement", DAMAGE)
    def test_verifying_finds_what_is_wrong_and_computing_again_mends_it(self, store: Store, statement: str) -> None:
        store.join([a_lifetime(), a_lifetime("uid-2", seconds=None)])
        with store._engine.begin() as connection:
            connection.exec_driver_sql(statement)
        assert list(store.verify()) != []
        store.rebuild()
        assert list(store.verify()) == []

    def test_other_terms_of_billing_change_all_sums(self, url: str) -> None:
        random, model = Random(6), Model()
        views = [view for number in range(20) for view in make_views(random, f"uid-{number}")]
        model.join(views)
        for terms in (*TERMS.values(), Terms()):
            store = Store.open(url, terms)
            store.join(views)
            key = KEYS["workload"][1]
            assert store.sum_usage(*FOREVER, BY_WORKLOAD, now=NOW) == model.sum_usage(*FOREVER, key, terms, NOW)
            assert list(store.verify()) == []
            store.close()

    def test_a_process_with_older_terms_counts_by_those_of_the_database(self, store: Store, url: str) -> None:
        views = [view for number in range(30) for view in make_views(Random(number), f"uid-{number}")]
        store.join(views[:40])
        newer = Store.open(url, TERMS["terminated"])
        store.join(views)
        assert list(store.verify()) == list(newer.verify()) == []
        newer.close()

    def test_a_backup_is_a_store_of_its_own_and_restoring_it_a_join(self, store: Store, copy_path: Path) -> None:
        random, model = Random(7), Model()
        before = [view for number in range(40) for view in make_views(random, f"uid-{number}")]
        after = [view for number in range(20, 60) for view in make_views(random, f"uid-{number}")]
        store.join(before, position=Position("ledger-0", "1"), watched=[Watched("ledger-0", 1, 5)])
        store.backup(copy_path)
        store.join(after, position=Position("ledger-0", "2"))
        copy = Store.open(f"sqlite:///{copy_path}", Terms())
        assert copy.id != store.id
        assert list(copy.verify()) == []
        copy.close()
        model.join([*before, *after])
        assert store.restore(copy_path) == 40
        assert store.fetch_position("ledger-0") == Position("ledger-0", "2")
        assert read_everything(store) == (model.lifetimes, [Watched("ledger-0", 1, 5)])
        assert list(store.verify()) == []

    def test_a_backup_overwrites_nothing(self, store: Store, copy_path: Path) -> None:
        copy_path.write_text("precious")
        with pytest.raises(FileExistsError):
            store.backup(copy_path)
        assert copy_path.read_text() == "precious"

    @pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 5000])
    def test_what_is_no_backup_is_refused(self, store: Store, copy_path: Path, content: bytes) -> None:
        copy_path.write_bytes(content)
        with pytest.raises(ValueError, match=r"copy\.db"):
            store.restore(copy_path)

    def test_readers_and_writers_in_several_threads_agree(self, store: Store) -> None:
        random, model = Random(8), Model()
        views = [view for number in range(40) for view in make_views(random, f"uid-{number}")]
        model.join(views)
        errors: list[BaseException] = []

        def write(part: list[Lifetime]) -> None:
            try:
                for begin in range(0, len(part), 5):
                    store.join(part[begin : begin + 5])
                    store.sum_usage(*FOREVER, BY_WORKLOAD, now=NOW)
                    list(store.iterate(*FOREVER))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(views[start::2],)) for start in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert read_everything(store)[0] == model.lifetimes
        assert list(store.verify()) == []

    def test_processes_that_write_at_once_keep_every_fact_once(self, url: str) -> None:
        random, model = Random(11), Model()
        views = [view for number in range(40) for view in make_views(random, f"uid-{number}")]
        model.join(views)
        errors: list[BaseException] = []

        def write(number: int) -> None:
            try:
                store = Store.open(url, Terms())
                mine = random.sample(views, len(views))
                for begin in range(0, len(mine), 9):
                    position = Position(f"ledger-{number}", str(begin))
                    store.join(mine[begin : begin + 9], position=position)
                store.close()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        store = Store.open(url, Terms())
        assert read_everything(store)[0] == model.lifetimes
        assert list(store.verify()) == []
        store.close()
