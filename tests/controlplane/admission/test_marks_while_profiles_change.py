"""No pod keeps a forged mark while profiles begin and cease to reach its namespace, on a real API server.

Each policy that looks at a pod reads the pod's namespace for itself, so what one of them leaves to another must not
hang on the namespace. MONOPOD_FORGERIES sets how many pods are tried (see `make test-deep`).
"""

import itertools
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE, PROFILE_LABEL
from monopod.kube.objects.resources import NAMESPACES
from tests.controlplane.reach import OPERATOR, reach
from tests.controlplane.server import Answer, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

FORGERIES = int(os.environ.get("MONOPOD_FORGERIES") or 600)
AT_ONCE = 8
NAMESPACE = "reached-and-not"

FORGED: tuple[PodBuilder, ...] = (
    a_pod("no-profile-matches").labelled({PROFILE_LABEL: "web"}),
    a_pod("opts-out").labelled({PROFILE_LABEL: "web", EKS_PROFILE_LABEL: "web", "app": "web"}).with_spec(nodeName="n"),
)
"""Neither is ever taken by a profile, so whichever state of the namespace counts, the mark is a lie."""


@pytest.fixture
def toggles(server: Server) -> Iterator[list[Answer]]:
    """What was answered so far to the changes of the namespace's label, which comes and goes without pause."""
    reach(server, NAMESPACE, [a_profile("web", a_selector(NAMESPACE, app="web"))])
    answers: list[Answer] = []
    over = threading.Event()

    def toggle() -> None:
        for value in itertools.cycle((None, NAMESPACE_LABEL_VALUE)):
            if over.is_set():
                return
            marks = {"metadata": {"labels": {NAMESPACE_LABEL: value}}}
            answers.append(server.patch(NAMESPACES.path(NAMESPACE), marks, user=OPERATOR))

    thread = threading.Thread(target=toggle)
    thread.start()
    yield answers
    over.set()
    thread.join()


@pytest.mark.timeout(1800)
def test_no_pod_keeps_a_forged_mark_while_profiles_begin_and_cease_to_reach_its_namespace(
    server: Server, toggles: list[Answer]
) -> None:
    pods = [each.build() for each in FORGED]
    with ThreadPoolExecutor(AT_ONCE) as executor:
        answers = executor.map(lambda number: server.create_pod(NAMESPACE, pods[number % 2]), range(FORGERIES))
        seen = Counter("refused" if answer.status == 403 else _read_mark(answer) for answer in answers)
    assert set(seen) <= {"refused"}, seen
    assert sum(answer.ok for answer in toggles) > 2, "the label came and went"


def _read_mark(answer: Answer) -> str:
    return f"{answer.status}: {answer.message or answer.body['metadata'].get('labels')}"
