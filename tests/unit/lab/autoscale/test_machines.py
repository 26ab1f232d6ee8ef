"""When machines are made, released and removed, without any machine."""

import ipaddress
import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from lab.autoscale import machines
from lab.autoscale.machines import CLAIMS_PATH, NODES_PATH, REGISTERED_LABEL, Claim, Machines
from lab.autoscale.plan import AT_ONCE, Plan
from lab.bench.client import Refused
from lab.cluster.addons import SANDBOX_LABEL
from lab.cluster.network import Subnet

Json = dict[str, Any]
KEPT = {"key": "kept", "effect": "NoSchedule"}
STARTUP = {"key": SANDBOX_LABEL, "effect": "NoSchedule"}


class Now(Executor):
    """Does everything at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class World:
    """An API server's NodeClaims and Nodes, and the machines that were made for them.

    Attributes:
        running: Whose machines there are, by number.
        most: The most that there were at once.
        fail: What is raised instead of starting a machine.
        labels: Of the Nodes that kubelets register.
    """

    def __init__(self, folder: Path) -> None:
        self.claims: dict[str, Json] = {}
        self.nodes: dict[str, Json] = {}
        self.running: dict[int, str] = {}
        self.most = 0
        self.fail: list[Exception] = []
        self.labels = {REGISTERED_LABEL: "true"}
        self.plan = Plan(folder, "https://there", Subnet(ipaddress.IPv4Network("10.213.0.0/24")), 1, {})
        self.machines = Machines(self.plan, self, Now())  # type: ignore[arg-type] # it stands for the client

    def claim(self, *names: str) -> None:
        for name in names:
            meta = {"name": name, "uid": f"uid-{name}", "creationTimestamp": f"2026-01-01T00:00:{len(self.claims):02}Z"}
            self.claims[name] = {"metadata": meta, "status": {"providerID": f"kwok://{name}"}}

    def start(self, _: Plan, index: int, claim: Claim) -> None:
        if self.fail:
            raise self.fail.pop()
        self.running[index] = claim.name
        self.most = max(self.most, len(self.running))
        meta = {"labels": dict(self.labels), "resourceVersion": "1"}
        self.nodes[claim.name] = {"metadata": meta, "spec": {"taints": [KEPT, STARTUP]}}

    def remove(self, _: Plan, index: int) -> Claim | None:
        name = self.running.pop(index, None)
        return Claim(name, f"uid-{name}", f"kwok://{name}") if name else None

    def get_text(self, path: str) -> str:
        if path == CLAIMS_PATH:
            return json.dumps({"items": list(self.claims.values())})
        name = path.rpartition("%3D")[2]
        return json.dumps({"items": [self.nodes[name]] if name in self.nodes else []})

    def patch(self, path: str, body: Json) -> None:
        self._find(path)["spec"] |= body["spec"]

    def delete(self, path: str) -> None:
        self._find(path)
        del self.nodes[path.removeprefix(f"{NODES_PATH}/")]

    def _find(self, path: str) -> Json:
        name = path.removeprefix(f"{NODES_PATH}/")
        if name not in self.nodes:
            raise Refused(f"{path}: 404")
        return self.nodes[name]

    def settle(self) -> None:
        for _ in range(5):
            self.machines.reconcile()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(machines, "start_machine", world.start)
    monkeypatch.setattr(machines, "remove_machine", world.remove)
    return world


def test_a_claim_gets_a_machine_whose_node_loses_its_startup_taint_and_nothing_else(world: World) -> None:
    world.claim("a")
    world.settle()
    assert world.nodes["a"]["spec"] == {"taints": [KEPT]}
    assert world.running == {1: "a"}


def test_the_startup_taint_stays_until_karpenter_has_registered_the_node(world: World) -> None:
    world.claim("a")
    world.labels = {}
    world.settle()
    assert STARTUP in world.nodes["a"]["spec"]["taints"]
    world.nodes["a"]["metadata"]["labels"] = {REGISTERED_LABEL: "true"}
    world.settle()
    assert world.nodes["a"]["spec"]["taints"] == [KEPT]


def test_no_more_machines_than_there_are_places_and_the_oldest_claims_first(world: World) -> None:
    world.claim("a", "b", "c")
    world.settle()
    assert set(world.running.values()) == {"a", "b"}
    del world.claims["a"]
    world.settle()
    assert set(world.running.values()) == {"b", "c"}
    assert world.most == AT_ONCE
    assert "a" not in world.nodes, "which its kubelet may have registered at the last moment"


def test_a_machine_that_does_not_start_is_removed_and_made_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fail = [RuntimeError("containerd: not ready")]
    world.claim("a")
    world.settle()
    assert world.running == {1: "a"}
    assert "containerd: not ready" in capsys.readouterr().err


def test_a_claim_that_is_not_launched_yet_gets_none(world: World) -> None:
    world.claim("a")
    world.claims["a"]["status"] = {}
    world.settle()
    assert not world.running
