"""What ignores SIGTERM is killed after two minutes. This test comes late in the tier, so that it needn't wait."""

import json

from tests.e2e.live import Live
from tests.e2e.spot.conftest import Interrupted


def test_an_interrupted_pod_that_ignores_sigterm_runs_for_two_minutes(live: Live, interrupted: Interrupted) -> None:
    def is_gone() -> bool:
        found = json.loads(live.kubectl("get", "pods", "-n", interrupted.namespace, "-o", "json"))["items"]
        return interrupted.name not in [pod["metadata"]["name"] for pod in found]

    live.wait_for(is_gone, "the pod gone", 300)
    [told] = interrupted.list_times("sigterm")
    # Two minutes, as a busy machine counts them: nothing like the ten that it asked for, nor like none.
    assert 110 <= interrupted.list_times("alive")[-1] - told <= 150
