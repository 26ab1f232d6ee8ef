"""One look at a pod as the API server sends it becomes what is known of its life; an odd one is said, never dropped."""

import copy
import random
from collections.abc import Mapping
from typing import Any

import pytest

from monopod.usage.rules.lifetime import Lifetime
from monopod.usage.rules.sighting import Unreadable, read_sighting

NOON = 1_795_867_200_000  # 2026-11-28T12:00:00Z
SEEN = NOON + 90_500

Json = dict[str, Any]


def a_pod(**metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-6d4fb-x2x4p",
            "namespace": "prod",
            "uid": "uid-1",
            "resourceVersion": "4711",
            "creationTimestamp": "2026-11-28T12:00:00Z",
            "labels": {"monopod.dev/profile": "web", "app": "shop", "pod-template-hash": "6d4fb"},
            "annotations": {"CapacityProvisioned": "0.25vCPU 0.5GB", "monopod.dev/ephemeral-storage": "42Gi"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-6d4fb", "uid": "r", "controller": True}],
            **metadata,
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "app"}]},
        "status": {},
    }


def with_status(**status: Any) -> Json:
    return {**a_pod(), "status": status}


def see(pod: Mapping[str, Any]) -> Lifetime:
    seen = read_sighting(pod, "a", SEEN)
    assert isinstance(seen, Lifetime)
    return seen


def condition(status: str, second: int) -> Json:
    return {
        "type": "PodReadyToStartContainers",
        "status": status,
        "lastTransitionTime": f"2026-11-28T12:00:{second:02}Z",
    }


def ran(start: int, end: int | None = None) -> Json:
    started = {"startedAt": f"2026-11-28T12:00:{start:02}Z"}
    if end is None:
        return {"name": "app", "state": {"running": started}}
    return {"name": "app", "state": {"terminated": {**started, "finishedAt": f"2026-11-28T12:00:{end:02}Z"}}}


def waits() -> Json:
    return {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}


def test_what_the_pod_is() -> None:
    seen = see(a_pod())
    description = seen.description
    assert (seen.uid, seen.created, seen.alive, seen.seen_by) == ("uid-1", NOON, SEEN, frozenset({"a"}))
    assert (description.version, description.namespace, description.name) == (4711, "prod", "web-6d4fb-x2x4p")
    assert (description.profile, description.workload, description.node) == ("web", "Deployment/web", "node-1")
    assert (description.cpu_millis, description.memory_mib, description.storage_gib) == (250, 512, 42)
    assert (description.capacity, description.architecture) == ("FARGATE", "x86")
    assert description.labels[0] == ("app", "shop")
    assert (seen.start, seen.end, seen.evidence) == (None, None, frozenset())


@pytest.mark.parametrize("pod", [a_pod(labels={"app": "shop"}), a_pod(labels=None), {}], ids=["other", "none", "empty"])
def test_other_pods_are_none_of_ours(pod: Json) -> None:
    assert read_sighting(pod, "a", SEEN) is None


@pytest.mark.parametrize(
    ("owner", "workload"),
    [
        pytest.param({"kind": "ReplicaSet", "name": "web-6d4fb"}, "Deployment/web", id="Deployment"),
        pytest.param({"kind": "ReplicaSet", "name": "web"}, "ReplicaSet/web", id="ReplicaSet of its own"),
        pytest.param({"kind": "StatefulSet", "name": "db"}, "StatefulSet/db", id="StatefulSet"),
        pytest.param({"kind": "Job", "name": "once"}, "Job/once", id="Job"),
        pytest.param({"kind": "Job", "name": "nightly-29931118"}, "CronJob/nightly", id="CronJob, due 2 minutes ago"),
        pytest.param({"kind": "Job", "name": "nightly-29931121"}, "Job/nightly-29931121", id="a minute to come"),
        pytest.param({"kind": "Job", "name": "import-20261128"}, "Job/import-20261128", id="a date isn't a minute"),
        pytest.param({"kind": "Job", "name": "x", "controller": False}, "Pod/web-6d4fb-x2x4p", id="no controller"),
    ],
)
def test_the_workload_that_it_belongs_to(owner: Json, workload: str) -> None:
    seen = see(a_pod(ownerReferences=[{"uid": "o", "controller": True, **owner}]))
    assert seen.description.workload == workload


