"""What a namespace's owners have closed by NetworkPolicies stays closed at every instant, if nobody chose a group.

Three pods: `web` and `other` have the default group by nobody's choice, `chosen` names it. Policies come, change and
go; an observer of the tests' own says what was open for each pod after every change at the API server.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from monopod.api.names import GROUPS_ANNOTATION
from tests.attack.reachability import FRIEND, Instants, Open, judge_now
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.operating.moving import build_pod_spec

OUT: Open = frozenset({"to a neighbour", "to a friend", "to the outside"})
IN: Open = frozenset({"from a neighbour", "from a friend", "from elsewhere"})
BY_GROUP = IN | OUT
FROM_FRIEND: Open = frozenset({"from a friend"})
TO_FRIEND: Open = frozenset({"to a friend"})
NOTHING: Open = frozenset()
WEB = {"matchLabels": {"app": "web"}}


def a_policy(namespace: str, name: str, *types: str, selector: Json | None = None, **rules: list[Json]) -> Json:
    spec = {"podSelector": WEB if selector is None else selector, "policyTypes": list(types), **rules}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def await_open(lab: Lab, namespace: str, pod: str, expected: Open) -> None:
    def is_open() -> bool:
        found = judge_now(lab, namespace, pod)
        assert found == expected, (pod, sorted(found), sorted(lab.policies(namespace)))
        return True

    eventually(is_open)


def await_policy(lab: Lab, namespace: str, name: str) -> None:
    eventually(lambda: name in lab.policies(namespace))


def update(lab: Lab, policy: Json) -> None:
    """Replaces a policy's spec, in one write."""
    kept = {"ingress": None, "egress": None, **policy["spec"]}
    lab.patch("NetworkPolicy", policy["metadata"]["name"], {"spec": kept}, policy["metadata"]["namespace"])


class Stage:
    """A namespace with its pods, and the observer that follows it."""

    def __init__(self, lab: Lab, operator: OperatorProcess, namespace: str, instants: Instants) -> None:
        self.lab = lab
        self.operator = operator
        self.namespace = namespace
        self.instants = instants
        self._checks: list[tuple[int, int, Open]] = []
        self._state = BY_GROUP

    def await_state(self, web: Open, since: int, *, at_most: Open | None = None) -> None:
        """Waits until `web` has this state. Nothing may be open meanwhile that neither was before nor is then."""
        await_open(self.lab, self.namespace, "web", web)
        self._checks.append((since, self.instants.mark(), at_most or self._state | web))
        self._state = web

    def check(self) -> None:
        """Looks back at every instant."""
        self.instants.stop()
        for start, end, allowed in self._checks:
            seen = self.instants.find_between("web", start, end)
            assert len(seen) > 1
            assert not [sorted(opened - allowed) for opened in seen if opened - allowed]


@contextmanager
def held(operator: OperatorProcess) -> Iterator[None]:
    """The operator does nothing and hears nothing; afterwards it hears of everything at once."""
    operator.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        operator.process.send_signal(signal.SIGCONT)


def create_pod(lab: Lab, namespace: str, name: str, **annotations: str) -> None:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}, "annotations": annotations}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    lab.create({**pod, "spec": build_pod_spec()}).expect_ok()


@pytest.fixture(params=["PerPod", "PerGroup"])
def stage(lab: Lab, operator: OperatorProcess, namespace: str, request: pytest.FixtureRequest) -> Iterator[Stage]:
    profile = f"owners-{namespace}"
    lab.create_profile(profile, namespace, isolation=request.param, podSecurityGroups="Allow")
    lab.becomes_active(profile)
    eventually(lambda: lab.get("ServiceAccount", "default", namespace))
    with Instants(lab, namespace) as instants:
        create_pod(lab, namespace, "web")
        create_pod(lab, namespace, "other")
        create_pod(lab, namespace, "chosen", **{GROUPS_ANNOTATION: "cluster"})
        for pod in ("web", "other", "chosen"):
            await_open(lab, namespace, pod, BY_GROUP)
        yield Stage(lab, operator, namespace, instants)
    lab.kubectl("delete", "pods", "--all", "-n", namespace, "--wait=false")
    lab.delete_profile(profile)


