"""What the operator may have run in its own namespace: what a pod could do is left out, field by field."""

import pytest

from monopod.capacity.cel.daemon_sets import build_only_pausing
from monopod.capacity.cel.warm import build_only_balloons


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_no_probe_has_the_kubelet_call_anyone(probe: str) -> None:
    assert f"!container.?{probe}.hasValue()" in build_only_balloons("pause").cel
    assert f"!has(container.{probe})" in build_only_pausing("pause").cel


def test_no_container_takes_back_that_its_pod_is_nobody() -> None:
    for validation in (build_only_balloons("pause"), build_only_pausing("pause")):
        assert "container.?securityContext.?runAsNonRoot.orValue(true)" in validation.cel
