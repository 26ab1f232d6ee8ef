"""Spells on demand: how long they last, and how they are written where admission reads them."""

import datetime

import pytest

from monopod.spot.rules.spells import FIRST, LONGEST, Spell, age_spells, begin_spell, read_spells, write_spells

NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
OWNER = "11111111-2222-3333-4444-555555555555"
KEY = ("web", OWNER)
MINUTE = datetime.timedelta(minutes=1)


def test_each_spell_in_a_row_lasts_twice_as_long_up_to_six_hours() -> None:
    spell, lengths = None, []
    for _ in range(9):
        spell = begin_spell(KEY, spell, NOW)
        lengths.append(spell.length // MINUTE)
        assert (spell.since, spell.until - NOW) == (NOW, spell.length)
    assert lengths == [10, 20, 40, 80, 160, 320, 360, 360, 360]
    assert (FIRST, LONGEST) == (10 * MINUTE, 360 * MINUTE)


def test_a_spell_ends_is_remembered_for_as_long_again_and_is_forgotten() -> None:
    spell = begin_spell(KEY, None, NOW)

    def age(minutes: int, *profiles: str) -> Spell | None:
        return age_spells([spell], profiles or ("web",), NOW + minutes * MINUTE).get(KEY)

    assert age(9) == spell
    over = age(10)
    assert over is not None
    assert (over.is_over, over.until) == (True, spell.until)
    assert age(19) == over
    assert age(20) is None
    assert age(1, "other") is None, "its profile doesn't fall back any more"


def test_what_is_written_is_read_again() -> None:
    spells = [begin_spell(KEY, None, NOW), Spell("api", OWNER, NOW, 3, is_over=True)]
    text = write_spells(spells)
    assert text == f"api/{OWNER}~2026-03-01T12:00:00Z,3 web/{OWNER}=2026-03-01T12:10:00Z,1"
    assert list(read_spells(text).values()) == [spells[1], spells[0]]
    assert (write_spells([]), read_spells("")) == ("", {})


@pytest.mark.parametrize(
    "word",
    [
        *("web", "web=2026-03-01T12:00:00Z,1", f"web/{OWNER}=soon,1", f"web/{OWNER}=2026-03-01T12:00:00Z", "=", "/=,1"),
        f"web/{OWNER}=2026-03-01T12:00:00Z,{'9' * 5000}",
        f"web/{OWNER}=9999-12-31T23:59:59Z,1",
        f"web/{OWNER}=0001-01-01T00:00:00Z,1",
    ],
)
def test_what_is_not_understood_is_left_out(word: str) -> None:
    assert read_spells(f"{word} web/{OWNER}=2026-03-01T12:10:00Z,1").keys() == {KEY}
    assert read_spells(word) == {}


def test_a_number_beyond_the_last_is_the_last() -> None:
    [spell] = read_spells(f"web/{OWNER}=2026-03-01T12:10:00Z,99999999").values()
    assert spell.length == LONGEST
