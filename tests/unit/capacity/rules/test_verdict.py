"""Why there is no room for a profile's pods: each reason, and the facts that it takes."""

from dataclasses import replace

import pytest

from monopod.capacity.rules.sandbox import Taint
from monopod.capacity.rules.settings import Provider
from monopod.capacity.rules.situation import Situation
from monopod.capacity.rules.verdict import (
    Available,
    Growing,
    KarpenterNotServed,
    LimitReached,
    NodePoolLabelMissing,
    NodePoolNotFound,
    NodePoolNotReady,
    NodePoolTaintNotTolerated,
    NodesFull,
    NoRuntimeClass,
    NoSandboxNodes,
    StartupTaintMissing,
    StartupTaintStuck,
    Verdict,
    judge_capacity,
)
from tests.unit.capacity.builders import KATA_LABEL, a_sandbox
from tests.unit.capacity.situations import NOWHERE, a_box, a_pool, a_situation, a_waiting_pod

GPU = {"key": "gpu", "effect": "NoSchedule"}
STUCK = ("monopod.dev/gvisor", "", "NoSchedule")
KATA = a_sandbox("kata-qemu", KATA_LABEL)
SMALL = {"cpu": "10"}
USED = {"cpu": "10"}

TABLE: dict[str, tuple[Situation, Verdict]] = {
    "fixed nodes": (a_situation([a_box()]), Available(1, Provider.NONE)),
    "fixed nodes beside others' pools": (a_situation([a_box()], [a_pool(labels={})]), Available(1, Provider.NONE)),
    "fixed nodes, full": (a_situation([a_box()], None, [a_waiting_pod()] * 2), NodesFull(2)),
    "fixed nodes, full, others' pools": (a_situation([a_box()], [a_pool(labels={})], [a_waiting_pod()]), NodesFull(1)),
    "what waits for something else": (
        a_situation([a_box()], None, [a_waiting_pod(message=NOWHERE)]),
        Available(1, Provider.NONE),
    ),
    "no node": (a_situation(), NoSandboxNodes("runsc")),
    "no node, though one looks like it": (
        a_situation([a_box("x", ("gpu", "", "NoSchedule"))]),
        NoSandboxNodes("runsc"),
    ),
    "no node in the zone": (
        a_situation([a_box(**{"topology.kubernetes.io/zone": "b"})], zones=("a",)),
        NoSandboxNodes("runsc"),
    ),
    "no node, by choice": (a_situation((), [a_pool()], provider=Provider.NONE), NoSandboxNodes("runsc")),
    "from zero": (a_situation((), [a_pool()]), Available(0, Provider.KARPENTER)),
    "from zero, without Karpenter": (
        a_situation(provider=Provider.CLUSTER_AUTOSCALER),
        Available(0, Provider.CLUSTER_AUTOSCALER),
    ),
    "growing from zero": (
        a_situation((), [a_pool()], [a_waiting_pod(message=NOWHERE)]),
        Growing(1, Provider.KARPENTER),
    ),
    "growing": (a_situation([a_box()], [a_pool()], [a_waiting_pod()]), Growing(1, Provider.KARPENTER)),
    "growing, without Karpenter": (
        a_situation([a_box()], None, [a_waiting_pod()], provider=Provider.CLUSTER_AUTOSCALER),
        Growing(1, Provider.CLUSTER_AUTOSCALER),
    ),
    "a limit": (
        a_situation([a_box()], [a_pool(limits=SMALL, used=USED)], [a_waiting_pod(), a_waiting_pod("b")]),
        LimitReached(2, ("boxes",)),
    ),
    "a limit, and another pool has none": (
        a_situation((), [a_pool(limits=SMALL, used=USED), a_pool("more")], [a_waiting_pod()]),
        Growing(1, Provider.KARPENTER),
    ),
    "a limit that only the larger pod meets": (
        a_situation((), [a_pool(limits=SMALL, used={"cpu": "8"})], [a_waiting_pod(), a_waiting_pod("large", cpu=4000)]),
        LimitReached(1, ("boxes",)),
    ),
    "a limit that nobody meets": (a_situation((), [a_pool(limits=SMALL, used=USED)]), Available(0, Provider.KARPENTER)),
    "no Karpenter": (a_situation([a_box()], None, provider=Provider.KARPENTER), KarpenterNotServed()),
    "no Karpenter, and pools named": (a_situation([a_box()], None, named=("boxes",)), KarpenterNotServed()),
    "a pool that isn't there": (
        a_situation([a_box()], [a_pool()], named=("boxes", "gone", "lost")),
        NodePoolNotFound(("gone", "lost")),
    ),
    "a pool that isn't Ready": (
        a_situation((), [a_pool(trouble="NodeClass not found")]),
        NodePoolNotReady("boxes", "NodeClass not found"),
    ),
    "a pool that isn't Ready, and another is": (
        a_situation((), [a_pool(trouble="x"), a_pool("more")]),
        Available(0, Provider.KARPENTER),
    ),
    "a pool that isn't Ready, and no one needs it": (
        a_situation([a_box()], [a_pool(trouble="x")]),
        Available(1, Provider.KARPENTER),
    ),
    "a label": (a_situation((), [a_pool(labels={})]), NodePoolLabelMissing("boxes", "pool=boxes")),
    "a label, said to matter": (
        a_situation([a_box()], [a_pool(labels={})], provider=Provider.KARPENTER),
        NodePoolLabelMissing("boxes", "pool=boxes"),
    ),
    "a label, of the pool that is named": (
        a_situation([a_box()], [a_pool("other", labels={}), a_pool()], named=("other",)),
        NodePoolLabelMissing("other", "pool=boxes"),
    ),
    "no pool": (a_situation((), [], provider=Provider.KARPENTER), NodePoolLabelMissing("", "")),
    "no pool, and nothing said": (a_situation((), []), NoSandboxNodes("runsc")),
    "a taint": (a_situation((), [a_pool(taints=[GPU])]), NodePoolTaintNotTolerated("boxes", Taint("gpu"))),
    "a taint, though another pool lacks the label": (
        a_situation((), [a_pool("a", labels={}), a_pool("b", taints=[GPU])]),
        NodePoolTaintNotTolerated("b", Taint("gpu")),
    ),
    "no startup taint": (
        a_situation((), [a_pool(labels=KATA_LABEL)], resource=KATA),
        StartupTaintMissing("boxes", Taint("katacontainers.io/kata-runtime")),
    ),
    "a startup taint that stays": (
        a_situation([a_box("old", STUCK, created="2026-03-01T11:54:59Z"), a_box()]),
        StartupTaintStuck("old", Taint("monopod.dev/gvisor")),
    ),
    "a startup taint that is young": (
        a_situation([a_box("new", STUCK, created="2026-03-01T11:55:01Z"), a_box()]),
        Available(1, Provider.NONE),
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_each_reason_takes_its_facts(case: str) -> None:
    situation, verdict = TABLE[case]
    assert judge_capacity(situation).verdict == verdict


def test_every_verdict_is_in_the_table() -> None:
    seen = {type(verdict) for _, verdict in TABLE.values()} | {NoRuntimeClass}
    assert seen == set(Verdict.__args__)


@pytest.mark.parametrize(
    ("provider", "told"), [(Provider.AUTO, Provider.NONE), (Provider.KARPENTER, Provider.KARPENTER)]
)
def test_without_the_runtime_class_nothing_is_known(provider: Provider, told: Provider) -> None:
    judgement = judge_capacity(replace(a_situation((), [a_pool()], provider=provider), sandbox=None))
    assert (judgement.verdict, judgement.provider) == (NoRuntimeClass(), told)
