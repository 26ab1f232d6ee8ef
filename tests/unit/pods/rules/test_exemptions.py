import pytest

from monopod.api.names import COMPUTE_TYPE, MIRROR_ANNOTATION, PROFILE_LABEL
from monopod.pods.rules.exemptions import (
    DAEMON_SET_CONTROLLER,
    DAEMON_SET_CONTROLLERS,
    Skip,
    compute_skip,
    guess_creator,
)
from tests.unit.builders import PodBuilder, a_pod

KUBELET = "system:node:node-1"
_, MANAGER = DAEMON_SET_CONTROLLERS


@pytest.mark.parametrize(
    ("pod", "username", "skip"),
    [
        pytest.param(a_pod(), "", None, id="ordinary pod"),
        pytest.param(a_pod().owned_by("DaemonSet"), DAEMON_SET_CONTROLLER, Skip.DAEMON_SET, id="DaemonSet"),
        pytest.param(a_pod().owned_by("DaemonSet"), MANAGER, Skip.DAEMON_SET, id="one identity for all controllers"),
        pytest.param(a_pod().owned_by("DaemonSet"), "", None, id="anybody can name an owner"),
        pytest.param(a_pod().owned_by("DaemonSet"), "eve", None, id="a forged owner"),
        pytest.param(a_pod(), DAEMON_SET_CONTROLLER, None, id="the controller's own pod"),
        pytest.param(
            a_pod().owned_by("DaemonSet", controller=False), DAEMON_SET_CONTROLLER, None, id="not its controller"
        ),
        pytest.param(
            a_pod().owned_by("DaemonSet", controller=None), DAEMON_SET_CONTROLLER, None, id="an owner among others"
        ),
        pytest.param(a_pod().owned_by("DaemonSet", "apps/evil"), DAEMON_SET_CONTROLLER, None, id="no such version"),
        pytest.param(a_pod().owned_by("ReplicaSet"), "", None, id="ReplicaSet"),
        pytest.param(
            a_pod().owned_by("ReplicaSet", controller=None).owned_by("DaemonSet"),
            DAEMON_SET_CONTROLLER,
            Skip.DAEMON_SET,
            id="second owner",
        ),
        pytest.param(
            a_pod().owned_by("DaemonSet", "example.com/v1"), DAEMON_SET_CONTROLLER, None, id="somebody else's DaemonSet"
        ),
        pytest.param(a_pod().annotated({MIRROR_ANNOTATION: "x"}), KUBELET, Skip.MIRROR_POD, id="mirror pod"),
        pytest.param(a_pod().annotated({MIRROR_ANNOTATION: ""}), KUBELET, Skip.MIRROR_POD, id="its value is no matter"),
        pytest.param(a_pod().annotated({MIRROR_ANNOTATION: "x"}), "eve", None, id="forged mirror annotation"),
        pytest.param(a_pod(), KUBELET, None, id="a kubelet's other pods"),
        pytest.param(a_pod().annotated({COMPUTE_TYPE: "ec2"}), "", Skip.COMPUTE_TYPE_EC2, id="opted out"),
        pytest.param(a_pod().annotated({COMPUTE_TYPE: "fargate"}), "", None, id="opted in"),
        pytest.param(a_pod().labelled({COMPUTE_TYPE: "ec2"}), "", None, id="a label is no annotation"),
        pytest.param(a_pod().with_spec(nodeSelector={"a": "b"}), "", None, id="a nodeSelector is no exit"),
        pytest.param(a_pod().with_spec(nodeName="node-1"), "", Skip.NODE_NAME, id="nodeName"),
        pytest.param(a_pod().with_spec(nodeName=""), "", None, id="empty nodeName"),
        pytest.param(a_pod().with_spec(schedulerName="volcano"), "", Skip.SCHEDULER, id="own scheduler"),
        pytest.param(a_pod().with_spec(schedulerName="default-scheduler"), "", None, id="default scheduler"),
        pytest.param(a_pod().with_spec(schedulerName="fargate-scheduler"), "", None, id="AWS's scheduler"),
        pytest.param(a_pod().with_spec(schedulerName=""), "", None, id="no scheduler"),
        pytest.param(
            a_pod().with_spec(affinity={"nodeAffinity": {}}), "", None, id="affinity is honoured, not an exit"
        ),
    ],
)
def test_exemptions(pod: PodBuilder, username: str, skip: Skip | None) -> None:
    assert compute_skip(pod.build(), username) == skip


@pytest.mark.parametrize(
    ("pod", "creator"),
    [
        pytest.param(a_pod(), "", id="ordinary"),
        pytest.param(a_pod().annotated({MIRROR_ANNOTATION: "x"}), "system:node:", id="mirror pod"),
        pytest.param(a_pod().owned_by("DaemonSet"), DAEMON_SET_CONTROLLER, id="a DaemonSet's"),
        pytest.param(
            a_pod().owned_by("DaemonSet").annotated({MIRROR_ANNOTATION: "x"}).labelled({PROFILE_LABEL: "web"}),
            "", id="marked, so neither",
        ),
    ],
)  # fmt: skip
def test_only_pods_of_these_creators_go_unmarked(pod: PodBuilder, creator: str) -> None:
    assert guess_creator(pod.build()) == creator


def test_of_several_reasons_the_first_in_order_is_given() -> None:
    pod = a_pod().with_spec(nodeName="n", schedulerName="x").annotated({COMPUTE_TYPE: "ec2"})
    assert compute_skip(pod.build()) == Skip.COMPUTE_TYPE_EC2


@pytest.mark.parametrize("skip", Skip)
def test_every_reason_has_a_sentence_and_a_camel_case_name(skip: Skip) -> None:
    assert skip.sentence.endswith(".")
    assert skip.value.isalnum()
