"""Values that make no sense are refused before anything reaches the cluster, with a message that says which."""

import re
from typing import Any

import pytest

from tests.chart.rendering import CHART, Refused, nest, render_chart, run_tool

REFUSED: list[tuple[str, Any, str]] = [
    ("sandboxx", "kata", "additional properties 'sandboxx' not allowed"),
    ("image.name", "x", "additional properties 'name' not allowed"),
    ("metrics.serviceMonitor.every", "30s", "additional properties 'every' not allowed"),
    ("resources.request", {"cpu": "1"}, "additional properties 'request' not allowed"),
    ("sandbox", "Kata_QEMU", "/sandbox"),
    ("spot.reclaim", "None", "spot.nodeLabel must name the label of Spot's nodes"),
    ("spot.reclaim", "Never", "/spot/reclaim"),
    ("replicas", "two", "/replicas"),
    ("replicas", -1, "/replicas"),
    ("image.pullPolicy", "Sometimes", "/image/pullPolicy"),
    ("image.digest", "sha256:abc", "/image/digest"),
    ("image.tag", "a tag", "/image/tag"),
    ("isolation.nodeCIDRs", ["10.0.0.1"], "/isolation/nodeCIDRs/0"),
    ("isolation.metadataAddresses", ["metadata"], "/isolation/metadataAddresses/0"),
    ("isolation.metadataAddresses", [], "/isolation/metadataAddresses"),
    ("log.level", "loud", "/log/level"),
    ("log.format", "xml", "/log/format"),
    ("leaderElection.leaseDurationSeconds", 1, "/leaderElection/leaseDurationSeconds"),
    ("metrics.port", 70000, "/metrics/port"),
    ("networkPolicy.metricsFrom", [{"cidr": "10.0.0.0/8"}], "/networkPolicy/metricsFrom"),
    ("networkPolicy.metricsFrom", [{}], "/networkPolicy/metricsFrom"),
    ("metrics.serviceMonitor.enabled", True, "needs networkPolicy.metricsFrom"),
    ("podDisruptionBudget.maxUnavailable", "150%", "/podDisruptionBudget/maxUnavailable"),
    ("podLabels", {"a": 1}, "/podLabels"),
    ("nodeSelector", ["a"], "/nodeSelector"),
    ("serviceAccount.create", False, "serviceAccount.name must say which ServiceAccount"),
    ("leaderElection.enabled", False, "replicas must be 1"),
    ("events.webhook.url", "ftp://hooks.example.com", "/events/webhook/url"),
    ("events.webhook", {"url": "http://hooks.shop.svc", "secretName": "hook"}, "a token isn't sent in plain HTTP"),
]


@pytest.mark.parametrize(("path", "value", "message"), REFUSED, ids=lambda part: str(part)[:40])
def test_a_wrong_value_is_refused_with_its_name(path: str, value: Any, message: str) -> None:
    with pytest.raises(Refused, match=re.escape(message)):
        render_chart(nest(tuple(path.split(".")), value))


def test_a_service_monitor_without_a_service_is_refused() -> None:
    metrics = {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}
    with pytest.raises(Refused, match=r"needs metrics\.service\.enabled"):
        render_chart({"metrics": metrics, "networkPolicy": {"enabled": False}})


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(Refused, match=r"requires kubeVersion: >=1\.36"):
        run_tool("helm", "template", "monopod", CHART, "--kube-version", "1.35.4")


def test_the_chart_passes_helms_own_linter() -> None:
    assert "0 chart(s) failed" in run_tool("helm", "lint", "--strict", CHART)


def test_values_from_a_parent_chart_are_not_taken_for_ours() -> None:
    assert render_chart({"global": {"theirs": 1}}).of_kind("Deployment")
