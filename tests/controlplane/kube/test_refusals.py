"""What a real API server answers where it refuses: the status, the reason and the causes that decisions go by."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monopod.api.names import PROFILE_LABEL
from monopod.kube.client.api import ApiError
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.client.synchronous import SyncClient
from monopod.kube.objects.resources import CONFIG_MAPS, NAMESPACES, NODES, PODS, PROFILES, RESOURCE_QUOTAS, Resource
from tests.clusters import ControlPlane
from tests.controlplane.server import Server

Json = dict[str, Any]

GOING, FULL = "refusals-going", "refusals-full"
NO_KIND = Resource("Toaster", "kitchen.example.com", "v1", "toasters")


@pytest.fixture(scope="module")
def api(installed: ControlPlane, server: Server) -> Iterator[SyncClient]:
    """With a namespace that can't end, and one whose quota allows no ConfigMap."""
    for name in (GOING, FULL):
        server.create(NAMESPACES.list_path(), {"metadata": {"name": name}}).expect_ok()
    held = {"metadata": {"name": "held", "finalizers": ["example.com/held"]}}
    server.create(CONFIG_MAPS.list_path(GOING), held).expect_ok()
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"configmaps": "0"}}, "status": {}}
    server.create(RESOURCE_QUOTAS.list_path(FULL), quota).expect_ok()
    counted = {"status": {"hard": {"configmaps": "0"}, "used": {"configmaps": "0"}}}
    server.patch(f"{RESOURCE_QUOTAS.path('none', FULL)}/status", counted).expect_ok()
    server.delete(NAMESPACES.path(GOING)).expect_ok()
    yield SyncClient.connect(str(installed.kubeconfig_path), None)
    server.patch(CONFIG_MAPS.path("held", GOING), {"metadata": {"finalizers": None}})
    server.delete(NAMESPACES.path(FULL))


def a_config_map(name: str = "web", **fields: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


def a_pod(name: str = "web", **spec: Any) -> Json:
    containers = [{"name": "app", "image": "x"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def a_forgery() -> Json:
    pod = a_pod()
    return {**pod, "metadata": {**pod["metadata"], "labels": {PROFILE_LABEL: "web"}}}


def a_profile(**spec: Any) -> Json:
    return {"apiVersion": PROFILES.api_version, "kind": "FargateProfile", "metadata": {"name": "web"}, "spec": spec}


Ask = Callable[[SyncClient], object]

REFUSALS: dict[str, tuple[Ask, int, str, tuple[tuple[str, str], ...]]] = {
    "a namespace that is going": (
        lambda api: api.create(CONFIG_MAPS.list_path(GOING), a_config_map()),
        403,
        "Forbidden",
        (("NamespaceTerminating", "metadata.namespace"),),
    ),
    "a quota": (lambda api: api.create(CONFIG_MAPS.list_path(FULL), a_config_map()), 403, "Forbidden", ()),
    "a namespace that is missing": (
        lambda api: api.create(CONFIG_MAPS.list_path("refusals-nowhere"), a_config_map()),
        404,
        "NotFound",
        (),
    ),
    "an object that is missing": (lambda api: api.get(NODES.path("refusals-nobody")), 404, "NotFound", ()),
    "a kind that isn't served": (lambda api: api.list_items(NO_KIND.list_path()), 404, "", ()),
    "a field that is wrong": (
        lambda api: api.create(PODS.list_path("default"), a_pod(restartPolicy="Sometimes"), dry_run=True),
        422,
        "Invalid",
        (("FieldValueNotSupported", "spec.restartPolicy"),),
    ),
    "a rule of a CRD": (
        lambda api: api.create(PROFILES.list_path(), a_profile(selectors=[]), dry_run=True),
        422,
        "Invalid",
        (("FieldValueRequired", "spec.selectors"),),
    ),
    "an admission policy": (
        lambda api: api.create(PODS.list_path("default"), a_forgery(), dry_run=True),
        403,
        "Forbidden",
        (("", ""),),
    ),
    "an object that exists": (
        lambda api: api.create(NAMESPACES.list_path(), {"metadata": {"name": FULL}}),
        409,
        "AlreadyExists",
        (),
    ),
    "another object of the name": (
        lambda api: api.delete(NAMESPACES.path(FULL), "00000000-0000-0000-0000-000000000000"),
        409,
        "Conflict",
        (),
    ),
    "a name that is none": (lambda api: api.get(PODS.path("../../secrets", "default")), 404, "NotFound", ()),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_has_its_status_reason_and_causes(api: SyncClient, refusal: str) -> None:
    ask, status, reason, causes = REFUSALS[refusal]
    with pytest.raises(ApiError) as caught:
        ask(api)
    error = caught.value
    assert (error.status, error.reason) == (status, reason), error
    assert {(cause.reason, cause.field) for cause in error.causes} >= set(causes), error.causes
    assert error.is_unserved == (refusal == "a kind that isn't served")
    assert error.message


def test_processes_read_the_same(installed: ControlPlane, api: SyncClient) -> None:
    async def ask() -> None:
        client = ApiClient(await load_configuration(str(installed.kubeconfig_path)))
        try:
            await client.create(CONFIG_MAPS.list_path(GOING), a_config_map())
        finally:
            await client.close()

    with pytest.raises(ApiError) as caught:
        asyncio.run(ask())
    assert caught.value.has_cause("NamespaceTerminating")
    with pytest.raises(ApiError) as told:
        api.create(CONFIG_MAPS.list_path(GOING), a_config_map())
    assert (caught.value.status, caught.value.causes) == (told.value.status, told.value.causes)
