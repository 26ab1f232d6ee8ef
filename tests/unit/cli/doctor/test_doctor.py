"""What `doctor` makes of a cluster: from facts to findings."""

import json
from dataclasses import replace
from typing import Any

import pytest

from monopod.cli.doctor import examination
from monopod.cli.doctor.command import check, compute_exit_status
from monopod.cli.doctor.diagnosis import Check, Facts, Level, Unread
from monopod.cli.doctor.sandboxes import find_users
from monopod.kube.lease import LEASE_NAME
from tests.unit.cli.clusters import (
    EXPECTED,
    a_cluster,
    a_deployment,
    a_lease,
    a_live_profile,
    a_node,
    a_runtime_class,
)

FORBIDDEN = Unread("The API server refused: nodes is forbidden.")
ABSENT = Unread("The API server refused: not found.", absent=True)


def spoil_node(**differences: Any) -> dict[str, Any]:
    node = a_node()
    return {**node, **{key: {**node[key], **value} for key, value in differences.items()}}


def findings_of(facts: Facts, of: Check) -> list[tuple[Level, str]]:
    return [(finding.level, finding.message) for finding in check(facts) if finding.check is of]


def test_a_healthy_cluster_has_nothing_but_good_findings() -> None:
    findings = check(a_cluster())
    assert {finding.level for finding in findings} == {Level.OK}
    silent = {
        Check.CAPACITY,
        Check.SPOT,
        Check.NETWORK_POLICY,
        Check.NETWORK_PLUGIN,
        Check.OVERHEAD,
        Check.KATA_SIZING,
        Check.AUTOSCALERS,
        Check.NEW_NAMESPACES,
        Check.KERNEL,
    }
    assert {finding.check for finding in findings} == set(Check) - silent
    assert compute_exit_status(findings) == 0


def test_active_profiles_are_counted() -> None:
    one, two = a_live_profile("a"), a_live_profile("b")
    told = [findings_of(replace(a_cluster(), profiles=profiles), Check.PROFILES) for profiles in ((one,), (one, two))]
    assert told == [[(Level.OK, "The one profile is ACTIVE.")], [(Level.OK, "All 2 profiles are ACTIVE.")]]


def test_every_bad_finding_says_what_to_do() -> None:
    findings = [finding for _, facts, _ in BAD for finding in check(facts)]
    assert [finding for finding in findings if finding.level is not Level.OK and not finding.action] == []


