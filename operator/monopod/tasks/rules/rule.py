"""What can be said against a task definition: each rule once, as data, so that documents and answers say the same.

Texts of AWS's are verbatim where someone has published what RegisterTaskDefinition answered; a rule whose text AWS
doesn't tell has a plain one of ours, and says so by its `words`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Effect(StrEnum):
    """What becomes of a task definition that a rule finds something in."""

    REFUSED = "RefusedByFargate"
    UNAVAILABLE = "UnavailableOnMonopod"
    NOTE = "Note"


class Words(StrEnum):
    """Whose text a rule has."""

    AWS = "AWS"
    SDK = "AWS SDK"
    OWN = "Monopod"


CLIENT: Final = "ClientException"
SDK_CODE: Final = "ParamValidationError"
UNSUPPORTED: Final = "UnsupportedFeatureException"


@dataclass(frozen=True, slots=True)
class Rule:
    """A fact that is looked for.

    Attributes:
        name: the fact.
        effect: what it means.
        words: whose text it is.
        code: the error's code; "" for a note.
        text: the message, with names in braces.
        advice: what to do, the same.
    """

    name: str
    effect: Effect
    words: Words
    code: str
    text: str
    advice: str

    def at(self, path: str, /, **values: object) -> "Finding":
        """The fact, found in the field at this path."""
        return Finding(self, path, self.text.format(**values), self.advice.format(**values))


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule and where it applies; `path` is "" if it is about the definition as a whole."""

    rule: Rule
    path: str
    message: str
    advice: str


def refused(name: str, text: str, advice: str) -> Rule:
    """A rule of Fargate's, in AWS's words."""
    return Rule(name, Effect.REFUSED, Words.AWS, CLIENT, text, advice)


def refused_untold(name: str, text: str, advice: str) -> Rule:
    """A rule of Fargate's whose text isn't known."""
    return Rule(name, Effect.REFUSED, Words.OWN, CLIENT, text, advice)


def refused_by_sdk(name: str, text: str, advice: str) -> Rule:
    """A rule of the service's model, which the AWS CLI and SDKs check before they send anything."""
    return Rule(name, Effect.REFUSED, Words.SDK, SDK_CODE, text, advice)


def unavailable(name: str, text: str, advice: str) -> Rule:
    """What Fargate takes and Monopod can't run."""
    return Rule(name, Effect.UNAVAILABLE, Words.OWN, UNSUPPORTED, text, advice)


def note(name: str, text: str, advice: str) -> Rule:
    """What runs, and is to be known."""
    return Rule(name, Effect.NOTE, Words.OWN, "", text, advice)


def choose_refusal(findings: Iterable[Finding]) -> Finding | None:
    """What is told where one thing is: the first that AWS has words for, else Fargate's, else Monopod's; no note."""
    refused = [each for each in findings if each.rule.effect is not Effect.NOTE]
    return min(refused, key=_rank, default=None)


def _rank(finding: Finding) -> tuple[bool, bool]:
    return finding.rule.effect is not Effect.REFUSED, finding.rule.words is Words.OWN


def describe_refusal(finding: Finding) -> str:
    """AWS's words alone; ours with the field and what to do."""
    if finding.rule.words is not Words.OWN:
        return finding.message
    told = f"{finding.message} {finding.advice}"
    return f"{finding.path}: {told}" if finding.path else told
