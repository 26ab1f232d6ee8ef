"""How long whoever evicts a pod on Spot may let it take: two minutes, unless it is they who drain nodes."""

from collections.abc import Iterator

import pytest

from monopod.kube.objects.resources import PODS
from tests.controlplane.aws.granting import await_right
from tests.controlplane.reach import reach
from tests.controlplane.server import Answer, Manifest, Server
from tests.unit.builders import a_pod, a_profile, a_selector

TENANT, AUTOSCALER = "grace-tenant", "grace-autoscaler"
EDIT = "system:aggregate-to-edit"
"""What the role `edit` consists of; no controller manager puts it together here."""
RBAC = "/apis/rbac.authorization.k8s.io/v1"
DRAINING = [
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch", "update"]},
    {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
]
"""What cluster-autoscaler's own ClusterRole gives it of these."""
ON_SPOT, ON_DEMAND, CHOOSING = "grace-spot", "grace-demand", "grace-choice"
NAMESPACES = (ON_SPOT, ON_DEMAND, CHOOSING)


@pytest.fixture(scope="module")
def graced(server: Server) -> Iterator[Server]:
    """A namespace on Spot, one whose pods may choose it, and one on demand in which pods choose other things."""
    reach(server, ON_SPOT, [a_profile("web", a_selector(ON_SPOT), spot=True)])
    reach(server, CHOOSING, [a_profile("web", a_selector(CHOOSING), pod_choice="Allow")])
    reach(server, ON_DEMAND, [a_profile("web", a_selector(ON_DEMAND), pod_groups="Allow")])
    role = {"metadata": {"name": AUTOSCALER}, "rules": DRAINING}
    server.create(f"{RBAC}/clusterroles", role).expect_ok()
    server.create(f"{RBAC}/clusterrolebindings", bind(AUTOSCALER, AUTOSCALER)).expect_ok()
    for namespace in NAMESPACES:
        server.create(f"{RBAC}/namespaces/{namespace}/rolebindings", bind(TENANT, EDIT)).expect_ok()
        server.create_pod(namespace, a_pod("web").build(), dry_run=False).expect_ok()
        await_right(server, TENANT, DRAINING[1], namespace)
    await_right(server, AUTOSCALER, DRAINING[1])
    yield server
    for namespace in NAMESPACES:
        server.delete(PODS.path("web", namespace))
    server.delete(f"{RBAC}/clusterrolebindings/{AUTOSCALER}")
    server.delete(f"{RBAC}/clusterroles/{AUTOSCALER}")


def bind(user: str, role: str) -> Manifest:
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": role, "apiGroup": "rbac.authorization.k8s.io"}
    return {"metadata": {"name": user}, "subjects": [subject], "roleRef": reference}


def evict(server: Server, user: str, namespace: str, seconds: int | None) -> Answer:
    """The answer to an eviction that isn't carried out."""
    options = {} if seconds is None else {"gracePeriodSeconds": seconds}
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "web"},
        "deleteOptions": {"dryRun": ["All"], **options},
    }
    path = f"{PODS.path('web', namespace)}/eviction"
    return server.send_as(user, "POST", path, eviction, "application/json", ("system:authenticated",))


@pytest.mark.parametrize("namespace", [ON_SPOT, CHOOSING])
def test_pods_are_evicted_with_two_minutes_at_most_where_they_may_be_on_spot(graced: Server, namespace: str) -> None:
    for seconds in (None, 0, 120):
        evict(graced, TENANT, namespace, seconds).expect_ok()
    refused = evict(graced, TENANT, namespace, 121)
    assert "so deleteOptions.gracePeriodSeconds of an eviction may be 120 at most" in refused.message


def test_who_drains_nodes_gives_pods_the_time_that_they_need(graced: Server) -> None:
    evict(graced, AUTOSCALER, ON_SPOT, 600).expect_ok()


def test_other_choices_of_pods_bound_no_eviction(graced: Server) -> None:
    evict(graced, TENANT, ON_DEMAND, 3600).expect_ok()
