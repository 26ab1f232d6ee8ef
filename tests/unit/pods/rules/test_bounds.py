"""Pods that are too large for a reached namespace, and what doesn't make them so."""

from typing import Any

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, GROUP_LABEL_PREFIX, OUR_GATES, PROFILE_LABEL
from monopod.pods.cel.selection import IS_OWN
from monopod.pods.rules.bounds import (
    FEW_LABELS,
    MAX_ANNOTATIONS,
    MAX_CONTAINERS,
    MAX_ENTRIES,
    MAX_GATES,
    MAX_LABEL_CHARACTERS,
    MAX_LABELS,
    MAX_NODE_ENTRIES,
    MAX_NODE_TERMS,
    MAX_VOLUMES,
    compute_excess,
)
from monopod.pods.rules.decision import OutOfBounds, Unmatched, decide
from monopod.pods.rules.selection import WRITTEN_LABELS
from tests.attack.shapes import AT_BOUNDS, BEYOND, many
from tests.unit.builders import a_pod, a_profile, a_selector


@pytest.mark.parametrize("shape", AT_BOUNDS.values(), ids=AT_BOUNDS)
def test_a_pod_at_a_bound_is_admitted(shape: dict[str, Any]) -> None:
    assert compute_excess(shape) == ""


@pytest.mark.parametrize("name", BEYOND)
def test_a_pod_beyond_a_bound_is_told_which(name: str) -> None:
    pod, text = BEYOND[name]
    assert compute_excess(pod) == text


@pytest.mark.parametrize(
    ("what", "most", "start"),
    [
        ("labels", MAX_LABELS, "metadata.labels has 101 labels; a pod may have at most 100 in a namespace"),
        ("annotations", MAX_ANNOTATIONS, "metadata.annotations has 101 annotations"),
        ("containers", MAX_CONTAINERS, "spec.containers and spec.initContainers have 61 containers"),
        ("volumes", MAX_VOLUMES, "spec.volumes has 101 volumes"),
        ("ports", MAX_ENTRIES, "spec.containers and spec.initContainers have 301 ports, added capabilities"),
        ("terms", MAX_NODE_TERMS, "spec.affinity.nodeAffinity, as far as it is required, has 31 terms"),
        ("fields", MAX_NODE_ENTRIES // 2, "spec.affinity.nodeAffinity, as far as it is required, has 102 expressions"),
        ("gates", MAX_GATES, "spec.schedulingGates has 31 scheduling gates"),
        ("long labels", MAX_LABEL_CHARACTERS // 50, "metadata.labels has 4050 characters"),
    ],
)
def test_each_bound_is_sharp(what: str, most: int, start: str) -> None:
    assert compute_excess(many(what, most)) == ""
    assert compute_excess(many(what, most + 1)).startswith(start)


def test_what_admission_writes_does_not_count() -> None:
    pod = many("labels", MAX_LABELS)
    pod["metadata"]["labels"] |= {PROFILE_LABEL: "web", f"{GROUP_LABEL_PREFIX}web": "true"}
    assert compute_excess(pod) == ""
    pod = many("annotations", MAX_ANNOTATIONS)
    pod["metadata"]["annotations"][CAPACITY_ANNOTATION] = "0.25vCPU 0.5GB"
    assert compute_excess(pod) == ""
    pod = many("gates", MAX_GATES)
    pod["spec"]["schedulingGates"] += [{"name": gate} for gate in OUR_GATES]
    assert compute_excess(pod) == ""


def test_limits_that_the_api_server_copies_to_requests_count_once() -> None:
    limits = {f"example.com/r{number}": 1 for number in range(MAX_ENTRIES)}
    pod = a_pod().limited_to(**limits)
    assert compute_excess(pod.build()) == compute_excess(pod.requesting(**limits).build()) == ""


def test_a_few_labels_never_have_too_many_characters() -> None:
    longest = {f"{'d' * 251}{number:02}/{'n' * 63}": "v" * 63 for number in range(FEW_LABELS)}
    assert sum(len(key) + len(value) + 2 for key, value in longest.items()) <= MAX_LABEL_CHARACTERS


def test_the_namespace_must_be_reached() -> None:
    pod = many("labels", MAX_LABELS + 1)
    assert isinstance(decide(pod, "prod", [a_profile("web", a_selector("prod", no="pod"))]), OutOfBounds)
    assert isinstance(decide(pod, "prod", [a_profile("web", a_selector("test"))]), Unmatched)


def test_all_labels_that_admission_writes_have_a_slash() -> None:
    assert all("/" in label for label in (*WRITTEN_LABELS, GROUP_LABEL_PREFIX))
    assert IS_OWN.startswith("!key.contains('/')")
