"""The pods, peers and security groups between which the tests of the network try every connection.

    blue:     web (gVisor), both (runc), peer (no Fargate pod)         outside: 198.51.100.10 and .11, which call too,
    green:    db, plain (gVisor), closed, shared (runc),                        and the metadata service's address
              visitor (no Fargate pod)

Fargate pods run by runc come from a profile whose RuntimeClass is runc's: the policies must not depend on the sandbox.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from lab.bench.client import Client
from monopod.api.names import API_VERSION, DEFAULT_GROUP, GROUP_POLICY_API_VERSION, GROUPS_ANNOTATION
from monopod.isolation.rules.network_policies import Infrastructure
from tests.e2e.agents import FRIEND, METADATA, STRANGER, Agent, an_agent_pod, attach, run_outside
from tests.e2e.connections import Cell, NamespaceContext, Ports, judge
from tests.e2e.live import Live, Object
from tests.e2e.workloads import a_group, a_group_policy, a_profile

TCP = {("TCP", 8080): "web", ("TCP", 8081): "", ("TCP", 8082): "", ("TCP", 8083): "metrics"}
UDP = {("UDP", 5353): "", ("UDP", 8080): ""}
SCTP = {("SCTP", 9000): "", ("SCTP", 9001): ""}
"""Not in gVisor, which doesn't know it."""

SETTLE_SECONDS = 150
CONVERGENCE_SECONDS = 90
TRIES = 3
"""On a busy machine an answer may come too late."""

WATCHED_CELLS = 4
"""Of those that a change is to open, and of those that it is to close, from each pod: more would only slow it down."""

RUNC_CLASS: Object = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "runc-for-tests"},
    "handler": "runc",
}
PEER = {"matchLabels": {"role": "peer"}}
WEB: Object = {
    "ingress": [
        {"protocol": "TCP", "port": 8080, "from": [{"namespaceSelector": {"matchLabels": {"colour": "blue"}}}]},
        {"protocol": "TCP", "port": "metrics", "from": [{"podSelector": PEER}]},
        {"protocol": "UDP", "port": 5353, "from": [{"cidr": "198.51.100.8/30", "except": [f"{STRANGER}/32"]}]},
        {"protocol": "SCTP", "port": 9000, "from": [{"podSelector": PEER}]},
    ],
    "egress": [
        {"protocol": "TCP", "port": 8080, "endPort": 8081, "to": [{"securityGroup": "net-db"}]},
        {"to": [{"cidr": "198.51.100.0/24", "except": [f"{STRANGER}/32"]}]},
        {"protocol": "TCP", "to": [{"cidr": "169.254.0.0/16"}, {"cidr": f"{METADATA}/32"}]},
    ],
}
OTHER_WEB: Object = {
    "ingress": [
        {"protocol": "TCP", "port": 8080, "endPort": 8081, "from": [{"namespaceSelector": {}, "podSelector": PEER}]},
        {"protocol": "TCP", "port": "web", "from": [{"securityGroup": "net-web"}]},
        {"protocol": "UDP", "port": 5353, "from": [{"cidr": "198.51.100.8/30", "except": [f"{FRIEND}/32"]}]},
        {"protocol": "SCTP", "port": 9000, "endPort": 9001, "from": [{"cidr": f"{STRANGER}/32"}]},
    ],
    "egress": [
        {"protocol": "TCP", "port": 8081, "endPort": 8083, "to": [{"securityGroup": "net-db"}]},
        {"protocol": "UDP", "to": [{"namespaceSelector": {"matchLabels": {"colour": "green"}}}]},
        {"to": [{"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", f"{FRIEND}/32"]}]},
    ],
}
DB: Object = {
    "ingress": [
        {"protocol": "TCP", "port": 8080, "endPort": 8082, "from": [{"securityGroup": "net-web"}]},
        {"protocol": "UDP", "from": [{"securityGroup": "net-db"}]},
        {"protocol": "TCP", "port": 8082, "from": [{"cidr": f"{FRIEND}/32"}, {"namespaceSelector": {}}]},
    ],
    "egress": [
        {"protocol": "UDP", "to": [{"securityGroup": "net-db"}, {"podSelector": PEER}]},
        {"protocol": "TCP", "port": "metrics", "to": [{"namespaceSelector": {}}]},
        {"protocol": "SCTP", "port": 9001, "to": [{"podSelector": PEER}, {"cidr": f"{STRANGER}/32"}]},
    ],
}