def test_a_task_belongs_to_its_family() -> None:
    owner = {"uid": "o", "controller": True, "kind": "ECSTask", "name": "1f"}
    of_family = a_pod(ownerReferences=[owner])
    of_family["metadata"]["labels"]["ecs.monopod.dev/family"] = "web"
    assert see(of_family).description.workload == "ECSTaskFamily/web"
    of_family["metadata"]["labels"]["ecs.monopod.dev/family"] = "x" * 300
    assert see(of_family).description.workload == "ECSTask/1f"


@pytest.mark.parametrize(
    "owner",
    [
        {"kind": "Job", "name": "x" * 300_000},
        {"kind": "Job", "name": "a\x00b"},
        {"kind": "\x1b]0;Deployment\x07", "name": "web"},
        {"kind": "=cmd|' /C calc'!A0", "name": "web"},
        {"kind": "Deployment/db", "name": "web"},
        {"kind": "K" * 1000, "name": "web"},
    ],
    ids=["long", "NUL", "terminal", "spreadsheet", "two workloads", "long kind"],
)
def test_an_owner_that_cannot_be_is_none(owner: Json) -> None:
    seen = see(a_pod(ownerReferences=[{"uid": "o", "controller": True, **owner}]))
    assert seen.description.workload == "Pod/web-6d4fb-x2x4p"


@pytest.mark.parametrize(
    ("told", "start"),
    [("1970-01-01T00:00:09Z", NOON), ("0001-01-01T00:00:00Z", NOON), ("9999-12-31T23:59:59Z", 10**13)],
)
def test_no_clock_of_a_node_starts_a_pod_before_it_was_made(told: str, start: int) -> None:
    started = {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": told}
    seen = see(with_status(startTime=told, conditions=[started]))
    assert (seen.start, seen.acknowledged) == (start, start)


@pytest.mark.parametrize("node", ["n\x00", "\x1b[2J", "n" * 300_000])
def test_a_node_that_cannot_be_is_none(node: str) -> None:
    pod = a_pod()
    pod["spec"]["nodeName"] = node
    assert see(pod).description.node == ""


def test_labels_are_kept_as_far_as_there_is_room() -> None:
    many = {f"monopod.dev/{number:05}": "x" * 60 for number in range(10_000)}
    labels = see(a_pod(labels={"app": "shop", "monopod.dev/profile": "web", **many})).description.labels
    assert labels[0] == ("app", "shop")
    assert 12_000 < sum(len(key) + len(value) for key, value in labels) <= 16_384


@pytest.mark.parametrize("resource", ["cpu", "memory", "ephemeral-storage"])
def test_a_size_that_no_database_holds_cannot_be_read(resource: str) -> None:
    pod = a_pod(annotations={})
    pod["spec"]["containers"][0]["resources"] = {"requests": {resource: "9e36"}}
    seen = read_sighting(pod, "a", SEEN)
    assert isinstance(seen, Unreadable)
    assert seen.problem == "spec.containers: ask for more than there is anywhere"


def test_a_bare_pod_is_its_own_workload() -> None:
    assert see(a_pod(ownerReferences=None)).description.workload == "Pod/web-6d4fb-x2x4p"


@pytest.mark.eks("5.provisioned")
@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("0.25vCPU 0.5GB", (250, 512)),
        ("1vCPU 2GB", (1000, 2048)),
        ("16vCPU 120GB", (16000, 122880)),
        ("0.1vCPU 0.3GB", (100, 307)),
    ],
)
def test_the_size_is_what_was_provisioned(written: str, size: tuple[int, int]) -> None:
    seen = see(a_pod(annotations={"CapacityProvisioned": written}))
    assert (seen.description.cpu_millis, seen.description.memory_mib) == size
    assert seen.description.storage_gib == 20
    assert not seen.evidence


@pytest.mark.parametrize(
    ("requests", "size"),
    [
        pytest.param({"cpu": "500m", "memory": "500Mi"}, (500, 1024), id="as admission sizes it"),
        pytest.param({"cpu": "99", "memory": "1Gi"}, (99_000, 1280), id="beyond the largest size"),
    ],
)
def test_a_size_that_cannot_be_read_is_inferred_and_said(requests: Json, size: tuple[int, int]) -> None:
    pod = a_pod(annotations={"CapacityProvisioned": "large"})
    pod["spec"]["containers"] = [{"name": "app", "resources": {"requests": {**requests, "ephemeral-storage": "100Gi"}}}]
    seen = see(pod)
    assert (seen.description.cpu_millis, seen.description.memory_mib, seen.description.storage_gib) == (*size, 115)
    assert seen.evidence == {"InferredSize"}


