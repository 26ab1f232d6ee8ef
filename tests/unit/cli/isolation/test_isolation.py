"""What `kubectl fargate isolation` says of a pod, its groups and the policies of its namespace."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from monopod.api.ecs.names import ECS_TASK_LABEL
from monopod.api.names import GROUP_COUNT_LABEL, PROFILE_LABEL, TASK_LABEL
from monopod.cli.isolation.command import assess, read_finding
from monopod.cli.isolation.findings import GroupFinding, GroupState, Identity, PodIsolation
from monopod.cli.isolation.output import build_report, describe_troubles, write
from monopod.isolation.rules.network_policies import (
    Infrastructure,
    Rules,
    build_base_policy,
    build_groups_policy,
    build_pod_policy,
    build_rules,
)
from monopod.isolation.rules.security_group import SecurityGroup
from monopod.tasks.rules.pod.metadata import build_metadata_policy
from tests.unit.cli.running import run

UID = "00000000-0000-0000-0000-000000000001"
NODES = Infrastructure(tuple(f"192.0.2.{number}/32" for number in range(1, 10)))
RESOURCE = {
    "metadata": {"name": "web"},
    "spec": {
        "ingress": [
            {
                "description": "the balancer",
                "protocol": "TCP",
                "port": 8080,
                "from": [{"cidr": "10.1.0.0/16"}, {"entity": "Nodes"}],
            }
        ],
        "egress": [{"to": [{"cidr": "0.0.0.0/0"}]}],
    },
}
BASE = build_base_policy("prod")


def a_pod(*, bound: bool = True, identified: bool = True, groups: Sequence[str] = ("web",)) -> dict[str, Any]:
    labels = {PROFILE_LABEL: "shop", **{f"sg.monopod.dev/{name}": "true" for name in groups}}
    if identified:
        labels[TASK_LABEL] = UID.replace("-", "")
    return {
        "metadata": {"name": "app", "namespace": "prod", "uid": UID, "labels": labels},
        "spec": {"nodeName": "node-1"} if bound else {},
        "status": {"hostIPs": [{"ip": "192.0.2.1"}]} if bound else {},
    }


def a_policy() -> dict[str, Any]:
    return build_pod_policy("prod", "app", UID, ["web"], build_rules([SecurityGroup.from_resource(RESOURCE)], NODES))


def a_foreign_policy() -> dict[str, Any]:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}
    return {"metadata": {"name": "theirs", "namespace": "prod"}, "spec": spec}


def look(*policies: dict[str, Any], pod: dict[str, Any] | None = None) -> PodIsolation:
    return assess(pod or a_pod(), policies, [read_finding("web", RESOURCE)])


def test_the_text_names_ports_peers_and_whose_rule_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    write(look(BASE, a_policy(), a_foreign_policy()), "text")
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert printed == [
        "Pod app in namespace prod",
        "Profile shop, security groups: web.",
        "Ingress: security groups and NetworkPolicy theirs add up; all denied except",
        "TCP 8080 10.1.0.0/16, 192.0.2.1/32, 192.0.2.2/31, 192.0.2.4/30, 192.0.2.8/31 "
        "group web ingress[0] (the balancer)",
        "all all pods of the namespace NetworkPolicy theirs, not Monopod's",
        "Egress: security groups decide; all denied except",
        "all 0.0.0.0/0 without 100.100.100.200/32, 168.63.129.16/32, 169.254.0.23/32, 169.254.169.254/32 and 8 more "
        "group web egress[0]",
        "More than its groups allow, because NetworkPolicies add up",
        "NetworkPolicy theirs opens everything from all pods of the namespace",
        "Denied whatever the groups say",
        "the metadata service (169.254.169.254, fd00:ec2::254 and 10 more): denied",
        "its own node (192.0.2.1): denied",
    ]


def test_what_every_ecs_task_may_reach_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    pod = a_pod()
    pod["metadata"]["labels"][ECS_TASK_LABEL] = "0a"
    write(look(BASE, a_policy(), build_metadata_policy("prod", "monopod-system"), pod=pod), "text")
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    (line,) = (each for each in printed if each.startswith("TCP 51679"))
    assert line.endswith("NetworkPolicy monopod-tasks: the metadata of ECS tasks")


def test_the_json_has_the_same_for_scripts() -> None:
    report = json.loads(json.dumps(build_report(look(BASE, a_policy(), a_foreign_policy()))))
    assert (report["pod"], report["namespace"], report["profile"], report["identity"]) == (
        *("app", "prod", "shop"),
        "Given",
    )
    assert report["defaultDenyPolicy"] is True
    assert report["securityGroups"] == [{"name": "web", "state": "Found", "problem": None}]
    first, *_, theirs = report["ingress"]["rules"]
    assert first == {
        "ports": ["TCP 8080"],
        "peer": "10.1.0.0/16",
        "cidr": "10.1.0.0/16",
        "except": [],
        "policy": "app.web",
        "foreign": False,
        "origins": [{"securityGroup": "web", "rule": "ingress[0]", "description": "the balancer"}],
    }
    assert (theirs["foreign"], theirs["namespaceSelector"], theirs["podSelector"]) == (True, None, {})
    assert report["overPermissive"] == [
        {"policy": "theirs", "direction": "ingress", "message": "opens everything from all pods of the namespace"}
    ]
    assert report["kept"][1] == {
        "what": "its own node",
        "addresses": ["192.0.2.1"],
        "allowed": [],
        "denied": True,
        "allowedBy": [],
    }


CLUSTER = {**RESOURCE, "metadata": {"name": "cluster"}}


def look_at_default(*policies: dict[str, Any], rules: Rules) -> PodIsolation:
    own = build_pod_policy("prod", "app", UID, ["cluster"], rules)
    return assess(a_pod(groups=["cluster"]), [BASE, own, *policies], [read_finding("cluster", CLUSTER)])


def test_a_direction_that_is_left_to_the_namespaces_policies_is_theirs_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rules = build_rules([SecurityGroup.from_resource(CLUSTER)], NODES)
    found = look_at_default(a_foreign_policy(), rules=Rules((), rules.egress))
    report = build_report(found)
    assert [(report[way]["decidedBy"], report[way]["networkPolicies"]) for way in ("ingress", "egress")] == [
        ("NetworkPolicies", ["theirs"]),
        ("SecurityGroups", []),
    ]
    assert (report["overPermissive"], report["rulesWithoutEffect"]) == ([], [])
    write(found, "text")
    assert (
        "Ingress: NetworkPolicy theirs decides alone, as no one chose a security group; all denied except\n"
    ) in capsys.readouterr().out


def test_what_the_default_group_still_opens_adds_up() -> None:
    """As before the operator has seen the other policy, or where someone chose the group."""
    report = build_report(
        look_at_default(a_foreign_policy(), rules=build_rules([SecurityGroup.from_resource(CLUSTER)], NODES))
    )
    assert report["ingress"]["decidedBy"] == "Both"
    assert [each["policy"] for each in report["overPermissive"]] == ["theirs"]


def test_a_node_that_the_namespaces_policy_opens_is_told_although_it_decides() -> None:
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}
    policy = {"metadata": {"name": "out", "namespace": "prod"}, "spec": spec}
    report = build_report(look_at_default(policy, rules=Rules()))
    (beyond,) = report["overPermissive"]
    assert beyond["message"].endswith("the groups deny the metadata service and nodes' addresses")
    assert [each["allowedBy"] for each in report["kept"]] == [["out"], ["out"]]


def test_a_direction_that_no_policy_is_about_is_nobodys() -> None:
    report = build_report(look())
    assert [report[way]["decidedBy"] for way in ("ingress", "egress")] == ["Nobody", "Nobody"]


def test_a_pod_without_an_identity_is_not_opened_by_its_own_policy() -> None:
    found = look(BASE, a_policy(), pod=a_pod(identified=False))
    assert found.identity is Identity.MISSING
    assert (found.rules.ingress.rules, found.rules.egress.rules) == ((), ())
    assert [line.endswith("the pod's events say why.") for line in describe_troubles(found)] == [True]


def test_a_pod_that_shares_its_policy_needs_no_identity() -> None:
    shared = build_groups_policy("prod", ["web"], build_rules([SecurityGroup.from_resource(RESOURCE)], NODES))
    pod = a_pod(identified=False)
    pod["metadata"]["labels"][GROUP_COUNT_LABEL] = "1"
    found = look(BASE, shared, pod=pod)
    assert found.identity is Identity.NOT_NEEDED
    assert len(found.rules.egress.rules) == 1
    assert list(describe_troubles(found)) == []


def test_a_missing_base_policy_is_said() -> None:
    assert list(describe_troubles(look(a_policy()))) == [
        "NetworkPolicy monopod-base is missing: nothing denies the pod's traffic but the policies below."
    ]


STATES = {
    "deleting": ({"metadata": {"name": "web", "deletionTimestamp": "now"}}, GroupState.DELETING, "is being deleted"),
    "invalid": (
        {"metadata": {"name": "web"}, "spec": {"ingress": [{"from": []}]}},
        GroupState.INVALID,
        "can't be used: spec.ingress[0].from: is required; anywhere is the cidr 0.0.0.0/0 and the cidr ::/0",
    ),
}


@pytest.mark.parametrize(("resource", "state", "problem"), STATES.values(), ids=STATES.keys())
def test_a_group_that_cannot_be_used_says_why_the_pod_is_closed(
    resource: dict[str, Any], state: GroupState, problem: str
) -> None:
    finding = read_finding("web", resource)
    assert (finding.state, finding.problem) == (state, problem)
    lines = list(describe_troubles(assess(a_pod(), [BASE], [finding])))
    assert lines == [f"Group web {problem}, so all the pod's traffic is denied until it can be used."]


def test_groups_that_the_reader_may_not_read_leave_the_rules_without_their_origin() -> None:
    unreadable = GroupFinding("web", GroupState.UNREADABLE, "can't be read: you may not get SecurityGroups")
    found = assess(a_pod(), [BASE, a_policy()], [unreadable])
    assert all(not rule.origins for rule in found.rules.ingress.rules)
    (line,) = describe_troubles(found)
    assert line.startswith("Group web can't be read: you may not get SecurityGroups")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "Give the name of a pod.", id="no pod"),
        pytest.param(["a", "b"], "Give a pod as pod NAME or pod/NAME, not 'a b'.", id="two words"),
        pytest.param(["deployment/web"], "Give a pod as pod NAME or pod/NAME, not 'deployment/web'.", id="no pod kind"),
        pytest.param(["web", "-o", "yaml"], "'yaml' is not one of 'text', 'json'.", id="unknown output"),
    ],
)
def test_wrong_usage_ends_with_status_2(arguments: list[str], message: str) -> None:
    result = run("isolation", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_without_a_usable_kubeconfig_the_status_is_1() -> None:
    result = run("isolation", "web", "--kubeconfig", "/nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The kubeconfig can't be used: ")
