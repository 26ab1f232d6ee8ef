"""A cluster that a task can be tried in: what the API server, the scheduler and the kubelet make of its pod."""

import copy
import datetime
from dataclasses import dataclass, field
from typing import Any

from monopod.api.ecs.names import ECS_TASK_GATE
from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    FARGATE_SPOT,
    PROFILE_LABEL,
)
from monopod.tasks.rules.lifecycle.facts import PodFacts
from monopod.tasks.rules.lifecycle.members import compute_effective, compute_members
from monopod.tasks.rules.lifecycle.snapshot import Surroundings
from monopod.tasks.rules.lifecycle.steps import Create, Discard, Record, Release, Step, Stop, Wait, decide_step
from monopod.tasks.rules.order import Role
from monopod.tasks.rules.pod.task_pod import build_task_pod
from monopod.tasks.rules.registration.defaults import complete
from monopod.tasks.rules.sizes import read_size
from monopod.tasks.rules.view import View

Json = dict[str, Any]

BEGINNING = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
TASK_ID = "0123456789abcdef0123456789abcdef"
FILE_SYSTEMS = {"fs-1": {"nfs": {"server": "a", "path": "/"}}}
CALM = Surroundings()


def a_task(**spec: Any) -> Json:
    return {
        "apiVersion": "ecs.monopod.dev/v1beta1",
        "kind": "ECSTask",
        "metadata": {
            "name": TASK_ID,
            "namespace": "ecs-prod",
            "uid": "task-uid",
            "creationTimestamp": "2026-05-01T12:00:00Z",
        },
        "spec": {"taskDefinition": {"family": "web", "revision": 1}, **spec},
    }


