"""What a node must be for a profile's pods."""

from collections.abc import Mapping

import pytest

from monopod.capacity.rules.node_shape import NodeShape, Unfit, compute_shape
from monopod.capacity.rules.sandbox import Sandbox, Taint, Toleration
from tests.unit.capacity.builders import KATA_LABEL, a_sandbox


def shape_of(
    selector: Mapping[str, str] | None = None, *tolerations: Mapping[str, object], zones: tuple[str, ...] = ()
) -> NodeShape:
    sandbox = Sandbox.from_resource(a_sandbox("kata-qemu", selector, *tolerations))
    shape = compute_shape(sandbox, zones, ("amd64",))
    assert isinstance(shape, NodeShape)
    return shape


def test_a_class_without_scheduling_wants_any_node() -> None:
    sandbox = Sandbox.from_resource({"metadata": {"name": "gvisor"}, "handler": "runsc"})
    assert compute_shape(sandbox, (), ("amd64",)) == NodeShape({}, (), ("amd64",), (), ())


def test_the_class_decides_on_architecture_and_zone() -> None:
    shape = shape_of({"kubernetes.io/arch": "arm64", "topology.kubernetes.io/zone": "b", "x": "y"}, zones=("a", "b"))
    assert (shape.architectures, shape.zones, shape.labels) == (("arm64",), ("b",), {"x": "y"})


def test_zones_of_class_and_profile_that_contradict_leave_no_node() -> None:
    sandbox = Sandbox.from_resource(a_sandbox("kata-qemu", {"topology.kubernetes.io/zone": "c"}))
    shape = compute_shape(sandbox, ("a", "b"), ("amd64",))
    assert shape == Unfit(
        "RuntimeClass kata-qemu selects nodes of zone c, and the profile's subnets are a, b: no node can take its pods."
    )


@pytest.mark.parametrize(
    ("toleration", "taints"),
    [
        ({"key": "x", "operator": "Exists"}, [Taint("x")]),
        ({"key": "x", "value": "y"}, [Taint("x", "y")]),
        ({"key": "x", "operator": "Equal", "value": "y", "effect": "NoExecute"}, [Taint("x", "y", "NoExecute")]),
        ({"operator": "Exists"}, []),
        ({"key": "x", "operator": "Exists", "effect": "PreferNoSchedule"}, []),
        ({"key": "x", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}, []),
        ({"key": "x", "operator": "Gt", "value": "5"}, []),
        ({"key": "node.kubernetes.io/not-ready", "operator": "Exists"}, []),
        ({"key": "karpenter.sh/disrupted", "operator": "Exists"}, []),
    ],
    ids=str,
)
def test_nodes_have_the_taints_that_only_the_sandboxs_pods_tolerate(
    toleration: Mapping[str, object], taints: list[Taint]
) -> None:
    shape = shape_of(None, toleration)
    assert list(shape.taints) == taints
    sandbox = Sandbox.from_resource(a_sandbox("kata-qemu", None, toleration))
    assert all(any(each.tolerates(taint) for each in sandbox.tolerations) for taint in shape.taints)


def test_a_node_has_one_taint_for_each_key_and_effect() -> None:
    shape = shape_of(None, {"key": "x", "value": "a"}, {"key": "x", "value": "b"}, {"key": "y", "value": "a"})
    assert shape.taints == (Taint("x", "a"), Taint("y", "a"))


@pytest.mark.parametrize("key", ["katacontainers.io/kata-runtime", "monopod.dev/gvisor"])
def test_an_installers_label_comes_with_a_startup_taint(key: str) -> None:
    shape = shape_of({key: "true"})
    assert (shape.labels, shape.startup_taints, shape.defeated) == ({key: "true"}, (Taint(key),), ())


def test_other_labels_come_without() -> None:
    assert shape_of({"sandbox.gke.io/runtime": "gvisor"}).startup_taints == ()


@pytest.mark.parametrize(
    "toleration",
    [{"operator": "Exists"}, {"key": "katacontainers.io/kata-runtime", "operator": "Exists"}],
    ids=["all", "it"],
)
def test_a_class_that_tolerates_its_startup_taint_defeats_it(toleration: Mapping[str, object]) -> None:
    shape = shape_of(KATA_LABEL, toleration)
    (taint,) = shape.startup_taints
    assert shape.defeated == (taint,)
    assert shape.taints == ()  # it isn't one that stays


@pytest.mark.parametrize(
    ("toleration", "taint", "tolerated"),
    [
        (Toleration("", "Exists", "", ""), Taint("x", "y"), True),
        (Toleration("x", "Exists", "", ""), Taint("x", "y"), True),
        (Toleration("x", "", "y", ""), Taint("x", "y"), True),
        (Toleration("x", "Equal", "z", ""), Taint("x", "y"), False),
        (Toleration("x", "Exists", "", "NoExecute"), Taint("x", "y"), False),
        (Toleration("", "Equal", "", ""), Taint("x"), False),
        (Toleration("x", "Lt", "", ""), Taint("x"), False),
    ],
    ids=str,
)
def test_tolerations_are_read_as_kubernetes_reads_them(toleration: Toleration, taint: Taint, tolerated: bool) -> None:
    assert toleration.tolerates(taint) is tolerated