GROUPS: Mapping[str, Object] = {"net-web": WEB, "net-db": DB, "net-closed": {}}
PROFILES = (
    a_profile("net-gvisor", "e2e-net-*", {"net": "gvisor"}),
    a_profile(
        "net-runc",
        "e2e-net-*",
        {"net": "runc"},
        runtimeClassName=RUNC_CLASS["metadata"]["name"],
        podSecurityGroups="Allow",
        isolation="PerGroup",
    ),
)
PODS = {
    "blue": {"web": {"net": "gvisor"}, "both": {"net": "runc"}, "peer": {"role": "peer"}},
    "green": {
        "db": {"net": "gvisor"},
        "plain": {"net": "gvisor"},
        "closed": {"net": "runc"},
        "shared": {"net": "runc"},
        "visitor": {"role": "peer"},
    },
}
GROUPS_OF = {"web": ("net-web",), "db": ("net-db",), "both": ("net-db", "net-web")}
"""The groups of pods, by SecurityGroupPolicies."""

CHOSEN = {"closed": ("net-closed",)}
"""The groups of pods that ask for them; all others have the default."""

OUTSIDE = (FRIEND, STRANGER, METADATA)


@dataclass(frozen=True)
class Change:
    """A patch, and what the groups and places are afterwards."""

    path: str
    patch: Object
    groups: dict[str, Object]
    places: dict[str, NamespaceContext]


