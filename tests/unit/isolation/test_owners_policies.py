"""The owners' policies of a namespace are listed before a pod of the default group is opened, and no oftener."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from monopod.api.names import GROUP_COUNT_LABEL, GROUP_LABEL_PREFIX, POD_GROUPS_ANNOTATION, PROFILE_LABEL
from monopod.kube.client.api import ApiError, Json, ServerTrouble
from tests.unit.fake_api import an_object
from tests.unit.isolation.cluster import POLICIES, Cluster, Server
from tests.unit.running import settle

FOREIGN = {"labelSelector": "!monopod.dev/policy"}
OPENED = {"ingress", "egress"}


class Lister(Server):
    """Counts the lists of owners' policies, and answers the second half of each when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = 0
        self.refusal: Exception | None = None
        self.answered = asyncio.Event()
        self.answered.set()

    async def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        if path == POLICIES and query == FOREIGN:
            self.listed += 1
            found = [item for item in self.lists.get(path, ()) if "labels" not in item["metadata"]]
            await self.answered.wait()
            if self.refusal:
                raise self.refusal
            for item in found:
                yield item
            return
        async for item in super().list_pages(path, query, metadata_only=metadata_only):
            yield item


class Defaults(Cluster):
    """A profile that names no group, and the group `cluster`, which opens both directions."""

    def __init__(self, **spec: Any) -> None:
        self.lister = Lister()
        super().__init__(self.lister)
        spec = {"selectors": [{"namespace": "prod"}], **spec}
        self.put(self.caches.profiles, {"apiVersion": "monopod.dev/v1beta1", "spec": spec, **an_object("web")})
        rule = {"ingress": [{"from": [{"namespaceSelector": {}}]}], "egress": [{"to": [{"cidr": "0.0.0.0/0"}]}]}
        self.put(self.caches.groups, {"apiVersion": "monopod.dev/v1beta1", "spec": rule, **an_object("cluster")})

    def put_default_pod(self, name: str = "app", **own: str) -> None:
        labels = {PROFILE_LABEL: "web", GROUP_COUNT_LABEL: "1", f"{GROUP_LABEL_PREFIX}cluster": "true", **own}
        self.api.labels[name] = labels
        pod = an_object(name, namespace="prod", labels=labels, annotations={POD_GROUPS_ANNOTATION: "cluster"})
        self.put(self.caches.pods, pod)

    def a_denial(self, name: str = "deny", *types: str) -> Json:
        spec = {"podSelector": {}, "policyTypes": list(types or ("Ingress",))}
        return self.api.stamp({**an_object(name, namespace="prod"), "spec": spec})

    def put_denial(self, name: str = "deny", *types: str) -> None:
        self.caches.network_policies.observe("ADDED", self.a_denial(name, *types))

    def find_opened(self, name: str = "app.cluster") -> set[str] | None:
        view = self.caches.network_policies.find("prod", name)
        return set(view.opened) if view else None


async def test_pods_that_come_together_are_opened_after_one_list() -> None:
    cluster = Defaults()
    for number in range(50):
        cluster.put_default_pod(f"pod-{number}")
    async with cluster.at_work():
        await cluster.comes(lambda: len(cluster.policies()) == 50)
        assert cluster.lister.listed == 1
        cluster.put_default_pod("later")
        await cluster.comes(lambda: "later.cluster" in cluster.policies())
        assert cluster.lister.listed == 2


async def test_a_policy_of_which_no_watch_has_told_leaves_a_new_pod_closed() -> None:
    cluster = Defaults()
    cluster.lister.lists[POLICIES] = [cluster.a_denial("unseen")]
    cluster.put_default_pod()
    async with cluster.at_work():
        assert cluster.find_opened() == {"egress"}


async def test_a_pod_is_not_opened_while_the_policies_cannot_be_listed() -> None:
    cluster = Defaults()
    cluster.lister.refusal = ServerTrouble(500, "", "not now")
    cluster.put_default_pod()
    async with cluster.at_work():
        assert cluster.policies() == set()
        cluster.lister.refusal = None
        await cluster.comes(lambda: cluster.find_opened() == OPENED)


