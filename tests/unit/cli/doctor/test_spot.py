"""What `doctor` says of pods on Spot that are interrupted without need."""

from typing import Any

import pytest

from monopod.cli.doctor.command import check
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Level, Unread
from tests.unit.capacity.situations import a_pool
from tests.unit.cli.clusters import a_cluster, a_deployment, a_live_profile

Json = dict[str, Any]
STRATEGY = [{"capacityProvider": "FARGATE_SPOT"}]


def a_spot_profile(name: str = "batch", **spec: Any) -> Json:
    profile = a_live_profile(name)
    return {**profile, "spec": {**profile["spec"], "capacityProviderStrategy": STRATEGY, **spec}}


def installed(*arguments: str) -> Json:
    deployment = a_deployment()
    deployment["spec"]["template"]["spec"]["containers"][0]["args"] += list(arguments)
    return deployment


def find(*profiles: Json, arguments: tuple[str, ...] = (), pools: Any = ()) -> list[Finding]:
    facts: Facts = a_cluster(
        profiles=list(profiles) or [a_spot_profile()], deployments=[installed(*arguments)], node_pools=pools
    )
    return [finding for finding in check(facts) if finding.check is Check.SPOT]


@pytest.mark.parametrize("provider", ["Karpenter", "ClusterAutoscaler"])
def test_pods_that_give_way_before_nodes_are_made_are_told_with_the_remedy(provider: str) -> None:
    [finding] = find(a_spot_profile(capacity={"provider": provider}))
    assert finding.level is Level.WARNING
    assert "makes nodes, and pods on Spot (profile batch) give way to others before" in finding.message
    assert finding.action.startswith("helm upgrade … --set spot.reclaim=None, and --set spot.nodeLabel=")
    labelled = find(
        a_spot_profile(capacity={"provider": provider}),
        arguments=("--spot-node-label=a=b", "--spot-reclaim=Preemption"),
    )
    assert [each.action for each in labelled] == ["helm upgrade … --set spot.reclaim=None."]


def test_karpenter_is_known_by_its_node_pools() -> None:
    [finding] = find(pools=[a_pool()])
    assert finding.message.startswith("Karpenter makes nodes")
    assert find(a_spot_profile(capacity={"provider": "None"}), pools=[a_pool()]) == []


def test_where_all_is_well_there_is_nothing_to_say() -> None:
    assert find() == []
    assert find(a_live_profile("web"), pools=[a_pool()]) == []
    assert find(pools=[a_pool()], arguments=("--spot-node-label=a=b", "--spot-reclaim=None")) == []
    assert find(pools=Unread("forbidden")) == []


def test_a_fallback_without_nodes_of_spots_own_is_told() -> None:
    falling = a_spot_profile(spot={"fallback": "OnDemand"})
    [finding] = find(falling)
    assert "Profile batch: where Spot has no room pods run on demand, and take the room" in finding.message
    assert find(falling, arguments=("--spot-node-label=a=b",)) == []
    assert find(a_spot_profile(), arguments=()) == []
