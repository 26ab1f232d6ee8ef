"""Namespaces that profiles reach, written as the operator writes them, and the wait until admission sees them."""

import itertools
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from monopod.admission.policies import DEFAULT_SERVICE_ACCOUNT
from monopod.api.names import (
    EKS_PROFILE_LABEL,
    GROUP_POLICIES_ANNOTATION,
    ISOLATED_ANNOTATION,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    ON_DEMAND_ANNOTATION,
    PROFILE_LABEL,
    SELECTORS_ANNOTATION,
)
from monopod.kube.objects.resources import (
    CONFIG_MAPS,
    MUTATING_BINDINGS,
    MUTATING_POLICIES,
    NAMESPACES,
    VALIDATING_BINDINGS,
    VALIDATING_POLICIES,
)
from monopod.pods.rules.selection import Profile, Selector
from monopod.selectors.compile import compile_selectors
from tests.controlplane.server import Answer, Server
from tests.unit.builders import a_pod

OPERATOR = DEFAULT_SERVICE_ACCOUNT

_EFFECT_SECONDS = 90
_SENTINEL_LABEL = "sentinel"
_generations = itertools.count(1)


def reach(
    server: Server,
    namespace: str,
    profiles: Sequence[Profile],
    protected: Collection[str] = frozenset(),
    *,
    isolated: bool = True,
    group_policies: str = "",
    on_demand: str = "",
) -> None:
    """Gives the namespace these profiles, and returns when pods created in it are admitted by them.

    The API server learns of a changed namespace after some milliseconds. So one more profile goes along that matches
    no pod of any test, under a name of its own each time; when it is seen, so are the others.

    Args:
        server: the API server.
        namespace: its name; it is created if need be.
        profiles: those of the cluster.
        protected: namespaces that no wildcard reaches.
        isolated: whether the operator has closed the namespace, so that no pod has to wait for that.
        group_policies: the namespace's SecurityGroupPolicies, compiled.
        on_demand: what it says of workloads that Spot lacks room for.
    """
    generation = str(next(_generations))
    sentinel = Profile(f"zz-sentinel-{generation}", (Selector(namespace, ((_SENTINEL_LABEL, generation),)),), "kata")
    create_namespace(server, namespace)
    marks = {
        "labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE},
        "annotations": {
            SELECTORS_ANNOTATION: compile_selectors(namespace, [*profiles, sentinel], protected),
            ISOLATED_ANNOTATION: "true" if isolated else None,
            GROUP_POLICIES_ANNOTATION: group_policies or None,
            ON_DEMAND_ANNOTATION: on_demand or None,
        },
    }
    path = NAMESPACES.path(namespace)
    poll(lambda: server.patch(path, {"metadata": marks}, user=OPERATOR), lambda answer: answer.ok)
    probe = a_pod("sentinel").labelled({_SENTINEL_LABEL: generation, EKS_PROFILE_LABEL: sentinel.name}).build()
    poll(
        lambda: server.create_pod(namespace, probe),
        lambda answer: answer.ok and answer.body["metadata"]["labels"].get(PROFILE_LABEL) == sentinel.name,
    )


def create_namespace(server: Server, name: str) -> None:
    """Makes sure that it is there. A policy that has just come may not have read its ConfigMap, and refuses all."""
    manifest = {"metadata": {"name": name}}
    poll(lambda: server.create(NAMESPACES.list_path(), manifest), lambda answer: answer.ok or answer.status == 409)


def await_policies(server: Server) -> None:
    """Returns when all policies are in effect that are there now.

    The API server compiles them a moment after they were written, with those that came before, and on a busy machine
    that takes seconds. So one more of each sort goes along, and only a request that both see is refused.
    """
    label = {"policies-in-effect": "asked"}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    constraints = {"objectSelector": {"matchLabels": label}, "resourceRules": [rule]}
    expression = "[JSONPatch{op: 'add', path: '/data', value: {'mutated': 'yes'}}]"
    mutation = {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}
    mutating = {"failurePolicy": "Fail", "reinvocationPolicy": "Never", "mutations": [mutation]}
    validating = {"validations": [{"expression": "!has(object.data)", "message": "all are in effect"}]}
    name, paths = "policies-in-effect", []
    for policies, bindings, spec, actions in (
        (MUTATING_POLICIES, MUTATING_BINDINGS, mutating, {}),
        (VALIDATING_POLICIES, VALIDATING_BINDINGS, validating, {"validationActions": ["Deny"]}),
    ):
        for resource, body in (
            (policies, {**spec, "matchConstraints": constraints}),
            (bindings, {"policyName": name, **actions}),
        ):
            server.create(resource.list_path(), {"metadata": {"name": name}, "spec": body}).expect_ok()
            paths.append(resource.path(name))
    asking = {"metadata": {"name": name, "labels": label}}
    poll(
        lambda: server.create(CONFIG_MAPS.list_path("default"), asking, dry_run=True),
        lambda answer: "all are in effect" in answer.message,
    )
    for path in reversed(paths):
        server.delete(path).expect_ok()


def poll(attempt: Callable[[], Answer], done: Callable[[Answer], Any]) -> Answer:
    """Repeats a request until its answer will do; fails the test after a minute and a half."""
    deadline = time.monotonic() + _EFFECT_SECONDS
    while not done(answer := attempt()):
        assert time.monotonic() < deadline, f"not in {_EFFECT_SECONDS} s: {answer.message or answer.body}"
        time.sleep(0.01)  # between two looks; the deadline above bounds them
    return answer
