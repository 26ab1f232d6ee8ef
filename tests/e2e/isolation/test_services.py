"""Sandboxed pods are ordinary members of the cluster's network: Services, DNS, and what security groups forbid."""

from collections.abc import Iterator

import pytest

from tests.e2e.live import Live, Object
from tests.e2e.workloads import PORT, SANDBOXED, a_group, a_group_policy, a_pod, a_server, a_service

# busybox's own wget dies on a name: statically linked, it can't look one up. nslookup asks the DNS server itself.
FETCH = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 5 nc {address} {port} | tail -n 1"
LOOK_UP = "nslookup {name} | awk '/^Address/ {{found=$2}} END {{print found}}'"
POLICY_SECONDS = 120


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[Object]:
    """A sandboxed pod beside a sandboxed server with a Service, both called `web`."""
    namespace = live.make_namespace()
    live.apply(
        a_server("web", namespace, SANDBOXED), a_service("web", namespace), a_pod("client", namespace, SANDBOXED)
    )
    live.await_ready(namespace, 2)
    yield live.get("pod", "client", namespace)
    live.remove_namespace(namespace)


def test_a_sandboxed_pod_finds_a_service_by_its_name(live: Live, client: Object) -> None:
    namespace = client["metadata"]["namespace"]
    address = live.get("service", "web", namespace)["spec"]["clusterIP"]
    look_up = LOOK_UP.format(name=f"web.{namespace}.svc.cluster.local")
    # The DNS server may not know a Service yet that has just been made.
    live.wait_for(lambda: live.run_in(client, look_up) == address, "the Service's address")


def test_a_sandboxed_pod_reaches_another_through_its_service(live: Live, client: Object) -> None:
    address = live.get("service", "web", client["metadata"]["namespace"])["spec"]["clusterIP"]
    live.wait_for(lambda: _answers(live, client, address, 80), "an answer through the Service")


def test_security_groups_hold_for_running_pods(live: Live, client: Object) -> None:
    namespace = client["metadata"]["namespace"]
    server = live.get("pod", "web", namespace)["status"]["podIP"]
    live.wait_for(lambda: _answers(live, client, server, PORT), "an answer under the group cluster", POLICY_SECONDS)
    live.apply(a_group("closed"), a_group_policy("closed", namespace, "web", "closed"))
    try:
        live.wait_for(lambda: not _answers(live, client, server, PORT), "silence under another group", POLICY_SECONDS)
    finally:
        live.kubectl("delete", "securitygrouppolicy", "closed", "-n", namespace)
    live.wait_for(lambda: _answers(live, client, server, PORT), "an answer once the pod has its group", POLICY_SECONDS)


def _answers(live: Live, client: Object, address: str, port: int) -> bool:
    return live.run_in(client, FETCH.format(address=address, port=port)) == "hello"
