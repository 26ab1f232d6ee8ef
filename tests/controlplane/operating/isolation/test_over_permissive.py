"""A profile says how many of its pods are denied traffic, or allowed more by others; and groups say who uses them."""

import zlib
from collections.abc import Iterator

import pytest

from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually

FROM_ALL = [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
FROM_SOME = [{"from": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}]


@pytest.fixture
def namespace(lab: Lab, operator: OperatorProcess, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace with two pods of the profile `shop`, `a` and `b`, in the group `web`, which lets 10.1.0.0/16 in."""
    name = f"over-permissive-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    lab.create_group("web", ingress=[{"from": [{"cidr": "10.1.0.0/16"}]}])
    lab.create_profile("shop", name, securityGroups=["web"])
    lab.becomes_active("shop")
    for pod in ("a", "b"):
        lab.create_pod(name, pod, labels={"app": pod})
    eventually(lambda: len(lab.policies(name)) == 2)
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    lab.delete_groups()
    lab.delete("Namespace", name)


def create_policy(lab: Lab, namespace: str, name: str, ingress: list[Json], **selector: object) -> None:
    spec = {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": ingress}
    metadata = {"name": name, "namespace": namespace}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    lab.create(policy).expect_ok()


def has_isolation(lab: Lab, reason: str, message: str = "") -> bool:
    found = lab.condition("shop", "Isolated")
    return bool(found.get("reason") == reason and message in found["message"])


def test_the_condition_counts_over_permissive_pods_and_names_the_policies(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    eventually(lambda: has_isolation(lab, "PodsIsolated"))
    create_policy(lab, namespace, "one", FROM_ALL, matchLabels={"app": "a"})
    eventually(
        lambda: has_isolation(lab, "PodsOverPermissive", f"1 pod is allowed more by NetworkPolicy {namespace}/one")
    )
    create_policy(lab, namespace, "two", FROM_ALL)
    both = f"2 pods are allowed more by NetworkPolicy {namespace}/one, {namespace}/two"
    eventually(lambda: has_isolation(lab, "PodsOverPermissive", both))
    eventually(lambda: operator.metric('monopod_over_permissive_pods{profile="shop"}') == 2)
    assert (lab.condition("shop", "Ready")["status"], lab.phase("shop")) == ("True", "ACTIVE")
    for name in ("one", "two"):
        lab.delete("NetworkPolicy", name, namespace)
    eventually(lambda: has_isolation(lab, "PodsIsolated"))
    eventually(lambda: operator.metric('monopod_over_permissive_pods{profile="shop"}') == 0)


def test_a_policy_that_opens_no_more_than_the_groups_counts_once_the_groups_are_narrower(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    create_policy(lab, namespace, "harmless", FROM_SOME)
    create_policy(lab, namespace, "telling", FROM_ALL, matchLabels={"app": "a"})
    # As both are looked at together, the second tells that the first was.
    eventually(
        lambda: has_isolation(lab, "PodsOverPermissive", f"1 pod is allowed more by NetworkPolicy {namespace}/telling")
    )
    lab.patch("SecurityGroup", "web", {"spec": {"ingress": [{"from": [{"cidr": "10.1.2.0/24"}]}]}})
    eventually(
        lambda: has_isolation(lab, "PodsOverPermissive", f"2 pods are allowed more by NetworkPolicy {namespace}/harm")
    )


def test_the_condition_counts_closed_pods_and_names_the_missing_group(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    lab.patch("FargateProfile", "shop", {"spec": {"securityGroups": ["web", "later"]}})
    eventually(lambda: has_isolation(lab, "PodsDenied", "2 pods are denied all traffic: later can't be used"))
    eventually(lambda: lab.policies(namespace) == {})
    eventually(lambda: operator.metric('monopod_denied_pods{profile="shop"}') == 2)
    lab.create_group("later")
    eventually(lambda: has_isolation(lab, "PodsIsolated"))
    eventually(lambda: len(lab.policies(namespace)) == 2)


def test_the_condition_counts_pods_whose_policies_are_refused_and_their_events_say_why(
    lab: Lab, namespace: str
) -> None:
    lab.allow_no_policies(namespace)
    lab.create_pod(namespace, "c")
    (event,) = eventually(lambda: lab.events(namespace, "c"))
    assert (event["type"], event["reason"]) == ("Warning", "SecurityGroupsNotEnforced")
    assert "exceeded quota: none" in event["message"]
    eventually(lambda: has_isolation(lab, "PoliciesNotWritten", "1 pod is not as security groups say"))
    lab.delete("ResourceQuota", "none", namespace)
    eventually(lambda: "c.web" in lab.policies(namespace))
    eventually(lambda: has_isolation(lab, "PodsIsolated"))


def test_a_group_counts_its_pods_names_its_users_and_stays_as_long_as_there_are_any(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    lab.create_group("front", egress=[{"to": [{"securityGroup": "web"}]}])
    eventually(lambda: lab.group_status("web").get("usedBy") == ["FargateProfile/shop", "SecurityGroup/front"])
    eventually(lambda: lab.group_status("web").get("pods") == 2)
    refused = lab.kubectl("delete", "securitygroup", "web", check=False)
    assert "in use by FargateProfile/shop, SecurityGroup/front" in refused.stderr
    lab.delete("SecurityGroup", "front")
    lab.patch("FargateProfile", "shop", {"spec": {"securityGroups": None}})
    eventually(lambda: (lab.group_status("web").get("pods"), lab.group_status("web").get("usedBy")) == (0, []))
    lab.delete("SecurityGroup", "web")
    eventually(lambda: lab.get("SecurityGroup", "web") is None)
    eventually(lambda: set(lab.policies(namespace)) == {"a.cluster", "b.cluster"})


def test_a_rule_that_names_a_group_that_does_not_exist_is_said_until_it_does(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    def reason() -> str:
        (condition,) = lab.group_status("front").get("conditions") or [{}]
        return str(condition.get("reason"))

    lab.create_group("front", egress=[{"to": [{"securityGroup": "back"}]}])
    eventually(lambda: reason() == "PeerNotFound")
    lab.create_group("back")
    eventually(lambda: reason() == "RulesEnforced")


def test_the_default_group_is_made_kept_as_someone_changes_it_and_made_again_when_it_is_gone(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    eventually(lambda: lab.get("SecurityGroup", "cluster"))
    ours = {"description": "ours", "ingress": [], "egress": []}
    lab.patch("SecurityGroup", "cluster", {"spec": ours})
    eventually(lambda: lab.group_status("cluster").get("observedGeneration", 0) >= 2)
    operator.passes_happen(3)
    assert (lab.get("SecurityGroup", "cluster") or {})["spec"] == ours
    lab.delete_groups("cluster")
    again = eventually(lambda: lab.get("SecurityGroup", "cluster")) or {}
    assert again["spec"]["description"].startswith("Everything inside the cluster")
