import os
from collections.abc import Iterator

import pytest

from lab.lab_cluster import LabCluster
from tests.chart.rendering import Rendered, render_chart, render_manifests


@pytest.fixture(scope="session")
def default_chart() -> Rendered:
    """The chart with its default values, under the name and in the namespace that the manifests have."""
    return render_chart()


@pytest.fixture(scope="session")
def default_manifests() -> Rendered:
    return render_manifests("default")


@pytest.fixture(scope="session")
def release_cluster() -> Iterator[LabCluster]:
    """A control plane of this tier's own: what the chart installs is cluster-wide, and other tiers install it too."""
    cluster = LabCluster(f"chart-{os.getpid()}", control_plane_only=True)
    cluster.create(tied_to_caller=True)
    yield cluster
    cluster.delete()
