"""A pod's very first packets, out and in, get through only where its groups allow it.

    fresh pods ──dial in a loop from their first command──► friends and strangers
    friends and strangers ──SYNs to all addresses that the pods can get, from before they exist──► fresh pods

Friends are open to the pods by their group, strangers aren't; of each there is a pod and an address outside of the
cluster. That friends are heard, both ways and by every pod, shows that a stranger would have been, too.
The node has room for some five pods at a time, so the scheduler makes batches of a burst.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from lab.cluster.lab_cluster import LabCluster
from lab.cluster.network import pod_cidr
from lab.cluster.provider import polices_first_packets
from monopod.api.names import BASE_POLICY, ISOLATION_GATE
from tests.e2e.agents import FRIEND, STRANGER, Agent, an_agent_pod, attach, run_outside
from tests.e2e.live import Live, Object
from tests.e2e.workloads import a_group, a_pod, a_profile

pytestmark = [
    pytest.mark.skipif(not polices_first_packets(), reason="kindnet: MONOPOD_KIND_NETWORK=calico runs it"),
    pytest.mark.timeout(1200),
]

BURST = 50
MOST_REFUSED = 0.5
"""At most this share of pods may not run at all: when the scheduler gives a pod the place of one that has just ended,
the kubelet may not be done with that one yet, and refuses (OutOfcpu); a busy one, many."""

KNOWN = 25
"""So many of a burst are created in a namespace that was there before; the others together with theirs."""

RUNNING_WITHOUT_OPERATOR = 10
LABELS = {"burst": "yes"}
PORT = 8080
SPARE_ADDRESSES = 30
PODS_SECONDS = 450
MORE_TRIES = 3
DIAL = """
tries=0 more=0
while [ $more -lt {more} ] && [ $tries -lt {tries} ]; do
  for a in {strangers}; do nc -w 1 $a {port} </dev/null >/dev/null 2>&1 & done
  for a in {friends}; do nc -w 1 $a {port} </dev/null >>/tmp/$a 2>/dev/null & done
  sleep 0.1
  tries=$((tries + 1)) answered=yes
  for a in {friends}; do [ -s /tmp/$a ] || answered=; done
  [ -z $answered ] || more=$((more + 1))
