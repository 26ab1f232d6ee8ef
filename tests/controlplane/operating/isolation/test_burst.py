"""A thousand pods: nothing else waits for them, and a change of their group writes what must be written and no more."""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.lab import Lab, OperatorProcess, eventually

PODS = 1000
WRITERS = 8
NAMESPACE = "collected"
WRITTEN = 'monopod_isolation_policies_total{action="written"}'
DELETED = 'monopod_isolation_policies_total{action="deleted"}'
RESTORED = 'monopod_isolation_policies_total{action="restored"}'


@pytest.fixture
def burst(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace, and the groups `web` and `db`, of which the first lets the second in."""
    name = f"burst-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    lab.create_group("web", ingress=[{"from": [{"securityGroup": "db"}]}])
    lab.create_group("db")
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0", "--wait=false")
    # As a namespace's end does it where there is a controller of namespaces; here there is none.
    user = "--as=system:serviceaccount:kube-system:namespace-controller"
    lab.kubectl("delete", "networkpolicies", "--all", "-n", name, "--wait=false", user)
    lab.delete_groups()
    lab.delete("Namespace", name)
    lab.delete("Namespace", f"{name}-beside")


def create_pods(lab: Lab, namespace: str, count: int) -> None:
    with ThreadPoolExecutor(WRITERS) as writers:
        for done in [writers.submit(lab.create_pod, namespace, f"pod-{number}") for number in range(count)]:
            done.result()


def find_uids(lab: Lab, namespace: str) -> dict[str, str]:
    return {name: policy["metadata"]["uid"] for name, policy in lab.policies(namespace).items()}


def is_idle(operator: OperatorProcess) -> bool:
    return operator.metric('monopod_controller_queue_depth{controller="isolation"}') == 0


@pytest.mark.timeout(900)
def test_a_thousand_pods_hold_up_no_profile_and_a_change_of_their_group_is_a_write_for_each(
    lab: Lab, start: StartOperator, burst: str
) -> None:
    first = start("--no-leader-elect")
    lab.create_profile("burst", burst, securityGroups=["web"])
    lab.becomes_active("burst")
    first.kill()
    create_pods(lab, burst, PODS)

    operator = start("--no-leader-elect")
    eventually(lambda: operator.metric(WRITTEN) > 0)
    lab.create_namespace(f"{burst}-beside")
    lab.create_profile("beside", f"{burst}-beside")
    lab.becomes_active("beside")
    assert operator.metric(WRITTEN) < PODS, "the profile was enforced before the last pod had its policy"
    eventually(lambda: len(lab.policies(burst)) == PODS, deadline=400)
    eventually(lambda: operator.metric(WRITTEN) == PODS + 1)  # and the base policy of the other namespace
    uids = find_uids(lab, burst)
    assert {name.split(".")[1] for name in lab.policies(burst)} == {"web"}

    lab.patch("SecurityGroup", "web", {"spec": {"description": "says nothing about rules"}})
    lab.patch("SecurityGroup", "db", {"spec": {"ingress": [{"from": [{"cidr": "10.1.0.0/16"}]}]}})
    operator.passes_happen(3)
    eventually(lambda: is_idle(operator))
    assert operator.metric(WRITTEN) == PODS + 1, "neither a description nor another group concerns these pods"

    lab.patch("SecurityGroup", "web", {"spec": {"ingress": [{"from": [{"cidr": "10.2.0.0/16"}]}]}})
    eventually(lambda: operator.metric(WRITTEN) == 2 * PODS + 1, deadline=400)
    operator.passes_happen(3)
    assert operator.metric(WRITTEN) == 2 * PODS + 1
    assert find_uids(lab, burst) == uids, "none was deleted and written anew"


@pytest.mark.timeout(900)
def test_where_pods_share_a_policy_any_number_of_them_is_one_write_and_so_is_a_change_of_their_group(
    lab: Lab, operator: OperatorProcess, burst: str
) -> None:
    lab.create_profile("burst", burst, securityGroups=["web"], isolation="PerGroup")
    lab.becomes_active("burst")
    before = operator.metric(WRITTEN)
    create_pods(lab, burst, 200)
    eventually(lambda: lab.status("burst").get("pods") == 200)
    eventually(lambda: is_idle(operator))
    eventually(lambda: list(lab.policies(burst)) == ["monopod-groups.web"])
    lab.patch("SecurityGroup", "web", {"spec": {"ingress": [{"from": [{"cidr": "10.2.0.0/16"}]}]}})
    eventually(lambda: operator.metric(WRITTEN) >= before + 2)
    operator.passes_happen(3)
    eventually(lambda: is_idle(operator))
    assert operator.metric(WRITTEN) == before + 2


@pytest.fixture
def collecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A control plane with a garbage collector."""
    with run_lab("collecting", tmp_path_factory.mktemp("collecting"), fake_nodes=1) as lab:
        yield lab


def test_the_policies_of_pods_that_are_gone_are_left_to_the_garbage_collector(
    collecting: Lab, start: StartOperator
) -> None:
    operator = start("--no-leader-elect", kubeconfig=collecting.write_kubeconfig())
    collecting.create_namespace(NAMESPACE)
    collecting.create_profile("web", NAMESPACE)
    collecting.becomes_active("web")
    eventually(lambda: collecting.get("ServiceAccount", "default", NAMESPACE))
    create_pods(collecting, NAMESPACE, 30)
    eventually(lambda: len(collecting.policies(NAMESPACE)) == 30)
    collecting.kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--force", "--grace-period=0")
    eventually(lambda: collecting.policies(NAMESPACE) == {})
    operator.passes_happen(2)
    eventually(lambda: is_idle(operator))
    assert (operator.metric(DELETED), operator.metric(RESTORED)) == (0, 0)
    assert "PolicyRestored" not in {event["reason"] for event in collecting.list_all("Event", NAMESPACE)}
