import pytest

from tests.chart.rendering import Rendered, render_chart, render_manifests


@pytest.fixture(scope="session")
def default_chart() -> Rendered:
    """The chart with its default values, under the name and in the namespace that the manifests have."""
    return render_chart()


@pytest.fixture(scope="session")
def default_manifests() -> Rendered:
    return render_manifests("default")
