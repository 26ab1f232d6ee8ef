"""Sandboxes that are older than a patch are replaced, whenever the operator is killed, on fake nodes that run pods."""

import functools
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

import pytest

from monopod.api.names import EVENT_SOURCE
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.instants import Instants
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.operating.moving import (
    QUICK,
    TOLERATION,
    fill_nodes,
    pods_of,
    protect,
    ready_pods,
    uids,
)
from tests.controlplane.operating.patching.patched import (
    ZONES,
    annotate,
    are_replaced,
    date_patch,
    nodes_of,
    patched,
    patching,
    phase,
    run_sandboxed,
    set_zones,
    shift_clock,
)
from tests.receiver import ReceiverThread

NOW: Json = {"wait": "0m"}
LEAP: Json = {"schedule": "0 0 29 2 *", "duration": "15m"}


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("patches", tmp_path_factory.mktemp("patches"), fake_nodes=2) as lab:
        set_zones(lab)
        yield lab


@pytest.fixture
def lab(lab: Lab) -> Iterator[Lab]:
    yield lab
    annotate(lab, None)


@pytest.fixture
def receiver() -> Iterator[ReceiverThread]:
    running = ReceiverThread()
    running.start()
    yield running
    running.close()


def notices(receiver: ReceiverThread, namespace: str) -> list[Json]:
    """About its pods, as often as they came: each operator sends what is on record."""
    return [body for body in receiver.receiver.got if body["detail"].get("podNamespace") == namespace]


def events(lab: Lab, namespace: str, pod: str, reason: str) -> list[Json]:
    return [event for event in lab.events(namespace, pod) if event["reason"] == reason]


@pytest.mark.eks("6.zones", "6.exempt")
def test_a_round_waits_and_goes_on_zone_after_zone_whenever_the_operator_is_killed(
    lab: Lab, start: StartOperator
) -> None:
    operator = start(*QUICK)
    run_sandboxed(lab, "zonal", 6)
    protect(lab, "zonal", 5)
    before, nodes = uids(lab, "zonal"), nodes_of(lab, "zonal")
    assert set(nodes.values()) == set(ZONES)
    date = date_patch(lab)
    eventually(lambda: patched(lab, "zonal") == "PatchNoticed")
    told = patching(lab, "zonal")
    assert told.items() >= {"phase": "Noticed", "patched": date, "stale": 6, "replaced": 0, "pods": 6}.items()
    assert eventually(lambda: {event["reason"] for event in lab.events("default", "zonal")} >= {"PatchNoticed"})
    operator.kill()
    operator = start(*QUICK, patch=shift_clock(days=6, hours=23))
    eventually(lambda: operator.metric('monopod_patching_pods{profile="zonal",state="stale"}') == 6)
    assert uids(lab, "zonal") == before
    assert patching(lab, "zonal")["noticedAt"] == told["noticedAt"], "the wait counts from the notice on record"
    operator.kill()
    later = shift_clock(days=8)
    with Instants(lab, "zonal") as instants:
        operator = start(*QUICK, patch=later)
        for gone in (1, 4):
            eventually(lambda: len(instants.evictions) >= gone)  # noqa: B023 called at once
            operator.kill()
            operator = start(*QUICK, patch=later)
        eventually(lambda: phase(lab, "zonal") == "Done")
        eventually(functools.partial(are_replaced, lab, "zonal", before))
        assert instants.find_violations({"web": 5}) == []
        assert set(instants.evictions) == before, "each pod was evicted once, and no replacement was"
        order = [ZONES[nodes[uid]] for uid in instants.evictions]
    assert [zone for zone, _ in groupby(order)] == ["a", "b"]
    assert patching(lab, "zonal").items() >= {"progress": "6/6", "stale": 0, "blocked": 0, "left": 0}.items()
    eventually(lambda: patched(lab, "zonal") == "SandboxesCurrent")
    assert eventually(lambda: {event["reason"] for event in lab.events("default", "zonal")} >= {"PatchFinished"})
    assert {pod["spec"]["runtimeClassName"] for pod in pods_of(lab, "zonal")} == {"gvisor"}
    assert_nothing_is_done_again(lab, start, operator, "zonal", later)


