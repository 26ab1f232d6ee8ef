"""The operator makes the default group where it is missing, and writes the statuses of groups that differ."""

from collections.abc import Mapping
from typing import Any

import pytest

from monopod.api.names import API_VERSION, DEFAULT_GROUP, GROUP_LABEL_PREFIX, PROFILE_LABEL
from monopod.isolation.group_resolver import SecurityGroupResolver
from monopod.isolation.group_status import DEBOUNCE_SECONDS, GroupReporter
from monopod.isolation.rules_cache import GroupRulesCache
from monopod.kube.client.api import ApiError, ApiUnreachable
from monopod.kube.objects.resources import SECURITY_GROUPS
from monopod.manager.sources import WatchedCaches
from tests.unit.builders import a_profile_resource
from tests.unit.fake_api import Answer, FakeApi, conflict
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

Json = dict[str, Any]
FORBIDDEN = ApiError(403, "Forbidden", "not allowed")


def find_status_path(name: str) -> str:
    return SECURITY_GROUPS.path(name, subresource="status")


class Reporting:
    """A reporter on a mirror that the test fills."""

    def __init__(self, answers: Mapping[tuple[str, str], Answer] | None = None) -> None:
        self.api = FakeApi(answers)
        self.caches = WatchedCaches("monopod-system")
        self.clock = FakeClock()
        membership = SecurityGroupResolver(self.api, self.caches, "kata", PROBLEMS)
        rules = GroupRulesCache(self.caches, (), (), PROBLEMS)
        self.reporter = GroupReporter(self.api, self.caches, membership, rules, PROBLEMS, self.clock)

        self.reconcile(DEFAULT_GROUP, {})

    def reconcile(self, name: str, spec: Json) -> Json:
        """The group as the API server would have it, which from now on answers writes of its status."""
        metadata = {"name": name, "uid": name, "generation": 1, "resourceVersion": "1"}
        group = {"apiVersion": API_VERSION, "metadata": metadata, "spec": spec}

        def store(patch: Json) -> Json:
            return {**group, **patch, "metadata": {**metadata, "resourceVersion": "2"}}

        self.api.answers["merge", find_status_path(name)] = store
        return group

    def put_group(self, name: str, **spec: Any) -> None:
        self.caches.groups.observe("ADDED", self.reconcile(name, spec))

    def put_profile(self, name: str, **spec: Any) -> None:
        resource = a_profile_resource(name, {"namespace": name}, **spec)
        resource["metadata"] |= {"uid": name, "resourceVersion": "1"}
        self.caches.profiles.observe("ADDED", resource)

    def put_pod(self, name: str, *groups: str) -> None:
        labels = {PROFILE_LABEL: "web", **{f"{GROUP_LABEL_PREFIX}{group}": "true" for group in groups}}
        metadata = {"name": name, "namespace": "prod", "uid": name, "resourceVersion": "1", "labels": labels}
        self.caches.pods.observe("ADDED", {"metadata": metadata})

    async def run(self, times: int = 3) -> None:
        """Lets it look so often at what is in the mirror now."""
        async with running(self.reporter.controller):
            for _ in range(times - 1):
                self.clock.step(DEBOUNCE_SECONDS)
                await settle()

    def written(self, name: str) -> Json:
        """The last status that was written for a group."""
        found = [body["status"] for path, body in self.api.sent("merge") if path == find_status_path(name)]
        return dict(found[-1]) if found else {}


async def test_the_default_group_is_made_where_it_is_missing_and_once() -> None:
    reporting = Reporting()
    await reporting.run()
    ((path, body),) = reporting.api.sent("create")
    assert (path, body["metadata"]["name"]) == (SECURITY_GROUPS.list_path(), DEFAULT_GROUP)


async def test_a_default_group_that_someone_changed_is_left_as_it_is() -> None:
    reporting = Reporting()
    reporting.put_group(DEFAULT_GROUP, description="ours")
    await reporting.run()
    assert reporting.api.sent("create") == []
    assert [path for path, _ in reporting.api.sent("merge")] == [find_status_path(DEFAULT_GROUP)]


async def test_a_default_group_that_was_deleted_is_made_again() -> None:
    reporting = Reporting()
    await reporting.run()
    reporting.caches.groups.observe("DELETED", reporting.reconcile(DEFAULT_GROUP, {}))
    await reporting.run()
    assert len(reporting.api.sent("create")) == 2


async def test_a_default_group_that_someone_else_made_meanwhile_is_theirs() -> None:
    reporting = Reporting({("create", SECURITY_GROUPS.list_path()): conflict()})
    await reporting.run()
    assert len(reporting.api.sent("create")) == 1


@pytest.mark.parametrize("trouble", [FORBIDDEN, ApiUnreachable("away")], ids=["refused", "unreachable"])
async def test_a_default_group_that_cannot_be_made_is_tried_again(trouble: Exception) -> None:
    reporting = Reporting({("create", SECURITY_GROUPS.list_path()): trouble})
    await reporting.run()
    assert len(reporting.api.sent("create")) > 1


async def test_a_status_counts_pods_and_names_profiles_and_groups_that_use_it() -> None:
    reporting = Reporting()
    reporting.put_group("db")
    reporting.put_group("web", egress=[{"to": [{"securityGroup": "db"}]}])
    reporting.put_profile("shop", securityGroups=["db", "web"])
    for name in ("a", "b"):
        reporting.put_pod(name, "db")
    await reporting.run()
    assert (reporting.written("db")["pods"], reporting.written("web")["pods"]) == (2, 0)
    assert reporting.written("db")["usedBy"] == ["FargateProfile/shop", "SecurityGroup/web"]


async def test_a_profile_that_names_no_group_uses_the_default_one() -> None:
    reporting = Reporting()
    reporting.put_group(DEFAULT_GROUP)
    reporting.put_profile("shop")
    await reporting.run()
    assert reporting.written(DEFAULT_GROUP)["usedBy"] == ["FargateProfile/shop"]


async def test_a_group_that_names_itself_is_not_its_own_user() -> None:
    reporting = Reporting()
    reporting.put_group("web", ingress=[{"from": [{"securityGroup": "web"}]}])
    await reporting.run()
    assert reporting.written("web")["usedBy"] == []


async def test_a_rule_that_names_a_group_that_does_not_exist_is_said() -> None:
    reporting = Reporting()
    reporting.put_group("web", ingress=[{"from": [{"securityGroup": "nobody"}]}])
    await reporting.run()
    assert reporting.written("web")["conditions"][0]["reason"] == "PeerNotFound"


async def test_a_status_that_is_right_is_not_written_again() -> None:
    reporting = Reporting()
    reporting.put_group("web")
    reporting.put_group(DEFAULT_GROUP)
    await reporting.run()
    await reporting.run()
    assert [path for path, _ in reporting.api.sent("merge")].count(find_status_path("web")) == 1


async def test_a_burst_of_pods_is_one_write() -> None:
    reporting = Reporting()
    reporting.put_group("web")
    for number in range(200):
        reporting.put_pod(f"pod-{number}", "web")
    await reporting.run(times=1)
    statuses = [body["status"]["pods"] for path, body in reporting.api.sent("merge") if "/web/" in path]
    assert statuses
    assert set(statuses) == {200}
