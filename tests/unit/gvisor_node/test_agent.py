"""The agent's life against a pretended API server and a pretended systemctl: when it restarts, gives up and removes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, cast

import pytest

from gvisor_node import agent as module
from gvisor_node.agent import Agent
from gvisor_node.kubernetes import Api, Node, Refused
from gvisor_node.removal import Removal, StillUsed
from gvisor_node.restart import NotRestarted, restart
from tests.unit.gvisor_node.node import PLAIN, FakeNode, a_node

MOST_RETRIES = 5
SET = "/apis/apps/v1/namespaces/g/daemonsets/g"
KEY = "monopod.dev/gvisor"
Json = dict[str, Any]


@dataclass
class FakeApi:
    """A node and a DaemonSet; out of reach for the first requests of each life, as many as `away` says."""

    handlers: list[Json] | None = field(default_factory=lambda: [{"name": ""}, {"name": "runsc"}])
    runtime: str = "containerd://2.4.2"
    daemon_set: Json | int = field(default_factory=lambda: {"metadata": {}})
    conflicts: int = 0
    pods: list[Json] = field(default_factory=list)
    labels: dict[str, str | None] = field(default_factory=dict)
    taints: list[Json] = field(default_factory=lambda: [{"key": KEY, "effect": "NoSchedule"}, {"key": "other"}])
    deleted: bool = False
    away: int = 0
    fails_to_patch: int = 0

    def request(self, method: str, path: str, body: Json | None = None) -> Json:
        if self.away:
            self.away -= 1
            raise Refused(0, "connection refused")
        if path == SET:
            return self._answer_daemon_set(method)
        if path.startswith("/api/v1/pods"):
            return {"items": self.pods, "metadata": {}}
        if method == "PATCH" and self.fails_to_patch:
            self.fails_to_patch -= 1
            raise Refused(0, "connection refused")
        if method == "PATCH" and body is not None:
            self._patch(body)
        info = {"containerRuntimeVersion": self.runtime}
        status: Json = {"nodeInfo": info, "runtimeHandlers": self.handlers}
        return {"metadata": {"resourceVersion": "1"}, "spec": {"taints": self.taints}, "status": status}

    def _answer_daemon_set(self, method: str) -> Json:
        if method == "DELETE":
            self.deleted = True
        if isinstance(self.daemon_set, int):
            raise Refused(self.daemon_set, "no")
        if self.deleted:
            raise Refused(404, "gone")
        return self.daemon_set

    def _patch(self, body: Json) -> None:
        self.labels |= body["metadata"].get("labels", {})
        if "spec" in body:
            if self.conflicts:
                self.conflicts -= 1
                raise Refused(409, "changed")
            self.taints = body["spec"]["taints"]


@dataclass
class Stage:
    node: FakeNode
    api: FakeApi
    restarts: list[tuple[str, ...]] = field(default_factory=list)
    fails: bool = False

    def restart(self, units: tuple[str, ...]) -> str:
        self.restarts.append(units)
        if self.fails:
            raise NotRestarted("systemctl restart containerd: exit 1")
        return units[0]

    def live(self, end: Callable[[], object] = lambda: None, **changes: Any) -> None:
        """One pod's life; `end` happens before it is told to end."""
        api, ready, ending = cast(Api, self.api), self.node.folder / "ready", threading.Event()
        node = Node(api, "n", KEY, KEY)
        arguments = {"restart": self.restart, "report_seconds": 0.05, "sleep": lambda _: None, **changes}
        agent = Agent(self.node.installation(), node, api, SET, ready, ending, **arguments)
        waiting = ending.wait

        def wait(timeout: float | None = None) -> bool:
            self.retries += timeout == module._RETRY_SECONDS
            if timeout is None:
                self.was_ready = ready.exists()
                end()
            if timeout is None or self.retries == MOST_RETRIES:
                ending.set()
            return waiting(0)

        ending.wait = wait  # type: ignore[method-assign]  # the pod's end comes when it waits for it
        agent.run()
        assert not ready.exists()

    was_ready: bool = False
    retries: int = 0


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    node = a_node(tmp_path)
    node.write(PLAIN, "version = 3\n")
    return Stage(node, FakeApi())


def drop_ins(stage: Stage) -> list[str]:
    return [path for path in stage.node.files() if "/conf.d/" in path]


def test_a_node_is_opened_once_it_reports_the_runtime(stage: Stage) -> None:
    stage.api.conflicts = 2
    stage.live()
    assert stage.was_ready
    assert stage.restarts == [("containerd",)]
    assert stage.api.labels == {KEY: "true"}
    assert stage.api.taints == [{"key": "other"}]
    assert drop_ins(stage), "the DaemonSet stays, so the runtime stays"


def test_an_api_server_that_is_out_of_reach_at_first_is_waited_for(stage: Stage) -> None:
    stage.api.away = 3
    stage.live(lambda: setattr(stage.api, "away", 0))
    assert (stage.was_ready, stage.retries) == (True, 3)
    assert stage.restarts == [("containerd",)]


def test_a_node_that_can_not_be_opened_at_once_is_opened_without_another_restart(stage: Stage) -> None:
    stage.api.conflicts = 7
    stage.live()
    assert (stage.was_ready, stage.retries) == (True, 1)
    assert stage.restarts == [("containerd",)]


