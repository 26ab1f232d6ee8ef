"""The few shapes that the policies' CEL is made of: named variables, validations with a message, quoted strings."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """A named expression of a policy; others refer to it as `variables.NAME`. Evaluated once, and only when needed.

    Attributes:
        name: camelCase, as everywhere in CEL.
        why: one or two sentences for the reader of the YAML; written above the expression as a comment.
        cel: the expression.
    """

    name: str
    why: str
    cel: str

    def as_document(self) -> dict[str, str]:
        """The entry in a policy's `variables`."""
        return {"name": self.name, "expression": f"{format_comment(self.why)}{format_cel(self.cel)}"}


@dataclass(frozen=True, slots=True)
class Validation:
    """A condition that must hold, and what the user reads when it doesn't.

    Attributes:
        why: for the reader of the YAML.
        cel: the condition.
        message: a fixed sentence, or
        message_cel: an expression that gives one. With both, `message` is said where the expression fails or is empty.
            The API server evaluates it with every request, whether or not the condition holds.
    """

    why: str
    cel: str
    message: str
    message_cel: str = ""

    def as_document(self) -> dict[str, str]:
        """The entry in a ValidatingAdmissionPolicy's `validations`."""
        document = {"expression": f"{format_comment(self.why)}{format_cel(self.cel)}", "message": self.message}
        document["reason"] = "Forbidden"  # else kubectl says that the object is invalid, and means its fields
        if self.message_cel:
            document["messageExpression"] = format_cel(self.message_cel)
        return document


def format_cel(expression: str) -> str:
    """The expression as a block that YAML shows line by line."""
    return textwrap.dedent(expression).strip() + "\n"


def format_comment(text: str) -> str:
    """The text as CEL comment lines."""
    return "".join(f"// {line}\n" for line in textwrap.wrap(text, 108, break_on_hyphens=False))


def quote(text: str) -> str:
    """The text as a CEL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def quote_all(texts: Iterable[str]) -> str:
    """The texts as a CEL list of string literals."""
    return f"[{', '.join(quote(text) for text in texts)}]"
