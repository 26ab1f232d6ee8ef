"""`kubectl fargate usage`: asks a ledger for its lifetimes, for how it counts, for a check and for a copy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monopod.cli.failure import ApiFailure, UnreadableInput
from monopod.cli.ledger_client.client import BROKEN_OFF, Json
from monopod.cli.ledger_client.connection import Target, open_ledger

LIFETIME_COLUMNS: Final = (
    "namespace", "pod", "uid", "profile", "workload", "cpuMillis", "memoryMib", "storageGib", "capacity",
    "architecture", "node", "periodStart", "periodEnd", "seconds", "milliVcpuSeconds", "mibSeconds",
    "storageGibSeconds", "cost", "costLeast", "costMost", "currency", "prices", "start", "endNotBefore",
    "endNotAfter", "evidence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportQuestion:
    """What is exported.

    Attributes:
        focus_version: of FOCUS; "" for lifetimes as they are.
        granularity: how long a row's period is at most; "": as the format's default is.
        span: `since` and `until`, where they are given.
        namespaces: only these; none: all that the user may see.
        dataset: of FOCUS; "": costs and usage.
    """

    focus_version: str
    granularity: str
    span: Sequence[tuple[str, str]]
    namespaces: Sequence[str]
    dataset: str = ""


@contextmanager
def open_export(target: Target, question: ExportQuestion) -> Iterator[tuple[Json, tuple[str, ...], Iterator[Json]]]:
    """What an export says of itself, its columns, and its rows, to be read within the block.

    Raises:
        ApiFailure: there is no ledger, or no way to it; while rows are read, too.
        UnreadableInput: the ledger doesn't understand the question.
    """
    query = [*question.span, *(("namespace", name) for name in question.namespaces)]
    if question.granularity:
        query.append(("granularity", question.granularity))
    path = "/v1/lifetimes"
    if question.focus_version:
        path = "/v1/focus"
        query.append(("version", question.focus_version))
    if question.dataset:
        query.append(("dataset", question.dataset))
    with open_ledger(target) as ledger:
        rows = ledger.stream(path, query)
        head = next(rows, None)
        if head is None:
            raise ApiFailure(BROKEN_OFF)
        yield head, tuple(head.get("columns") or LIFETIME_COLUMNS), rows


def fetch_coverage(target: Target, span: Sequence[tuple[str, str]]) -> Json:
    """How usage is counted, and how much of a span was watched. Raises as `open_export` does."""
    with open_ledger(target) as ledger:
        return ledger.get("/v1/coverage", span)


def verify(target: Target) -> Json:
    """Has the ledger recompute its sums. Raises as `open_export` does."""
    with open_ledger(target) as ledger:
        return ledger.get("/v1/verify", method="POST")


def back_up(target: Target, file: Path) -> int:
    """Writes a copy of the ledger's database to a file, and returns its size.

    Raises:
        UnreadableInput: the file is there already, or can't be written.
        ApiFailure: there is no ledger, or no way to it.
    """
    with open_ledger(target) as ledger:
        try:
            return ledger.download("/v1/backup", file)
        except FileExistsError:
            raise UnreadableInput(f"{file} is there already.") from None
        except OSError as problem:
            raise UnreadableInput(f"{file} can't be written: {problem.strerror or problem}.") from None