def test_a_second_pod_restarts_nothing(stage: Stage) -> None:
    stage.live()
    stage.live()
    assert stage.was_ready
    assert len(stage.restarts) == 1


def test_a_kubelet_that_reports_no_runtimes_is_believed(stage: Stage) -> None:
    stage.api.handlers = None
    stage.live()
    assert stage.was_ready


def test_a_restart_that_fails_is_undone_and_not_tried_again(stage: Stage) -> None:
    stage.fails = True
    stage.live()
    assert not stage.was_ready
    assert len(stage.restarts) == 2
    assert stage.node.files()[PLAIN] == "version = 3\n"
    assert not drop_ins(stage)
    assert stage.api.labels == {}


def test_a_runtime_that_never_appears_is_taken_back(stage: Stage) -> None:
    stage.api.handlers = [{"name": "runc"}]
    stage.live()
    assert not stage.was_ready
    assert len(stage.restarts) == 2
    assert not drop_ins(stage)


def test_without_restarts_of_its_own_it_waits_for_somebody_elses(stage: Stage) -> None:
    stage.live(restarts=False)
    assert stage.was_ready
    assert stage.restarts == []


@pytest.mark.parametrize("runtime", ["containerd://1.7.0", "cri-o://1.36.0"])
def test_a_node_that_can_not_have_it_is_left_alone(stage: Stage, runtime: str) -> None:
    stage.api.runtime = runtime
    before = stage.node.files()
    stage.live()
    assert not stage.was_ready
    assert stage.node.files() == before


@pytest.mark.parametrize("going", [{"metadata": {"deletionTimestamp": "now"}}, 404], ids=["being deleted", "gone"])
def test_all_goes_with_the_daemon_set(stage: Stage, going: Json | int) -> None:
    stage.live(lambda: setattr(stage.api, "daemon_set", going))
    assert stage.node.files() == {PLAIN: "version = 3\n"}
    assert stage.api.labels == {KEY: None}
    assert len(stage.restarts) == 2


@pytest.mark.parametrize("status", [0, 401, 403, 500])
def test_what_can_not_be_asked_is_not_removed(stage: Stage, status: int) -> None:
    stage.live(lambda: setattr(stage.api, "daemon_set", status))
    assert drop_ins(stage)
    assert stage.api.labels == {KEY: "true"}


def test_a_removal_bears_an_api_server_that_is_away_for_a_moment(stage: Stage) -> None:
    def end() -> None:
        stage.api.daemon_set = 404
        stage.api.fails_to_patch = 2
        stage.api.away = 2

    stage.live(end)
    assert stage.node.files() == {PLAIN: "version = 3\n"}


def test_sandboxes_that_run_keep_their_runtime(stage: Stage) -> None:
    def end() -> None:
        stage.api.daemon_set = 404
        stage.node.run(next(path for path in stage.node.files() if path.endswith("shim-runsc-v1")))

    stage.live(end)
    assert drop_ins(stage)
    assert stage.api.labels == {KEY: None}, "but no new ones come"


def a_pod(runtime_class: str, phase: str = "Running") -> Json:
    metadata = {"namespace": "demo", "name": "web"}
    return {"metadata": metadata, "spec": {"runtimeClassName": runtime_class}, "status": {"phase": phase}}


def test_a_removal_waits_for_nobodys_pods_only() -> None:
    api = FakeApi(pods=[a_pod("kata"), a_pod("gvisor", "Succeeded"), {"metadata": {}, "spec": {}}])
    Removal(cast(Api, api), SET, "gvisor", sleep=lambda _: None).run()
    assert api.deleted


def test_a_removal_is_refused_while_pods_use_the_runtime() -> None:
    api = FakeApi(pods=[a_pod("gvisor")] * 7)
    with pytest.raises(StillUsed, match=r"RuntimeClass gvisor still run: demo/web, .* and 2 more"):
        Removal(cast(Api, api), SET, "gvisor").run()
    assert not api.deleted


def test_a_removal_of_what_is_gone_is_done() -> None:
    Removal(cast(Api, FakeApi(daemon_set=404)), SET, "gvisor").run()


def systemctl(active: str, fails: bool = False) -> tuple[list[str], Callable[[Sequence[str]], CompletedProcess[str]]]:
    calls: list[str] = []

    def run(command: Sequence[str]) -> CompletedProcess[str]:
        calls.append(" ".join(command))
        wrong = (command[1] == "is-active" and command[-1] != active) or (command[1] == "restart" and fails)
        return CompletedProcess(command, int(wrong), "", "Job failed.")

    return calls, run


def test_the_unit_that_is_active_is_restarted() -> None:
    calls, run = systemctl("k3s-agent")
    assert restart(("k3s", "k3s-agent"), run) == "k3s-agent"
    assert calls[-1] == "systemctl restart k3s-agent"


@pytest.mark.parametrize(("active", "why"), [("none", "no unit of k3s, k3s-agent"), ("k3s", "Job failed")])
def test_a_restart_that_fails_says_why(active: str, why: str) -> None:
    with pytest.raises(NotRestarted, match=why):
        restart(("k3s", "k3s-agent"), systemctl(active, fails=True)[1])
