"""`doctor` warns where Kubernetes counts the overhead of running pods twice, in the words that people search for."""

import pytest

from monopod.cli.doctor.command import check
from monopod.cli.doctor.diagnosis import Check, Facts, Level
from tests.unit.cli.clusters import a_cluster, a_runtime_class

HEAVY = [a_runtime_class(overhead={"podFixed": {"cpu": "250m", "memory": "130Mi"}})]


def test_overhead_that_is_counted_twice_is_warned_of() -> None:
    facts = a_cluster(runtime_classes=HEAVY, counts_overhead_twice=True)
    (found,) = [each for each in check(facts) if each.check is Check.OVERHEAD]
    assert found.level is Level.WARNING
    assert "fail with OutOfcpu" in found.message
    assert "--feature-gates=InPlacePodLevelResourcesVerticalScaling=false" in found.action


@pytest.mark.parametrize(
    "facts",
    [a_cluster(runtime_classes=HEAVY), a_cluster(counts_overhead_twice=True)],
    ids=["the gate is off", "no overhead"],
)
def test_nothing_is_said_where_nothing_is_counted_twice(facts: Facts) -> None:
    assert [each for each in check(facts) if each.check is Check.OVERHEAD] == []
