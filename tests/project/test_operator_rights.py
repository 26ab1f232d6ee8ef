"""The table of the operator's rights in docs/concepts/operator.md is that of its RBAC."""

import re
from collections.abc import Sequence

import pytest

from monopod.admission.policies import build_policies
from tests.documents import ROOT
from tests.rights import Right, read_rights, read_task_rights

DOCUMENT = (ROOT / "docs/concepts/operator.md").read_text()
EVERYWHERE, _, FOR_TASKS = DOCUMENT.partition("### For ECS tasks")
ROW = re.compile(r"^\| `([a-z ]+)` \| `([^`]+)`( \(own\))? \| .+ \| .+ \| .*\|$", re.MULTILINE)


@pytest.mark.parametrize(
    ("part", "rights"), [(EVERYWHERE, read_rights()), (FOR_TASKS, read_task_rights())], ids=["everywhere", "for tasks"]
)
def test_every_right_is_in_the_table_with_its_worst_and_nothing_else_is(part: str, rights: Sequence[Right]) -> None:
    documented = [f"{verb} {resource}{own}" for verbs, resource, own in ROW.findall(part) for verb in verbs.split()]
    assert sorted(documented) == sorted(map(str, rights))


def test_the_policies_that_the_table_names_exist() -> None:
    installed = {document["metadata"]["name"] for pair in build_policies().values() for document in pair}
    table = DOCUMENT[DOCUMENT.index("## Its rights") :]
    named = set(re.findall(r"`(monopod-(?:operator-)?[a-z-]+)`", table))
    assert named - {"monopod-namespaces", "monopod-ecs"} <= installed