def test_owners_policies_decide_alone_as_they_come_change_and_go(stage: Stage) -> None:
    lab, namespace, mark = stage.lab, stage.namespace, stage.instants.mark
    began = mark()

    start = mark()
    lab.create(a_policy(namespace, "deny", "Ingress")).expect_ok()
    stage.await_state(OUT, start)

    start = mark()
    friends = [{"from": [{"podSelector": {"matchLabels": FRIEND}}]}]
    update(lab, a_policy(namespace, "deny", "Ingress", ingress=friends))
    stage.await_state(OUT | FROM_FRIEND, start)

    # One goes and another comes at once: nothing of what the group opens shows in between.
    start = mark()
    lab.delete("NetworkPolicy", "deny", namespace)
    lab.create(a_policy(namespace, "also", "Ingress")).expect_ok()
    stage.await_state(OUT, start, at_most=OUT | FROM_FRIEND)

    start = mark()
    outward = [{"to": [{"podSelector": {"matchLabels": FRIEND}}]}]
    update(lab, a_policy(namespace, "also", "Egress", egress=outward))
    stage.await_state(IN | TO_FRIEND, start)

    start = mark()
    update(lab, a_policy(namespace, "also", "Ingress", "Egress"))
    stage.await_state(NOTHING, start)

    # The policy's selector, and then the pod's labels, say that it isn't meant; and that it is.
    start = mark()
    update(lab, a_policy(namespace, "also", "Ingress", "Egress", selector={"matchLabels": {"app": "none"}}))
    stage.await_state(BY_GROUP, start)
    start = mark()
    lab.patch("Pod", "web", {"metadata": {"labels": {"app": "none"}}}, namespace)
    stage.await_state(NOTHING, start)
    start = mark()
    lab.patch("Pod", "web", {"metadata": {"labels": {"app": "web"}}}, namespace)
    stage.await_state(BY_GROUP, start)

    calm = start = mark()
    lab.create(a_policy(namespace, "open", "Egress", selector={}, egress=[{}])).expect_ok()
    await_open(lab, namespace, "other", BY_GROUP | {"to the metadata service"})
    lab.delete("NetworkPolicy", "open", namespace)
    lab.delete("NetworkPolicy", "also", namespace)
    stage.await_state(BY_GROUP, start, at_most=BY_GROUP | {"to the metadata service"})

    stage.check()
    # Whom no policy meant, or who chose, was cut off at no instant: what comes is there before what goes is gone.
    assert set(stage.instants.find_between("other", began, calm)) == {BY_GROUP}
    assert set(stage.instants.find_between("chosen", began)) <= {BY_GROUP, BY_GROUP | {"to the metadata service"}}


def test_what_is_closed_before_a_pod_exists_is_never_open_to_it(stage: Stage) -> None:
    """The operator hears of all of it at once, in whichever order."""
    lab, namespace = stage.lab, stage.namespace
    names = [f"new-{number}" for number in range(8)]
    lab.create(a_policy(namespace, "deny", "Ingress")).expect_ok()
    stage.await_state(OUT, stage.instants.mark())
    with held(stage.operator):
        for name in names:
            selector = {"matchLabels": {"app": name}}
            lab.create(a_policy(namespace, f"deny-{name}", "Ingress", "Egress", selector=selector)).expect_ok()
            create_pod(lab, namespace, name)
    for name in names:
        await_policy(lab, namespace, f"{name}.cluster")
    assert {judge_now(lab, namespace, name) for name in names} == {NOTHING}
    stage.instants.stop()
    for name in names:
        assert set(stage.instants.find_between(name)) == {NOTHING}
