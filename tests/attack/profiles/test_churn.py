"""Namespaces, their pods and profiles come and go at once, and no pod of a profile runs unsandboxed."""

import itertools
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.attack.conftest import CreateProfile
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, build_profile, eventually
from tests.controlplane.operating.moving import build_pod_spec
from tests.controlplane.server import Answer

NAMESPACES = int(os.environ.get("MONOPOD_CHURNED_NAMESPACES") or 6)
AT_ONCE = 6
PODS = 3


@pytest.fixture
def changing_profiles(lab: Lab, profiles: CreateProfile) -> Iterator[Counter[str]]:
    """One profile takes all pods of the namespaces; others come and go, so that the namespaces change all the time."""
    lab.becomes_active(profiles("churn-z-all", "churn-*"))
    changed: Counter[str] = Counter()
    over = threading.Event()

    def change() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            name, selector = f"churn-{number % 4}", {"namespace": f"churn-{number % 3}-*", "labels": {"app": "x"}}
            # It may still be on its way out, with pods of namespaces that are deleted.
            changed["created"] += lab.create(build_profile(name, selectors=[selector])).ok
            over.wait(1.0)
            lab.delete("FargateProfile", name)

    thread = threading.Thread(target=change)
    thread.start()
    yield changed
    over.set()
    thread.join()


def judge(answer: Answer) -> str:
    """What became of a pod: refused, gated or sandboxed; else it runs as it pleases."""
    if not answer.ok:
        return "refused" if answer.status in (403, 404, 409, 429) else f"error: {answer.message}"
    labels = answer.body["metadata"].get("labels", {})
    sandboxed = "monopod.dev/profile" in labels and answer.body["spec"].get("runtimeClassName") == "gvisor"
    gated = any(gate["name"] == "monopod.dev/isolation" for gate in answer.body["spec"].get("schedulingGates", ()))
    return "unsandboxed" if not sandboxed else "gated" if gated else "sandboxed"


def create_namespace(lab: Lab, name: str) -> None:
    """While profiles change a creation may be refused, with the advice to try again."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    eventually(lambda: lab.create(namespace).ok)


def live(lab: Lab, number: int) -> Counter[str]:
    """A namespace's life: pods from its first moment, deletion, and the same name again."""
    chance, name, seen = random.Random(number), f"churn-{number % 3}-{number}", Counter[str]()
    for life in range(2):
        eventually(lambda: lab.get("Namespace", name) is None)
        create_namespace(lab, name)
        for pod in range(PODS):
            metadata = {"name": f"pod-{life}-{pod}", "namespace": name, "labels": {"app": chance.choice("xy")}}
            manifest: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": build_pod_spec()}
            seen[judge(lab.create(manifest))] += 1
        lab.kubectl("delete", "namespace", name, "--wait=false")
    return seen


@pytest.mark.timeout(3600)
def test_no_pod_runs_unsandboxed_while_namespaces_and_profiles_come_and_go(
    lab: Lab, operator: OperatorProcess, changing_profiles: Counter[str]
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as executor:
        lives = executor.map(lambda number: live(lab, number), range(NAMESPACES))
        seen = sum(lives, Counter[str]())
    assert set(seen) <= {"refused", "gated", "sandboxed"}, seen
    assert seen["gated"] + seen["sandboxed"], "some were let in"
    assert changing_profiles["created"]
