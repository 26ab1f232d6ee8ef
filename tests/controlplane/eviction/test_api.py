"""What the real Eviction API answers about one pod, and which of its versions it takes."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from monopod.eviction.api import request_eviction
from monopod.eviction.rules.order import Answer, Candidate, Changed, Evicted, Gone
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.objects.resources import PODS
from tests.clusters import ControlPlane
from tests.controlplane.server import Server

NAME, NAMESPACE = "evicted", "plain"
PATH = PODS.path(NAME, NAMESPACE)


@pytest.fixture
def candidate(server: Server) -> Iterator[Candidate]:
    """A pod that runs, and that is there until its finalizer is removed."""
    metadata: dict[str, Any] = {"name": NAME, "finalizers": ["example.com/hold"]}
    spec = {"containers": [{"name": "app", "image": "x"}], "nodeName": "away"}
    server.create(PODS.list_path(NAMESPACE), {"metadata": metadata, "spec": spec}).expect_ok()
    server.patch(f"{PATH}/status", {"status": {"phase": "Running"}}).expect_ok()
    found = server.get(PATH).expect_ok()["metadata"]
    yield Candidate(NAMESPACE, NAME, found["uid"], version=found["resourceVersion"])
    server.patch(PATH, {"metadata": {"finalizers": None}})
    server.delete(f"{PATH}?gracePeriodSeconds=0")


def ask(installed: ControlPlane, candidate: Candidate) -> Answer:
    async def request() -> Answer:
        api = ApiClient(await load_configuration(str(installed.kubeconfig_path)))
        try:
            return await request_eviction(api, candidate)
        finally:
            await api.close()

    return asyncio.run(request())


def is_disrupted(server: Server) -> bool:
    return any(
        each["type"] == "DisruptionTarget" for each in server.get(PATH).expect_ok()["status"].get("conditions", ())
    )


def test_the_version_that_is_known_is_evicted(installed: ControlPlane, server: Server, candidate: Candidate) -> None:
    assert ask(installed, candidate) == Evicted()
    assert is_disrupted(server)


def test_another_version_is_left_alone(installed: ControlPlane, server: Server, candidate: Candidate) -> None:
    server.patch(PATH, {"metadata": {"labels": {"late": "yes"}}}).expect_ok()
    assert ask(installed, candidate) == Changed()
    assert not is_disrupted(server)


def test_a_pod_that_its_owner_deletes_is_no_disruption(
    installed: ControlPlane, server: Server, candidate: Candidate
) -> None:
    server.delete(PATH).expect_ok()
    assert ask(installed, candidate) == Changed()
    assert not is_disrupted(server)
    assert ask(installed, replace(candidate, version="")) == Evicted()
    assert is_disrupted(server), "the reason for the version"


def test_another_pod_of_the_name_is_left_alone(installed: ControlPlane, server: Server, candidate: Candidate) -> None:
    assert ask(installed, replace(candidate, uid="another", version="")) == Gone()
    assert not is_disrupted(server)
