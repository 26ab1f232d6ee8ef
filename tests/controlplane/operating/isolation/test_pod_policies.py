"""Each pod has a NetworkPolicy of its own, made from its security groups, and keeps it whoever changes what."""

import itertools
import zlib
from collections.abc import Iterator

import pytest

from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually

WEB = [{"protocol": "TCP", "port": 8080, "from": [{"cidr": "10.1.0.0/16"}]}]
OPENED = [{"from": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"protocol": "TCP", "port": 8080}]}]
DB = [{"protocol": "TCP", "port": 5432, "to": [{"cidr": "10.2.0.0/16"}]}]


@pytest.fixture
def namespace(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of its own, and the groups `web` and `db`. No profile reaches it yet."""
    name = f"isolated-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    for group, rules in {"web": {"ingress": WEB}, "db": {"egress": DB}}.items():
        lab.create_group(group, **rules)
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    lab.delete_groups()
    lab.delete("Namespace", name)


def read_pod(lab: Lab, namespace: str, name: str) -> Json:
    return lab.get("Pod", name, namespace) or {}


def find_group_labels(pod: Json) -> dict[str, str]:
    labels = pod["metadata"]["labels"]
    return {key: value for key, value in labels.items() if "sg.monopod.dev/" in key or key.endswith("security-groups")}


def versions(lab: Lab, namespace: str) -> dict[str, str]:
    return {name: policy["metadata"]["resourceVersion"] for name, policy in lab.policies(namespace).items()}


@pytest.mark.usefixtures("operator")
def test_a_pod_gets_a_policy_of_its_own_from_its_groups(lab: Lab, namespace: str) -> None:
    lab.create_profile("web", namespace, securityGroups=["web", "db"])
    lab.becomes_active("web")
    lab.create_pod(namespace, "app")
    policy = eventually(lambda: lab.policies(namespace))["app.db.web"]
    pod = read_pod(lab, namespace, "app")
    uid = pod["metadata"]["uid"]
    assert policy["metadata"]["labels"] == {"monopod.dev/policy": "pod"}
    (owner,) = policy["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "app", uid)
    assert policy["spec"]["podSelector"] == {
        "matchLabels": {"monopod.dev/task": uid.replace("-", "")},
        "matchExpressions": [{"key": "monopod.dev/profile", "operator": "Exists"}],
    }
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"] == OPENED
    (egress,) = policy["spec"]["egress"]
    assert egress["to"][0]["ipBlock"]["cidr"] == "10.2.0.0/16"


@pytest.mark.usefixtures("operator")
def test_a_change_of_a_group_rewrites_the_policies_of_its_pods_and_no_other(lab: Lab, namespace: str) -> None:
    lab.create_profile("db", namespace, labels={"app": "db"}, securityGroups=["db"])
    lab.create_profile("web", namespace, securityGroups=["web"])
    lab.becomes_active("web")
    lab.becomes_active("db")
    for number in range(3):
        lab.create_pod(namespace, f"web-{number}")
        lab.create_pod(namespace, f"db-{number}", labels={"app": "db"})
    eventually(lambda: len(lab.policies(namespace)) == 6)
    before = versions(lab, namespace)
    lab.patch("SecurityGroup", "web", {"spec": {"ingress": [{**WEB[0], "port": 9090}]}})

    def is_opened() -> bool:
        found = [policy["spec"] for name, policy in lab.policies(namespace).items() if name.startswith("web-")]
        return [spec["ingress"][0]["ports"][0]["port"] for spec in found] == [9090] * 3

    eventually(is_opened)
    after = versions(lab, namespace)
    assert {name for name in before if before[name] != after[name]} == {f"web-{number}.web" for number in range(3)}
    lab.patch("SecurityGroup", "web", {"spec": {"description": "says nothing about rules"}})
    lab.create_pod(namespace, "web-3")
    eventually(lambda: "web-3.web" in lab.policies(namespace))
    assert {name: version for name, version in versions(lab, namespace).items() if name in after} == after


@pytest.mark.usefixtures("operator")
def test_running_pods_follow_their_profiles_groups(lab: Lab, namespace: str) -> None:
    lab.create_profile("web", namespace, securityGroups=["web"])
    lab.becomes_active("web")
    lab.create_pod(namespace, "app")
    eventually(lambda: list(lab.policies(namespace)) == ["app.web"])
    lab.patch("FargateProfile", "web", {"spec": {"securityGroups": ["db"]}})
    eventually(lambda: list(lab.policies(namespace)) == ["app.db"])
    told = {"sg.monopod.dev/db": "true", "monopod.dev/security-groups": "1"}
    eventually(lambda: find_group_labels(read_pod(lab, namespace, "app")) == told)
    annotations = read_pod(lab, namespace, "app")["metadata"]["annotations"]
    assert annotations["fargate.amazonaws.com/pod-sg"] == "db"


@pytest.mark.usefixtures("operator")
def test_a_pod_whose_group_does_not_exist_stays_closed_and_says_so_until_it_does(
    lab: Lab, operator: OperatorProcess, namespace: str
) -> None:
    lab.create_profile("web", namespace, securityGroups=["web", "later"])
    lab.becomes_active("web")
    lab.create_pod(namespace, "app")
    events = eventually(lambda: lab.events(namespace, "app"))
    assert [(event["type"], event["reason"]) for event in events] == [("Warning", "SecurityGroupNotFound")]
    assert "SecurityGroup later doesn't exist" in events[0]["message"]
    assert lab.policies(namespace) == {}
    lab.create_group("later")
    eventually(lambda: list(lab.policies(namespace)) == ["app.later.web"])
    assert len(lab.events(namespace, "app")) == 1


@pytest.mark.usefixtures("operator")
def test_the_pods_of_a_group_that_is_taken_away_by_force_are_closed(lab: Lab, namespace: str) -> None:
    lab.create_profile("web", namespace, securityGroups=["web"])
    lab.becomes_active("web")
    lab.create_pod(namespace, "app")
    eventually(lambda: lab.policies(namespace))
    lab.delete_groups("web")
    eventually(lambda: lab.policies(namespace) == {})
    assert [event["reason"] for event in eventually(lambda: lab.events(namespace, "app"))] == ["SecurityGroupNotFound"]


DAMAGE: dict[str, Json] = {
    "opened": {"spec": {"ingress": [{}], "egress": [{}]}},
    "selects others": {"spec": {"podSelector": {"matchLabels": {"monopod.dev/task": "another"}}}},
    "owned by nobody": {"metadata": {"ownerReferences": None}},
    "owned by another pod too": {
        "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "other", "uid": "other"}]}
    },
    "a direction left out": {"spec": {"policyTypes": ["Ingress"]}},
}


@pytest.mark.parametrize("damage", [*DAMAGE.values(), None], ids=[*DAMAGE, "deleted"])
def test_a_pods_policy_that_someone_changes_is_put_right_and_reported(
    lab: Lab, operator: OperatorProcess, namespace: str, damage: Json | None
) -> None:
    lab.create_profile("web", namespace, securityGroups=["web"])
    lab.becomes_active("web")
    lab.create_pod(namespace, "app")
    before = eventually(lambda: lab.policies(namespace))["app.web"]
    lab.damage_policy(namespace, "app.web", damage)

    def is_put_right() -> bool:
        after = lab.policies(namespace).get("app.web", {"metadata": {}, "spec": {}})
        kept = ("labels", "ownerReferences")
        same = all(after["metadata"].get(key) == before["metadata"][key] for key in kept)
        return bool(same and after["spec"] == before["spec"])

    eventually(is_put_right)
    events = eventually(lambda: lab.events(namespace, "app"))
    assert [(event["type"], event["reason"]) for event in events] == [("Warning", "PolicyRestored")]
    eventually(lambda: operator.metric('monopod_isolation_policies_total{action="restored"}') == 1)


@pytest.mark.usefixtures("operator")
def test_pods_of_the_same_groups_share_a_policy_where_the_profile_says_so(lab: Lab, namespace: str) -> None:
    lab.create_profile("web", namespace, securityGroups=["web"], isolation="PerGroup")
    lab.becomes_active("web")
    for name in ("a", "b"):
        lab.create_pod(namespace, name)
    policies = eventually(lambda: lab.policies(namespace))
    assert list(policies) == ["monopod-groups.web"]
    spec = policies["monopod-groups.web"]["spec"]
    assert spec["ingress"] == OPENED
    assert spec["podSelector"]["matchLabels"] == {"monopod.dev/security-groups": "1"}
    lab.kubectl("delete", "pod", "a", "-n", namespace, "--force", "--grace-period=0")
    eventually(lambda: lab.status("web")["pods"] == 1)
    assert list(lab.policies(namespace)) == ["monopod-groups.web"]
    lab.kubectl("delete", "pod", "b", "-n", namespace, "--force", "--grace-period=0")
    eventually(lambda: lab.policies(namespace) == {})


@pytest.mark.usefixtures("operator")
def test_a_profile_changes_between_policies_per_pod_and_per_group(lab: Lab, namespace: str) -> None:
    lab.create_profile("web", namespace, securityGroups=["web"])
    lab.becomes_active("web")
    lab.create_pod(namespace, "app")
    eventually(lambda: list(lab.policies(namespace)) == ["app.web"])
    lab.patch("FargateProfile", "web", {"spec": {"isolation": "PerGroup"}})
    eventually(lambda: list(lab.policies(namespace)) == ["monopod-groups.web"])
    lab.patch("FargateProfile", "web", {"spec": {"isolation": "PerPod"}})
    eventually(lambda: list(lab.policies(namespace)) == ["app.web"])


MOST_BEFORE = 100
"""Pods that come before the operator is killed, however slow it is."""


def test_an_operator_that_is_killed_in_a_burst_leaves_nothing_undone_and_does_nothing_twice(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    first = start()
    lab.create_profile("web", namespace, securityGroups=["web", "db"])
    lab.becomes_active("web")
    numbers = itertools.count()
    for number in itertools.islice(numbers, MOST_BEFORE):
        lab.create_pod(namespace, f"app-{number}")
        if len(lab.policies(namespace)) >= 5:
            break
    eventually(lambda: len(lab.policies(namespace)) >= 5)
    first.kill()
    for number in itertools.islice(numbers, 20):
        lab.create_pod(namespace, f"app-{number}")
    before = versions(lab, namespace)
    second = start("--no-leader-elect")
    pods = {item["metadata"]["name"] for item in lab.list_all("Pod", namespace)}
    eventually(lambda: set(lab.policies(namespace)) == {f"{name}.db.web" for name in pods})
    after = versions(lab, namespace)
    assert {name: after[name] for name in before} == before
    written = len(after) - len(before)
    eventually(lambda: second.metric('monopod_isolation_policies_total{action="written"}') == written)
    second.passes_happen(3)
    assert versions(lab, namespace) == after
