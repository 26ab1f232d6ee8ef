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
from monopod.kube.objects.resources import NAMESPACES
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
    server.create(NAMESPACES.list_path(), {"metadata": {"name": namespace}})
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


def poll(attempt: Callable[[], Answer], done: Callable[[Answer], Any]) -> Answer:
    """Repeats a request until its answer will do; fails the test after half a minute."""
    deadline = time.monotonic() + _EFFECT_SECONDS
    while not done(answer := attempt()):
        assert time.monotonic() < deadline, f"not in {_EFFECT_SECONDS} s: {answer.message or answer.body}"
        time.sleep(0.01)  # between two looks; the deadline above bounds them
    return answer
