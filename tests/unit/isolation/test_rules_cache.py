"""What sets of security groups open, as groups, nodes and API servers change."""

from typing import Any

from structlog.testing import CapturingLogger

from monopod.isolation.rules_cache import GroupRulesCache
from monopod.kube.logs import ProblemLog
from monopod.manager.sources import WatchedCaches


def put_node(caches: WatchedCaches, event: str, version: int, *addresses: str) -> None:
    told = [{"type": "InternalIP", "address": address} for address in addresses]
    metadata: dict[str, Any] = {"name": "a", "uid": "1", "resourceVersion": str(version)}
    caches.nodes.observe(event, {"metadata": metadata, "status": {"addresses": told}})


def test_an_odd_address_of_a_node_is_complained_of_once_and_until_it_is_gone() -> None:
    log, caches = CapturingLogger(), WatchedCaches("monopod-system")
    rules = GroupRulesCache(caches, (), (), ProblemLog(log))  # type: ignore[arg-type]  # structlog's stand-in for a logger
    said = []
    for version, addresses in enumerate((["192.0.2.1"], ["192.0.2.1", ""], ["192.0.2.2", ""], ["192.0.2.2"]), start=1):
        put_node(caches, "MODIFIED", version, *addresses)
        rules.refresh()
        said.append([call.args[0] for call in log.calls])
    assert said == [[], ["trouble"], ["trouble"], ["trouble", "recovered"]]
    assert rules.infrastructure.nodes == ("192.0.2.2/32",)


def test_a_node_that_goes_takes_the_complaint_about_it_along() -> None:
    log, caches = CapturingLogger(), WatchedCaches("monopod-system")
    rules = GroupRulesCache(caches, (), (), ProblemLog(log))  # type: ignore[arg-type]  # the same
    put_node(caches, "ADDED", 1, "nonsense")
    rules.refresh()
    put_node(caches, "DELETED", 2, "nonsense")
    rules.refresh()
    assert [call.args[0] for call in log.calls] == ["trouble", "recovered"]
