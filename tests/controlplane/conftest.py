"""An API server on which the policies are known to be in effect, and the namespaces that tables of pods run in."""

import os
import secrets
from typing import Any

import pytest

from monopod.api.names import COMPUTE_TYPE, NAMESPACE_LABEL, PROFILE_LABEL
from monopod.kube.objects.resources import BY_KIND, NAMESPACES, PODS
from monopod.pods.rules.bounds import MAX_LABELS
from tests.clusters import ControlPlane
from tests.controlplane.reach import OPERATOR, poll, reach
from tests.controlplane.server import Server
from tests.unit.builders import a_pod, a_profile, a_selector

KATA_OVERHEAD = {"cpu": "250m", "memory": "130Mi"}
OTHER_OVERHEAD = {"cpu": "10m", "memory": "10Mi"}

RUNTIME_CLASSES: tuple[dict[str, Any], ...] = (
    {"metadata": {"name": "kata"}, "handler": "kata", "overhead": {"podFixed": KATA_OVERHEAD}},
    {
        "metadata": {"name": "kata-on-metal"},
        "handler": "kata",
        "overhead": {"podFixed": KATA_OVERHEAD},
        "scheduling": {"nodeSelector": {"metal": "yes"}, "tolerations": [{"key": "metal", "operator": "Exists"}]},
    },
    {
        "metadata": {"name": "kata-on-fargate"},
        "handler": "kata",
        "scheduling": {"nodeSelector": {COMPUTE_TYPE: "fargate"}},
    },
    {"metadata": {"name": "bare"}, "handler": "runc"},
    {"metadata": {"name": "other"}, "handler": "other", "overhead": {"podFixed": OTHER_OVERHEAD}},
    {
        "metadata": {"name": "other-on-metal"},
        "handler": "other",
        "overhead": {"podFixed": OTHER_OVERHEAD},
        "scheduling": {"nodeSelector": {"metal": "no"}},
    },
)

PRIORITY_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
PRIORITY_CLASS = "important"


@pytest.fixture(scope="session")
def seed() -> int:
    """Where the generated tests begin: MONOPOD_SEED, or anew each time. A failing test prints it."""
    chosen = int(os.environ.get("MONOPOD_SEED") or secrets.randbelow(10**9))
    print(f"MONOPOD_SEED={chosen}")  # pytest shows it when a test fails
    return chosen


@pytest.fixture(scope="session")
def server(installed: ControlPlane) -> Server:
    """The API server once every policy is in effect, with RuntimeClasses, the namespaces `fargate` and `plain`.

    `fargate` belongs as a whole to the profile `web` (class kata), `plain` to none.
    """
    server = Server(installed.kubeconfig_path)
    for runtime_class in RUNTIME_CLASSES:
        server.create(BY_KIND["RuntimeClass"].list_path(), runtime_class)
    server.create(PRIORITY_CLASSES, {"metadata": {"name": PRIORITY_CLASS}, "value": 1000})
    server.create(NAMESPACES.list_path(), {"metadata": {"name": "plain"}})
    reach(server, "fargate", [a_profile("web", a_selector("fargate"))])
    _await_refusals(server)
    return server


def _await_refusals(server: Server) -> None:
    """Waits for the validating policies: each has one request that it alone refuses."""
    marked = a_pod("forged").labelled({PROFILE_LABEL: "web"})
    large = a_pod("large").labelled({f"label-{index}": "" for index in range(MAX_LABELS + 1)})
    unlabel = {"metadata": {"labels": {NAMESPACE_LABEL: None}}}
    binding = {"metadata": {"name": "nobody", "labels": {PROFILE_LABEL: "web"}}, "target": {"name": "node"}}
    relabel = {"metadata": {"labels": {"by": "operator"}}}
    server.create_pod("plain", a_pod("by-the-operator").build(), dry_run=False)
    for attempt in (
        lambda: server.create_pod("plain", marked.build()),
        lambda: server.create_pod("fargate", large.build()),
        lambda: server.patch("/api/v1/namespaces/fargate?dryRun=All", unlabel),
        lambda: server.create(f"{PODS.path('nobody', 'plain')}/binding", binding, dry_run=True),
        lambda: server.create(NAMESPACES.list_path(), {"metadata": {"name": "by-the-operator"}}, user=OPERATOR),
        lambda: server.patch("/api/v1/namespaces/plain/pods/by-the-operator?dryRun=All", relabel, user=OPERATOR),
    ):
        poll(attempt, lambda answer: "ValidatingAdmissionPolicy" in answer.message)
