"""Questions are read strictly: what isn't understood is refused by the name of its parameter."""

from datetime import UTC, datetime

import pytest

from monopod.ledger.server.rules.question import InvalidQuestion, Question, Span, Subject, read_question

ALLOWED = frozenset({"since", "until", "by", "namespace", "pod", "workload", "uid"})
NOW = datetime(2026, 11, 18, 13, 14, 15, 678_000, tzinfo=UTC)


def read(*query: tuple[str, str]) -> Question:
    return read_question(query, ALLOWED, int(NOW.timestamp() * 1000))


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type,misc]  # no tzinfo among them


SINCE = {
    "24h": (2026, 11, 17, 13, 14, 15),
    "90m": (2026, 11, 18, 11, 44, 15),
    "7d": (2026, 11, 11, 13, 14, 15),
    "2w": (2026, 11, 4, 13, 14, 15),
    "1s": (2026, 11, 18, 13, 14, 14),
    "today": (2026, 11, 18),
    "month": (2026, 11, 1),
    "now": (2026, 11, 18, 13, 14, 15),
    "2026-11-02": (2026, 11, 2),
    "2026-11-02T03:04:05Z": (2026, 11, 2, 3, 4, 5),
    "2026-11-02T03:04:05.999Z": (2026, 11, 2, 3, 4, 5),
    "2026-11-02T03:04:05+02:00": (2026, 11, 2, 1, 4, 5),
    "999999w": (1970, 1, 1),
    "0001-01-01": (1970, 1, 1),
}


@pytest.mark.parametrize(("text", "moment"), SINCE.items(), ids=SINCE)
def test_times_are_durations_words_dates_or_moments(text: str, moment: tuple[int, ...]) -> None:
    assert read(("since", text)).span == Span(at(*moment), at(2026, 11, 18, 13, 14, 15))


def test_without_a_time_it_is_the_month_to_date() -> None:
    assert read().span == Span(at(2026, 11, 1), at(2026, 11, 18, 13, 14, 15))


def test_a_span_of_the_past_ends_where_it_is_said() -> None:
    assert read(("since", "2026-10-01"), ("until", "2026-11-01")).span == Span(at(2026, 10, 1), at(2026, 11, 1))


def test_a_span_ends_now_at_the_latest() -> None:
    assert read(("until", "2027-01-01")).span.until == at(2026, 11, 18, 13, 14, 15)


def test_all_that_can_be_asked() -> None:
    question = read(
        ("by", "label=app.kubernetes.io/name"), ("namespace", "a"), ("namespace", "b"), ("pod", "web-0"),
        ("workload", "Job/nightly"), ("uid", "0b5c-1"),
    )  # fmt: skip

    assert (question.by, question.label) == (Subject.LABEL, "app.kubernetes.io/name")
    assert question.namespaces == {"a", "b"}
    assert (question.name, question.workload, question.uid) == ("web-0", "Job/nightly", "0b5c-1")


REFUSED = {
    "an unknown one": [("form", "csv")],
    "given twice": [("since", "1h"), ("since", "2h")],
    "a duration of nothing": [("since", "h")],
    "a duration in months": [("since", "1M")],
    "a negative duration": [("since", "-1h")],
    "a moment without a zone": [("since", "2026-11-02T03:04:05")],
    "the thirtieth of February": [("since", "2026-02-30")],
    "digits of another script": [("since", "\u0662\u0660\u0662\u0666-01-01")],
    "no time at all": [("since", "")],
    "tomorrow": [("since", "2026-11-19")],
    "an end before the beginning": [("until", "2026-10-01")],
    "by nothing": [("by", "")],
    "by what there isn't": [("by", "node")],
    "by the bare word label": [("by", "label")],
    "by a label without a key": [("by", "label=")],
    "by no label's key": [("by", "label=a b")],
    "an empty namespace": [("namespace", "")],
    "no namespace's name": [("namespace", "../x")],
    "a namespace with a line break": [("namespace", "a\n")],
    "no pod's name": [("pod", "Web")],
    "no workload": [("workload", "nightly")],
    "no uid": [("uid", "a' OR 1=1")],
}


@pytest.mark.parametrize("query", REFUSED.values(), ids=REFUSED)
def test_what_is_not_understood_is_refused_by_name(query: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidQuestion) as refused:
        read(*query)

    assert refused.value.parameter == query[-1][0]
    assert query[-1][0] in refused.value.message
