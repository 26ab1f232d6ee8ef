"""Pods and workloads that the API server would refuse, and those that it takes; `tests/controlplane` asks it too."""

from typing import Any

import pytest

from monopod.cli.input.schema.kubernetes import compute_faults
from tests.manifests.judged import ACCEPTED, REFUSED

Object = dict[str, Any]


@pytest.mark.parametrize(("document", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_the_api_server_refuses_is_refused(document: Object, reason: str) -> None:
    assert [str(fault) for fault in compute_faults(document) if str(fault).startswith(reason)], compute_faults(document)


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_api_server_accepts_is_accepted(document: Object) -> None:
    assert compute_faults(document) == []


def test_every_unknown_field_is_named() -> None:
    pod = {**a_pod_with(image="i", comand=[]), "spce": {}}
    assert [str(fault) for fault in compute_faults(pod)] == [
        'unknown field "spec.containers[0].comand"',
        'unknown field "spce"',
    ]


def a_pod_with(**container: Any) -> Object:
    spec = {"containers": [{"name": "a", **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
