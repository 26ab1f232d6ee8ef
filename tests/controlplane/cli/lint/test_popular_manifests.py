"""Manifests in the shapes of well-known charts come out of admission as `lint` and `decide` foretold."""

from pathlib import Path
from typing import Any

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL, UNSUPPORTED_ANNOTATION
from monopod.cli.input.documents import read_documents
from monopod.cli.input.manifests import find_subjects
from monopod.cli.input.profiles import read_profiles
from tests.clusters import ControlPlane
from tests.controlplane.differential.comparison import Case
from tests.controlplane.differential.group_draws import Setting
from tests.controlplane.reach import reach
from tests.controlplane.server import Answer, Manifest, Server
from tests.manifests.linted import NAMESPACE, PROFILES, WORKLOADS, lint

FILES = sorted(WORKLOADS.glob("*.yaml"))
SUBJECTS = [
    pytest.param(file, subject, id=f"{file.name}-{subject.source}")
    for file in FILES
    for subject in find_subjects(read_documents(str(file)), str(file))
]


@pytest.fixture(scope="module")
def popular(server: Server) -> Server:
    """The API server with the namespace that the manifests' profiles reach."""
    reach(server, NAMESPACE, read_profiles(read_documents(str(PROFILES)), str(PROFILES), None))
    return server


def as_created(pod: Manifest) -> Manifest:
    """The pod with what its controller knows and a file doesn't: its name and its owner's uid."""
    metadata = {**pod["metadata"], "name": pod["metadata"].get("name", "pod")}
    metadata["ownerReferences"] = [{**owner, "uid": "0"} for owner in metadata.get("ownerReferences", [])]
    return {**pod, "metadata": metadata}


def summarize(answer: Answer) -> dict[str, Any]:
    """What admission made of the pod, in the fields of a verdict."""
    if not answer.ok:
        return {"refused": answer.message.split("denied request: ")[-1]}
    labels, annotations = (answer.body["metadata"].get(field, {}) for field in ("labels", "annotations"))
    if PROFILE_LABEL not in labels:
        return {"left alone": True}
    marks = {"profile": labels[PROFILE_LABEL], "runtimeClassName": answer.body["spec"]["runtimeClassName"]}
    if UNSUPPORTED_ANNOTATION in annotations:
        return {**marks, "pending": annotations[UNSUPPORTED_ANNOTATION]}
    return {**marks, "capacity": annotations[CAPACITY_ANNOTATION]}


def foretell(verdict: dict[str, Any]) -> dict[str, Any]:
    """What admission should make of the pod by a verdict of `lint`."""
    marks = {name: verdict.get(name) for name in ("profile", "runtimeClassName")}
    match verdict["decision"]:
        case "Unsupported" if verdict["unsupportedPods"] == "Reject":
            return {"refused": verdict["message"]}
        case "Unsupported":
            return {**marks, "pending": verdict["message"]}
        case "Sandboxed":
            return {**marks, "capacity": verdict["capacity"]}
        case _:
            return {"left alone": True}


@pytest.mark.parametrize(("file", "subject"), SUBJECTS)
def test_admission_does_as_lint_foretold(popular: Server, file: Path, subject: Any) -> None:
    answer = popular.create_pod(NAMESPACE, as_created(subject.pod), user=subject.creator)
    assert summarize(answer) == foretell(lint()[file.name, subject.source])


@pytest.mark.parametrize(("file", "subject"), SUBJECTS)
def test_admission_does_as_decide_foretold(popular: Server, file: Path, subject: Any) -> None:
    """Down to the limits of every container."""
    case = Case(
        NAMESPACE, read_profiles(read_documents(str(PROFILES)), str(PROFILES), None), Setting(), as_created(subject.pod)
    )
    assert case.find_differences(popular) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_manifests_are_valid(popular: Server, installed: ControlPlane, file: Path) -> None:
    """Strictly: a misspelt field would make a manifest say something else than it seems to."""
    namespaced = ("-n", NAMESPACE, "--dry-run=server", "--validate=strict")
    answer = installed.kubectl("create", "-f", file, *namespaced, check=False)
    refused = [line for line in answer.stderr.splitlines() if "Pod not supported on Fargate" not in line]
    assert refused == []
