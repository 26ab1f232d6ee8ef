"""The reviewed fields of a pod, read from docs/pod-fields.yaml, whose head says what it is."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

FILE = Path("docs/pod-fields.yaml")

Treatment = Literal["supported", "written", "unsupported", "exempts", "refused", "harmless"]


class Fields(BaseModel):
    """The whole file.

    Attributes:
        treatments: what may become of a field, each with a sentence.
        kinds: by the kind's name, its fields with what becomes of each and why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    treatments: dict[Treatment, str]
    kinds: dict[str, dict[str, tuple[Treatment, str]]]

    def find(self, *treatments: Treatment) -> set[str]:
        """The fields of these treatments, as `KIND.FIELD`."""
        return {
            f"{kind}.{field}"
            for kind, fields in self.kinds.items()
            for field, (treatment, _) in fields.items()
            if treatment in treatments
        }


def read_fields(root: Path) -> Fields:
    """Reads the file.

    Raises:
        ValueError: It doesn't hold what it should (pydantic.ValidationError says where).
    """
    content: Any = yaml.safe_load((root / FILE).read_text())
    return Fields.model_validate(content)
