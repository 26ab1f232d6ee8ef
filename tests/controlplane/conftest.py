"""An API server on which the policies are known to be in effect, and the namespaces that tables of pods run in."""

import os
import secrets
from typing import Any

import pytest

from monopod.api.names import COMPUTE_TYPE
from monopod.kube.objects.resources import BY_KIND
from tests.clusters import ControlPlane
from tests.controlplane.reach import create_namespace, reach
from tests.controlplane.server import Server
from tests.unit.builders import a_profile, a_selector

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
    """The API server with RuntimeClasses, the namespaces `fargate` and `plain`.

    `fargate` belongs as a whole to the profile `web` (class kata), `plain` to none.
    """
    server = Server(installed.kubeconfig_path)
    for runtime_class in RUNTIME_CLASSES:
        server.create(BY_KIND["RuntimeClass"].list_path(), runtime_class)
    server.create(PRIORITY_CLASSES, {"metadata": {"name": PRIORITY_CLASS}, "value": 1000})
    create_namespace(server, "plain")
    reach(server, "fargate", [a_profile("web", a_selector("fargate"))])
    return server