async def test_a_policy_that_goes_while_it_is_listed_is_not_brought_back() -> None:
    cluster = Defaults()
    going = cluster.a_denial("going")
    cluster.lister.lists[POLICIES] = [going]
    cluster.lister.answered.clear()
    cluster.put_default_pod()
    async with cluster.at_work():
        await cluster.comes(lambda: cluster.lister.listed == 1)
        cluster.caches.network_policies.observe("ADDED", going)
        cluster.lister.lists[POLICIES] = []
        cluster.caches.network_policies.observe("DELETED", going)
        cluster.lister.answered.set()
        await cluster.comes(lambda: cluster.find_opened() == OPENED)


async def test_a_pod_is_narrowed_without_a_list() -> None:
    cluster = Defaults()
    cluster.put_default_pod()
    async with cluster.at_work():
        await cluster.comes(lambda: cluster.find_opened() == OPENED)
        cluster.lister.refusal = ApiError(403, "Forbidden", "no lists")
        cluster.put_denial("deny", "Ingress", "Egress")
        await cluster.comes(lambda: cluster.find_opened() == set())
        assert cluster.lister.listed == 1
        cluster.delete(cluster.caches.network_policies, "deny")
        await settle()
        assert cluster.find_opened() == set()
        cluster.lister.refusal = None
        await cluster.comes(lambda: cluster.find_opened() == OPENED)


async def test_a_policy_that_goes_may_have_a_successor_so_the_pod_is_not_opened_at_once() -> None:
    cluster = Defaults()
    cluster.put_denial("first")
    cluster.put_default_pod()
    opened: list[set[str] | None] = []
    cluster.caches.network_policies.listeners.append(lambda *_: opened.append(cluster.find_opened()))
    async with cluster.at_work():
        await cluster.comes(lambda: cluster.find_opened() == {"egress"})
        cluster.delete(cluster.caches.network_policies, "first")
        await settle()
        cluster.put_denial("second")
        await settle()
        assert all(each is None or "ingress" not in each for each in opened)


async def test_a_group_that_the_profile_names_is_opened_whatever_the_owners_say() -> None:
    cluster = Defaults(securityGroups=["cluster"])
    cluster.put_denial()
    cluster.put_default_pod()
    async with cluster.at_work():
        assert cluster.find_opened() == OPENED


async def test_pods_that_share_a_policy_get_their_own_before_it_goes_and_share_it_again_before_these_go() -> None:
    cluster = Defaults(isolation="PerGroup")
    for name in ("app", "other"):
        cluster.put_default_pod(name)
    steps: list[set[str]] = []
    cluster.caches.network_policies.listeners.append(lambda *_: steps.append(cluster.policies() - {"deny"}))
    own, shared = {"app.cluster", "other.cluster"}, {"monopod-groups.cluster"}
    async with cluster.at_work():
        await cluster.comes(lambda: cluster.policies() == shared)
        cluster.put_denial()
        await cluster.comes(lambda: cluster.policies() == own | {"deny"})
        assert cluster.find_opened() == cluster.find_opened("other.cluster") == {"egress"}
        assert own | shared in steps
        steps.clear()
        cluster.delete(cluster.caches.network_policies, "deny")
        await cluster.comes(lambda: cluster.policies() == shared)
        assert own | shared in steps


async def test_a_shared_policy_stays_until_the_last_pod_has_its_own() -> None:
    cluster = Defaults(isolation="PerGroup")
    for name in ("app", "other"):
        cluster.put_default_pod(name)
    async with cluster.at_work():
        await cluster.comes(lambda: cluster.policies() == {"monopod-groups.cluster"})
        cluster.api.answers["apply", f"{POLICIES}/other.cluster"] = ServerTrouble(500, "", "not now")
        cluster.put_denial()
        await settle()
        assert cluster.policies() == {"deny", "app.cluster", "monopod-groups.cluster"}
        del cluster.api.answers["apply", f"{POLICIES}/other.cluster"]
        await cluster.comes(lambda: cluster.policies() == {"deny", "app.cluster", "other.cluster"})


async def test_a_shared_policy_goes_although_a_pods_own_is_refused() -> None:
    cluster = Defaults(isolation="PerGroup")
    cluster.put_default_pod()
    async with cluster.at_work():
        await cluster.comes(lambda: cluster.policies() == {"monopod-groups.cluster"})
        cluster.api.answers["apply", f"{POLICIES}/app.cluster"] = ApiError(403, "Forbidden", "exceeded quota: none")
        cluster.put_denial()
        await cluster.comes(lambda: cluster.policies() == {"deny"})
