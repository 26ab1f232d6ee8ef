"""What `usage` writes: files of rows, and what people read. Columns and fields only grow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.text import Text

from monopod.cli.failure import UnreadableInput
from monopod.cli.output.amounts import describe_coverage, describe_span
from monopod.cli.output.rows import write_csv, write_json
from monopod.cli.output.terminal import build_grid, print_lines

Json = dict[str, Any]

_UNTIL = {
    "PodDeleted": "the pod object is gone, as on AWS; a pod that has completed is billed until then",
    "PodTerminated": "all of the pod's containers have ended, or the pod object is gone",
}
_UNKNOWN_END = {
    "Earliest": "when the pod was last seen: nothing is charged that can't be shown",
    "Middle": "in the middle between when the pod was last seen and when it was known to be gone",
    "Latest": "when the pod was known to be gone",
}
_LOST_NODE = {
    "Bill": "the bill goes on until the pod object is gone, as on AWS",
    "Stop": "the bill ends with the last sign of life of the node",
}


def write_rows(rows: Iterator[Json], columns: Sequence[str], file: Path | None) -> int:
    """Writes rows as CSV to a file or to stdout; returns how many there were.

    Raises:
        UnreadableInput: the file can't be written.
    """
    if file is None:
        return write_csv(rows, columns)
    with replacing(file) as part, part.open("w", encoding="utf-8", newline="") as target:
        return write_csv(rows, columns, target)


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A file to write to, which takes the place of `file` once it is whole: half an export looks like a small one.

    Raises:
        UnreadableInput: it can't be written.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        yield part
        part.replace(file)
    except OSError as problem:
        raise UnreadableInput(f"{file} can't be written: {problem.strerror or problem}.") from None
    finally:
        part.unlink(missing_ok=True)


def describe_export(head: Json, count: int) -> str:
    """What was exported, in a line for stderr: the rows themselves have no place for it."""
    coverage = describe_coverage(head["coverage"]).plain
    return f"{count} rows, {describe_span(head)}; {coverage}"


def write_explanation(answer: Json, output: str) -> None:
    """Writes how usage is counted, and what was watched."""
    if output == "json":
        write_json(answer)
        return
    print_lines(*_explain(answer))


def _explain(answer: Json) -> Iterator[Any]:
    terms = answer["terms"]
    rules = build_grid(2)
    rules.add_row("what", "the size that was provisioned (not what is used): vCPU, memory, storage above 20 GB")
    rules.add_row("from", "when the pod's images begin to be pulled; where that isn't known, when its kubelet took it")
    rules.add_row("until", f"{_UNTIL[terms['until']]} (billing.until: {terms['until']})")
    rules.add_row("steps", "whole seconds, rounded up; at least a minute for each pod")
    rules.add_row("unseen ends", f"count as {_UNKNOWN_END[terms['unknownEnd']]} (billing.unknownEnd)")
    rules.add_row("lost nodes", f"{_LOST_NODE[terms['lostNode']]} (billing.lostNode)")
    yield Text("How pods are billed", "bold")
    yield rules
    yield ""
    yield Text(f"Prices: book {answer['book']['name']}, {answer['currency']}", "bold")
    versions = build_grid(2)
    for version in answer["book"]["versions"]:
        versions.add_row(f"since {version['effective']}", f"{version['source']} (checked {version['checked']})")
    yield versions
    yield ""
    yield Text(f"Watched, {describe_span(answer)}", "bold")
    yield describe_coverage(answer["coverage"])
    windows = build_grid(3)
    for window in answer["watched"]:
        windows.add_row(window["recorder"], window["since"], window["until"])
    yield windows


def write_differences(answer: Json, output: str) -> None:
    """Writes where sums aren't what lifetimes say."""
    if output == "json":
        write_json(answer)
        return
    if not answer["count"]:
        print_lines(Text("Every sum is what the lifetimes say.", "green"))
        return
    table = build_grid(3)
    for each in answer["differences"]:
        table.add_row(each["what"], f"kept: {each['kept']}", f"computed: {each['computed']}")
    print_lines(Text(f"{answer['count']} sums aren't what the lifetimes say:", "red"), table)