BAD: list[tuple[Check, Facts, tuple[Level, str]]] = [
    (
        Check.KUBERNETES_VERSION,
        a_cluster(version={"gitVersion": "v1.35.9-eks-1"}),
        (Level.PROBLEM, "The API server is Kubernetes v1.35.9-eks-1; Monopod needs 1.36 or newer."),
    ),
    (
        Check.ADMISSION_API,
        a_cluster(admission_kinds=frozenset()),
        (
            Level.PROBLEM,
            "The API server doesn't serve MutatingAdmissionPolicy v1 (admissionregistration.k8s.io).",
        ),
    ),
    (
        Check.POD_LEVEL_RESOURCES,
        a_cluster(pod_level_resources=False),
        (Level.PROBLEM, "The API server's feature PodLevelResources is off, so pods can't be given their size."),
    ),
    (
        Check.POD_LEVEL_RESOURCES,
        a_cluster(pod_level_resources=FORBIDDEN),
        (
            Level.WARNING,
            "Whether the feature gate PodLevelResources is on couldn't be read. "
            "The API server refused: nodes is forbidden.",
        ),
    ),
    (
        Check.ADMISSION_POLICIES,
        a_cluster(policies=[]),
        (
            Level.PROBLEM,
            "MutatingAdmissionPolicy/monopod-pods, ValidatingAdmissionPolicyBinding/monopod-marks not found: "
            "pods may pass unsandboxed.",
        ),
    ),
    (
        Check.ADMISSION_POLICIES,
        a_cluster(
            policies=[
                {"kind": kind, "metadata": {"name": name}, "spec": {"validationActions": ["Audit"]}}
                for kind, name in EXPECTED
            ]
        ),
        (
            Level.PROBLEM,
            "ValidatingAdmissionPolicyBinding monopod-marks doesn't say Deny, so nothing is refused.",
        ),
    ),
    (
        Check.ADMISSION_POLICIES,
        a_cluster(changed=("MutatingAdmissionPolicy/monopod-pods",)),
        (
            Level.PROBLEM,
            "MutatingAdmissionPolicy/monopod-pods was edited since it was installed: pods may be admitted differently.",
        ),
    ),
    (
        Check.OPERATOR,
        a_cluster(deployments=[]),
        (Level.PROBLEM, "Namespace monopod-system has no Deployment labelled app.kubernetes.io/name=monopod."),
    ),
    (
        Check.OPERATOR,
        a_cluster(deployments=[a_deployment(ready=0)]),
        (
            Level.PROBLEM,
            "0 of 2 replicas of Deployment monopod are ready. "
            "Pods are sandboxed all the same; new ones have no network until it is back.",
        ),
    ),
    (
        Check.OPERATOR,
        a_cluster(deployments=[a_deployment(ready=1)]),
        (Level.WARNING, "1 of 2 replicas of Deployment monopod are ready."),
    ),
    (
        Check.LEADER,
        a_cluster(lease=ABSENT),
        (Level.PROBLEM, "Namespace monopod-system has no Lease: no operator ever led."),
    ),
    (
        Check.LEADER,
        a_cluster(lease=a_lease(holder="")),
        (Level.PROBLEM, "No replica of the operator leads."),
    ),
    (
        Check.LEADER,
        a_cluster(lease=a_lease(seconds_ago=60)),
        (Level.PROBLEM, "monopod-1 led last, and renewed its Lease 60 s ago, which is too long."),
    ),
    (
        Check.INSTALLATION,
        a_cluster(profiles=ABSENT),
        (Level.PROBLEM, "The cluster knows no FargateProfiles."),
    ),
    (
        Check.PROFILES,
        a_cluster(profiles=[a_live_profile("web", phase="CREATE_FAILED", message="no such class")]),
        (Level.PROBLEM, "Profile web is CREATE_FAILED: no such class."),
    ),
    (
        Check.PROFILES,
        a_cluster(profiles=[a_live_profile("web", phase="CREATING")]),
        (Level.WARNING, "Profile web is CREATING."),
    ),
    (
        Check.PROFILES,
        a_cluster(profiles=[a_live_profile("a", {"namespace": "*"}), a_live_profile("b", {"namespace": "x"})]),
        (
            Level.WARNING,
            "Profile b: profile a comes first by name and matches every pod that this one matches, "
            "so this one wins no pod that isn't pinned to it.",
        ),
    ),
    (
        Check.RUNTIME_CLASS,
        a_cluster(runtime_classes=[]),
        (
            Level.PROBLEM,
            "RuntimeClass gvisor doesn't exist (the default sandbox, profile web), so matching pods are refused.",
        ),
    ),
    (
        Check.RUNTIME_CLASS,
        a_cluster(runtime_classes=[a_runtime_class(handler="runc-v2")]),
        (
            Level.PROBLEM,
            "RuntimeClass gvisor's handler runc-v2 is no sandbox: pods share the node's kernel (the default "
            "sandbox, profile web).",
        ),
    ),
    (
        Check.NODES,
        a_cluster(nodes=FORBIDDEN),
        (Level.WARNING, "The nodes couldn't be read. The API server refused: nodes is forbidden."),
    ),
    (
        Check.NODES,
        a_cluster(nodes=[spoil_node(status={"runtimeHandlers": [{"name": ""}, {"name": "runc"}]})]),
        (
            Level.PROBLEM,
            "The container runtime of node-1 doesn't know the handler runsc; pods of RuntimeClass gvisor that land "
            "there never start.",
        ),
    ),
    (
        Check.NODES,
        a_cluster(nodes=[spoil_node(status={"nodeInfo": {"kubeletVersion": "v1.33.0"}})]),
        (Level.PROBLEM, "The kubelets of node-1 are older than 1.34: they don't enforce sizes."),
    ),
]


@pytest.mark.parametrize(("of", "facts", "expected"), BAD, ids=[text for _, _, (_, text) in BAD])
def test_what_is_wrong_is_found(of: Check, facts: Facts, expected: tuple[Level, str]) -> None:
    assert expected in findings_of(facts, of)
    assert compute_exit_status(check(facts)) == (expected[0] is Level.PROBLEM)


SCHEDULING = {
    "nodeSelector": {"sandbox": "yes"},
    "tolerations": [{"key": "sandbox", "operator": "Exists", "effect": "NoSchedule"}],
}


