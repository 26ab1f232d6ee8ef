"""Which SecurityGroups and SecurityGroupPolicies a real API server accepts, and the words it refuses others with."""

import json
from typing import Any

import pytest

from tests.controlplane.builders import create, refusals

Object = dict[str, Any]
ANYWHERE = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
GROUP_NAME = (
    "the name of a SecurityGroup consists of at most 63 lower-case letters, digits and '-', "
    "and starts and ends with a letter or a digit"
)
HOST_BITS = "a CIDR has no bits beyond its prefix: write 10.0.0.0/8 and not 10.1.2.3/8"
ONE_PEER = "must have exactly one of cidr, securityGroup, entity, or namespaceSelector and podSelector"
INSIDE = "must lie inside the cidr"
END_PORT = "endPort needs a port that is a number and not larger"
LABEL_KEY = "a label key is a name (letters, digits, '-', '_' and '.'), if need be after a DNS name and '/'"
VALUES = "In and NotIn need values; Exists and DoesNotExist take none"


def a_group(name: str = "web", **spec: Any) -> Object:
    return {
        "apiVersion": "monopod.dev/v1beta1",
        "kind": "SecurityGroup",
        "metadata": {"name": name},
        "spec": spec,
    }


def accepting(*peers: Object, **rule: Any) -> Object:
    """A group with one ingress rule."""
    return a_group(ingress=[{**rule, "from": list(peers)}])


def opening(*peers: Object, **rule: Any) -> Object:
    """A group with one egress rule."""
    return a_group(egress=[{**rule, "to": list(peers)}])


def selecting(**requirement: Any) -> Object:
    return accepting({"podSelector": {"matchExpressions": [requirement]}})


def a_policy(*groups: str, **spec: Any) -> Object:
    return {
        "apiVersion": "vpcresources.k8s.aws/v1beta1",
        "kind": "SecurityGroupPolicy",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {"podSelector": {}, "securityGroups": {"groupIds": list(groups)}, **spec},
    }


