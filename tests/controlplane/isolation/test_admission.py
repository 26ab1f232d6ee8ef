"""Pods that nothing keeps closed yet wait behind a gate, which admission writes, on a real API server."""

import pytest

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    COMPUTE_TYPE,
    ISOLATION_GATE,
    PROFILE_LABEL,
    UNSUPPORTED_ANNOTATION,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.isolation.cel.group_policies import compile_group_policies
from monopod.isolation.rules.group_policy import GroupPolicy
from monopod.kube.objects.label_selector import LabelSelector
from monopod.kube.objects.resources import PODS
from tests.controlplane.reach import reach
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

OTHER = "a.io/b"


@pytest.fixture(scope="module")
def opened(server: Server) -> str:
    """A namespace that a profile reaches and that the operator hasn't closed yet."""
    reach(server, "not-isolated", [a_profile("web", a_selector("not-isolated"))], isolated=False)
    return "not-isolated"


def find_gates(pod: Manifest) -> list[str]:
    return [gate["name"] for gate in pod["spec"].get("schedulingGates", ())]


def gated_by(*names: str) -> PodBuilder:
    return a_pod().with_spec(schedulingGates=[{"name": name} for name in names])


def mounting_a_claim(pod: PodBuilder) -> PodBuilder:
    return pod.with_volume("data", persistentVolumeClaim={"claimName": "data"})


# What a pod's manifest says; its gates where the namespace is not isolated, and where it is.
GATES: dict[str, tuple[PodBuilder, list[str], list[str]]] = {
    "a pod": (a_pod(), [ISOLATION_GATE], []),
    "a pod with a gate of someone else's": (gated_by(OTHER), [OTHER, ISOLATION_GATE], [OTHER]),
    "the gate already": (gated_by(ISOLATION_GATE), [ISOLATION_GATE], []),
    "the gate before others": (gated_by(ISOLATION_GATE, OTHER), [OTHER, ISOLATION_GATE], [OTHER]),
    "no gates at all, but the list": (gated_by(), [ISOLATION_GATE], []),
    "a claim": (mounting_a_claim(a_pod()), [VOLUMES_GATE, ISOLATION_GATE], [VOLUMES_GATE]),
    "a claim and all gates in disorder": (
        mounting_a_claim(gated_by(ISOLATION_GATE, OTHER, UNSUPPORTED_GATE, VOLUMES_GATE)),
        [OTHER, VOLUMES_GATE, ISOLATION_GATE],
        [OTHER, VOLUMES_GATE],
    ),
    # It waits for ever, so it needs no other gate.
    "a pod that Fargate can't run": (a_pod().with_spec(hostPID=True), [UNSUPPORTED_GATE], [UNSUPPORTED_GATE]),
    "the same with this gate": (
        gated_by(ISOLATION_GATE).with_spec(hostPID=True),
        [UNSUPPORTED_GATE],
        [UNSUPPORTED_GATE],
    ),
    "a stale reason": (a_pod().annotated({UNSUPPORTED_ANNOTATION: "no"}), [ISOLATION_GATE], []),
}


@pytest.mark.parametrize(("pod", "before", "after"), GATES.values(), ids=GATES)
def test_a_pod_waits_until_its_namespace_is_isolated(
    server: Server, opened: str, pod: PodBuilder, before: list[str], after: list[str]
) -> None:
    assert find_gates(server.create_pod(opened, pod.build()).expect_ok()) == before
    assert find_gates(server.create_pod("fargate", pod.build()).expect_ok()) == after


def test_a_pod_that_waits_is_sandboxed_and_sized_like_any_other(server: Server, opened: str) -> None:
    waiting = server.create_pod(opened, a_pod().requesting(cpu="1").build()).expect_ok()
    running = server.create_pod("fargate", a_pod().requesting(cpu="1").build()).expect_ok()
    for field in ("labels", "annotations"):
        assert waiting["metadata"][field] == running["metadata"][field]
    assert CAPACITY_ANNOTATION in waiting["metadata"]["annotations"]
    del waiting["spec"]["schedulingGates"]
    assert waiting["spec"] == running["spec"]


@pytest.mark.parametrize(
    "pod",
    [a_pod().with_spec(nodeName="node"), a_pod().annotated({COMPUTE_TYPE: "ec2"})],
    ids=["a pod with a node", "a pod that opted out"],
)
def test_a_pod_that_no_profile_takes_does_not_wait(server: Server, opened: str, pod: PodBuilder) -> None:
    admitted = server.create_pod(opened, pod.build()).expect_ok()
    assert PROFILE_LABEL not in admitted["metadata"].get("labels", {})
    assert find_gates(admitted) == []


def test_a_copy_of_a_pod_that_waits_waits_too(server: Server, opened: str) -> None:
    admitted = server.create_pod(opened, mounting_a_claim(a_pod()).build()).expect_ok()
    again = {"metadata": {**admitted["metadata"], "resourceVersion": ""}, "spec": admitted["spec"]}
    copy = server.create_pod(opened, again).expect_ok()
    assert copy["spec"] == admitted["spec"]
    elsewhere = {**again, "metadata": {**again["metadata"], "namespace": "fargate"}}
    assert find_gates(server.create_pod("fargate", elsewhere).expect_ok()) == [VOLUMES_GATE]


def test_a_pod_that_waits_cannot_be_bound_to_a_node(server: Server, opened: str) -> None:
    server.create_pod(opened, a_pod("early").build(), dry_run=False).expect_ok()
    path = PODS.path("early", opened)
    binding = {"metadata": {"name": "early"}, "target": {"kind": "Node", "name": "node-1"}}
    answer = server.create(f"{path}/binding", binding)
    assert "non-empty .spec.schedulingGates" in answer.message
    # The API server itself says this of every pod with a gate, and kubectl shows it as the pod's status.
    (condition,) = server.get(path).expect_ok()["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("PodScheduled", "SchedulingGated")
    server.delete(path)


BY_ACCOUNT = GroupPolicy(
    "any",
    "deploy",
    ("build",),
    LabelSelector.from_dict({"matchLabels": {"app": "shop"}}),
    LabelSelector.from_dict({"matchLabels": {"team": "ci"}}),
)


@pytest.fixture(scope="module")
def by_account(server: Server) -> str:
    """An isolated namespace where pods of the app `shop` get a group by their ServiceAccount."""
    compiled = compile_group_policies([BY_ACCOUNT], {"default": {}, "builder": {"team": "ci"}})
    reach(server, "by-account", [a_profile("web", a_selector("by-account"))], group_policies=compiled)
    return "by-account"


ACCOUNTS = {
    "known": (a_pod().labelled(app="shop").with_spec(serviceAccountName="builder"), []),
    "the default": (a_pod().labelled(app="shop"), []),
    "unknown": (a_pod().labelled(app="shop").with_spec(serviceAccountName="new"), [ISOLATION_GATE]),
    "the beginning of one": (a_pod().labelled(app="shop").with_spec(serviceAccountName="build"), [ISOLATION_GATE]),
    "unknown, and not asked for": (a_pod().labelled(app="other").with_spec(serviceAccountName="new"), []),
}


@pytest.mark.parametrize(("pod", "gates"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_a_pod_waits_where_its_groups_depend_on_an_account_that_the_operator_has_not_seen(
    server: Server, by_account: str, pod: PodBuilder, gates: list[str]
) -> None:
    assert find_gates(server.create_pod(by_account, pod.build()).expect_ok()) == gates
