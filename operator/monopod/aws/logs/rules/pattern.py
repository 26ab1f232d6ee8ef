"""Filter patterns, as far as they are terms.

Terms are words, and phrases in quotation marks, with `?` before those of which one is enough, and `-` before those that
must not be there. A term is found anywhere in a message.

Patterns for JSON, for fields, and regular expressions are refused by name. Source: CloudWatch Logs user guide, filter
pattern syntax.
"""

import re
from dataclasses import dataclass
from typing import Final

from monopod.aws.logs.rules.refusals import refuse_parameter

_TERM: Final = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|(\w+))(?:\s+|$)')
_KINDS: Final = {"{": "Patterns for JSON", "[": "Patterns for fields", "%": "Regular expressions"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a message must have.

    Attributes:
        required: all of these.
        excluded: none of these.
        optional: one of these, if there are any.
    """

    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    def matches(self, message: str) -> bool:
        """Whether it has that; upper and lower case count."""
        return (
            all(term in message for term in self.required)
            and not any(term in message for term in self.excluded)
            and (not self.optional or any(term in message for term in self.optional))
        )


def read_pattern(text: str) -> Pattern:
    """A pattern.

    Raises:
        AwsError: it is none, or one of a kind that isn't built.
    """
    text = text.strip()
    if kind := _KINDS.get(text[:1]) or ("Regular expressions" if re.search(r"(^|\s)[?-]?%", text) else None):
        raise refuse_parameter(f"Invalid filter pattern: {kind} aren't supported by Monopod; terms and phrases are.")
    terms: dict[str, list[str]] = {"": [], "-": [], "?": []}
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if not found:
            raise refuse_parameter(
                "Invalid filter pattern: terms with other characters than letters, digits and _ are put in quotation "
                "marks."
            )
        sign, phrase, word = found.groups()
        terms[sign].append(word if phrase is None else re.sub(r"\\(.)", r"\1", phrase))
        at = found.end()
    if terms["?"] and (terms[""] or terms["-"]):
        raise refuse_parameter("Invalid filter pattern: terms with ? can't be combined with others.")
    return Pattern(tuple(terms[""]), tuple(terms["-"]), tuple(terms["?"]))
