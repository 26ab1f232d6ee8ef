"""The reference documentation names everything that a user can meet."""

import re

import pytest

from monopod.api import reasons
from monopod.usage.rules.lifetime import Evidence
from tests.project.repository import ROOT, list_files

REFERENCE = "\n".join((ROOT / path).read_text() for path in list_files("docs/reference/*.md"))
CONSTANTS = {
    f"{family.__name__} {constant.value}": constant
    for family in vars(reasons).values()
    if isinstance(family, type) and issubclass(family, reasons.Documented)
    for constant in family
}


def test_there_are_reasons() -> None:
    assert len(CONSTANTS) > 10


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
def test_every_reason_is_in_the_reference(constant: reasons.Documented) -> None:
    assert f"`{constant.value}`" in REFERENCE


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
def test_every_reason_has_a_sentence(constant: reasons.Documented) -> None:
    assert constant.sentence.endswith(".")
    assert constant.value[0].isupper()
    assert constant.value.isalnum()


METRICS = sorted(
    {
        name
        for path in list_files(
            "operator/monopod/kube/*.py", "operator/monopod/*/metrics.py", "operator/monopod/aws/wire/*.py"
        )
        for name in re.findall(r'"(monopod_[a-z_]+)"', (ROOT / path).read_text())
    }
)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_in_the_reference(metric: str) -> None:
    assert f"`{metric}" in REFERENCE


@pytest.mark.parametrize("evidence", list(Evidence))
def test_all_evidence_is_explained(evidence: Evidence) -> None:
    assert f"`{evidence}`" in (ROOT / "docs/concepts/usage.md").read_text()
