"""The paths of the API server: of collections, objects and their subresources."""

import pytest

from monopod.kube.objects.resources import BY_KIND, NODES, PODS, PROFILES, REPLICA_SETS, Resource


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.list_path(), "/api/v1/pods"),
        (PODS.list_path("prod"), "/api/v1/namespaces/prod/pods"),
        (PODS.path("web", "prod"), "/api/v1/namespaces/prod/pods/web"),
        (PODS.path("web", "prod", "eviction"), "/api/v1/namespaces/prod/pods/web/eviction"),
        (NODES.path("metal-1", subresource="proxy"), "/api/v1/nodes/metal-1/proxy"),
        (REPLICA_SETS.list_path("prod"), "/apis/apps/v1/namespaces/prod/replicasets"),
        (PROFILES.path("web", subresource="status"), "/apis/monopod.dev/v1beta1/fargateprofiles/web/status"),
    ],
)
def test_paths_are_those_of_the_api_server(path: str, expected: str) -> None:
    assert path == expected


@pytest.mark.parametrize("name", ["../secrets/all", "web?dryRun=All", "web#", "..", ".", "wéb", "%2e%2e"])
def test_what_is_no_name_leads_to_no_other_path(name: str) -> None:
    path = PODS.path(name, name)
    _, _, _, _, namespace, plural, last = path.split("/")
    assert plural == "pods"
    assert namespace == last
    assert not set(last) & set("?#")
    assert last.strip(".")


def test_colons_of_names_stay() -> None:
    role = Resource("ClusterRole", "rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False)
    assert role.path("system:node").endswith("/clusterroles/system:node")


@pytest.mark.parametrize(
    ("resource", "arguments"),
    [
        (PODS, ("", "prod")),
        (PODS, ("web",)),
        (PODS, ("web", "prod", "status")),
        (NODES, ("metal-1", "prod")),
    ],
    ids=["no name", "no namespace", "a subresource that isn't used", "a namespace of what has none"],
)
def test_a_path_that_leads_nowhere_is_an_error(resource: Resource, arguments: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"A {resource.kind} "):
        resource.path(*arguments)


def test_manifests_name_their_group_and_version() -> None:
    assert BY_KIND["Pod"].api_version == "v1"
    assert BY_KIND["ReplicaSet"].api_version == "apps/v1"