@dataclass
class Network:
    """The places, their agents, and what the security groups are at the moment.

    Attributes:
        agents: By the name of the place; those outside share one.
        groups: SecurityGroups by name, as they were applied.
        policies: The specs of people's NetworkPolicies, by namespace.
    """

    client: Client
    places: dict[str, NamespaceContext]
    agents: dict[str, Agent]
    groups: dict[str, Object]
    infrastructure: Infrastructure
    policies: dict[str, list[Object]] = field(default_factory=dict)

    def expect(self) -> dict[Cell, bool]:
        """What the groups open, and people's policies."""
        return judge(self.places.values(), self.groups, self.infrastructure, self.policies)

    def try_all(self, cells: Iterable[Cell]) -> dict[Cell, str]:
        """Who answers at the other end of connections, or "" for nobody."""
        by_agent = self._sort_by_agent(cells)
        if not by_agent:
            return {}

        def ask(agent: Agent) -> list[tuple[Cell, str]]:
            answers = agent.ask("probe", targets=[self._aim(cell) for cell in by_agent[agent]])
            return list(zip(by_agent[agent], answers, strict=True))

        with ThreadPoolExecutor(len(by_agent)) as pool:
            return {cell: answer for several in pool.map(ask, by_agent) for cell, answer in several}

    def find_deviations(self) -> list[str]:
        """Tries every connection, and returns those that aren't as the groups say, each as a sentence.

        What should be open is one if it fails again and again; what should be closed, if it is ever answered.
        """
        expected = self.expect()
        tried = self.try_all(expected)
        for _ in range(TRIES - 1):
            tried |= self.try_all(cell for cell in expected if expected[cell] and tried[cell] != cell.server)
        return [
            f"{cell}: {tried[cell] or 'silence'}, though it should be {'open' if is_open else 'closed'}"
            for cell, is_open in sorted(expected.items())
            if tried[cell] != (cell.server if is_open else "")
        ]

    def change_group(self, name: str, spec: Object) -> Change:
        """Replaces a group's rules."""
        path = f"/apis/{API_VERSION}/securitygroups/{name}"
        groups = {**self.groups, name: {**self.groups[name], "spec": spec}}
        return Change(path, {"spec": {"ingress": [], "egress": [], **spec}}, groups, self.places)

    def move(self, name: str, *groups: str) -> Change:
        """Gives a pod other groups, by its SecurityGroupPolicy."""
        place = self.places[name]
        path = f"/apis/{GROUP_POLICY_API_VERSION}/namespaces/{place.namespace}/securitygrouppolicies/{name}"
        patch = {"spec": {"securityGroups": {"groupIds": list(groups)}}}
        return Change(path, patch, self.groups, {**self.places, name: replace(place, groups=groups)})

    def send(self, change: Change) -> float:
        """Makes a change; when the API server answered, by the clock."""
        self.client.patch(change.path, change.patch)
        answered = time.time()
        self.groups, self.places = change.groups, change.places
        return answered

    def measure(self, change: Change) -> float:
        """Makes a change; the seconds from the API server's answer until pods see all of it.

        The pods try connections all the time. What opens counts until the first attempt that is answered, what closes
        until the last one that is. The machine's clock tells when that was, so neither how fast the test hears of it
        counts, nor a connection that a busy machine is slow to make.
        """
        before = self.expect()
        after = judge(change.places.values(), change.groups, self.infrastructure, self.policies)
        changed = [cell for cell in sorted(before) if before[cell] != after[cell]]
        with self._watch(_choose(changed, after)) as watched:
            _poll(lambda: all(each.was(before) for each in watched()), "the state before the change")
            answered = self.send(change)
            _poll(lambda: all(each.becomes(after, answered) for each in watched()), "the change's effect")
            return max(each.find_turn(after, answered) for each in watched()) - answered

    def settle(self) -> None:
        """Waits until all connections are as the groups say."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while deviations := self.find_deviations():
            assert time.monotonic() < deadline, deviations

    @contextmanager
    def _watch(self, cells: Sequence[Cell]) -> Iterator[Callable[[], list["Watched"]]]:
        by_agent = self._sort_by_agent(cells)
        for agent, own in by_agent.items():
            agent.ask("watch", targets=[self._aim(cell) for cell in own])

        def look() -> list[Watched]:
            return [
                Watched(cell, [(began, ended, answer) for index, began, ended, answer in seen if own[index] == cell])
                for agent, own in by_agent.items()
                for seen in [agent.ask("look")]
                for cell in own
            ]

        try:
            yield look
        finally:
            for agent in by_agent:
                agent.ask("stop")

    def _sort_by_agent(self, cells: Iterable[Cell]) -> dict[Agent, list[Cell]]:
        by_agent: dict[Agent, list[Cell]] = {}
        for cell in cells:
            by_agent.setdefault(self.agents[cell.client], []).append(cell)
        return by_agent

    def _aim(self, cell: Cell) -> tuple[str, str, str, int]:
        """A cell as an agent wants it."""
        client = self.places[cell.client]
        source = client.address if client.namespace is None else ""
        return cell.protocol, source, self.places[cell.server].address, cell.port


@dataclass(frozen=True)
class Watched:
    """The attempts at one connection: when each began and ended, and who answered."""

    cell: Cell
    attempts: list[tuple[float, float, str]]

    def was(self, expected: Mapping[Cell, bool]) -> bool:
        return any((answer == self.cell.server) == expected[self.cell] for _, _, answer in self.attempts)

    def becomes(self, expected: Mapping[Cell, bool], since: float) -> bool:
        if expected[self.cell]:
            return any(ended > since for _, ended in self._answered())
        turn = max(since, self.find_turn(expected, since))
        return any(began > turn for began, _, _ in self.attempts)

    def find_turn(self, expected: Mapping[Cell, bool], since: float) -> float:
        """When the connection was first seen open, or last."""
        if expected[self.cell]:
            return min(ended for _, ended in self._answered() if ended > since)
        return max(ended for _, ended in self._answered())

    def _answered(self) -> list[tuple[float, float]]:
        return [(began, ended) for began, ended, answer in self.attempts if answer]


def _choose(changed: Sequence[Cell], after: Mapping[Cell, bool]) -> list[Cell]:
    """A few of the connections that change, from each client."""
    chosen: list[Cell] = []
    for cell in changed:
        alike = [each for each in chosen if (each.client, after[each]) == (cell.client, after[cell])]
        if len(alike) < WATCHED_CELLS:
            chosen.append(cell)
    return chosen


def _poll(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + CONVERGENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, f"{what}: not after {CONVERGENCE_SECONDS} s"


@contextmanager
def apply_with_runc(live: Live, *profiles: Object) -> Iterator[None]:
    """Those profiles and runc's RuntimeClass, until their pods are gone: `doctor` warns of a sandbox that is none."""
    names = [profile["metadata"]["name"] for profile in profiles]
    live.apply(RUNC_CLASS, *profiles)
    try:
        for name in names:
            live.await_phase(name)
        yield
    finally:
        live.kubectl("delete", "fargateprofile", *names, "--timeout=150s")
        live.kubectl("delete", "runtimeclass", RUNC_CLASS["metadata"]["name"])


