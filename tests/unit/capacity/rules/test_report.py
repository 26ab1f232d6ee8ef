"""What is said of capacity: every verdict has a reason and says what to do."""

import pytest

from monopod.api.reasons import ConditionType
from monopod.capacity.rules.report import contribute_capacity, describe_cause
from monopod.capacity.rules.settings import Provider
from monopod.capacity.rules.verdict import Growing, Judgement, LimitReached, NoRuntimeClass, Verdict
from monopod.kube.objects.conditions import Severity
from tests.unit.capacity.rules.test_verdict import TABLE

UNAVAILABLE = "Capacity is unavailable at this time. Please try again later or in a different availability zone."
VERDICTS: list[Verdict] = list(dict.fromkeys([verdict for _, verdict in TABLE.values()] + [NoRuntimeClass()]))
TO_DO = {
    "NoSandboxNodes": "kubectl fargate nodepool web",
    "NodesFull": "add nodes",
    "Growing": "kubectl describe",
    "LimitReached": "raise them",
    "KarpenterNotServed": "install it, or change spec.capacity",
    "NodePoolNotFound": "create what is missing",
    "NodePoolNotReady": "mend what Karpenter names, usually its node class: NodeClass not found",
    "NodePoolLabelMissing": "kubectl fargate nodepool web",
    "NodePoolTaintNotTolerated": "scheduling.tolerations",
    "StartupTaintMissing": "to its startupTaints, and name it in kata-deploy's value startupTaints",
    "StartupTaintStuck": "whether gvisor-node's value node.startupTaint names the taint",
    "RuntimeClassNotFound": "see RuntimeClassFound",
    "CapacityAvailable": "",
}


@pytest.mark.parametrize("verdict", VERDICTS, ids=str)
def test_a_condition_is_a_remark_that_says_what_to_do(verdict: Verdict) -> None:
    contribution = contribute_capacity(Judgement(verdict, Provider.NONE), "web", 1, 2)
    (finding,) = contribution.findings
    assert (finding.condition, finding.severity) == (ConditionType.CAPACITY_AVAILABLE, Severity.REMARK)
    assert TO_DO[finding.reason] in finding.message
    assert finding.message[0].islower() or finding.message[0].isdigit() or finding.message.startswith(("Node", "Karp"))
    assert not finding.message.endswith(".")
    assert dict(contribution.fields) == {"capacity": {"provider": "None", "nodes": 1, "pendingPods": 2}}


@pytest.mark.parametrize("verdict", VERDICTS, ids=str)
def test_an_event_has_awss_words_and_the_cause(verdict: Verdict) -> None:
    text = describe_cause(verdict, "web")
    assert text.startswith(f"{UNAVAILABLE} ")
    cause = text.removeprefix(f"{UNAVAILABLE} ")
    assert cause[0].isupper()
    assert cause.endswith(".")


def test_an_event_stays_the_same_however_many_pods_wait() -> None:
    assert describe_cause(Growing(1, Provider.KARPENTER), "web") == describe_cause(
        Growing(9, Provider.KARPENTER), "web"
    )
    assert describe_cause(LimitReached(1, ("a",)), "web") == describe_cause(LimitReached(2, ("a",)), "web")