def assert_nothing_is_done_again(
    lab: Lab, start: StartOperator, operator: OperatorProcess, profile: str, patch: str
) -> None:
    """By the operator that follows one that is killed when all is done."""

    def see() -> Json:
        told = [*lab.list_all("Event", profile), *lab.events("default", profile)]
        ours = [each for each in told if each["source"].get("component") == EVENT_SOURCE]
        return {
            "events": {each["metadata"]["uid"]: each["count"] for each in ours},
            "patching": patching(lab, profile),
            "condition": lab.condition(profile, "Patched"),
            "pods": uids(lab, profile),
        }

    operator.becomes_quiet()
    operator.kill()
    before = see()
    following = start(*QUICK, patch=patch)
    eventually(lambda: following.metric('monopod_controller_reconciles_total{controller="patching",result="ok"}'))
    following.passes_happen(1)
    assert see() == before
    assert "monopod_evictions_total{" not in following.fetch("/metrics")[1]


@pytest.mark.eks("6.one-event", "6.one-more-try")
def test_a_pod_that_no_budget_lets_go_has_one_event_and_is_overdue_then_and_is_deleted_only_if_the_profile_says_so(
    lab: Lab, start: StartOperator, receiver: ReceiverThread
) -> None:
    envelope = "--webhook-format", "EventBridge", "--webhook-cluster", "lab"
    flags = *QUICK, *envelope, "--webhook-url", receiver.receiver.url
    operator = start(*flags)
    run_sandboxed(lab, "stuck", 1, patching=NOW)
    protect(lab, "stuck", "100%")
    (pod,) = pods_of(lab, "stuck")
    name, before = pod["metadata"]["name"], uids(lab, "stuck")
    date_patch(lab)
    (event,) = eventually(lambda: events(lab, "stuck", name, "ScheduledTermination"))
    (told,) = eventually(lambda: [one for one in patching(lab, "stuck")["terminations"] if one.get("announced")])
    at = told["scheduledTerminationTime"]
    assert "Cannot evict pod as it would violate the pod's disruption budget." in told["evictErrorMessage"]
    for part in ("clusterName lab", "fargateProfileName stuck", f"podName {name}", "podNamespace stuck"):
        assert part in event["message"]
    for part in (told["evictErrorMessage"], f"scheduledTerminationTime {at}[UTC]"):
        assert part in event["message"]
    eventually(lambda: patching(lab, "stuck").items() >= {"phase": "Evicting", "stale": 1, "blocked": 1}.items())
    (notice,) = eventually(lambda: notices(receiver, "stuck"))
    assert_told_as_on_eks(notice, pod, told)
    operator.kill()
    operator = start(*flags, patch=shift_clock(days=3, minutes=5))
    eventually(lambda: patched(lab, "stuck") == "PatchOverdue")
    over_budget = 'monopod_evictions_total{answer="over_budget",purpose="patching"}'
    eventually(lambda: operator.metric(over_budget) >= 1)
    assert uids(lab, "stuck") == before
    overdue = patching(lab, "stuck")
    operator.kill()
    operator = start(*flags, patch=shift_clock(days=3, minutes=6))
    eventually(lambda: operator.metric(over_budget) >= 1)
    assert uids(lab, "stuck") == before, "nor by another operator, that finds it overdue"
    (again,) = events(lab, "stuck", name, "ScheduledTermination")
    assert (again["count"], again["metadata"]["uid"]) == (1, event["metadata"]["uid"])
    assert patching(lab, "stuck") == overdue
    assert overdue["terminations"] == [told]
    assert [each["count"] for each in events(lab, "default", "stuck", "PatchOverdue")] in ([], [1])
    lab.patch("FargateProfile", "stuck", {"spec": {"patching": {"overdue": "Delete"}}})
    eventually(functools.partial(are_replaced, lab, "stuck", before))
    eventually(lambda: phase(lab, "stuck") == "Done")
    assert len(events(lab, "stuck", name, "ScheduledTermination")) == 1
    assert {each["id"] for each in notices(receiver, "stuck")} == {notice["id"]}
    assert len(notices(receiver, "stuck")) <= 3, "each of the operators says it once"


