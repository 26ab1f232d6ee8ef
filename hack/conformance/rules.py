"""The rules of EKS, read from docs/conformance.rules.yaml, whose head says what each field means."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

SEEN = "seen"
FILE = Path("docs/conformance.rules.yaml")


Thread = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+#[1-9][0-9]*$")]
"""An issue or a pull request of GitHub's, as owner/repository#number."""


class Strict(BaseModel):
    """A part of the file; a field that isn't known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(Strict):
    """One thing that EKS does.

    Attributes:
        threads: public issues that show it.
        verdict: what Monopod does, once it is built.
        missing: what isn't built yet; heeded only while no test shows the rule.
    """

    id: str = Field(pattern=r"^[1-9]\.[a-z0-9.-]+$")
    rule: str
    source: str
    threads: list[Thread] = []
    verdict: Literal["same", "differs"] = "same"
    why: str = ""
    missing: str = ""

    @model_validator(mode="after")
    def _says_why(self) -> "Rule":
        if self.verdict == "differs" and not self.why:
            raise ValueError(f"{self.id} differs, and doesn't say why")
        if self.source == SEEN and not self.threads:
            raise ValueError(f"{self.id} was seen, and doesn't say in which thread")
        return self


class Section(Strict):
    """Rules about one thing, under one heading."""

    title: str
    rules: list[Rule]


class Rules(Strict):
    """The whole file; sections are numbered from 1, and a rule's id begins with its section's number."""

    sources: dict[str, str]
    sections: list[Section]

    @model_validator(mode="after")
    def _fits_together(self) -> "Rules":
        ids = [rule.id for section in self.sections for rule in section.rules]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"twice: {', '.join(twice)}")
        for number, section in enumerate(self.sections, start=1):
            for rule in section.rules:
                if not rule.id.startswith(f"{number}."):
                    raise ValueError(f"{rule.id} is in section {number}")
                if rule.source not in self.sources:
                    raise ValueError(f"{rule.id} has an unknown source: {rule.source}")
        return self

    def find_all(self) -> list[Rule]:
        """Every rule, in the file's order."""
        return [rule for section in self.sections for rule in section.rules]


def read_rules(root: Path) -> Rules:
    """Reads the file.

    Raises:
        ValueError: It doesn't hold what it should (pydantic.ValidationError says where).
    """
    content: Any = yaml.safe_load((root / FILE).read_text())
    return Rules.model_validate(content)
