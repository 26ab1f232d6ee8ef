"""What is decided about a stored pod and the pod of its name."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from monopod.api.names import RECREATED_ANNOTATION
from monopod.api.stored_pod import Phase
from monopod.bare_pods.rules.steps import (
    Absent,
    AskForEviction,
    BarePod,
    Drop,
    Foreign,
    ObservedPod,
    Original,
    Record,
    Recreate,
    Recreated,
    Renew,
    Stay,
    Step,
    StoredPod,
    build_dry_run,
    build_recreated,
    build_stored,
    decide_step,
    observe,
)
from tests.unit.builders import a_pod

Manifest = dict[str, Any]

MANIFEST = a_pod("toolbox").in_namespace("prod").build()
PHASES: tuple[Phase, ...] = get_args(Phase)


def a_stored_pod(phase: Phase = "Stored", **fields: Any) -> StoredPod:
    return StoredPod("prod", "toolbox", "s", "1", "web", "old", MANIFEST, phase, **fields)


def a_live_pod(uid: str = "old", phase: str = "Running", **metadata: Any) -> Manifest:
    pod = a_pod("toolbox").in_namespace("prod").build()
    pod["metadata"] |= {"uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "7", **metadata}
    return {**pod, "status": {"phase": phase, "conditions": []}}


def decide(stored: StoredPod, observed: ObservedPod, *, wanted: bool | None = True, settled: bool = False) -> Step:
    return decide_step(stored, observed, wanted=wanted, settled=settled)


RUNS = Original(MANIFEST)


def test_a_pod_is_evicted_only_once_that_is_on_record() -> None:
    assert decide(a_stored_pod("Stored"), RUNS) == Record("Evicting")
    step = decide(a_stored_pod("Evicting"), replace(RUNS, version="7"))
    assert isinstance(step, AskForEviction)
    assert (step.pod.name, step.pod.uid, step.pod.version) == ("toolbox", "old", "7")


def test_nothing_is_done_to_a_pod_before_it_is_known_what_is_wanted() -> None:
    assert {decide(a_stored_pod(phase), RUNS, wanted=None) for phase in PHASES} == {Stay()}


@pytest.mark.parametrize("phase", ["Evicting", "Withdrawn", "Recreating", "Refused"])
def test_a_pod_that_is_gone_after_its_eviction_was_on_record_is_created_again(phase: Phase) -> None:
    for wanted in (True, False, None):
        assert decide(a_stored_pod(phase), Absent(), wanted=wanted) == Recreate()


@pytest.mark.parametrize("observed", [Absent(), Foreign("other"), Original(MANIFEST, terminating=True)], ids=str)
def test_a_pod_that_went_before_anyone_asked_for_its_eviction_stays_gone(observed: ObservedPod) -> None:
    assert isinstance(decide(a_stored_pod("Stored"), observed), Drop)


@pytest.mark.parametrize("phase", ["Evicting", "Withdrawn"])
def test_a_pod_that_its_owner_deletes_stays_gone_and_an_evicted_one_is_waited_for(phase: Phase) -> None:
    assert isinstance(decide(a_stored_pod(phase), Original(MANIFEST, terminating=True)), Drop)
    assert decide(a_stored_pod(phase), Original(MANIFEST, terminating=True, disrupted=True)) == Stay()


def test_a_manifest_follows_its_pod() -> None:
    changed = {**MANIFEST, "metadata": {**MANIFEST["metadata"], "labels": {"a": "b"}}}
    assert decide(a_stored_pod("Evicting"), Original(changed)) == Renew(changed)


def test_a_pod_that_is_not_wanted_any_more_is_let_go_of_once_no_eviction_can_be_under_way() -> None:
    assert isinstance(decide(a_stored_pod("Stored"), RUNS, wanted=False), Drop)
    assert isinstance(decide(a_stored_pod("Evicting"), RUNS, wanted=False), Record)
    assert decide(a_stored_pod("Withdrawn"), RUNS, wanted=False) == Stay()
    assert isinstance(decide(a_stored_pod("Withdrawn"), RUNS, wanted=False, settled=True), Drop)
    assert decide(a_stored_pod("Withdrawn"), RUNS, settled=True) == Record("Evicting")


def test_a_pod_that_a_controller_adopted_is_not_wanted_any_more() -> None:
    assert isinstance(decide(a_stored_pod("Stored"), replace(RUNS, controlled=True)), Drop)


def test_the_new_pod_is_put_on_record_and_the_manifest_goes_once_it_has_started() -> None:
    assert decide(a_stored_pod("Evicting"), Recreated("new", started=True)) == Record("Recreating", recreated_uid="new")
    known = a_stored_pod("Recreating", recreated_uid="new")
    assert decide(known, Recreated("new", started=False)) == Stay()
    assert isinstance(decide(known, Recreated("new", started=True)), Drop)


def test_a_new_pod_that_fails_before_it_runs_is_told_of_and_another_is_created_once_it_is_gone() -> None:
    known = a_stored_pod("Recreating", recreated_uid="new")
    failed = Recreated("new", started=False, fault="OutOfcpu: no room")
    step = decide(known, failed)
    assert isinstance(step, Record)
    assert (step.phase, step.recreated_uid) == ("Recreating", "")
    assert "OutOfcpu: no room" in step.message
    told = a_stored_pod("Recreating", message=step.message)
    assert decide(told, failed) == Stay()
    assert decide(told, Absent()) == Recreate()


@pytest.mark.parametrize("observed", [Absent(), Foreign("other")], ids=str)
def test_a_new_pod_that_its_owner_deletes_stays_gone(observed: ObservedPod) -> None:
    assert isinstance(decide(a_stored_pod("Recreating", recreated_uid="new"), observed), Drop)


def test_a_name_that_is_taken_is_left_to_a_person_even_if_it_becomes_free() -> None:
    step = decide(a_stored_pod("Evicting"), Foreign("other"))
    assert isinstance(step, Record)
    assert step.phase == "NameTaken"
    assert "kubectl fargate restore toolbox -n prod" in step.message
    assert decide(a_stored_pod("NameTaken"), Foreign("other")) == Stay()
    assert decide(a_stored_pod("NameTaken"), Absent()) == Stay()


@pytest.mark.parametrize(
    ("pod", "observed"),
    [
        (None, Absent()),
        (a_live_pod("other"), Foreign("other")),
        (a_live_pod("new", annotations={RECREATED_ANNOTATION: "old"}), Recreated("new", started=True)),
        (a_live_pod("new", "Pending", annotations={RECREATED_ANNOTATION: "old"}), Recreated("new", started=False)),
        (a_live_pod("new", "Succeeded", annotations={RECREATED_ANNOTATION: "old"}), Recreated("new", started=True)),
        (a_live_pod("new", annotations={RECREATED_ANNOTATION: "older"}), Foreign("new")),
    ],
    ids=["none", "another", "created again", "not running yet", "over already", "created in another's place"],
)
def test_a_pod_is_known_by_its_uid_and_its_annotation(pod: Manifest | None, observed: ObservedPod) -> None:
    assert observe(a_stored_pod(), pod) == observed


RAN = {"terminated": {"exitCode": 1, "startedAt": "2026-01-01T00:00:00Z"}}
NEVER_LOCATED = {"terminated": {"exitCode": 137, "startedAt": None, "reason": "ContainerStatusUnknown"}}


@pytest.mark.parametrize(
    ("status", "metadata", "observed"),
    [
        ({"containerStatuses": [{"state": RAN}]}, {}, Recreated("new", started=True)),
        ({"containerStatuses": [{"state": NEVER_LOCATED, "lastState": RAN}]}, {}, Recreated("new", started=True)),
        (
            {"containerStatuses": [{"state": NEVER_LOCATED}], "reason": "OutOfcpu", "message": "no room"},
            {},
            Recreated("new", started=False, fault="OutOfcpu: no room"),
        ),
        ({}, {}, Recreated("new", started=False, fault="Failed")),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}],
            },
            {"deletionTimestamp": "2026-01-01T00:01:00Z"},
            Recreated("new", started=False, fault="PreemptionByScheduler"),
        ),
        ({"phase": "Pending"}, {"deletionTimestamp": "2026-01-01T00:01:00Z"}, Recreated("new", started=False)),
    ],
    ids=["over already", "over after a restart", "refused by its node", "failed without a word", "evicted", "deleted"],
)
def test_a_new_pod_that_never_ran_is_no_successor(status: Manifest, metadata: Manifest, observed: ObservedPod) -> None:
    pod = a_live_pod("new", "Failed", annotations={RECREATED_ANNOTATION: "old"}, **metadata)
    pod["status"] |= status
    assert observe(a_stored_pod(), pod) == observed


def test_an_eviction_is_known_by_its_condition() -> None:
    pod = a_live_pod(deletionTimestamp="2026-01-01T00:01:00Z")
    assert observe(a_stored_pod(), pod) == Original(MANIFEST, "7", "2026-01-01T00:00:00Z", terminating=True)
    pod["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    assert observe(a_stored_pod(), pod) == Original(
        MANIFEST, "7", "2026-01-01T00:00:00Z", terminating=True, disrupted=True
    )


def test_a_stored_pod_has_the_name_and_the_uid_of_its_pod_and_the_new_pod_says_in_whose_place_it_comes() -> None:
    stored = build_stored(BarePod("web", "kata", a_live_pod()))
    assert stored["metadata"] == {"name": "toolbox", "namespace": "prod"}
    assert stored["spec"] == {"profile": "web", "podUID": "old", "manifest": MANIFEST}
    new = build_recreated(a_stored_pod())
    assert new == {**MANIFEST, "metadata": {**MANIFEST["metadata"], "annotations": {RECREATED_ANNOTATION: "old"}}}


def test_a_trial_has_another_name_and_says_in_whose_place_it_comes() -> None:
    metadata = build_dry_run(BarePod("web", "kata", a_live_pod()))["metadata"]
    annotations = {"monopod.dev/recreated-from": "old"}
    assert metadata == {"namespace": "prod", "generateName": "toolbox-", "annotations": annotations}
