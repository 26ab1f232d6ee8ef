"""What the operator may have run in its own namespace: what a pod could do is left out, field by field."""

import pytest

from monopod.capacity.cel.daemon_sets import build_only_pausing
from monopod.capacity.cel.warm import CONTAINER_FIELDS, CONTAINER_SECURITY_FIELDS, POD_FIELDS


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_no_probe_has_the_kubelet_call_anyone(probe: str) -> None:
    assert probe not in CONTAINER_FIELDS
    assert f"!has(container.{probe})" in build_only_pausing("pause").cel


def test_no_container_takes_back_that_its_pod_is_nobody() -> None:
    assert not {"runAsNonRoot", "runAsUser", "privileged"} & {*CONTAINER_SECURITY_FIELDS}
    assert "container.?securityContext.?runAsNonRoot.orValue(true)" in build_only_pausing("pause").cel


def test_no_balloon_has_what_would_give_it_powers() -> None:
    powers = {"serviceAccountName", "volumes", "initContainers", "hostNetwork", "hostPID", "nodeName", "resourceClaims"}
    assert not powers & {*POD_FIELDS}
