"""What `doctor` says of Karpenter's NodePools."""

from collections.abc import Sequence
from typing import Any

import pytest

from monopod.cli.doctor.command import check
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread
from tests.unit.builders import a_profile_resource
from tests.unit.capacity.builders import KATA_LABEL, a_sandbox
from tests.unit.capacity.situations import a_pool
from tests.unit.cli.clusters import a_cluster, a_deployment, a_live_profile, a_node

Json = dict[str, Any]

STARTUP = {"key": "katacontainers.io/kata-runtime", "effect": "NoSchedule"}
METAL = {"key": "karpenter.k8s.aws/instance-size", "operator": "In", "values": ["metal", "metal-24xl"]}
KATA = a_sandbox("kata-qemu", KATA_LABEL)
FITS = "Karpenter makes nodes of NodePool boxes for pods of RuntimeClass"


def a_kata_deploy(*startup_taints: str, image: str = "quay.io/kata-containers/kata-deploy:4.1.0") -> Json:
    env = [{"name": "NODE_NAME", "valueFrom": {}}, {"name": "STARTUP_TAINTS", "value": " ".join(startup_taints)}]
    return {"metadata": {"name": "x"}, "spec": {"template": {"spec": {"containers": [{"image": image, "env": env}]}}}}


def a_gvisor_node(settings: str) -> Json:
    containers = [{"image": "gvisor-node", "env": [{"name": "GVISOR_NODE", "value": settings}]}]
    return {"metadata": {"name": "x"}, "spec": {"template": {"spec": {"containers": containers}}}}


def a_kata_cluster(pool: Json, *daemon_sets: Json) -> Facts:
    """A cluster whose profile runs in Kata, with a NodePool and no node."""
    return a_cluster(
        runtime_classes=[KATA],
        deployments=[a_deployment(sandbox="kata-qemu")],
        node_pools=[pool],
        daemon_sets=list(daemon_sets),
        nodes=[],
    )


def find(facts: Facts) -> list[Finding]:
    return [finding for finding in check(facts) if finding.check is Check.CAPACITY]


def tell(facts: Facts) -> list[tuple[Level, str]]:
    return [(finding.level, finding.message) for finding in find(facts)]


def test_without_karpenter_there_is_nothing_to_say() -> None:
    assert find(a_cluster()) == []


def test_node_pools_that_may_not_be_read_are_told() -> None:
    ((level, message),) = tell(a_cluster(node_pools=Unread("forbidden")))
    assert (level, message) == (Level.WARNING, "Whether there are NodePools, Karpenter's, couldn't be read. forbidden")


def test_a_node_pool_that_fits_is_told_once_for_all_profiles() -> None:
    facts = a_cluster(node_pools=[a_pool()], profiles=[a_live_profile("a"), a_live_profile("b")])
    assert tell(facts) == [(Level.OK, f"{FITS} gvisor.")]


def test_others_node_pools_on_a_cluster_with_nodes_are_not_its_business() -> None:
    gpu = a_pool(taints=[{"key": "gpu", "effect": "NoSchedule"}])
    assert find(a_cluster(node_pools=[gpu])) == []


@pytest.mark.parametrize(
    ("pool", "message", "action"),
    [
        (
            a_pool(labels={}),
            "Profile web: nodes of NodePool boxes don't have katacontainers.io/kata-runtime=true, which the profile's "
            "pods select, and no other NodePool fits, so Karpenter makes no nodes for them.",
            "`kubectl fargate nodepool web` prints one that fits.",
        ),
        (
            a_pool(labels=KATA_LABEL, taints=[{"key": "gpu", "effect": "NoSchedule"}]),
            "Profile web: nodes of NodePool boxes have the taint gpu:NoSchedule, which the RuntimeClass doesn't "
            "tolerate, and no other NodePool fits, so Karpenter makes no nodes for its pods.",
            "Add it to the RuntimeClass's scheduling.tolerations, or take the NodePool's taint away.",
        ),
        (
            a_pool(labels=KATA_LABEL),
            "Profile web: nodes of NodePool boxes have the label katacontainers.io/kata-runtime from birth, so pods "
            "come before the sandbox is installed, and fail.",
            "Add katacontainers.io/kata-runtime:NoSchedule to its startupTaints, and name it in kata-deploy's value "
            "startupTaints (`kubectl fargate nodepool web` prints one that fits).",
        ),
    ],
    ids=["label", "taint", "startup taint"],
)
def test_what_a_node_pool_lacks_is_a_warning_with_what_to_do(pool: Json, message: str, action: str) -> None:
    found = find(a_kata_cluster(pool))[0]
    assert (found.level, found.message, found.action) == (Level.WARNING, message, action)


def test_a_node_that_keeps_its_startup_taint_is_told() -> None:
    node = a_node("old", **KATA_LABEL)
    node["metadata"]["creationTimestamp"] = "2026-01-02T02:00:00Z"
    node["spec"]["taints"] = [STARTUP]
    facts = a_kata_cluster(a_pool(labels=KATA_LABEL, startup=[STARTUP], requirements=[METAL]))
    message = find(a_cluster(**{**_as_fields(facts), "nodes": [node]}))[0].message
    assert message.startswith(
        "Profile web: node old has kept its startup taint katacontainers.io/kata-runtime:NoSchedule"
    )


