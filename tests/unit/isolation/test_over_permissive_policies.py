"""Pods that policies of others open further are counted by profile, and the policies named."""

from collections.abc import Sequence
from typing import Any

from monopod.api.names import API_VERSION, GROUP_LABEL_PREFIX, POLICY_LABEL, PROFILE_LABEL
from monopod.isolation import over_permissive_policies
from monopod.isolation.over_permissive_policies import OverPermissivePods, OverPermissivePolicies
from monopod.isolation.rules.owners_policies import Directions
from monopod.isolation.rules_cache import GroupRulesCache
from monopod.kube.metrics import REGISTRY
from monopod.manager.sources import WatchedCaches
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

FROM_ALL: list[dict[str, Any]] = [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
FROM_SOME: list[dict[str, Any]] = [{"from": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}]


class Watching:
    """OverPermissivePolicies on a mirror that the test fills; the group `web` lets 10.1.0.0/16 in."""

    def __init__(self) -> None:
        self.caches = WatchedCaches("monopod-system")
        self._rules = GroupRulesCache(self.caches, (), (), PROBLEMS)
        self.left: dict[str, Directions] = {}
        self.news, self.clock = 0, FakeClock()
        self.policies = OverPermissivePolicies(self.caches, self._rules, self.left, self._count, PROBLEMS, self.clock)
        self.caches.groups.listeners.append(lambda key, _, __: self._take_in(key[1]))
        self.put_group("10.1.0.0/16")

    def _take_in(self, group: str) -> None:
        self._rules.change_group(group)

    def _count(self) -> None:
        self.news += 1

    def put_group(self, cidr: str, version: int = 1) -> None:
        metadata = {"name": "web", "uid": "web", "resourceVersion": str(version)}
        spec = {"ingress": [{"from": [{"cidr": cidr}]}]}
        self.caches.groups.observe("ADDED", {"apiVersion": API_VERSION, "metadata": metadata, "spec": spec})

    def put_pod(
        self, name: str, profile: str = "shop", group: str = "web", namespace: str = "prod", **own: str
    ) -> None:
        labels = {PROFILE_LABEL: profile, f"{GROUP_LABEL_PREFIX}{group}": "true", **own}
        self.caches.pods.observe("ADDED", {"metadata": self._name(name, namespace, labels)})

    def put_policy(
        self, name: str, ingress: Sequence[dict[str, Any]], labels: dict[str, str] | None = None, **selector: Any
    ) -> None:
        spec = {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": list(ingress)}
        self.caches.network_policies.observe(
            "ADDED", {"metadata": self._name(name, "prod", labels or {}), "spec": spec}
        )

    def delete_policy(self, name: str) -> None:
        self.caches.network_policies.observe("DELETED", {"metadata": self._name(name, "prod", {})})

    def _name(self, name: str, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
        return {"name": name, "namespace": namespace, "uid": name, "resourceVersion": "1", "labels": labels}

    async def find(self) -> dict[str, OverPermissivePods]:
        """What has been found when all changes so far are worked off."""
        async with running(self.policies.controller):
            self.clock.step(over_permissive_policies.DEBOUNCE_SECONDS)
            await settle()
        return self.policies.found


async def test_pods_that_a_foreign_policy_opens_further_are_counted_by_profile() -> None:
    watching = Watching()
    for name, profile in (("a", "shop"), ("b", "shop"), ("c", "other")):
        watching.put_pod(name, profile)
    watching.put_pod("d", namespace="elsewhere")
    watching.put_policy("theirs", FROM_ALL)
    found = await watching.find()
    assert found == {
        "prod": OverPermissivePods({"shop": 2, "other": 1}, {"shop": ("prod/theirs",), "other": ("prod/theirs",)})
    }


async def test_only_pods_that_the_policy_selects_count() -> None:
    watching = Watching()
    watching.put_pod("a", app="x")
    watching.put_pod("b")
    watching.put_policy("theirs", FROM_ALL, matchLabels={"app": "x"})
    assert (await watching.find())["prod"].pods == {"shop": 1}


async def test_a_pod_with_two_over_permissive_policies_is_one_pod_and_both_are_named() -> None:
    watching = Watching()
    watching.put_pod("a")
    watching.put_policy("one", FROM_ALL)
    watching.put_policy("two", [{}])
    found = await watching.find()
    assert found == {"prod": OverPermissivePods({"shop": 1}, {"shop": ("prod/one", "prod/two")})}


async def test_a_policy_that_opens_no_more_than_the_group_is_not_over_permissive_until_the_group_is_narrower() -> None:
    watching = Watching()
    watching.put_pod("a")
    watching.put_policy("theirs", FROM_SOME)
    assert await watching.find() == {}
    watching.put_group("10.1.2.0/24", version=2)
    assert (await watching.find())["prod"].pods == {"shop": 1}


async def test_a_direction_that_is_left_to_a_policy_is_its_own_to_open() -> None:
    watching = Watching()
    watching.put_pod("a")
    watching.put_pod("b")
    watching.put_policy("theirs", FROM_ALL)
    watching.left["a"] = frozenset({"ingress"})
    assert (await watching.find())["prod"].pods == {"shop": 1}
    watching.left["b"] = frozenset({"ingress"})
    watching.policies.enqueue("prod")
    assert await watching.find() == {}


async def test_of_a_pod_one_of_whose_groups_does_not_exist_all_that_is_opened_is_too_much() -> None:
    watching = Watching()
    watching.put_pod("a", **{"sg.monopod.dev/missing": "true"})
    watching.put_policy("theirs", FROM_SOME)
    assert (await watching.find())["prod"].pods == {"shop": 1}


async def test_monopods_own_policies_are_never_over_permissive() -> None:
    watching = Watching()
    watching.put_pod("a")
    watching.put_policy("ours", [{}], labels={POLICY_LABEL: "pod"})
    assert await watching.find() == {}


async def test_news_are_told_when_a_policy_comes_and_when_it_goes_and_not_otherwise() -> None:
    watching = Watching()
    watching.put_pod("a")
    watching.put_policy("theirs", FROM_ALL)
    await watching.find()
    assert watching.news == 1
    watching.put_policy("harmless", FROM_SOME)
    await watching.find()
    assert watching.news == 1
    watching.delete_policy("theirs")
    assert await watching.find() == {}
    assert watching.news == 2


async def test_more_pods_than_are_looked_at_in_one_go_are_all_counted() -> None:
    watching = Watching()
    for number in range(over_permissive_policies.PODS_AT_ONCE * 3):
        watching.put_pod(f"pod-{number}")
    watching.put_policy("theirs", FROM_ALL)
    assert (await watching.find())["prod"].pods == {"shop": over_permissive_policies.PODS_AT_ONCE * 3}


async def test_whoever_starts_over_shows_nothing_that_was_found_before() -> None:
    before = Watching()
    before.put_pod("a")
    before.put_policy("theirs", FROM_ALL)
    await before.find()
    assert REGISTRY.get_sample_value("monopod_over_permissive_pods", {"profile": "shop"}) == 1
    Watching()
    assert REGISTRY.get_sample_value("monopod_over_permissive_pods", {"profile": "shop"}) is None
