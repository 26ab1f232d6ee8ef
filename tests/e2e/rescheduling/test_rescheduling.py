"""Pods that ran before their profile existed move into sandboxes of their own; whoever uses them notices nothing."""

from collections.abc import Iterator

import pytest

from monopod.api.names import PROFILE_LABEL
from tests.e2e.live import Live, Object, is_ready
from tests.e2e.workloads import (
    SERVE,
    a_budget,
    a_deployment,
    a_job,
    a_pod,
    a_profile,
    a_service,
    a_stateful_set,
    serve_to_the_last,
)

MOVES = {"moves": "yes"}
MOVED_SECONDS = 300
# One line for each request. busybox's own wget dies, as it is linked statically.
ASK = r"""
ask() {{ printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 nc {address} 80; }}
while true; do
  if ask | grep -q hello; then echo answered; else echo failed; fi
  sleep 0.05
done
"""


@pytest.fixture
def namespace(live: Live) -> Iterator[str]:
    """A namespace that no profile reaches yet; the profile of its name is deleted with it."""
    name = live.make_namespace("moving")
    yield name
    live.remove_namespace(name)
    live.kubectl("delete", "fargateprofile", name, "--ignore-not-found")


def find_kernel(live: Live, pod: Object) -> str:
    return live.run_in(pod, "uname -r")


def find_node_kernel(live: Live, pod: Object) -> str:
    kernel: str = live.get("node", pod["spec"]["nodeName"])["status"]["nodeInfo"]["kernelVersion"]
    return kernel


def find_condition(live: Live, profile: str) -> Object:
    conditions = live.get("fargateprofile", profile).get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "Rescheduled"), {})


def await_moved(live: Live, profile: str, namespace: str, selector: str, fewest: int) -> None:
    """Waits for the end of the move; at every look so many pods are Ready."""

    def is_moved() -> bool:
        pods = live.find("pods", namespace, selector)
        ready = [pod for pod in pods if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
        assert len(ready) >= fewest
        return find_condition(live, profile).get("reason") == "AllMoved"

    live.wait_for(is_moved, f"the end of the move of profile {profile}", MOVED_SECONDS)


def count_lines(live: Live, pod: Object) -> dict[str, int]:
    """How many requests the client has sent, by what came of them."""
    lines = live.kubectl("logs", pod["metadata"]["name"], "-n", pod["metadata"]["namespace"]).split()
    return {word: lines.count(word) for word in ("answered", "failed")}


def test_a_deployment_moves_without_one_failed_request(live: Live, namespace: str) -> None:
    web = a_deployment("web", namespace, MOVES, {"cpu": "50m"}, SERVE)
    web["spec"]["replicas"] = 5
    serve_to_the_last(web["spec"]["template"]["spec"])
    live.apply(web, a_budget("web", namespace, 4), a_service("web", namespace))
    before = live.await_ready(namespace, 5)
    assert {find_kernel(live, pod) for pod in before} == {find_node_kernel(live, before[0])}
    address = live.get("service", "web", namespace)["spec"]["clusterIP"]
    live.apply(a_pod("client", namespace, {}, ASK.format(address=address)))
    (client,) = live.await_ready(namespace, selector="app=client")
    live.wait_for(lambda: count_lines(live, client)["answered"] > 10, "answers")
    failed_before = count_lines(live, client)["failed"]
    live.apply(a_profile(namespace, namespace, MOVES))
    await_moved(live, namespace, namespace, "app=web", 4)
    after = live.await_ready(namespace, 5, "app=web")
    answered_then = count_lines(live, client)["answered"]
    live.wait_for(lambda: count_lines(live, client)["answered"] > answered_then + 50, "answers of the new pods")
    assert count_lines(live, client)["failed"] == failed_before
    assert {pod["metadata"]["uid"] for pod in after}.isdisjoint(pod["metadata"]["uid"] for pod in before)
    assert {pod["metadata"]["labels"][PROFILE_LABEL] for pod in after} == {namespace}
    assert find_node_kernel(live, before[0]) not in {find_kernel(live, pod) for pod in after}
    assert live.get("pod", "client", namespace)["metadata"]["uid"] == client["metadata"]["uid"]


def test_a_stateful_set_moves_one_by_one_while_jobs_and_bare_pods_stay(live: Live, namespace: str) -> None:
    live.apply(
        a_stateful_set("db", namespace, MOVES, 3), a_job("job", namespace, MOVES), a_pod("bare", namespace, MOVES)
    )
    before = {pod["metadata"]["name"]: pod for pod in live.await_ready(namespace, 5)}
    live.apply(a_profile(namespace, namespace, MOVES))
    await_moved(live, namespace, namespace, "app=db", 2)
    after = {pod["metadata"]["name"]: pod for pod in live.await_ready(namespace, 5)}
    assert set(after) == set(before), "a StatefulSet's pods keep their names"
    moved = [name for name, pod in after.items() if pod["metadata"]["uid"] != before[name]["metadata"]["uid"]]
    assert sorted(moved) == ["db-0", "db-1", "db-2"]
    for name, pod in after.items():
        sandboxed = find_kernel(live, pod) != find_node_kernel(live, pod)
        assert sandboxed == (name in moved), name
    told = live.get("fargateprofile", namespace)["status"]["rescheduling"]
    assert (told["moved"], told["left"], told["blocked"], told["waiting"]) == (3, 2, 0, 0)


def test_a_pod_that_nothing_controls_comes_back_sandboxed_under_its_name(live: Live, namespace: str) -> None:
    live.apply(a_pod("bare", namespace, MOVES))
    (before,) = live.await_ready(namespace)
    live.apply(a_profile(namespace, namespace, MOVES, barePods="Recreate"))
    await_moved(live, namespace, namespace, "app=bare", 0)
    (after,) = live.await_ready(namespace)
    assert after["metadata"]["name"] == "bare"
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert find_kernel(live, after) != find_node_kernel(live, after)
    live.wait_for(lambda: not live.find("storedpods", namespace), "the end of what was stored")
