"""The table of what EKS does can't drift from the tests that show it."""

from pathlib import Path

import pytest

from conformance.__main__ import TABLE, render
from conformance.marks import Evidence, MisusedMark, find_marks
from conformance.rules import Rule, Rules, Section, read_rules
from conformance.table import find_verdict, render_table
from tests.project.repository import ROOT

SHOWN = {rule for rule, _ in find_marks(ROOT)}
RULES = read_rules(ROOT).find_all()


def test_the_table_is_fresh() -> None:
    assert (ROOT / TABLE).read_text() == render(ROOT), "run `make generate` and commit what it writes"


def test_every_rule_that_is_built_is_shown_by_a_test() -> None:
    assert [rule.id for rule in RULES if not rule.missing and rule.id not in SHOWN] == []


def test_every_mark_names_a_rule() -> None:
    assert SHOWN - {rule.id for rule in RULES} == set()


def test_a_mark_makes_a_missing_rule_count_as_built() -> None:
    rule = Rule(id="1.quota", rule="At most ten.", source="quotas", missing="there is no quota")
    assert find_verdict(rule, ()) == "not yet"
    assert find_verdict(rule, [Evidence(Path("tests/test_a.py"), "test_a")]) == "same"


def test_a_rule_that_was_seen_names_its_threads() -> None:
    with pytest.raises(ValueError, match=r"2\.x was seen, and doesn't say in which thread"):
        Rule(id="2.x", rule="So it is.", source="seen")
    thread = "kubernetes-sigs/aws-ebs-csi-driver#496"
    rule = Rule(id="2.x", rule="So it is.", source="seen", threads=[thread])
    rules = Rules(
        sources={"seen": "by people"}, sections=[Section(title="A", rules=[]), Section(title="B", rules=[rule])]
    )
    link = f"[{thread}](https://github.com/kubernetes-sigs/aws-ebs-csi-driver/issues/496)"
    assert f"| seen<br>{link} |" in render_table(rules, {})


def find_in(tmp_path: Path, module: str) -> list[tuple[str, Evidence]]:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(module)
    return list(find_marks(tmp_path))


def test_a_mark_is_read_with_its_case(tmp_path: Path) -> None:
    module = 'CASES = {"b": 1}\n@pytest.mark.eks("1.x", "1.y", case="b")\n@other\ndef test_it_works(): ...\n'
    evidence = Evidence(Path("tests/test_a.py"), "test_it_works", "b")
    assert find_in(tmp_path, module) == [("1.x", evidence), ("1.y", evidence)]
    assert evidence.sentence == "it works: b"


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        pytest.param("pytestmark = pytest.mark.eks('1.x')", "belongs on a test function", id="on a module"),
        pytest.param("@pytest.mark.eks('1.x')\ndef a(): ...", "belongs on a test function", id="on no test"),
        pytest.param("@pytest.mark.eks\ndef test_a(): ...", "belongs on a test function", id="without a rule"),
        pytest.param("@pytest.mark.eks()\ndef test_a(): ...", "write it as", id="without an argument"),
        pytest.param("@pytest.mark.eks(1)\ndef test_a(): ...", "write it as", id="a number"),
        pytest.param("@pytest.mark.eks('1.x', id='b')\ndef test_a(): ...", "write it as", id="another keyword"),
        pytest.param("@pytest.mark.eks(RULE)\ndef test_a(): ...", "only literal texts", id="a name"),
        pytest.param("@pytest.mark.eks('1.x', case='b')\ndef test_a(): ...", "have the id 'b'", id="no such case"),
    ],
)
def test_a_mark_that_cannot_be_read_is_an_error(tmp_path: Path, module: str, problem: str) -> None:
    with pytest.raises(MisusedMark, match=problem):
        find_in(tmp_path, module)
