"""An interrupted pod gets SIGTERM at once, and its event says why. This test is the first of the tier."""

from tests.e2e.live import Live
from tests.e2e.spot.conftest import Interrupted

AT_ONCE_SECONDS = 30
"""By a busy machine; SIGKILL comes after 120."""


def test_an_interrupted_pod_gets_sigterm_at_once_and_says_why(live: Live, interrupted: Interrupted) -> None:
    [told] = live.wait_for(lambda: interrupted.list_times("sigterm"), "SIGTERM")
    assert told - interrupted.at < AT_ONCE_SECONDS
    pod = live.get("pod", interrupted.name, interrupted.namespace)
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 120, "of the 600 that it asked for"
    about = f"involvedObject.name={interrupted.name},reason=SpotInterruption"
    look = (
        "get",
        "events",
        "-n",
        interrupted.namespace,
        "--field-selector",
        about,
        "-o",
        "jsonpath={.items[*].message}",
    )
    message = live.wait_for(lambda: live.kubectl(*look), "the event")
    assert message == "Your Spot Task was interrupted."