FROM = "spec.ingress[0].from[0]"
REFUSED = {
    "a name with a dot": (a_group("a.b"), "metadata.name: Invalid value: a group's name has at most 63 characters and"),
    "a name too long for a label": (a_group("w" * 64), "metadata.name: Invalid value: a group's name has at most 63"),
    "no peers": (
        a_group(ingress=[{"protocol": "TCP", "port": 80}]),
        "spec.ingress[0].from: Required value: from must list who may connect; "
        "anywhere is the cidr 0.0.0.0/0 and the cidr ::/0",
    ),
    "an empty list of peers": (opening(), "spec.egress[0].to: Required value: to must list who may be connected to"),
    "too many rules": (a_group(egress=[{"to": ANYWHERE}] * 61), "spec.egress: Too many: 61: must have at most 60"),
    "too many peers": (accepting(*ANYWHERE * 11), "spec.ingress[0].from: Too many: 22: must have at most 20 items"),
    "a peer that is nothing": (accepting({}), f"{FROM}: Invalid value: {ONE_PEER}"),
    "a peer that is two things": (
        accepting({"cidr": "10.0.0.0/8", "securityGroup": "web"}),
        f"{FROM}: Invalid value: {ONE_PEER}",
    ),
    "an address without a prefix": (
        accepting({"cidr": "10.0.0.1"}),
        f'{FROM}.cidr: Invalid value: "10.0.0.1": must be a CIDR such as 10.0.0.0/8 or fd00::/8',
    ),
    "a name in place of a cidr": (accepting({"cidr": "anywhere"}), f'{FROM}.cidr: Invalid value: "anywhere": must be'),
    "a prefix of 33": (accepting({"cidr": "10.0.0.0/33"}), f'{FROM}.cidr: Invalid value: "10.0.0.0/33": must be a'),
    "bits beyond the prefix": (
        accepting({"cidr": "10.1.2.3/8"}),
        f'{FROM}.cidr: Invalid value: "10.1.2.3/8": {HOST_BITS}',
    ),
    "bits beyond the prefix, IPv6": (
        accepting({"cidr": "fd00::1/8"}),
        f'{FROM}.cidr: Invalid value: "fd00::1/8": {HOST_BITS}',
    ),
    "an except without a cidr": (
        accepting({"securityGroup": "web", "except": ["10.0.0.0/8"]}),
        f"{FROM}.except: Forbidden: except belongs to a cidr",
    ),
    "an except outside": (
        accepting({"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}),
        f"{FROM}.except: Invalid value: {INSIDE}",
    ),
    "an except of the other family": (
        accepting({"cidr": "0.0.0.0/0", "except": ["fd00::/8"]}),
        f"{FROM}.except: Invalid value: {INSIDE}",
    ),
    "a group's name with capitals": (
        accepting({"securityGroup": "Web"}),
        f'{FROM}.securityGroup: Invalid value: "Web": {GROUP_NAME}',
    ),
    "an unknown entity": (accepting({"entity": "World"}), f'{FROM}.entity: Unsupported value: "World"'),
    "the API server as a client": (
        accepting({"entity": "APIServer"}),
        "spec.ingress[0].from: Forbidden: the entity APIServer is a peer of egress rules only",
    ),
    "the API server with a port": (
        opening({"entity": "APIServer"}, protocol="TCP", port=443),
        "spec.egress[0].protocol: Forbidden: a rule to the entity APIServer has no protocol and no port",
    ),
    "an unknown protocol": (
        accepting(*ANYWHERE, protocol="ICMP"),
        'spec.ingress[0].protocol: Unsupported value: "ICMP"',
    ),
    "a port without a protocol": (
        accepting(*ANYWHERE, port=80),
        "spec.ingress[0].protocol: Required value: a port needs a protocol: TCP, UDP or SCTP",
    ),
    "port 0": (accepting(*ANYWHERE, protocol="TCP", port=0), "spec.ingress[0].port: Invalid value: 0"),
    "port 65536": (accepting(*ANYWHERE, protocol="TCP", port=65536), "spec.ingress[0].port: Invalid value: 65536"),
    "a port's name with capitals": (
        accepting(*ANYWHERE, protocol="TCP", port="HTTP"),
        'spec.ingress[0].port: Invalid value: "HTTP"',
    ),
    "a port's name of 16 characters": (
        accepting(*ANYWHERE, protocol="TCP", port="w" * 16),
        "spec.ingress[0].port: Too long: may not be more than 15",
    ),
    "a range without a beginning": (
        accepting(*ANYWHERE, protocol="TCP", endPort=90),
        f"spec.ingress[0].endPort: Invalid value: {END_PORT}",
    ),
    "a range that begins with a name": (
        accepting(*ANYWHERE, protocol="TCP", port="http", endPort=90),
        f"spec.ingress[0].endPort: Invalid value: {END_PORT}",
    ),
    "a range that ends before it begins": (
        accepting(*ANYWHERE, protocol="TCP", port=80, endPort=79),
        f"spec.ingress[0].endPort: Invalid value: {END_PORT}",
    ),
    "a label key with a blank": (
        accepting({"podSelector": {"matchLabels": {"a b": "c"}}}),
        f"{FROM}.podSelector.matchLabels: Invalid value: {LABEL_KEY}",
    ),
    "a label value with a slash": (
        accepting({"podSelector": {"matchLabels": {"a": "b/c"}}}),
        f'{FROM}.podSelector.matchLabels.a: Invalid value: "b/c"',
    ),
    "nine labels": (
        accepting({"podSelector": {"matchLabels": {f"key{number}": "x" for number in range(9)}}}),
        f"{FROM}.podSelector.matchLabels: Too many: 9: must have at most 8 items",
    ),
    "an unknown operator": (
        selecting(key="tier", operator="Gt", values=["1"]),
        f'{FROM}.podSelector.matchExpressions[0].operator: Unsupported value: "Gt"',
    ),
    "In without values": (
        selecting(key="tier", operator="In"),
        f"{FROM}.podSelector.matchExpressions[0].values: Invalid value: {VALUES}",
    ),
    "Exists with values": (
        selecting(key="tier", operator="Exists", values=["web"]),
        f"{FROM}.podSelector.matchExpressions[0].values: Invalid value: {VALUES}",
    ),
    "a long description": (a_group(description="w" * 256), "spec.description: Too long: may not be more than 255"),
    "a policy without selectors": (
        a_policy("db", podSelector=None),
        "spec.podSelector: Required value: one of podSelector and serviceAccountSelector is required; "
        "podSelector: {} selects all pods",
    ),
    "a policy without groups": (
        a_policy(),
        "spec.securityGroups.groupIds: Required value: at least one security group is required",
    ),
    "a policy with six groups": (
        a_policy(*(f"group-{number}" for number in range(6))),
        "spec.securityGroups.groupIds: Too many: 6: must have at most 5 items",
    ),
    "a policy with an invalid group": (
        a_policy("sg_1"),
        f'spec.securityGroups.groupIds[0]: Invalid value: "sg_1": {GROUP_NAME}',
    ),
}

ACCEPTED = {
    "nothing open": a_group(),
    "the longest name": a_group("w" * 63),
    "anywhere, all ports": accepting(*ANYWHERE),
    "a range of ports": opening(*ANYWHERE, protocol="UDP", port=8000, endPort=8999),
    "a named port": accepting(*ANYWHERE, protocol="TCP", port="http"),
    "all ports of a protocol": accepting(*ANYWHERE, protocol="SCTP"),
    "a cidr without parts of it": accepting({"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.3.4/32"]}),
    "an IPv6 cidr without parts of it": accepting({"cidr": "fd00::/8", "except": ["fd00:1::/32"]}),
    "itself as a peer": accepting({"securityGroup": "web"}),
    "pods of all namespaces": accepting({"namespaceSelector": {}}),
    "pods of its namespace": accepting({"podSelector": {"matchLabels": {"example.com/tier": "web"}}}),
    "pods of some namespaces": accepting({"namespaceSelector": {"matchLabels": {"env": ""}}, "podSelector": {}}),
    "every operator": accepting(
        {
            "podSelector": {
                "matchExpressions": [
                    {"key": "a", "operator": "In", "values": ["b", "c"]},
                    {"key": "a", "operator": "NotIn", "values": ["d"]},
                    {"key": "a", "operator": "Exists"},
                    {"key": "e", "operator": "DoesNotExist"},
                ]
            }
        }
    ),
    "the nodes": accepting({"entity": "Nodes"}),
    "the API server": opening({"entity": "APIServer"}),
    "as many rules and peers as there may be": a_group(ingress=[{"from": [{"cidr": "10.0.0.0/8"}] * 20}] * 60),
    "a policy by labels": a_policy("db", podSelector={"matchLabels": {"role": "db"}}),
    "a policy by ServiceAccount": a_policy("a", "b", podSelector=None, serviceAccountSelector={"matchLabels": {}}),
}


@pytest.mark.parametrize(("resource", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_group_is_refused_for_one_reason_that_names_field_and_rule(
    installed: Any, resource: Object, reason: str
) -> None:
    answer = create(installed, resource, "--dry-run=server")
    assert answer.returncode != 0
    first, *more = refusals(answer.stderr)
    assert first.startswith(reason)
    assert all("some validation rules were not checked" in other for other in more), more


@pytest.mark.parametrize("resource", ACCEPTED.values(), ids=ACCEPTED)
def test_a_group_is_accepted_as_it_is(installed: Any, resource: Object) -> None:
    answer = create(installed, resource, "--dry-run=server", "-o", "json")
    assert answer.stderr == ""
    wanted = {key: value for key, value in resource["spec"].items() if value is not None}
    assert json.loads(answer.stdout)["spec"] == wanted


def test_an_unknown_field_is_refused_by_kubectl(installed: Any) -> None:
    answer = create(installed, accepting(*ANYWHERE, ports=[80]), "--dry-run=server")
    assert 'unknown field "spec.ingress[0].ports"' in answer.stderr


def test_kubectl_lists_groups_with_what_matters_of_them(installed: Any) -> None:
    group = a_group("listed", description="for the list")
    assert create(installed, group).returncode == 0
    headings, row = installed.kubectl("get", "sg", "listed").stdout.splitlines()
    assert headings.split() == ["NAME", "READY", "PODS", "DESCRIPTION", "AGE"]
    assert row.split()[0] == "listed"
    assert "for the list" in row
    installed.kubectl("delete", "sg", "listed")
