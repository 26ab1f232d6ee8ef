"""Events about what an operator that was killed had said already: nobody says it again."""

from monopod.api.names import EVENT_SOURCE
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.interceptor import Interceptor
from tests.controlplane.operating.lab import DEADLINE_SECONDS, Lab, eventually


def is_status_write(method: str, path: str) -> bool:
    return method == "PATCH" and path.partition("?")[0].endswith("/fargateprofiles/said-once/status")


def find_counts(lab: Lab) -> dict[str, list[int]]:
    """How often events of Monopod's say that something happened, by their reasons."""
    events = [*lab.events("default", "said-once"), *lab.events("said-once", "host")]
    counts: dict[str, list[int]] = {}
    for event in events:
        if event["source"].get("component") == EVENT_SOURCE:
            counts.setdefault(event["reason"], []).append(event["count"])
    return counts


def test_an_operator_killed_before_it_noted_what_it_said_says_it_once(lab: Lab, start: StartOperator) -> None:
    with Interceptor(lab.server, lab.tls, is_status_write) as asked:
        first = start("--no-leader-elect", kubeconfig=lab.write_kubeconfig(asked.url))
        lab.create_namespace("said-once")
        lab.create_profile("said-once", "said-once")
        lab.becomes_active("said-once")
        lab.create_pod("said-once", "host", hostNetwork=True)
        eventually(lambda: lab.events("said-once", "host") and lab.status("said-once")["pods"] == 1)
        first.becomes_quiet()
        asked.stop_at(len(asked.seen), "before")
        lab.delete("FargateProfile", "said-once")
        assert asked.caught.wait(DEADLINE_SECONDS)
        first.kill()
    said = {"Active": [1], "FailedScheduling": [1], "Deleting": [1]}
    assert find_counts(lab) == said
    assert lab.phase("said-once") == "ACTIVE", "the status says already what the event says"
    second = start("--no-leader-elect")
    eventually(lambda: lab.is_gone("said-once") or lab.phase("said-once") == "DELETING")
    second.kill()
    start("--no-leader-elect")
    eventually(lambda: lab.is_gone("said-once"))
    assert find_counts(lab) == said