def stamp(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Fate:
    """How a container fares: the seconds that it runs (None: until it is stopped), and what then comes of it."""

    runs: float | None = None
    code: int = 0
    on_stop: int = 143
    waits: tuple[str, str] = ("", "")
    reason: str = ""


@dataclass
class World:
    """One task and its pod. `tick` lets time pass; `operate` lets the operator do all that it has to do."""

    definition: Json
    task: Json = field(default_factory=a_task)
    fates: dict[str, Fate] = field(default_factory=dict)
    has_capacity: bool = True
    is_admitted: bool = True
    lets_choose: bool = True
    around: Surroundings = CALM
    now: datetime.datetime = BEGINNING
    pod: Json | None = None
    last_seen: Json | None = None
    statuses: list[Json] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    pods_made: int = 0

    def __post_init__(self) -> None:
        self.definition = complete(self.definition)
        self.effective = compute_effective(self.task, self.definition, is_judged=True)
        self.members = compute_members(self.effective)

    @property
    def status(self) -> Json:
        return self.task.get("status") or {}

    # The operator.

    def look(self) -> Step:
        pod = PodFacts.read(self.pod) if self.pod else None
        if pod is None and self.last_seen:
            pod = PodFacts.read(self.last_seen, is_gone=True)
        return decide_step(self.task, self.definition, pod, self.now, self.around)

    def operate(self, most: int = 50) -> Step:
        """Does what is to be done until there is nothing; the last step. With `most` it is killed after so many."""
        step = self.look()
        for _ in range(most):
            if isinstance(step, Wait):
                return step
            self.apply(step)
            step = self.look()
            if isinstance(step, Create) and not self.is_admitted:
                return step
        return step

    def apply(self, step: Step) -> None:
        self.steps.append(step)
        match step:
            case Record(status):
                self.task["status"] = copy.deepcopy(status)
                self.statuses.append(copy.deepcopy(status))
            case Create(effective):
                assert self.pod is None
                self._create(build_task_pod(self.task, effective, FILE_SYSTEMS))
            case Release(uid):
                assert self.pod
                assert self.pod["metadata"]["uid"] == uid == self.status["pod"]["uid"]
                self.pod["spec"]["schedulingGates"] = []
                self.released.append(uid)
            case Discard(uid):
                assert self.pod
                assert self.pod["metadata"]["uid"] == uid
                if "nodeName" in self.pod["spec"]:
                    assert "pod" not in self.status
                    self.delete_pod()
                else:
                    self.pod = None
            case Stop(uid):
                assert self.pod
                assert self.pod["metadata"]["uid"] == uid
                self.pod["spec"]["activeDeadlineSeconds"] = 1
            case Wait():
                raise AssertionError("nothing to apply")

    def _create(self, pod: Json) -> None:
        self.pods_made += 1
        pod["metadata"] |= {"uid": f"pod-{self.pods_made}", "creationTimestamp": stamp(self.now)}
        pod["status"] = {"phase": "Pending"}
        self.pod = pod
        if self.is_admitted:
            size = read_size(View(self.effective))
            pod["metadata"]["labels"][PROFILE_LABEL] = "ecs"
            if self.lets_choose and pod["metadata"]["annotations"].get(CAPACITY_PROVIDER_ANNOTATION) == FARGATE_SPOT:
                pod["metadata"]["labels"][CAPACITY_PROVIDER_LABEL] = FARGATE_SPOT
            pod["metadata"]["annotations"] |= {CAPACITY_ANNOTATION: str(size and size.row)}
            pod["spec"]["runtimeClassName"] = "gvisor"

    # The cluster.

    def tick(self, seconds: float = 1.0) -> None:
        self.now += datetime.timedelta(seconds=seconds)
        pod = self.pod
        if pod is None or any(gate["name"] == ECS_TASK_GATE for gate in pod["spec"]["schedulingGates"]):
            return
        if "nodeName" not in pod["spec"]:
            self._schedule(pod)
        elif pod["status"]["phase"] not in ("Succeeded", "Failed"):
            self._run(pod)

    def _schedule(self, pod: Json) -> None:
        if self.has_capacity:
            pod["spec"]["nodeName"] = "node-1"
            condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(self.now)}
        else:
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
        pod["status"]["conditions"] = [condition]

    def _run(self, pod: Json) -> None:
        status = pod["status"]
        status.setdefault("podIP", "10.0.0.7")
        jobs = [each for each in self.members if each.role is Role.JOB]
        is_stopping = pod["spec"].get("activeDeadlineSeconds") == 1 or "deletionTimestamp" in pod["metadata"]
        for member in self.members:
            others = jobs if member.role is not Role.JOB else jobs[: jobs.index(member)]
            if all(self._get_code(pod, each.in_pod) == 0 for each in others):
                self._run_container(pod, member.in_pod, self.fates.get(member.name, Fate()), is_stopping)
        states = [self._get_state(pod, each.in_pod) for each in self.members]
        failed_job = any(self._get_code(pod, each.in_pod) not in (None, 0) for each in jobs)
        is_ending = failed_job or is_stopping or all("terminated" in state for state in states)
        if is_ending and not any("running" in state for state in states):
            codes = [state["terminated"]["exitCode"] for state in states if "terminated" in state]
            status["phase"] = "Failed" if any(codes) or failed_job or is_stopping else "Succeeded"
            if pod["spec"].get("activeDeadlineSeconds") == 1:
                status["reason"] = "DeadlineExceeded"
            if "deletionTimestamp" in pod["metadata"]:
                self.last_seen, self.pod = pod, None

    def _run_container(self, pod: Json, name: str, fate: Fate, is_stopping: bool) -> None:
        states = pod["status"].setdefault("containerStatuses", [])
        known = next((each for each in states if each["name"] == name), None)
        if known is None:
            if is_stopping:
                return
            reason, message = fate.waits
            state = {"waiting": {"reason": reason, "message": message}} if reason else self._begin()
            states.append({"name": name, "state": state, "ready": not reason, "imageID": "i@sha256:1"})
            return
        running = known["state"].get("running")
        if running is None:
            return
        began = datetime.datetime.fromisoformat(running["startedAt"])
        is_due = fate.runs is not None and (self.now - began).total_seconds() >= fate.runs
        if is_due or is_stopping:
            code, reason = (fate.code, fate.reason) if is_due else (fate.on_stop, "")
            ended = {"exitCode": code, "reason": reason or ("Error" if code else "Completed")}
            known["state"] = {"terminated": {**ended, **running, "finishedAt": stamp(self.now)}}
            known["ready"] = False

    def _begin(self) -> Json:
        return {"running": {"startedAt": stamp(self.now)}}

    def _get_state(self, pod: Json, name: str) -> Json:
        states = pod["status"].get("containerStatuses") or ()
        return next((each["state"] for each in states if each["name"] == name), {})

    def _get_code(self, pod: Json, name: str) -> int | None:
        code: int | None = self._get_state(pod, name).get("terminated", {}).get("exitCode")
        return code

    # People.

    def stop(self, **stop: Any) -> None:
        self.task["spec"]["stop"] = {"code": "UserInitiated", **stop}

    def delete_pod(self) -> None:
        if self.pod is None:
            return
        if "nodeName" not in self.pod["spec"]:
            self.last_seen, self.pod = self.pod, None
        else:
            self.pod["metadata"]["deletionTimestamp"] = stamp(self.now + datetime.timedelta(seconds=30))

    # What tests ask.

    def pass_time(self, seconds: int = 20) -> None:
        for _ in range(seconds):
            self.operate()
            self.tick()
        self.operate()

    @property
    def path(self) -> list[tuple[int, str, str]]:
        """Version, last and desired status, each once, as they were written."""
        found = [(each["version"], each["lastStatus"], each["desiredStatus"]) for each in self.statuses]
        return list(dict.fromkeys(found))

    def container(self, name: str = "app") -> Json:
        return next(each for each in self.status["containers"] if each["name"] == name)

    def set_state(self, state: Json, name: str = "app") -> None:
        """Has the kubelet say so of a container."""
        assert self.pod
        statuses = self.pod["status"].setdefault("containerStatuses", [])
        statuses[:] = [each for each in statuses if each["name"] != name]
        statuses.append({"name": name, "state": state, "ready": False})

    @property
    def why(self) -> tuple[str, str]:
        return self.status["stopCode"], self.status["stoppedReason"]


def make_running(definition: Json, task: Json | None = None) -> World:
    world = World(definition, task or a_task())
    world.pass_time(5)
    assert world.status["lastStatus"] == "RUNNING"
    return world