@contextmanager
def build_network(live: Live) -> Iterator[Network]:
    """All of it, for as long as the context lasts."""
    groups = {name: a_group(name, **spec) for name, spec in GROUPS.items()}
    live.apply(*groups.values())
    groups[DEFAULT_GROUP] = live.get("securitygroup", DEFAULT_GROUP)
    namespaces = {colour: live.make_namespace(f"e2e-net-{colour}") for colour in ("blue", "green")}
    for colour, name in namespaces.items():
        live.kubectl("label", "namespace", name, f"colour={colour}")
    pods = [pod for colour, name in namespaces.items() for pod in _build_pods(colour, name)]
    live.apply(*(_build_group_policy(pod) for pod in pods if pod["metadata"]["name"] in GROUPS_OF))
    node = live.find("nodes", "default")[0]
    addresses = [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
    infrastructure = Infrastructure(nodes=tuple(f"{address}/32" for address in addresses))
    with ExitStack() as stack:
        stack.enter_context(apply_with_runc(live, *PROFILES))
        for name in namespaces.values():
            stack.callback(live.remove_namespace, name)
        live.apply(*pods)
        running = [pod for colour in PODS for pod in live.await_ready(namespaces[colour], len(PODS[colour]))]
        agents = attach(live, *running)
        for agent in agents.values():
            stack.callback(agent.close)
        agents |= dict.fromkeys(OUTSIDE, stack.enter_context(run_outside(live, TCP | UDP | SCTP)))
        colours = {name: colour for colour, name in namespaces.items()}
        places = [_describe(pod, colours[pod["metadata"]["namespace"]]) for pod in running]
        places += [
            NamespaceContext(address, address, TCP | UDP | SCTP, calls=address != METADATA) for address in OUTSIDE
        ]
        network = Network(
            Client(live.cluster.kubeconfig_path),
            {place.name: place for place in places},
            agents,
            groups,
            infrastructure,
        )
        network.settle()
        yield network


def _build_pods(colour: str, namespace: str) -> Iterator[Object]:
    for name, labels in PODS[colour].items():
        pod = an_agent_pod(name, namespace, labels, _find_ports(labels))
        if name == "closed":
            pod["metadata"]["annotations"] = {GROUPS_ANNOTATION: "net-closed"}
        yield pod


def _build_group_policy(pod: Object) -> Object:
    name = pod["metadata"]["name"]
    return a_group_policy(name, pod["metadata"]["namespace"], name, *GROUPS_OF[name])


def _describe(pod: Object, colour: str) -> NamespaceContext:
    meta = pod["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    chosen = GROUPS_OF.get(name) or CHOSEN.get(name)
    groups = None if "role" in meta["labels"] else chosen or (DEFAULT_GROUP,)
    labels = {key: value for key, value in meta["labels"].items() if key in ("app", "role", "net")}
    namespace_labels = {"colour": colour, "kubernetes.io/metadata.name": namespace}
    ports = _find_ports(meta["labels"])
    address = pod["status"]["podIP"]
    return NamespaceContext(
        name, address, ports, groups, namespace, namespace_labels, labels, chosen=chosen is not None
    )


def _find_ports(labels: Mapping[str, str]) -> Ports:
    return TCP | UDP if labels.get("net") == "gvisor" else TCP | UDP | SCTP
