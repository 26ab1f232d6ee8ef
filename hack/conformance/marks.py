"""The tests that say which rules of EKS they show, found by reading their source.

Reading takes a fraction of a second, and works where the tests' own imports don't (a generator must not need a
cluster's tools). The price is that only the plain form is understood: decorators with literal arguments.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "pytest.mark.eks"


class MisusedMark(ValueError):
    """A mark is written in a way that this module can't read, or names a case that isn't there."""


@dataclass(frozen=True, order=True)
class Evidence:
    """A test, or one case of a parametrized test, that shows a rule.

    Attributes:
        path: of the test's file, relative to the root.
        test: the function's name.
        case: the parameters' id, or "" for the whole test.
    """

    path: Path
    test: str
    case: str = ""

    @property
    def sentence(self) -> str:
        """The test's name as a sentence."""
        words = self.test.removeprefix("test_").replace("_", " ")
        return f"{words}: {self.case}" if self.case else words


def find_marks(root: Path) -> Iterator[tuple[str, Evidence]]:
    """Each rule's id with a test that shows it, in the order of files and lines.

    Raises:
        MisusedMark: a mark isn't a decorator of a test function, or has other arguments than literal rules and a case.
    """
    for path in sorted((root / "tests").rglob("test_*.py")):
        if ".mark.eks" in (text := path.read_text()):
            yield from _read_module(ast.parse(text), path.relative_to(root))


def _read_module(module: ast.Module, path: Path) -> Iterator[tuple[str, Evidence]]:
    unread = {id(node) for node in ast.walk(module) if isinstance(node, ast.Attribute) and ast.unparse(node) == MARK}
    cases: list[str] = []
    for function in module.body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test_"):
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and id(mark.func) in unread:
                    unread.remove(id(mark.func))
                    rules, case = _read_mark(mark, f"{path}:{mark.lineno}")
                    cases.append(case)
                    yield from ((rule, Evidence(path, function.name, case)) for rule in rules)
    if unread:
        raise MisusedMark(f"{path}: {MARK} belongs on a test function, as @{MARK}(…)")
    # A case is in the module twice: in the mark, and where the parameters get their ids.
    if stray := [case for case in cases if case and _count(module, case) <= cases.count(case)]:
        raise MisusedMark(f"{path}: no parameters have the id {stray[0]!r}")


def _read_mark(mark: ast.Call, place: str) -> tuple[list[str], str]:
    try:
        rules = [ast.literal_eval(argument) for argument in mark.args]
        options = {str(option.arg): ast.literal_eval(option.value) for option in mark.keywords}
    except ValueError:
        raise MisusedMark(f"{place}: only literal texts can be read") from None
    case = options.pop("case", "")
    if options or not rules or not all(isinstance(text, str) for text in [*rules, case]):
        raise MisusedMark(f'{place}: write it as {MARK}("1.selectors", …), with case="…" for one case')
    return rules, case


def _count(module: ast.Module, text: str) -> int:
    return sum(isinstance(node, ast.Constant) and node.value == text for node in ast.walk(module))
