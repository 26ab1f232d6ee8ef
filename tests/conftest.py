"""Fixtures that several tiers share."""

from collections.abc import Iterator

import pytest

from lab.cluster.installation import NAMESPACE, apply_api
from tests.clusters import ControlPlane, run_control_plane
from tests.controlplane.reach import await_policies
from tests.controlplane.server import Server


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A fresh API server with Monopod's namespace and nothing of Monopod in it."""
    with run_control_plane("empty") as cluster:
        cluster.kubectl("create", "namespace", NAMESPACE)
        yield cluster


@pytest.fixture(scope="session")
def installed() -> Iterator[ControlPlane]:
    """An API server with Monopod's kinds, rights and policies, which are in effect, and no operator."""
    with run_control_plane("installed") as cluster:
        apply_api(cluster.lab)
        await_policies(Server(cluster.kubeconfig_path))
        yield cluster
