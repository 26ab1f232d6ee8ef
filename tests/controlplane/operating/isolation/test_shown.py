"""`kubectl fargate isolation` against a real API server and operator: it shows what is in force, for who may see it."""

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.unit.cli.running import run

WEB = [{"description": "the balancer", "protocol": "TCP", "port": 8080, "from": [{"cidr": "10.1.0.0/16"}]}]
OUT = [{"to": [{"cidr": "0.0.0.0/0"}, {"securityGroup": "shown-db"}]}]
FOREIGN = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}

Show = Callable[..., Json]
READ = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
LIST = [{"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list"]}]


@pytest.fixture
def namespace(lab: Lab, operator: OperatorProcess, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace with a pod `app` of the profile `shown` that is bound to a node, in the group `shown-web`."""
    name = f"shown-{zlib.crc32(request.node.name.encode()):08x}"
    lab.create_namespace(name)
    lab.create_group("shown-web", ingress=WEB, egress=OUT)
    lab.create_profile("shown", name, securityGroups=["shown-web"])
    lab.becomes_active("shown")
    lab.create_pod(name, "app")
    lab.bind_pod(name, "app")
    eventually(lambda: lab.policies(name))
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    lab.delete_groups()
    lab.delete("Namespace", name)


@pytest.fixture
def show(lab: Lab, namespace: str) -> Show:
    """What the command says of the pod, as JSON."""

    def show(kubeconfig: Path | None = None) -> Json:
        result = ask(lab, namespace, "app", kubeconfig)
        assert result.exit_code == 0, result.stderr
        return dict(json.loads(result.stdout))

    return show


def ask(lab: Lab, namespace: str, pod: str, kubeconfig: Path | None = None) -> Result:
    path = str(kubeconfig or lab.kubeconfig_path)
    return run("isolation", pod, "-n", namespace, "-o", "json", "--kubeconfig", path)


def allow(lab: Lab, namespace: str, rules: list[Json]) -> Path:
    """The kubeconfig of someone who may do just this, in this namespace."""
    metadata = {"name": "reader", "namespace": namespace}
    subject = {"kind": "ServiceAccount", **metadata}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    objects: list[Json] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": [subject],
            "roleRef": role,
        },
    ]
    lab.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    token = lab.kubectl("create", "token", "reader", "-n", namespace).stdout.strip()
    return lab.write_kubeconfig(token=token)


def test_what_is_in_force_is_led_back_to_the_groups(show: Show) -> None:
    report = show()
    assert (report["profile"], report["identity"], report["defaultDenyPolicy"]) == ("shown", "Given", True)
    (ingress,) = report["ingress"]["rules"]
    assert (ingress["ports"], ingress["peer"], ingress["policy"]) == (["TCP 8080"], "10.1.0.0/16", "app.shown-web")
    assert ingress["origins"] == [
        {"securityGroup": "shown-web", "rule": "ingress[0]", "description": "the balancer"},
    ]
    assert {rule["peer"] for rule in report["egress"]["rules"] if "securityGroup" in rule} == {
        "security group shown-db"
    }
    assert {rule["cidr"] for rule in report["egress"]["rules"] if "cidr" in rule} == {"0.0.0.0/0"}
    assert (report["overPermissive"], report["rulesWithoutEffect"]) == ([], [])
    assert [kept["denied"] for kept in report["kept"]] == [True]


def test_a_foreign_policy_is_shown_as_long_as_it_is_there(lab: Lab, namespace: str, show: Show) -> None:
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": FOREIGN}
    lab.create({**policy, "metadata": {"name": "theirs", "namespace": namespace}}).expect_ok()
    report = show()
    assert [rule["policy"] for rule in report["ingress"]["rules"] if rule["foreign"]] == ["theirs"]
    assert [each["policy"] for each in report["overPermissive"]] == ["theirs"]
    lab.delete("NetworkPolicy", "theirs", namespace)
    assert show()["overPermissive"] == []


def test_a_missing_group_is_named_and_the_pods_traffic_is_denied(lab: Lab, namespace: str, show: Show) -> None:
    lab.delete_groups("shown-web")
    eventually(lambda: lab.policies(namespace) == {})
    report = show()
    assert report["securityGroups"] == [{"name": "shown-web", "state": "Missing", "problem": "doesn't exist"}]
    denied = {"denied": True, "decidedBy": "SecurityGroups", "networkPolicies": [], "rules": []}
    assert (report["ingress"], report["egress"]) == (denied, denied)


def test_what_an_operator_that_is_away_has_not_written_is_shown_as_without_effect(
    lab: Lab, operator: OperatorProcess, show: Show
) -> None:
    operator.kill()
    lab.patch("SecurityGroup", "shown-web", {"spec": {"ingress": [{**WEB[0], "port": 9090}]}})
    report = show()
    assert [each["rule"] for each in report["rulesWithoutEffect"]] == ["ingress[0]"]
    (ingress,) = report["ingress"]["rules"]
    assert (ingress["ports"], ingress["origins"]) == (["TCP 8080"], [])


def test_a_pod_that_no_profile_took_is_refused_in_a_sentence(lab: Lab) -> None:
    lab.create_pod("default", "plain")
    result = ask(lab, "default", "plain")
    lab.kubectl("delete", "pod", "plain", "--force", "--grace-period=0")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: Pod plain in namespace default isn't on Fargate, so it has no security groups: "
        "no profile took it when it was created.\n"
    )


def test_a_pod_that_does_not_exist_is_refused_in_a_sentence(lab: Lab) -> None:
    result = ask(lab, "default", "nobody")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no pod nobody in namespace default.\n")


def test_who_may_read_the_namespace_alone_sees_the_rules_without_their_origin(
    lab: Lab, namespace: str, show: Show
) -> None:
    report = show(allow(lab, namespace, [*READ, *LIST]))
    assert [each["state"] for each in report["securityGroups"]] == ["Unreadable"]
    assert [rule["peer"] for rule in report["ingress"]["rules"]] == ["10.1.0.0/16"]
    assert [rule["origins"] for rule in report["ingress"]["rules"]] == [[]]


def test_who_may_not_list_policies_is_told_so_in_a_sentence(lab: Lab, namespace: str) -> None:
    result = ask(lab, namespace, "app", allow(lab, namespace, READ))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith("Error: The API server refused: networkpolicies.networking.k8s.io is forbidden: ")
