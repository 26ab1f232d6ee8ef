from typing import Any

import pytest

from monopod.api.names import TOPOLOGY_ZONE
from monopod.pods.rules.decision import Sandboxed, Unsupported, decide
from monopod.pods.rules.zones import excludes_zones, merge_terms
from tests.unit.builders import a_pod, a_profile, a_selector

ZONES = ("a", "b")
IN_ZONES = {"key": TOPOLOGY_ZONE, "operator": "In", "values": ["a", "b"]}
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
ON_NODE = {"key": "metadata.name", "operator": "In", "values": ["node-1"]}


def zone(operator: str, *values: str) -> dict[str, Any]:
    return {"key": TOPOLOGY_ZONE, "operator": operator, **({"values": list(values)} if values else {})}


def term(*expressions: dict[str, Any]) -> dict[str, Any]:
    return {"matchExpressions": list(expressions)}


MERGED: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "no terms: one of its own": ([], [term(IN_ZONES)]),
    "a term: one requirement more": ([term(SSD)], [term(SSD, IN_ZONES)]),
    "each term, as they are alternatives": ([term(SSD), term(zone("In", "a"))], [
        term(SSD, IN_ZONES),
        term(zone("In", "a"), IN_ZONES),
    ]),
    "a term that names a node": ([{"matchFields": [ON_NODE]}], [{"matchFields": [ON_NODE], **term(IN_ZONES)}]),
    "a term that matches nothing goes on matching nothing": ([{}, term(SSD)], [{}, term(SSD, IN_ZONES)]),
    "nothing is added twice": ([term(IN_ZONES, SSD)], [term(IN_ZONES, SSD)]),
}  # fmt: skip


@pytest.mark.parametrize(("terms", "merged"), MERGED.values(), ids=MERGED)
def test_zones_are_merged_with_the_pods_own_affinity(terms: list[dict[str, Any]], merged: list[dict[str, Any]]) -> None:
    pod = a_pod().requiring_nodes(*terms).build()
    before = a_pod().requiring_nodes(*terms).build()
    assert merge_terms(pod, [IN_ZONES]) == merged
    assert merge_terms(pod, ()) == terms
    assert pod == before


EXCLUDED: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "no terms": ([], False),
    "one of the zones": ([term(zone("In", "b", "c"))], False),
    "other zones": ([term(zone("In", "c"))], True),
    "not one of them": ([term(zone("NotIn", "a"))], False),
    "none of them": ([term(zone("NotIn", "a", "b", "c"))], True),
    "one after the other": ([term(zone("NotIn", "a"), zone("In", "a", "c"))], True),
    "any zone": ([term(zone("Exists"))], False),
    "no zone": ([term(zone("DoesNotExist"))], True),
    "something else": ([term(SSD)], False),
    "a node": ([{"matchFields": [ON_NODE]}], False),
    "one alternative of two": ([term(zone("In", "c")), term(SSD)], False),
    "no alternative": ([term(zone("In", "c")), term(zone("NotIn", "a", "b"))], True),
    "an alternative that matches nothing": ([term(zone("In", "c")), {}], True),
}


@pytest.mark.parametrize(("terms", "excluded"), EXCLUDED.values(), ids=EXCLUDED)
def test_an_affinity_that_leaves_no_zone_is_found(terms: list[dict[str, Any]], excluded: bool) -> None:
    pod = a_pod().requiring_nodes(*terms).build()
    assert excludes_zones(pod, ZONES) is excluded
    assert not excludes_zones(pod, ())


def test_a_pod_that_requires_other_zones_than_its_profile_is_unsupported() -> None:
    web = a_profile("web", a_selector("prod"), zones=ZONES)
    pod = a_pod().requiring_nodes(term(zone("In", "c"))).with_spec(hostPID=True).build()
    decision = decide(pod, "prod", [web])
    assert isinstance(decision, Unsupported)
    assert decision.messages == (
        "fields not supported: HostPID",
        "subnets not supported: the pod requires zones other than a, b",
    )
    assert isinstance(decide(a_pod().build(), "prod", [web]), Sandboxed)