def _as_fields(facts: Facts) -> dict[str, Any]:
    names = ("runtime_classes", "deployments", "node_pools", "daemon_sets", "nodes")
    return {name: getattr(facts, name) for name in names}


@pytest.mark.parametrize(
    ("daemon_sets", "kept"),
    [
        ([], False),
        ([a_kata_deploy()], True),
        ([a_kata_deploy("other", "another:NoExecute")], True),
        ([a_kata_deploy("katacontainers.io/kata-runtime")], False),
        ([a_kata_deploy("other,katacontainers.io/kata-runtime:NoSchedule")], False),
        ([a_kata_deploy(image="registry.example.com/other:1")], False),
    ],
    ids=["no kata-deploy", "none", "others", "key", "key and effect", "something else"],
)
def test_a_startup_taint_that_kata_deploy_does_not_know_is_a_problem(daemon_sets: Sequence[Json], kept: bool) -> None:
    pool = a_pool(labels=KATA_LABEL, startup=[STARTUP], requirements=[METAL])
    found = tell(a_kata_cluster(pool, *daemon_sets))
    problem = (
        "NodePool boxes gives nodes the startup taint katacontainers.io/kata-runtime, and kata-deploy isn't told to "
        "remove it: they never take a pod."
    )
    assert found == [(Level.PROBLEM, problem) if kept else (Level.OK, f"{FITS} kata-qemu.")]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ('{"node": {"label": "monopod.dev/gvisor", "startupTaint": "monopod.dev/gvisor"}}', False),
        ('{"node": {"label": "monopod.dev/gvisor", "startupTaint": "example.com/starting"}}', True),
        ('{"node": "box-1"}', False),
        ("", False),
    ],
    ids=["its own", "another", "something else", "unreadable"],
)
def test_a_startup_taint_that_gvisor_node_does_not_remove_is_a_problem(settings: str, kept: bool) -> None:
    label = {"monopod.dev/gvisor": "true"}
    facts = a_cluster(
        runtime_classes=[a_sandbox("gvisor", label)],
        node_pools=[a_pool(labels=label, startup=[{"key": "monopod.dev/gvisor", "effect": "NoSchedule"}])],
        daemon_sets=[a_gvisor_node(settings)],
        nodes=[],
    )
    (found,) = find(facts)
    if not kept:
        assert (found.level, found.message) == (Level.OK, f"{FITS} gvisor.")
        return
    assert (found.level, found.message, found.action) == (
        Level.PROBLEM,
        "NodePool boxes gives nodes the startup taint monopod.dev/gvisor, and gvisor-node isn't told to remove it: "
        "they never take a pod.",
        "helm upgrade … --set node.startupTaint=monopod.dev/gvisor of gvisor-node.",
    )


@pytest.mark.parametrize(
    ("requirements", "provider", "lacks"),
    [
        ([], "karpenter.k8s.aws", True),
        ([METAL], "karpenter.k8s.aws", False),
        ([{**METAL, "values": ["metal", "2xlarge"]}], "karpenter.k8s.aws", True),
        ([{**METAL, "operator": "NotIn"}], "karpenter.k8s.aws", True),
        (
            [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["c8i.metal-48xl", "m7g.metal"]}],
            "karpenter.k8s.aws",
            False,
        ),
        (
            [{"key": "karpenter.k8s.aws/instance-hypervisor", "operator": "NotIn", "values": ["nitro"]}],
            "karpenter.k8s.aws",
            False,
        ),
        ([], "karpenter.azure.com", False),
    ],
)
def test_instances_without_kvm_are_a_warning_for_kata(requirements: list[Json], provider: str, lacks: bool) -> None:
    pool = a_pool(labels=KATA_LABEL, startup=[STARTUP], requirements=requirements)
    pool["spec"]["template"]["spec"]["nodeClassRef"]["group"] = provider
    ((level, message),) = tell(a_kata_cluster(pool))
    assert (level is Level.WARNING, "without KVM" in message) == (lacks, lacks)


def test_a_node_pool_of_another_shape_stops_no_check() -> None:
    broken = {"metadata": {"name": "broken"}, "spec": {"template": []}}
    messages = tell(a_cluster(node_pools=[broken, a_pool()]))
    assert messages == [
        (
            Level.WARNING,
            "NodePool broken isn't as Karpenter's v1 has it: spec.template: must be a mapping, not a list.",
        ),
        (Level.OK, f"{FITS} gvisor."),
    ]


def test_only_the_pools_that_a_profile_names_count_for_it() -> None:
    named = {**a_live_profile("web"), **{}}
    named["spec"] = a_profile_resource("web", {"namespace": "web"}, capacity={"nodePools": ["others"]})["spec"]
    facts = a_cluster(node_pools=[a_pool(), a_pool("others")], profiles=[named])
    assert tell(facts) == [(Level.OK, "Karpenter makes nodes of NodePool others for pods of RuntimeClass gvisor.")]
