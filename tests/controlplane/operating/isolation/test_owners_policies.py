"""Policies of a namespace's owners hold for its pods of the default group, whatever the operator has missed."""

import zlib
from collections.abc import Iterator

import pytest

from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.controlplane.operating.relay import Relay

ALONE = "--no-leader-elect"


@pytest.fixture
def namespace(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"owned-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    lab.delete("Namespace", name)


def deny_ingress(lab: Lab, namespace: str, app: str) -> None:
    """Denies all ingress of the pods labelled `app: APP`, by a policy of this name."""
    spec = {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"]}
    metadata = {"name": app, "namespace": namespace}
    policy: Json = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    lab.create(policy).expect_ok()


def find_opened(lab: Lab, namespace: str, pod: str) -> set[str]:
    """The directions in which the pod's own policy opens anything, or `none` if it has no policy yet."""
    policy = lab.policies(namespace).get(f"{pod}.cluster")
    return {way for way in ("ingress", "egress") if policy["spec"].get(way)} if policy else {"none"}


def test_a_policy_that_the_watch_has_not_told_of_holds_for_a_pod_that_comes_after_it(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    with Relay(lab.server, lab.tls) as relay:
        start(ALONE, kubeconfig=lab.write_kubeconfig(relay.url))
        lab.create_profile("owned", namespace)
        lab.becomes_active("owned")
        lab.create_pod(namespace, "before")
        eventually(lambda: find_opened(lab, namespace, "before") == {"ingress", "egress"})
        with relay.holding("/networkpolicies"):
            deny_ingress(lab, namespace, "after")
            lab.create_pod(namespace, "after", labels={"app": "after"})
            eventually(lambda: find_opened(lab, namespace, "after") != {"none"})
            assert find_opened(lab, namespace, "after") == {"egress"}
        assert find_opened(lab, namespace, "before") == {"ingress", "egress"}


def test_an_operator_that_starts_makes_up_for_policies_that_came_and_went_without_it(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    operator = start(ALONE)
    lab.create_profile("owned", namespace)
    lab.becomes_active("owned")
    deny_ingress(lab, namespace, "early")
    for pod in ("early", "late"):
        lab.create_pod(namespace, pod, labels={"app": pod})
    eventually(lambda: find_opened(lab, namespace, "early") == {"egress"})
    eventually(lambda: find_opened(lab, namespace, "late") == {"ingress", "egress"})
    operator.kill()
    lab.delete("NetworkPolicy", "early", namespace)
    deny_ingress(lab, namespace, "late")
    start(ALONE)
    eventually(lambda: find_opened(lab, namespace, "late") == {"egress"})
    eventually(lambda: find_opened(lab, namespace, "early") == {"ingress", "egress"})
