"""What EKS does to pods and profiles and no other file's subject covers, on a real API server."""

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL
from monopod.kube.objects.resources import NAMESPACES, PODS
from tests.clusters import ControlPlane
from tests.controlplane.reach import reach
from tests.controlplane.server import Server
from tests.unit.builders import a_pod, a_profile, a_selector


@pytest.mark.eks("2.create-only")
def test_a_pod_that_exists_already_is_left_as_it_is(server: Server) -> None:
    server.create(NAMESPACES.list_path(), {"metadata": {"name": "older"}}).expect_ok()
    pod = PODS.path("old", "older")
    before = server.create_pod("older", a_pod("old").build(), dry_run=False).expect_ok()
    reach(server, "older", [a_profile("web", a_selector("older"))])
    after = server.patch(pod, {"metadata": {"labels": {"changed": "yes"}}}).expect_ok()
    assert after["metadata"]["labels"] == {"changed": "yes"}
    assert after["spec"] == before["spec"]
    again = server.create_pod("older", a_pod("new").build()).expect_ok()
    assert again["metadata"]["labels"].items() >= {PROFILE_LABEL: "web", EKS_PROFILE_LABEL: "web"}.items()


@pytest.mark.eks("2.affinity")
def test_affinity_and_topology_spread_are_left_to_the_scheduler(server: Server) -> None:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    wanted = {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
        "topologySpreadConstraints": [{**term, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
    }
    admitted = server.create_pod("fargate", a_pod().with_spec(**wanted).build()).expect_ok()
    assert admitted["metadata"]["labels"][PROFILE_LABEL] == "web"
    assert {field: admitted["spec"][field] for field in wanted} == wanted


@pytest.mark.eks("1.message-not-found")
def test_a_profile_that_does_not_exist_is_not_found(installed: ControlPlane) -> None:
    answer = installed.kubectl("get", "fargateprofile", "nobody", check=False)
    assert answer.returncode == 1
    assert 'fargateprofiles.monopod.dev "nobody" not found' in answer.stderr
