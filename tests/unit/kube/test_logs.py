"""Troubles are logged when they begin, change and end."""

import logging

import pytest
from structlog.testing import CapturingLogger

from monopod.api.names import PROFILE_FINALIZER
from monopod.kube import logs
from monopod.kube.logs import FirstAttemptOnly, ProblemLog
from monopod.manager.sources import WatchedCaches
from monopod.pods.rules.dry_run import Outcome, Pending
from monopod.profiles.dry_runs import Plan
from monopod.profiles.gather import Gatherer
from monopod.profiles.options import ProfileOptions
from monopod.profiles.overlaps import Overlaps
from monopod.profiles.rules.conditions import PoliciesInstalled
from monopod.selectors.publication import Publication
from tests.unit.fake_api import an_object


@pytest.fixture
def log() -> CapturingLogger:
    return CapturingLogger()


def test_a_trouble_is_logged_once(log: CapturingLogger) -> None:
    problems = ProblemLog(log)  # type: ignore[arg-type]  # structlog's stand-in for a logger
    for _ in range(3):
        problems.report("API server", "away")
    assert [call.method_name for call in log.calls] == ["warning"]


def test_another_trouble_and_the_end_of_it_are_logged_too(log: CapturingLogger) -> None:
    problems = ProblemLog(log)  # type: ignore[arg-type]  # the same
    problems.report("API server", "away")
    problems.report("API server", "overloaded")
    problems.clear("API server")
    problems.clear("API server")
    assert [call.method_name for call in log.calls] == ["warning", "warning", "info"]


def test_of_very_many_troubles_the_oldest_are_forgotten(log: CapturingLogger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_REMEMBERED", 2)
    problems = ProblemLog(log)  # type: ignore[arg-type]  # the same
    for subject in ("a", "b", "c", "c", "a"):
        problems.report(subject, "away")
    assert [call.kwargs["subject"] for call in log.calls] == ["a", "b", "c", "a"]


class Looks:
    """A gatherer that looks at one profile again and again."""

    def __init__(self, log: CapturingLogger, **spec: object) -> None:
        caches = WatchedCaches("monopod-system")
        profile = {
            **an_object("web", finalizers=[PROFILE_FINALIZER]),
            "spec": {"selectors": [{"namespace": "prod"}], **spec},
        }
        caches.profiles.observe("ADDED", profile)
        caches.namespaces.observe("ADDED", an_object("prod"))
        caches.runtime_classes.observe("ADDED", {**an_object("kata"), "handler": "kata"})
        self.has_bug = False
        options = ProfileOptions(sandbox="kata", namespace="monopod-system")
        problems = ProblemLog(log)  # type: ignore[arg-type]  # structlog's stand-in for a logger
        self.gatherer = Gatherer(
            caches,
            self._find_outcome,
            Overlaps(options.protected, lambda: None, problems),
            options,
            problems,
        )

    def _find_outcome(self, _: str, __: Plan) -> Outcome:
        if self.has_bug:
            raise ZeroDivisionError
        return Pending()

    def look(self) -> None:
        snapshot = self.gatherer.snapshot()
        publication = Publication(lambda _: "")
        self.gatherer.gather(snapshot, "web", publication, PoliciesInstalled())
        enforced = {"phase": "ACTIVE", "dryRun": {"result": "Sandboxed"}}
        self.gatherer.build_rescheduling_input(snapshot, {"web": enforced}, publication)


def test_a_profile_that_cannot_be_moved_is_logged_once_and_not_at_each_look(log: CapturingLogger) -> None:
    looks = Looks(log, maxUnavailable="lots")
    for _ in range(3):
        looks.look()
    assert [(call.method_name, call.kwargs["subject"]) for call in log.calls] == [
        ("warning", "rescheduling of profile web")
    ]


def test_a_bug_in_a_profiles_state_is_logged_once_with_its_traceback(log: CapturingLogger) -> None:
    looks = Looks(log)
    for looks.has_bug in (True, True, True, False):
        looks.look()
    assert [(call.method_name, call.kwargs.get("exc_info")) for call in log.calls] == [
        ("warning", True),
        ("info", None),
    ]


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
