"""What controls pods is read by names that pods say, and pods may say anything."""

from typing import Any

import pytest

from monopod.kube.client.api import ApiError
from monopod.workloads.fetch import count_desired, fetch_workload
from monopod.workloads.rules.replacement import Owner, get_owner
from tests.unit.fake_api import FakeApi


class Forbidding(FakeApi):
    """Answers as for a subresource that RBAC doesn't grant."""

    async def get(self, path: str, query: Any = None) -> Any:
        raise ApiError(403, "Forbidden", f"{path} is forbidden")


@pytest.mark.parametrize("name", ["web/scale", "..", "a" * 254, "Web", "web%"])
async def test_an_owner_whose_name_can_be_no_objects_is_one_of_an_unknown_kind(name: str) -> None:
    owner = Owner("apps/v1", "ReplicaSet", name, "uid-1")
    workload = await fetch_workload(Forbidding(), "prod", owner)
    assert workload is not None
    assert (workload.uid, workload.desired, workload.template) == ("uid-1", None, None)
    assert await count_desired(Forbidding(), workload) == 0


async def test_neither_is_a_deployment_asked_for_that_cannot_be() -> None:
    api = FakeApi()
    above = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web/scale", "uid": "uid-2", "controller": True}
    path = "/apis/apps/v1/namespaces/prod/replicasets/web"
    api.answers["get", path] = {
        "metadata": {"name": "web", "uid": "uid-1", "ownerReferences": [above]},
        "spec": {"replicas": 2, "template": {}},
    }
    workload = await fetch_workload(api, "prod", Owner("apps/v1", "ReplicaSet", "web", "uid-1"))
    assert workload is not None
    assert (workload.kind, workload.desired) == ("ReplicaSet", 2)
    assert [path for path, _ in api.sent("get")] == [path]


async def test_what_is_said_of_an_owner_is_short_however_long_its_name_is() -> None:
    """The statuses of profiles have it in messages, and can't be written if these are too long."""
    reference = {"apiVersion": "x/v1", "kind": "K" * 100_000, "name": "n" * 100_000, "uid": "uid-1", "controller": True}
    owner = get_owner({"metadata": {"ownerReferences": [reference]}})
    assert owner is not None
    assert not owner.is_readable
    workload = await fetch_workload(FakeApi(), "prod", owner)
    assert len(str(workload)) < 400