done
[ $more -gt 0 ]
"""
"""Ends well once both friends have answered, and some more attempts at the strangers were made."""

MANY_TRIES, FEW_TRIES = 200, 15


@dataclass
class Stage:
    """The friends and strangers.

    Attributes:
        friends: Addresses of a pod and outside.
        strangers: The same.
    """

    live: Live
    agents: dict[str, Agent]
    friends: tuple[str, str]
    strangers: tuple[str, str]

    def a_dialler(self, name: str, namespace: str, labels: dict[str, str], tries: int, **spec: object) -> Object:
        friends, strangers = " ".join(self.friends), " ".join(self.strangers)
        script = DIAL.format(friends=friends, strangers=strangers, port=PORT, tries=tries, more=MORE_TRIES)
        return a_pod(name, namespace, labels, script, restartPolicy="Never", **spec)

    @contextmanager
    def dial(self, count: int) -> Iterator["Result"]:
        """Friends and strangers dial the addresses that this many pods will get, for as long as the context lasts."""
        result = Result(predict_addresses(self.live, count + SPARE_ADDRESSES))
        outside = (FRIEND, STRANGER)
        for name, agent in self.agents.items():
            agent.ask("heard")
            sources = outside if name == "outside" else [""]
            agent.ask("sweep", sources=sources, addresses=result.predicted, port=PORT)
        try:
            yield result
        finally:
            for name, agent in self.agents.items():
                result.reached |= {(source or name, address) for source, address in agent.ask("stop")}
                result.heard |= {(called, caller) for called, caller in agent.ask("heard")}


@dataclass
class Result:
    """What came through: who heard from which address, and who had an answer from which."""

    predicted: list[str]
    heard: set[tuple[str, str]] = field(default_factory=set)
    reached: set[tuple[str, str]] = field(default_factory=set)

    def find_pods(self, pods: Sequence[Object], *names: str) -> tuple[set[str], set[str]]:
        """Of these pods, those that one of the names heard, and those that it reached."""
        addresses = {pod["status"]["podIP"]: pod["metadata"]["name"] for pod in pods}
        assert set(addresses) <= set(self.predicted), "every address was dialled before the pod existed"
        heard, reached = (
            {addresses[address] for name, address in found if name in names and address in addresses}
            for found in (self.heard, self.reached)
        )
        return heard, reached


@pytest.fixture(scope="module")
def stage(live: Live) -> Iterator[Stage]:
    namespace = live.make_namespace("others")
    live.apply(*(an_agent_pod(name, namespace, {}, {("TCP", PORT): ""}) for name in ("friend", "stranger")))
    pods = {pod["metadata"]["name"]: pod for pod in live.await_ready(namespace, 2)}
    peers = [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "podSelector": {"matchLabels": {"app": "friend"}},
        },
        {"cidr": f"{FRIEND}/32"},
    ]
    live.apply(
        a_group("first", ingress=[{"from": peers}], egress=[{"to": peers}]),
        a_profile("first", "e2e-first-*", LABELS, securityGroups=["first"]),
    )
    live.await_phase("first")
    with ExitStack() as stack:
        stack.callback(live.remove_namespace, namespace)
        agents = attach(live, *pods.values())
        for agent in agents.values():
            stack.callback(agent.close)
        agents["outside"] = stack.enter_context(run_outside(live, {("TCP", PORT): ""}))
        friend, stranger = (pods[name]["status"]["podIP"] for name in ("friend", "stranger"))

        def is_heard_as_itself() -> bool:
            agents["friend"].ask("probe", targets=[("TCP", "", FRIEND, PORT)])
            return [FRIEND, friend] in agents["outside"].ask("heard")

        # Calico takes a moment to learn that pods keep their own addresses on their way there.
        live.wait_for(is_heard_as_itself, "a pod's own address outside")
        yield Stage(live, agents, (friend, FRIEND), (stranger, STRANGER))


@pytest.fixture
def known(live: Live) -> Iterator[str]:
    """A namespace that is isolated already."""
    name = live.make_namespace("e2e-first")
    live.await_isolated(name)
    assert [policy["metadata"]["name"] for policy in live.find("networkpolicies", name)] == [BASE_POLICY]
    yield name
    live.remove_namespace(name)


def test_pods_without_a_policy_are_heard_and_reached(live: Live, stage: Stage) -> None:
    """The control: it shows that the tests below would notice a leak."""
    namespace = live.make_namespace("others")
    names = {f"open-{number}" for number in range(3)}
    with stage.dial(len(names)) as result:
        live.apply(
            *(stage.a_dialler(n, namespace, {}, MANY_TRIES, runtimeClassName=live.cluster.sandbox) for n in names)
        )
        pods = await_end(live, [namespace], len(names))
    live.remove_namespace(namespace)
    names = {pod["metadata"]["name"] for pod in pods}
    for name in ("stranger", STRANGER):
        assert result.find_pods(pods, name) == (names, names), name


def test_a_burst_of_fresh_pods_gets_through_only_where_their_group_allows(live: Live, stage: Stage, known: str) -> None:
    new = "e2e-first-new"
    with stage.dial(BURST) as result:
        live.apply(
            *a_namespace(new),
            *(
                stage.a_dialler(f"burst-{number}", known if number < KNOWN else new, LABELS, MANY_TRIES)
                for number in range(BURST)
            ),
        )
        pods = await_end(live, [known, new], BURST)
    live.remove_namespace(new)
    assert [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] != "Succeeded"] == []
    names = {pod["metadata"]["name"] for pod in pods}
    for name in ("friend", FRIEND):
        assert result.find_pods(pods, name) == (names, names), name
    assert result.find_pods(pods, "stranger", STRANGER) == (set(), set())


def test_without_the_operator_fresh_pods_are_closed(live: Live, stage: Stage, known: str) -> None:
    new = "e2e-first-unseen"
    everyone = ("friend", FRIEND, "stranger", STRANGER)
    live.scale_operator(0)
    try:
        with stage.dial(BURST) as result:
            live.apply(
                *a_namespace(new),
                *(
                    stage.a_dialler(f"burst-{number}", known, LABELS, FEW_TRIES)
                    if number < RUNNING_WITHOUT_OPERATOR
                    else stage.a_dialler(f"burst-{number}", new, LABELS, MANY_TRIES)
                    for number in range(BURST)
                ),
            )
            pods = await_end(live, [known], RUNNING_WITHOUT_OPERATOR)
            waiting = live.find("pods", new)
        assert {pod["status"]["phase"] for pod in pods} == {"Failed"}, "the friends are closed to them, too"
        assert result.find_pods(pods, *everyone) == (set(), set())
        assert len(waiting) == BURST - RUNNING_WITHOUT_OPERATOR
        assert [pod["metadata"]["name"] for pod in waiting if not waits_for_isolation(pod)] == []
        doomed = [pod["metadata"]["name"] for pod in waiting[2:]]
        live.kubectl("delete", "pods", "-n", new, *doomed)
    finally:
        live.scale_operator(2)
    with stage.dial(2) as result:
        pods = await_end(live, [new], 2)
    assert {pod["status"]["phase"] for pod in pods} == {"Succeeded"}, "once the operator is back, they run"
    live.remove_namespace(new)


def a_namespace(name: str) -> list[Object]:
    """With the account that pods need, so that they can be created in the same moment."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, account]


def predict_addresses(live: Live, count: int) -> list[str]:
    """The addresses that the next pods get, among others.

    On our own nodes the plugin gives them out in order, and keeps where it is. Calico's takes any of the node's blocks;
    they have 64 each.
    """
    if not isinstance(live.cluster, LabCluster):
        blocks = live.find("blockaffinities.crd.projectcalico.org", "default")
        assert blocks, "Calico gives out the addresses"
        return [str(address) for block in blocks for address in ipaddress.ip_network(block["spec"]["cidr"])]
    hosts = [str(host) for host in ipaddress.ip_network(pod_cidr(0)).hosts()]
    kept = live.cluster.machines()[0].folder / "cni/addresses/monopod-lab/last_reserved_ip.0"
    last = kept.read_text().strip()
    return [hosts[(hosts.index(last) + 1 + number) % len(hosts)] for number in range(count)]


def await_end(live: Live, namespaces: Sequence[str], count: int) -> list[Object]:
    """Those of so many pods that have run, once all have ended."""

    def look() -> list[Object] | None:
        pods = [pod for namespace in namespaces for pod in live.find("pods", namespace)]
        ended = [pod for pod in pods if pod["status"]["phase"] in ("Succeeded", "Failed")]
        return pods if len(ended) == len(pods) == count else None

    pods = live.wait_for(look, f"the end of {count} pods", PODS_SECONDS)
    ran = [pod for pod in pods if not pod["status"].get("reason", "").startswith("OutOf")]
    assert len(ran) >= count * (1 - MOST_REFUSED)
    return ran


def waits_for_isolation(pod: Object) -> bool:
    gates = {gate["name"] for gate in pod["spec"].get("schedulingGates", ())}
    return ISOLATION_GATE in gates and "nodeName" not in pod["spec"]