@pytest.mark.parametrize(
    ("spec", "architecture"),
    [
        ({"nodeSelector": {"kubernetes.io/arch": "arm64"}}, "arm"),
        ({"nodeSelector": {"kubernetes.io/arch": "amd64"}}, "x86"),
        ({"affinity": [["arm64"], ["arm64"]]}, "arm"),
        ({"affinity": [["arm64"], ["amd64"]]}, "x86"),
        ({"affinity": [["arm64", "amd64"]]}, "x86"),
        ({"affinity": []}, "x86"),
    ],
)
def test_the_architecture_that_it_requires(spec: Json, architecture: str) -> None:
    pod = a_pod()
    if "affinity" in spec:
        terms = [
            {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": values}]}
            for values in spec["affinity"]
        ]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        spec = {"affinity": {"nodeAffinity": required}}
    pod["spec"] |= spec
    assert see(pod).description.architecture == architecture


@pytest.mark.parametrize(
    ("status", "start", "acknowledged"),
    [
        pytest.param({}, None, False, id="unscheduled"),
        pytest.param(
            {"startTime": "2026-11-28T12:00:01Z", "conditions": [condition("False", 1)]}, None, False, id="slow volume"
        ),
        pytest.param(
            {"startTime": "2026-11-28T12:00:01Z", "conditions": [condition("True", 40)]}, 40, False, id="slow pull"
        ),
        pytest.param(
            {
                "startTime": "2026-11-28T12:00:01Z",
                "conditions": [condition("True", 40)],
                "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}],
            },
            40,
            False,
            id="ImagePullBackOff",
        ),
        pytest.param(
            {"startTime": "2026-11-28T12:00:01Z", "containerStatuses": [ran(3)]}, 1, True, id="kwok: no condition"
        ),
        pytest.param(
            {
                "startTime": "2026-11-28T12:00:01Z",
                "conditions": [condition("True", 40)],
                "containerStatuses": [{"state": ran(41)["state"], "lastState": ran(3, 30)["state"]}],
            },
            1,
            True,
            id="sandbox made again",
        ),
        pytest.param(
            {
                "phase": "Succeeded",
                "startTime": "2026-11-28T12:00:01Z",
                "conditions": [condition("False", 50)],
                "containerStatuses": [ran(3, 49)],
            },
            1,
            True,
            id="first seen when it had ended",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "OutOfcpu", "startTime": "2026-11-28T12:00:01Z"}, None, False, id="rejected"
        ),
    ],
)
def test_where_the_bill_starts(status: Json, start: int | None, acknowledged: bool) -> None:
    seen = see(with_status(**status))
    assert seen.start == (None if start is None else NOON + start * 1000)
    assert seen.start_is_acknowledged == acknowledged


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        pytest.param({"phase": "Succeeded", "containerStatuses": [ran(1, 9), ran(1, 7)]}, 9, id="the last of two"),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [ran(5, 9)], "initContainerStatuses": [ran(1, 12)]}, 12, id="init"
        ),
        pytest.param({"phase": "Running", "containerStatuses": [ran(1, 9)]}, None, id="may be restarted"),
        pytest.param({"phase": "Failed", "containerStatuses": [ran(1, 9), ran(2)]}, None, id="one still runs"),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"finishedAt": None}}}]},
            None,
            id="the runtime lost it",
        ),
        pytest.param(
            {
                "phase": "Failed",
                "containerStatuses": [{"state": {"terminated": {"finishedAt": "0001-01-01T00:00:00Z"}}}],
            },
            None,
            id="the year 1",
        ),
        pytest.param(
            {"phase": "Failed", "conditions": [condition("False", 50)], "containerStatuses": [waits()]},
            50,
            id="none ever ran",
        ),
        pytest.param(
            {"phase": "Pending", "conditions": [condition("False", 50)], "containerStatuses": [waits()]},
            None,
            id="none ran yet",
        ),
        pytest.param(
            {"phase": "Failed", "conditions": [condition("False", 50)], "containerStatuses": [ran(1, 9)]},
            9,
            id="its sandbox was taken away later",
        ),
        pytest.param({"phase": "Failed", "conditions": [condition("False", 50)]}, None, id="refused"),
    ],
)
def test_when_all_containers_had_ended(status: Json, finished: int | None) -> None:
    assert see(with_status(**status)).finished == (None if finished is None else NOON + finished * 1000)