def assert_told_as_on_eks(notice: Json, pod: Json, told: Json) -> None:
    """The notice has each of the fields that AWS's has."""
    name, detail = pod["metadata"]["name"], dict(notice["detail"])
    assert (notice["detail-type"], notice["source"]) == ("EKS Fargate Pod Scheduled Termination", "aws.eks")
    assert notice["resources"] == [f"stuck/{name}"]
    assert datetime.fromisoformat(detail.pop("scheduledTerminationTime").removesuffix("[UTC]")) == (
        datetime.fromisoformat(told["scheduledTerminationTime"])
    )
    assert detail == {
        "clusterName": "lab",
        "fargateProfileName": "stuck",
        "podName": name,
        "podNamespace": "stuck",
        "evictErrorMessage": told["evictErrorMessage"],
    }


def test_nothing_goes_outside_of_a_window_and_windows_may_change_meanwhile(lab: Lab, start: StartOperator) -> None:
    operator = start(*QUICK)
    run_sandboxed(lab, "windowed", 2, patching={**NOW, "windows": [LEAP]})
    before = uids(lab, "windowed")
    date_patch(lab)
    eventually(lambda: patched(lab, "windowed") == "PatchWaiting")
    told = patching(lab, "windowed")
    assert "-02-29T00:00:00Z" in told["evictionsFrom"]
    (noticed,) = eventually(lambda: events(lab, "default", "windowed", "PatchNoticed"))
    operator.kill()
    operator = start(*QUICK)
    eventually(lambda: operator.metric('monopod_patching_pods{profile="windowed",state="stale"}') == 2)
    assert uids(lab, "windowed") == before
    assert patching(lab, "windowed") == told, "one that was killed while it waited goes on waiting"
    # What CEL doesn't see: the API server accepts it, and the operator says so.
    never = {"schedule": "0 0 30 2 *", "duration": "15m", "timeZone": "Europe/Berlin"}
    lab.patch("FargateProfile", "windowed", {"spec": {"patching": {"windows": [LEAP, never]}}})
    eventually(lambda: patched(lab, "windowed") == "PatchWindowInvalid")
    assert "spec.patching.windows[1]" in lab.condition("windowed", "Patched")["message"]
    assert lab.condition("windowed", "Ready")["status"] == "True"
    assert uids(lab, "windowed") == before
    lab.patch("FargateProfile", "windowed", {"spec": {"patching": {"windows": None}, "paused": True}})
    eventually(lambda: patched(lab, "windowed") == "Paused")
    assert uids(lab, "windowed") == before
    lab.patch("FargateProfile", "windowed", {"spec": {"paused": False}})
    eventually(functools.partial(are_replaced, lab, "windowed", before))
    (again,) = events(lab, "default", "windowed", "PatchNoticed")
    assert (again["count"], again["metadata"]["uid"]) == (1, noticed["metadata"]["uid"])


def test_a_patch_is_about_the_pods_of_its_own_runtime_class_though_their_profile_has_another_and_a_bad_date_is_said(
    lab: Lab, start: StartOperator
) -> None:
    operator = start(*QUICK)
    other: Json = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor-2"}}
    lab.create({**other, "handler": "runsc"}).expect_ok()
    run_sandboxed(lab, "first", 1, patching=NOW)
    run_sandboxed(lab, "second", 1, patching=NOW, runtimeClassName="gvisor-2")
    before, kept = uids(lab, "first"), uids(lab, "second")
    annotate(lab, "yesterday", "gvisor-2")
    eventually(lambda: patched(lab, "second") == "PatchDateInvalid")
    date_patch(lab)
    eventually(functools.partial(are_replaced, lab, "first", before))
    assert uids(lab, "second") == kept
    date_patch(lab, "gvisor-2")
    eventually(functools.partial(are_replaced, lab, "second", kept))
    operator.kill()
    start(*QUICK, "--sandbox", "gvisor-2")
    eventually(lambda: lab.status("first")["runtimeClassName"] == "gvisor-2")
    before = uids(lab, "first")
    date_patch(lab)
    eventually(functools.partial(are_replaced, lab, "first", before))
    assert {pod["spec"]["runtimeClassName"] for pod in pods_of(lab, "first")} == {"gvisor-2"}
    for profile in "first", "second":
        lab.delete_profile(profile)
    lab.delete("RuntimeClass", "gvisor-2")


