"""A real API server refuses and takes the manifests that `kubectl fargate` judges without one."""

import json
from typing import Any

import pytest

from tests.clusters import ControlPlane
from tests.manifests.judged import ACCEPTED, ACCEPTED_TEXTS, REFUSED, REFUSED_TEXTS

Object = dict[str, Any]


def create(installed: ControlPlane, document: Object) -> Any:
    return installed.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(document), check=False)


@pytest.mark.parametrize("document", [document for document, _ in REFUSED.values()], ids=list(REFUSED))
def test_what_lint_refuses_is_refused(installed: ControlPlane, document: Object) -> None:
    assert create(installed, document).returncode != 0


def test_what_lint_takes_is_taken(installed: ControlPlane) -> None:
    """All at once, because a dry run stores nothing that could be in another's way."""
    answer = create(installed, {"apiVersion": "v1", "kind": "List", "items": list(ACCEPTED.values())})
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("text", [text for text, _ in REFUSED_TEXTS.values()], ids=list(REFUSED_TEXTS))
def test_a_text_that_lint_refuses_is_refused(installed: ControlPlane, text: str) -> None:
    assert installed.kubectl("create", "--dry-run=server", "-f", "-", input=text, check=False).returncode != 0


def test_a_text_that_lint_takes_is_taken(installed: ControlPlane) -> None:
    texts = "\n---\n".join(ACCEPTED_TEXTS.values())
    answer = installed.kubectl("create", "--dry-run=server", "-f", "-", input=texts, check=False)
    assert answer.returncode == 0, answer.stderr
