"""What is wrong with a replacement, for the operator and `plan` alike."""

from typing import Any

from monopod.api.names import PROFILE_LABEL
from monopod.api.reasons import Reason
from monopod.workloads.rules.creation import Census, Quota
from monopod.workloads.rules.verdict import Answer, Fault, judge_answer, judge_node, judge_quotas, judge_sandbox
from tests.unit.builders import Manifest, a_pod

FULL = 'pods "a" is forbidden: exceeded quota: full, requested: pods=1, used: pods=5, limited: pods=5'
QUOTA = Quota.from_resource(
    {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "5"}}, "status": {"used": {"pods": "5"}}}
)


def a_stored_pod(name: str = "web-0", **status: Any) -> Manifest:
    pod = a_pod(name).build()
    return {**pod, "metadata": {**pod["metadata"], "uid": name}, "status": status}


def a_ready_pod() -> Manifest:
    return a_stored_pod(conditions=[{"type": "Ready", "status": "True"}])


def test_a_refusal_is_told_in_the_api_servers_words() -> None:
    fault = judge_answer(Answer(refusal="violates PodSecurity"), a_ready_pod(), ())
    assert fault == Fault(Reason.REPLACEMENT_REFUSED, "violates PodSecurity")
    assert str(fault) == "a replacement can't be created: violates PodSecurity"


def test_a_quotas_refusal_is_none_where_the_pod_that_goes_makes_room() -> None:
    assert judge_answer(Answer(refusal=FULL), a_ready_pod(), [QUOTA]) is None
    assert judge_answer(Answer(refusal=FULL), a_ready_pod(), []) is not None


def test_room_is_what_the_pods_leave_whatever_the_quotas_status_says() -> None:
    present = [a_stored_pod(f"web-{number}") for number in range(5)]
    answer = Answer(a_stored_pod("new"))
    assert judge_quotas(answer, present[0], [QUOTA], Census(present, ())) is None
    fault = judge_quotas(answer, present[0], [QUOTA], Census([*present, a_stored_pod("late")], ()))
    assert fault is not None
    assert "quota full has no pods left for it" in str(fault)


def test_a_replacement_has_to_be_marked_and_sandboxed_by_the_profile() -> None:
    created = a_pod("new").labelled({PROFILE_LABEL: "web"}).build()
    created["spec"]["runtimeClassName"] = "kata"
    assert judge_sandbox(created, "prod", "web", "kata") is None
    fault = judge_sandbox(created, "prod", "web", "gvisor")
    assert str(fault) == "a replacement wouldn't be sandboxed: its runtimeClassName is kata, not gvisor"


def test_only_a_pod_that_is_ready_stays_for_want_of_a_node() -> None:
    fault = judge_node(a_stored_pod("new"), a_ready_pod(), [])
    assert fault is not None
    assert fault.reason is Reason.REPLACEMENT_UNSCHEDULABLE
    assert str(fault).startswith("no node could take a replacement: 0/0 nodes are available")
    assert judge_node(a_stored_pod("new"), a_stored_pod(), []) is None
