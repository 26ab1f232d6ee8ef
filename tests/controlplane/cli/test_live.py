"""What the command line reads of an installation is where it looks for it."""

from monopod.api.names import SYSTEM_NAMESPACE
from monopod.cli.live import Cluster
from tests.clusters import ControlPlane


def test_the_policies_tell_where_monopod_is_installed(installed: ControlPlane) -> None:
    cluster = Cluster.connect(str(installed.kubeconfig_path), None)
    assert cluster.fetch_monopod_namespace() == SYSTEM_NAMESPACE
