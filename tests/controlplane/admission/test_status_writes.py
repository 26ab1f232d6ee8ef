"""What kubelets write on a pod's status passes unchecked, unless it comes with labels or annotations."""

from collections.abc import Iterator

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL
from monopod.kube.objects.resources import PODS
from tests.controlplane.server import Manifest, Server
from tests.unit.builders import a_pod


@pytest.fixture
def status(server: Server) -> Iterator[str]:
    """The path of the status of a pod that runs in a sandbox."""
    path = PODS.path("told-its-status", "fargate")
    server.create_pod("fargate", a_pod("told-its-status").build(), dry_run=False).expect_ok()
    yield f"{path}/status"
    server.delete(path)


@pytest.mark.parametrize(
    "metadata",
    [{"labels": {PROFILE_LABEL: "db"}}, {"annotations": {CAPACITY_ANNOTATION: "64vCPU 512GB"}}],
    ids=["label", "annotation"],
)
def test_a_status_passes_and_brings_no_mark_with_it(server: Server, status: str, metadata: Manifest) -> None:
    server.patch(status, {"status": {"message": "starts"}}).expect_ok()
    assert server.patch(status, {"status": {"message": "runs"}, "metadata": metadata}).status == 403
    server.patch(status, {"status": {"message": "ends"}, "metadata": {"labels": {"tier": "other"}}}).expect_ok()
