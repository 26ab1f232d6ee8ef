"""Real machines for the nodes that Karpenter asks for: what a cloud is to it.

    NodeClaim launched ─► STARTING ─► STARTED ─► READY ─┐
                              └─► failed ───────────────┴─► REMOVING, when the NodeClaim is gone ─► FREE

STARTING makes namespaces and an interface, and starts containerd, gVisor, Calico and the kubelet. READY follows when
Karpenter has seen the Node and its startup taint is taken away. REMOVING kills all of the machine's processes and
removes its cgroups, interface and folder.

It is a service of the cluster's first node and runs inside that node's namespaces, and so do the machines: however that
node ends, the kernel kills them with it, and nothing else has to remember them.

A kubelet registers its Node as on any cloud: with the provider's id, by which Karpenter knows it, and with the taint
that Karpenter takes away once the NodeClaim's labels and taints are on the Node.
"""

import contextlib
import enum
import json
import shutil
import sys
import time
import traceback
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, assert_never

from urllib3.exceptions import HTTPError

from lab import cgroups
from lab.autoscale.plan import AT_ONCE, Plan
from lab.bench.client import Client, Refused
from lab.cluster.addons import SANDBOX_LABEL
from lab.cluster.network import connect_node, disconnect_node
from lab.cluster.node import Node, import_image
from lab.services import Services

Object = dict[str, Any]

POLL_SECONDS = 0.3
FIRST_NODE = 1
"""Process 1, as seen from inside the first node."""

UNREGISTERED = {"key": "karpenter.sh/unregistered", "effect": "NoExecute"}
REGISTERED_LABEL = "karpenter.sh/registered"
CLAIMS_PATH = "/apis/karpenter.sh/v1/nodeclaims"
NODES_PATH = "/api/v1/nodes"


@dataclass(frozen=True)
class Claim:
    """A NodeClaim that Karpenter's provider has launched; its Node has its name.

    Attributes:
        name: Its name.
        uid: Its uid.
        provider_id: What the provider calls the machine.
    """

    name: str
    uid: str
    provider_id: str


class Phase(enum.Enum):
    """What a place for a machine is about; see the module."""

    FREE = enum.auto()
    STARTING = enum.auto()
    STARTED = enum.auto()
    READY = enum.auto()
    REMOVING = enum.auto()


@dataclass
class Slot:
    """A place for a machine.

    Attributes:
        phase: See the module.
        claim: Whose machine it is, unless it is free.
        work: What is being done, while it is starting or being removed.
    """

    phase: Phase = Phase.FREE
    claim: Claim | None = None
    work: Future[None] | None = None