def test_pods_that_nothing_would_replace_stay_unless_they_can_be_created_again(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    run_sandboxed(lab, "bare", 1, patching=NOW)
    lab.create_pod("bare", "alone", tolerations=[TOLERATION], terminationGracePeriodSeconds=1)
    eventually(lambda: len(ready_pods(lab, "bare")) == 2)
    (alone,) = (pod["metadata"]["uid"] for pod in pods_of(lab, "bare") if pod["metadata"]["name"] == "alone")
    before = uids(lab, "bare") - {alone}
    date_patch(lab)
    eventually(lambda: not before & uids(lab, "bare") and phase(lab, "bare") == "Done")
    eventually(lambda: patching(lab, "bare").items() >= {"left": 1, "stale": 0}.items())
    (blocker,) = patching(lab, "bare")["blockers"]
    assert (blocker["reason"], blocker["examples"]) == ("BarePodsLeft", ["bare/alone"])
    lab.patch("FargateProfile", "bare", {"spec": {"barePods": "Recreate"}})
    eventually(lambda: alone not in uids(lab, "bare") and len(ready_pods(lab, "bare")) == 2)
    eventually(lambda: patching(lab, "bare")["left"] == 0 and phase(lab, "bare") == "Done")


def test_pods_leave_a_node_that_is_about_to_go_only_if_the_profile_says_so(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    run_sandboxed(lab, "staying", 2)
    run_sandboxed(lab, "leaving", 2, patching={"onNodeMaintenance": "Move", "windows": [LEAP]})
    kept, before = uids(lab, "staying"), nodes_of(lab, "leaving")
    there = {uid for uid, node in before.items() if node == "kwok-1"}
    assert there
    try:
        lab.kubectl("cordon", "kwok-1")
        eventually(lambda: not there & uids(lab, "leaving") and len(ready_pods(lab, "leaving")) == 2)
        assert set(nodes_of(lab, "leaving").values()) == {"kwok-0"}
        assert uids(lab, "leaving") >= before.keys() - there, "those elsewhere stay"
        assert uids(lab, "staying") == kept
    finally:
        lab.kubectl("uncordon", "kwok-1")


def test_a_patch_whose_first_pod_does_not_come_up_takes_no_other_and_its_terms_may_change_meanwhile(
    lab: Lab, start: StartOperator
) -> None:
    start(*QUICK)
    run_sandboxed(lab, "broken", 4, patching=NOW, maxUnavailable="50%")
    before = uids(lab, "broken")
    fill_nodes(lab)  # so that the replacement never becomes Ready, as in a new sandbox that doesn't start
    try:
        date_patch(lab)
        eventually(lambda: "goes first" in lab.condition("broken", "Patched")["message"])
        assert len(before & uids(lab, "broken")) == 3
        told = patching(lab, "broken")
        for terms, reason in ({"wait": "14d"}, "PatchNoticed"), ({**NOW, "windows": [LEAP]}, "PatchWaiting"):
            lab.patch("FargateProfile", "broken", {"spec": {"patching": terms}})
            eventually(lambda: patched(lab, "broken") == reason)  # noqa: B023 called at once
            now = patching(lab, "broken")
            assert [now[key] for key in ("noticedAt", "progress")] == [told["noticedAt"], "1/4"]
            assert now["evictionsFrom"] > told["noticedAt"]
        lab.patch("FargateProfile", "broken", {"spec": {"patching": {**NOW, "windows": None}}})
        eventually(lambda: "goes first" in lab.condition("broken", "Patched")["message"])
        assert len(before & uids(lab, "broken")) == 3
    finally:
        lab.kubectl("delete", "pods", "-n", "default", "-l", "full=yes", "--force", "--grace-period=0")
    eventually(functools.partial(are_replaced, lab, "broken", before))
    assert len(events(lab, "default", "broken", "PatchNoticed")) == 1