@pytest.mark.parametrize(
    ("node", "usable"),
    [
        pytest.param(a_node(sandbox="yes"), True, id="labelled"),
        pytest.param(a_node(sandbox="no"), False, id="labelled otherwise"),
        pytest.param({**a_node(sandbox="yes"), "spec": {"unschedulable": True}}, False, id="cordoned"),
        pytest.param(
            {**a_node(sandbox="yes"), "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
            False,
            id="not ready",
        ),
        pytest.param(
            {**a_node(sandbox="yes"), "spec": {"taints": [{"key": "sandbox", "effect": "NoSchedule"}]}},
            True,
            id="tolerated",
        ),
        pytest.param(
            {**a_node(sandbox="yes"), "spec": {"taints": [{"key": "sandbox", "effect": "NoExecute"}]}},
            False,
            id="another effect",
        ),
        pytest.param(
            {**a_node(sandbox="yes"), "spec": {"taints": [{"key": "gpu", "value": "1", "effect": "NoSchedule"}]}},
            False,
            id="another taint",
        ),
        pytest.param(
            {**a_node(sandbox="yes"), "spec": {"taints": [{"key": "gpu", "effect": "PreferNoSchedule"}]}},
            True,
            id="a taint that only asks",
        ),
    ],
)
def test_nodes_that_can_take_pods_are_counted(node: dict[str, Any], usable: bool) -> None:
    facts = a_cluster(nodes=[node], runtime_classes=[a_runtime_class(scheduling=SCHEDULING)])
    ((level, message),) = findings_of(facts, Check.NODES)
    assert level is (Level.OK if usable else Level.WARNING)
    start = "RuntimeClass gvisor: 1 of 1 nodes" if usable else "No node labelled sandbox=yes is ready to take pods"
    assert message.startswith(start)


@pytest.mark.parametrize(
    ("handler", "overhead", "levels"),
    [
        ("runsc", None, []),
        ("kata-qemu", {"podFixed": {"memory": "320Mi"}}, [Level.WARNING]),
        ("kata-qemu", None, [Level.WARNING, Level.WARNING]),
        ("kata-qemu", {"podFixed": {"cpu": "250m"}}, [Level.WARNING, Level.WARNING]),
        ("kata-qemu-runtime-rs", {"podFixed": {"memory": "320Mi"}}, [Level.OK]),
        ("kata-qemu-runtime-rs", {"podFixed": {"memory": "0"}}, [Level.WARNING, Level.OK]),
    ],
)
def test_katas_sizes_are_looked_at(handler: str, overhead: object, levels: list[Level]) -> None:
    facts = a_cluster(runtime_classes=[a_runtime_class(handler=handler, overhead=overhead)])
    assert [level for level, _ in findings_of(facts, Check.KATA_SIZING)] == levels


def test_a_profile_may_name_a_sandbox_of_its_own() -> None:
    profile = a_live_profile("web")
    profile["spec"]["runtimeClassName"] = "kata"
    facts = a_cluster(profiles=[profile], deployments=FORBIDDEN)
    assert findings_of(facts, Check.RUNTIME_CLASS) == [
        (Level.PROBLEM, "RuntimeClass kata doesn't exist (profile web), so matching pods are refused.")
    ]


def test_without_profiles_and_a_known_default_no_sandbox_is_looked_at() -> None:
    ((level, _),) = findings_of(a_cluster(profiles=[], deployments=FORBIDDEN), Check.RUNTIME_CLASS)
    assert level is Level.OK


FOUND = "the default sandbox, found by Monopod"
DETECTING = [a_deployment(sandbox="")]


def test_the_default_sandbox_is_found_as_the_operator_finds_it() -> None:
    classes = [a_runtime_class(), a_runtime_class("kata-clh", "kata-clh"), a_runtime_class("kata-fc", "kata-fc")]
    facts = a_cluster(deployments=DETECTING, profiles=[], runtime_classes=classes)
    text = (
        f"RuntimeClass kata-clh exists, handler kata-clh ({FOUND}). There is kata-fc, gvisor, too, for profiles that "
    )
    assert findings_of(facts, Check.RUNTIME_CLASS) == [(Level.OK, f"{text}name it.")]


def test_a_profile_has_the_sandbox_that_its_status_tells_while_it_exists() -> None:
    profile = a_live_profile("web")
    profile["status"]["runtimeClassName"] = "gvisor"
    classes = [a_runtime_class(), a_runtime_class("kata", "kata")]
    facts = a_cluster(deployments=DETECTING, profiles=[profile], runtime_classes=classes)
    assert [text.split(", ")[0] for _, text in findings_of(facts, Check.RUNTIME_CLASS)] == [
        "RuntimeClass gvisor exists",
        "RuntimeClass kata exists",
    ]
    users = find_users(replace(facts, runtime_classes=classes[1:]))
    assert users == {"kata": f"{FOUND}, profile web"}


def test_a_cluster_without_a_sandbox_is_told_what_to_do() -> None:
    plain = spoil_node(status={"runtimeHandlers": [{"name": ""}, {"name": "runc"}]})
    facts = a_cluster(deployments=DETECTING, runtime_classes=[a_runtime_class("runc", "runc")], nodes=[plain])
    (finding,) = [one for one in check(facts) if one.check is Check.RUNTIME_CLASS]
    assert finding.message == (
        "No RuntimeClass is Kata's or gVisor's (there is only runc), so matching pods are refused "
        "(the default sandbox, profile web)."
    )
    assert finding.action.startswith("Install Kata Containers (kata-deploy makes RuntimeClasses) or gVisor")


def test_a_class_that_may_be_a_sandboxs_can_be_named() -> None:
    plain = spoil_node(status={"runtimeHandlers": [{"name": "runc"}]})
    classes = [a_runtime_class("plain", "runc"), a_runtime_class("mine", "runsc-kvm")]
    facts = a_cluster(deployments=DETECTING, runtime_classes=classes, nodes=[plain])
    (finding,) = [one for one in check(facts) if one.check is Check.RUNTIME_CLASS]
    command = "helm upgrade monopod charts/monopod -n monopod-system --reuse-values --set sandbox=mine"
    assert finding.action.startswith(f"If mine is a sandbox's, name it: {command}. Else install")


def test_a_sandbox_on_nodes_that_lacks_only_its_class_gets_the_command_that_makes_it() -> None:
    handlers = [{"name": "runsc"}, {"name": "runc"}]
    nodes = [a_node("node-0"), {**a_node(), "status": {"runtimeHandlers": handlers}}]
    for of, name, handler in ((nodes, "kata-qemu-runtime-rs", "kata-qemu-runtime-rs"), (nodes[1:], "gvisor", "runsc")):
        facts = a_cluster(deployments=DETECTING, runtime_classes=[], nodes=of)
        (finding,) = [one for one in check(facts) if one.check is Check.RUNTIME_CLASS]
        command = finding.action.split(", so: ")[1]
        assert command.startswith("echo '")
        assert command.endswith("' | kubectl apply -f -")
        made = json.loads(command.split("'")[1])
        assert made == {**a_runtime_class(name, handler), "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"}


def test_what_a_node_calls_a_handler_does_not_get_into_a_command() -> None:
    node = {**a_node(), "status": {"runtimeHandlers": [{"name": "kata-'$(reboot)'"}]}}
    facts = a_cluster(deployments=DETECTING, runtime_classes=[], nodes=[node])
    (finding,) = [one for one in check(facts) if one.check is Check.RUNTIME_CLASS]
    assert "reboot" not in finding.action


def test_kata_deploys_classes_are_named_where_the_class_kata_is_missing() -> None:
    classes = [a_runtime_class("kata-qemu", "kata-qemu"), a_runtime_class()]
    facts = a_cluster(deployments=[a_deployment(sandbox="kata")], profiles=[], runtime_classes=classes)
    (finding,) = [one for one in check(facts) if one.check is Check.RUNTIME_CLASS]
    assert finding.message == "RuntimeClass kata doesn't exist (the default sandbox), so matching pods are refused."
    assert finding.action == (
        "There is kata-qemu, gvisor: leave the chart's value sandbox empty, and kata-qemu is taken. Or let kata-deploy "
        "make the class kata: helm upgrade … --set runtimeClasses.createDefault=true."
    )


def test_the_lease_is_the_operators() -> None:
    assert examination.LEASE == LEASE_NAME


@pytest.mark.parametrize(
    ("argument", "policy"),
    [("--recreate-bare-pods", "operator-dry-runs"), ("--ecs", "operator-no-tasks")],
)
def test_a_policy_that_an_option_leaves_out_is_not_expected(argument: str, policy: str) -> None:
    def expect(*arguments: str) -> set[str]:
        spec = {"serviceAccountName": "monopod", "containers": [{"name": "operator", "args": ["run", *arguments]}]}
        return {*examination.build_expected([{"spec": {"template": {"spec": spec}}}], "monopod-system")}

    assert expect() - expect(argument) == {policy}
