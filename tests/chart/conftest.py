from collections.abc import Iterator

import pytest

from tests.chart.rendering import Rendered, render_chart, render_manifests
from tests.clusters import ControlPlane, run_control_plane


@pytest.fixture(scope="session")
def default_chart() -> Rendered:
    """The chart with its default values, under the name and in the namespace that the manifests have."""
    return render_chart()


@pytest.fixture(scope="session")
def default_manifests() -> Rendered:
    return render_manifests("default")


@pytest.fixture(scope="session")
def ledger_chart(default_chart: Rendered) -> Rendered:
    """What the chart adds for the ledger, in objects of its own."""
    chart = render_chart({"ledger": {"enabled": True}})
    names = {(item["kind"], item["metadata"]["name"]) for item in default_chart.objects}
    return Rendered([item for item in chart.objects if (item["kind"], item["metadata"]["name"]) not in names])


@pytest.fixture(scope="session")
def ledger_manifests() -> Rendered:
    return render_manifests("ledger")


@pytest.fixture(scope="session")
def release_cluster() -> Iterator[ControlPlane]:
    """A control plane of this tier's own: what the chart installs is cluster-wide, and other tiers install it too."""
    with run_control_plane("chart") as cluster:
        yield cluster


@pytest.fixture
def fresh_cluster() -> Iterator[ControlPlane]:
    """A control plane on which Monopod was never installed.

    A second installation finds the policies on new namespaces without effect: an API server that once had them and
    lost them no longer follows ConfigMaps (kubernetes/kubernetes#133827).
    """
    with run_control_plane("fresh-chart") as cluster:
        yield cluster