class Machines:
    """The machines of one cluster."""

    def __init__(self, plan: Plan, client: Client, pool: Executor | None = None) -> None:
        self._plan = plan
        self._client = client
        self._slots = {index: Slot() for index in plan.indices}
        self._pool = pool or ThreadPoolExecutor(AT_ONCE)

    def run(self) -> None:
        """Adds and removes machines for as long as the process runs."""
        for index, slot in self._slots.items():
            self._adopt(index, slot)
        while True:
            try:
                self.reconcile()
            except (HTTPError, Refused, json.JSONDecodeError):
                traceback.print_exc()
            sys.stdout.flush()
            time.sleep(POLL_SECONDS)

    def reconcile(self) -> None:
        """Brings the machines a step closer to the NodeClaims that there are."""
        claims = read_claims(json.loads(self._client.get_text(CLAIMS_PATH)))
        for index, slot in self._slots.items():
            self._step(index, slot, wanted=slot.claim in claims)
        taken = [slot.claim for slot in self._slots.values()]
        waiting = iter([claim for claim in claims if claim not in taken])
        for index, slot in self._slots.items():
            if slot.phase is Phase.FREE and (claim := next(waiting, None)):
                print(f"{claim.name}: starting as node {index + 1}")
                slot.phase, slot.claim = Phase.STARTING, claim
                slot.work = self._pool.submit(start_machine, self._plan, index, claim)

    def _step(self, index: int, slot: Slot, *, wanted: bool) -> None:
        match slot.phase:
            case Phase.FREE:
                return
            case Phase.STARTING:
                if not wanted:
                    self._plan.find_machine(index).kill()  # what starts it fails at once
                if slot.work and slot.work.done():
                    failed = self._has_failed(slot)
                    slot.phase = Phase.STARTED
                    if failed:
                        self._begin_removal(index, slot)
            case Phase.STARTED | Phase.READY:
                if not wanted:
                    self._begin_removal(index, slot)
                elif slot.phase is Phase.STARTED and slot.claim and self._release(slot.claim):
                    print(f"{slot.claim.name}: ready")
                    slot.phase = Phase.READY
            case Phase.REMOVING:
                if slot.work and slot.work.done():
                    if self._has_failed(slot):
                        self._begin_removal(index, slot)
                    else:
                        print(f"node {index + 1}: removed")
                        slot.phase, slot.claim = Phase.FREE, None
            case never:
                assert_never(never)

    @staticmethod
    def _has_failed(slot: Slot) -> bool:
        error = slot.work.exception() if slot.work else None
        slot.work = None
        if error:
            traceback.print_exception(error)
        return bool(error)

    def _begin_removal(self, index: int, slot: Slot) -> None:
        slot.phase = Phase.REMOVING
        slot.work = self._pool.submit(self._remove, index)

    def _remove(self, index: int) -> None:
        claim = remove_machine(self._plan, index)
        if claim is not None:
            # As a cloud's controller does with the Node of a machine that is gone. Karpenter has deleted it, unless the
            # kubelet registered it at the last moment.
            with contextlib.suppress(Refused):
                self._client.delete(f"{NODES_PATH}/{claim.name}")

    def _adopt(self, index: int, slot: Slot) -> None:
        """Takes over what another process of this service has made, if that is whole."""
        machine = self._plan.find_machine(index)
        if machine.alive() and _find_mark(machine).exists():
            slot.phase, slot.claim = Phase.STARTED, read_claim(machine)
        elif machine.folder.exists():
            self._begin_removal(index, slot)

    def _release(self, claim: Claim) -> bool:
        """Takes the startup taint from a Node as soon as Karpenter has put it there, and tells whether it is gone."""
        named = f"{NODES_PATH}?fieldSelector=metadata.name%3D{claim.name}"
        node = next(iter(json.loads(self._client.get_text(named))["items"]), None)
        if node is None or REGISTERED_LABEL not in node["metadata"].get("labels", {}):
            return False
        taints = node["spec"].get("taints", [])
        rest = [taint for taint in taints if taint["key"] != SANDBOX_LABEL]
        if rest != taints:
            version = {"resourceVersion": node["metadata"]["resourceVersion"]}
            self._client.patch(f"{NODES_PATH}/{claim.name}", {"metadata": version, "spec": {"taints": rest}})
        return True


def read_claims(answer: Object) -> list[Claim]:
    """The NodeClaims of a list that are launched, the oldest first."""
    found = []
    for item in sorted(answer["items"], key=lambda item: str(item["metadata"]["creationTimestamp"])):
        meta = item["metadata"]
        if provider_id := item.get("status", {}).get("providerID"):
            found.append(Claim(meta["name"], meta["uid"], provider_id))
    return found


def start_machine(plan: Plan, index: int, claim: Claim) -> None:
    """Makes a machine, and returns when all of it has been started; its Node appears soon.

    Raises:
        NotReady, CommandFailed: If something doesn't start.
    """
    machine = plan.find_machine(index)
    machine.folder.mkdir(parents=True)
    _find_claim(machine).write_text(json.dumps(asdict(claim)))
    machine.launch(claim.name, None)
    connect_node(plan.subnet, FIRST_NODE, index, machine.init_pid(), plan.nodes + AT_ONCE)
    node = Node(
        plan.cluster,
        claim.name,
        index,
        plan.subnet.node(index),
        plan.server,
        machine,
        plan.authority,
        plan.programs,
        {"providerID": claim.provider_id, "registerWithTaints": [UNREGISTERED]},
    )
    node.start_runtime()
    for archive in sorted(plan.images.glob("*.tar")):
        import_image(machine, archive)
    node.start()
    _find_mark(machine).touch()


def remove_machine(plan: Plan, index: int) -> Claim | None:
    """Removes all of a machine, however much of it there is, and returns whose it was."""
    machine = plan.find_machine(index)
    machine.kill()
    disconnect_node(FIRST_NODE, index)
    claim = read_claim(machine)
    if claim is not None:
        cgroups.remove_cgroups(plan.cluster, claim.name)
    for _ in range(50):  # the last processes may still be on their way out
        shutil.rmtree(machine.folder, ignore_errors=True)
        if not machine.folder.exists():
            return claim
        time.sleep(0.1)
    raise OSError(f"{machine.folder}: can't be removed")


def read_claim(machine: Services) -> Claim | None:
    """Whose machine it is; None if it was never begun."""
    path = _find_claim(machine)
    return Claim(**json.loads(path.read_text())) if path.exists() else None


def _find_claim(machine: Services) -> Path:
    return machine.folder / "claim.json"


def _find_mark(machine: Services) -> Path:
    return machine.folder / "started"
