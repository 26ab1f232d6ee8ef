"""Whether a NodePool makes nodes that a profile's pods can run on."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from monopod.capacity.rules.node_class import NodeClass
from monopod.capacity.rules.node_pool import NodePool, build_node_pool
from monopod.capacity.rules.node_shape import NodeShape, compute_shape
from monopod.capacity.rules.pool import Fit, Fits, LabelMissing, Pool, TaintNotTolerated, judge_pool
from monopod.capacity.rules.sandbox import Sandbox, Taint
from tests.unit.capacity.builders import KATA_LABEL, a_sandbox
from tests.unit.capacity.rules.test_node_pool import SANDBOXES
from tests.unit.capacity.situations import CLASS, a_pool

KATA_TAINT = {"key": "katacontainers.io/kata-runtime", "effect": "NoSchedule"}


def a_requirement(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def judge(resource: Mapping[str, Any], sandbox: Mapping[str, Any] = CLASS, zones: tuple[str, ...] = ()) -> Fit:
    return judge_pool(Pool.from_resource(resource), Sandbox.from_resource(sandbox), zones)


@pytest.mark.parametrize("zones", [(), ("eu-west-1a", "eu-west-1b")], ids=["anywhere", "zones"])
@pytest.mark.parametrize("name", SANDBOXES)
def test_what_is_printed_fits(name: str, zones: tuple[str, ...]) -> None:
    sandbox = Sandbox.from_resource(SANDBOXES[name])
    shape = compute_shape(sandbox, zones, ("amd64",))
    assert isinstance(shape, NodeShape)
    printed = build_node_pool("web", sandbox, shape, NodeClass("karpenter.k8s.aws", "EC2NodeClass", "x"), 100)
    assert isinstance(printed, NodePool)
    assert judge(printed.manifest, SANDBOXES[name], zones) == Fits()


@pytest.mark.parametrize(
    ("pool", "fit"),
    [
        (a_pool(), Fits()),
        (a_pool(labels={}), LabelMissing("pool=boxes")),
        (a_pool(labels={"pool": "others"}), LabelMissing("pool=boxes")),
        (a_pool(labels={}, requirements=[a_requirement("pool", "In", "boxes", "others")]), Fits()),
        (a_pool(labels={}, requirements=[a_requirement("pool", "Exists")]), Fits()),
        (a_pool(labels={}, requirements=[a_requirement("pool", "NotIn", "boxes")]), LabelMissing("pool=boxes")),
        (a_pool(labels={}, requirements=[a_requirement("pool", "DoesNotExist")]), LabelMissing("pool=boxes")),
        (a_pool(taints=[{"key": "boxes", "value": "x", "effect": "NoSchedule"}]), Fits()),
        (
            a_pool(taints=[{"key": "gpu", "value": "x", "effect": "NoSchedule"}]),
            TaintNotTolerated(Taint("gpu", "x")),
        ),
        (a_pool(taints=[{"key": "gpu", "effect": "PreferNoSchedule"}]), Fits()),
        (a_pool(startup=[{"key": "gpu", "effect": "NoSchedule"}]), Fits()),
    ],
)
def test_labels_and_taints_decide(pool: Mapping[str, Any], fit: Fit) -> None:
    assert judge(pool) == fit


@pytest.mark.parametrize(
    ("selector", "pool", "fits"),
    [
        ({"kubernetes.io/arch": "arm64"}, a_pool(), True),
        (
            {"kubernetes.io/arch": "arm64"},
            a_pool(requirements=[a_requirement("kubernetes.io/arch", "In", "amd64")]),
            False,
        ),
        ({"karpenter.k8s.aws/instance-family": "c8i"}, a_pool(), True),
        ({"karpenter.azure.com/sku-family": "D"}, a_pool(), False),
        ({"karpenter.sh/nodepool": "boxes"}, a_pool(), True),
        ({"karpenter.sh/nodepool": "others"}, a_pool(), False),
        (
            {"karpenter.k8s.aws/instance-cpu": "8"},
            a_pool(requirements=[a_requirement("karpenter.k8s.aws/instance-cpu", "Gte", "4")]),
            True,
        ),
    ],
    ids=str,
)
def test_labels_that_the_provider_gives_need_no_mention(
    selector: Mapping[str, str], pool: Mapping[str, Any], fits: bool
) -> None:
    assert isinstance(judge(pool, a_sandbox("runsc", selector)), Fits) is fits


def test_one_zone_of_the_profiles_is_enough() -> None:
    pool = a_pool(requirements=[a_requirement("topology.kubernetes.io/zone", "In", "b", "c")])
    assert judge(pool, zones=("a", "b")) == Fits()
    assert judge(pool, zones=("a",)) == LabelMissing("topology.kubernetes.io/zone=a")
    assert judge(a_pool(), zones=("a",)) == Fits()


def test_a_pool_without_the_installers_startup_taint_lacks_it() -> None:
    kata = a_sandbox("kata-qemu", KATA_LABEL)
    assert judge(a_pool(labels=KATA_LABEL), kata) == Fits(Taint("katacontainers.io/kata-runtime"))
    assert judge(a_pool(labels=KATA_LABEL, startup=[KATA_TAINT]), kata) == Fits()


@pytest.mark.parametrize(
    ("limits", "used", "full"),
    [
        ({}, {"cpu": "1000"}, False),
        ({"cpu": "10"}, {"cpu": "8"}, False),
        ({"cpu": "10"}, {"cpu": "9"}, False),
        ({"cpu": "10"}, {"cpu": "9500m"}, True),
        ({"memory": "10Gi"}, {"memory": "8Gi"}, False),
        ({"memory": "10Gi"}, {"memory": "9Gi"}, True),
        ({"nodes": "2"}, {}, True),
        ({"nodes": 3}, {}, False),
        ({"cpu": 1, "example.com/gpu": "0"}, {}, False),
    ],
    ids=str,
)
def test_a_pool_is_full_if_even_the_smallest_node_would_exceed_a_limit(
    limits: Mapping[str, object], used: Mapping[str, object], full: bool
) -> None:
    pool = Pool.from_resource(a_pool(limits=limits, used=used))
    assert pool.is_full_for(1000, 2048) is full


def test_what_a_pool_does_not_say_is_nothing() -> None:
    pool = Pool.from_resource({"metadata": {"name": "new"}, "spec": {"template": {"spec": {}}}})
    assert (pool.labels, pool.used, pool.trouble) == ({}, {}, "")
    assert Pool.from_resource(a_pool(used={"cpu": "1"})).used == {"cpu": Fraction(1), "nodes": Fraction(2)}
