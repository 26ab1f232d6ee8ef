"""`kubectl fargate lint` over manifests in the shapes of well-known charts: what was worked out by hand."""

import pytest

from tests.manifests.linted import FORETOLD, lint, summarize

WORKLOADS = [(file, source) for file, sources in FORETOLD.items() for source in sources]


@pytest.mark.parametrize(("file", "source"), WORKLOADS, ids=["-".join(one) for one in WORKLOADS])
def test_lint_says_what_was_worked_out_by_hand(file: str, source: str) -> None:
    assert summarize(lint()[file, source]) == FORETOLD[file][source]


def test_every_workload_is_worked_out_by_hand() -> None:
    assert lint().keys() - set(WORKLOADS) == set()
