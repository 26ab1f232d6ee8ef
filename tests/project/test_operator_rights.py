"""The table of the operator's rights in docs/concepts/operator.md is that of its RBAC."""

import re

from monopod.admission.policies import build_policies
from tests.documents import ROOT
from tests.rights import read_rights

DOCUMENT = (ROOT / "docs/concepts/operator.md").read_text()
ROWS = re.findall(r"^\| `([a-z ]+)` \| `([^`]+)`( \(own\))? \| .+ \| .+ \| .*\|$", DOCUMENT, re.MULTILINE)


def test_every_right_is_in_the_table_with_its_worst_and_nothing_else_is() -> None:
    documented = [f"{verb} {resource}{own}" for verbs, resource, own in ROWS for verb in verbs.split()]
    assert sorted(documented) == sorted(map(str, read_rights()))


def test_the_policies_that_the_table_names_exist() -> None:
    installed = {document["metadata"]["name"] for pair in build_policies().values() for document in pair}
    table = DOCUMENT[DOCUMENT.index("## Its rights") :]
    assert set(re.findall(r"`(monopod-(?:operator-)?[a-z-]+)`", table)) - {"monopod-namespaces"} <= installed
