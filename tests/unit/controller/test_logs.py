"""Troubles are logged when they begin, change and end."""

import logging

import pytest
from structlog.testing import CapturingLogger

from monopod.controller import logs
from monopod.controller.logs import Complaints, FirstAttemptOnly


@pytest.fixture
def log() -> CapturingLogger:
    return CapturingLogger()


def test_a_trouble_is_logged_once(log: CapturingLogger) -> None:
    complaints = Complaints(log)  # type: ignore[arg-type]  # structlog's stand-in for a logger
    for _ in range(3):
        complaints.raise_about("API server", "away")
    assert [call.method_name for call in log.calls] == ["warning"]


def test_another_trouble_and_the_end_of_it_are_logged_too(log: CapturingLogger) -> None:
    complaints = Complaints(log)  # type: ignore[arg-type]  # the same
    complaints.raise_about("API server", "away")
    complaints.raise_about("API server", "overloaded")
    complaints.settle("API server")
    complaints.settle("API server")
    assert [call.method_name for call in log.calls] == ["warning", "warning", "info"]


def test_of_very_many_troubles_the_oldest_are_forgotten(log: CapturingLogger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_REMEMBERED", 2)
    complaints = Complaints(log)  # type: ignore[arg-type]  # the same
    for subject in ("a", "b", "c", "c", "a"):
        complaints.raise_about(subject, "away")
    assert [call.kwargs["subject"] for call in log.calls] == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ("Request attempt #1 failed; will retry: GET /x", True),
        ("Request attempt #2 failed; will retry: GET /x", False),
        ("Request attempt #12 failed; will retry: GET /x", False),
        ("Watcher has failed", True),
    ],
)
def test_of_many_attempts_at_a_request_the_first_is_logged(message: str, logged: bool) -> None:
    record = logging.LogRecord("kopf", logging.ERROR, "", 0, message, None, None)
    assert FirstAttemptOnly().filter(record) is logged
