"""What a wait that failed saw last."""

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

MOST_CHARACTERS = 1_000


def describe_check(check: Callable[[], object]) -> str:
    """A check, and what its parts are now: both sides of a comparison, or what it returns."""
    source = _find_lambda(check)
    if source is None:
        return f"{getattr(check, '__qualname__', check)}() is {_evaluate(check)}"
    parts = [f"{ast.unparse(part)} is {_evaluate(_bind(part, check))}" for part in _compute_parts(source.body)]
    return "\n".join((ast.unparse(source.body), *parts))


def _find_lambda(check: Callable[[], object]) -> ast.Lambda | None:
    if getattr(check, "__name__", "") != "<lambda>":
        return None
    code: CodeType = check.__code__
    tree = ast.parse(Path(code.co_filename).read_text())
    here = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda) and n.lineno == code.co_firstlineno]
    columns = {column for _, _, column, _ in code.co_positions() if column}
    return next((node for node in here if node.body.col_offset in columns), here[0] if here else None)


def _compute_parts(body: ast.expr) -> Iterator[ast.expr]:
    """The expressions whose values tell why the whole isn't true."""
    match body:
        case ast.Compare():
            yield from (each for each in (body.left, *body.comparators) if not isinstance(each, ast.Constant))
        case ast.BoolOp():
            for each in body.values:
                yield from _compute_parts(each)
        case ast.UnaryOp(op=ast.Not()):
            yield body.operand
        case _:
            yield body


def _bind(part: ast.expr, check: Callable[[], object]) -> Callable[[], object]:
    """The part as a check of its own, with the variables that the whole sees."""
    scope = {**check.__globals__, **inspect.getclosurevars(check).nonlocals}
    code = compile(ast.Expression(part), "<check>", "eval")
    return lambda: eval(code, scope)  # noqa: S307 it is the test's own source


def _evaluate(look: Callable[[], object]) -> str:
    try:
        text = repr(look())
    except Exception as error:
        text = f"an error: {error!r}"
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