def test_the_evidence_of_each_stamp_is_named() -> None:
    pod = with_status(
        phase="Succeeded",
        startTime="2026-11-28T12:00:01Z",
        conditions=[condition("True", 2)],
        containerStatuses=[ran(3, 9)],
    )
    assert see(pod).evidence == {"PullStarted", "Acknowledged", "ContainerStarted", "ContainersFinished"}


def test_a_sandbox_that_has_ended_is_no_pull_to_come() -> None:
    """The kubelet sets the condition False again when it stops the sandbox."""
    pod = with_status(phase="Succeeded", conditions=[condition("False", 50)], containerStatuses=[ran(3, 49)])
    assert see(pod).evidence == {"ContainerStarted", "ContainersFinished"}


def test_a_clock_that_is_behind_does_not_end_a_life_before_it_began() -> None:
    seen = read_sighting(a_pod(), "a", NOON - 60_000)
    assert isinstance(seen, Lifetime)
    assert seen.alive == NOON


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"uid": None}, "metadata.uid: is missing"),
        ({"creationTimestamp": None}, "metadata.creationTimestamp: is missing"),
        ({"creationTimestamp": "soon"}, "metadata.creationTimestamp: must be a time such as"),
        ({"creationTimestamp": "2026-11-28T12:00:00"}, "metadata.creationTimestamp: must be a time such as"),
        ({"resourceVersion": "abc"}, "metadata.resourceVersion: must be a number"),
        ({"resourceVersion": "9223372036854775808"}, "metadata.resourceVersion: must be a number"),
        ({"ownerReferences": {}}, "metadata.ownerReferences: must be a list"),
    ],
)
def test_a_pod_that_cannot_be_read_is_answered_with_the_field(change: Json, problem: str) -> None:
    seen = read_sighting(a_pod(**change), "a", SEEN)
    assert isinstance(seen, Unreadable)
    assert (seen.namespace, seen.name) == ("prod", "web-6d4fb-x2x4p")
    assert seen.problem.startswith(problem)


ODD: tuple[Any, ...] = (None, 0, -1, 1e300, True, "", "x", "9" * 5000, [], [None], {}, {"": None}, {1: 2}, object())


@pytest.mark.parametrize("seed", range(300))
def test_no_object_is_so_odd_that_it_raises(seed: int) -> None:
    dice = random.Random(seed)
    pod: Any = with_status(
        phase="Failed",
        startTime="2026-11-28T12:00:01Z",
        conditions=[condition("True", 2)],
        containerStatuses=[ran(3, 9)],
    )
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}}
    for _ in range(dice.randrange(1, 4)):
        pod = _break_one(copy.deepcopy(pod), dice)
    assert isinstance(read_sighting(pod, "a", SEEN), Lifetime | Unreadable | None)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_nor_one_that_is_none(odd: Any) -> None:
    assert not isinstance(read_sighting(odd, "a", SEEN), Lifetime)


def _break_one(value: Any, dice: random.Random) -> Any:
    """Replaces something in it at some depth."""
    if not isinstance(value, dict | list) or not value or dice.random() < 0.1:
        return dice.choice(ODD)
    key = dice.choice(list(value)) if isinstance(value, dict) else dice.randrange(len(value))
    value[key] = _break_one(value[key], dice)
    return value


@pytest.mark.parametrize("mark", [None, "FARGATE_SPOT", "FARGATE", "spot"])
def test_only_a_pod_with_the_mark_of_spot_is_on_spot(mark: str | None) -> None:
    pod = a_pod()
    pod["metadata"]["labels"] |= {"monopod.dev/capacity-provider": mark} if mark else {}
    found = read_sighting(pod, "a", SEEN)
    assert isinstance(found, Lifetime)
    assert found.description.capacity == (mark if mark == "FARGATE_SPOT" else "FARGATE")
