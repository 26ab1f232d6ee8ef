"""What admission adds to the creation of a pod: an API server with Monopod's policies beside one without, in one run.

Both are control planes alone, without nodes: nothing competes but the two API servers, of which one is idle while the
other works. Pods are created for real, in blocks that take turns. The API server's own histograms are read before and
after each block, so they are of that block alone.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab.bench.client import Client, Refused
from lab.bench.figures import Figures, sum_up
from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.installation import apply_api
from lab.cluster.lab_cluster import LabCluster
from lab.progress import step
from lab.services import NotReady
from monopod.api.names import (
    CAPACITY_ANNOTATION,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    SELECTORS_ANNOTATION,
    SERVICE_ACCOUNT,
)
from monopod.kube.objects.resources import NAMESPACES, PODS
from monopod.pods.rules.selection import Profile, Selector
from monopod.selectors.compile import compile_selectors

Object = dict[str, Any]
PROFILES = (1, 10, 100, 300)
"""How many profiles reach the namespace, in the series that have any."""
BLOCK = 20
WARM_UP = 30
SETTLING_SECONDS = 150.0
OPERATOR = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{SERVICE_ACCOUNT}"
PLUGINS = ("MutatingAdmissionPolicy", "ValidatingAdmissionPolicy")
ADMISSION = "apiserver_admission_controller_admission_duration_seconds"
REQUEST = "apiserver_request_duration_seconds"


@dataclass(frozen=True)
class AdmissionFigures:
    """One series: pods created in one kind of namespace.

    Attributes:
        title: Which.
        profiles: How many profiles reach the namespace; None: it isn't reached, or there are no policies at all.
        policies: Whether Monopod's policies are installed.
        client: Seconds from sending a manifest to having the answer.
        server: The mean of the same as the API server measures it.
        admission: The mean of what of it the API server spends in admission policies.
    """

    title: str
    profiles: int | None
    policies: bool
    client: Figures
    server: float
    admission: float


@dataclass
class _Series:
    title: str
    profiles: int | None
    client: Client
    namespace: str
    policies: bool
    times: list[float] = field(default_factory=list)
    server: float = 0.0
    admission: float = 0.0


def measure_admission(count: int) -> tuple[AdmissionFigures, ...]:
    """Creates `count` pods in each kind of namespace, without and with policies."""
    with ExitStack() as stack:
        bare = stack.enter_context(_run_control_plane("bare"))
        ruled = stack.enter_context(_run_control_plane("ruled"))
        apply_api(ruled)
        series = _prepare_series(Client(bare.kubeconfig_path), Client(ruled.kubeconfig_path))
        with step("warming up", 10):
            _warm_up(series)
        with step(f"creating {count} pods of each of {len(series)} series", 60):
            for block in _split(count):
                for one in series:
                    _create_block(one, block)
    return tuple(
        AdmissionFigures(
            one.title, one.profiles, one.policies, sum_up(one.times), one.server / count, one.admission / count
        )
        for one in series
    )


def build_profiles(count: int, namespace: str) -> list[Profile]:
    """Profiles that all reach the namespace, of which only the last takes the benchmark's pods."""
    names = [f"profile-{index:03}" for index in range(count)]
    selectors = [Selector(namespace, (("app", f"app-{index}"), ("tier", "web"))) for index in range(count)]
    return [Profile(name, (selector,), "gvisor") for name, selector in zip(names, selectors, strict=True)]


def build_pod(profiles: int | None) -> Object:
    """An ordinary pod of two containers that the last of so many profiles takes."""
    environment = [{"name": f"SETTING_{index}", "value": "x" * 40} for index in range(10)]
    containers = [
        {
            "name": name,
            "image": f"registry.example.com/{name}:1",
            "env": environment,
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        }
        for name in ("app", "agent")
    ]
    labels = {"app": f"app-{(profiles or 1) - 1}", "tier": "web", "version": "1", "team": "bench"}
    metadata = {"generateName": "pod-", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


@contextmanager
def _run_control_plane(purpose: str) -> Iterator[LabCluster]:
    cluster = LabCluster(f"bench-{purpose}-{os.getpid()}", control_plane_only=True)
    cluster.create(tied_to_caller=True)
    try:
        yield cluster
    finally:
        cluster.delete()


def _prepare_series(bare: Client, ruled: Client) -> list[_Series]:
    series = [
        _Series("no policies", None, bare, "plain", policies=False),
        _Series("policies, namespace not reached", None, ruled, "plain", policies=True),
    ]
    series += [
        _Series(f"policies, {count} profile{'s' if count > 1 else ''}", count, ruled, f"reached-{count}", policies=True)
        for count in PROFILES
    ]
    for one in series:
        one.client.post(NAMESPACES.list_path(), {"metadata": {"name": one.namespace}})
        if one.profiles:
            metadata = {
                "labels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE},
                "annotations": {
                    SELECTORS_ANNOTATION: compile_selectors(
                        one.namespace, build_profiles(one.profiles, one.namespace), ()
                    )
                },
            }
            # In the operator's name: the policies let nobody else write these two.
            one.client.patch(NAMESPACES.path(one.namespace), {"metadata": metadata}, user=OPERATOR)
    return series


def _warm_up(series: list[_Series]) -> None:
    """Until the policies are enforced; after that, until everything is compiled and cached."""
    deadline = time.monotonic() + SETTLING_SECONDS
    while not all([_comes_out_right(one) for one in series]):
        if time.monotonic() > deadline:
            raise NotReady(f"the admission policies are not enforced after {SETTLING_SECONDS:.0f} s")
        time.sleep(0.2)
    for one in series:
        for _ in range(WARM_UP):
            _create(one)


def _comes_out_right(one: _Series) -> bool:
    try:
        return _create(one)
    except Refused:
        return False  # one policy is enforced and the other isn't yet


def _create_block(one: _Series, count: int) -> None:
    before = read_histograms(one.client.get_text("/metrics"))
    for _ in range(count):
        began = time.perf_counter()
        rightly = _create(one)
        one.times.append(time.perf_counter() - began)
        if not rightly:
            raise RuntimeError(f"a pod of the series {one.title} came out wrong")
    after = read_histograms(one.client.get_text("/metrics"))
    one.server += after.request - before.request
    one.admission += after.admission - before.admission
    one.client.delete(PODS.list_path(one.namespace))


def _create(one: _Series) -> bool:
    """Creates a pod and tells whether it came out as it should."""
    pod = one.client.post(PODS.list_path(one.namespace), build_pod(one.profiles))
    return (CAPACITY_ANNOTATION in pod["metadata"].get("annotations", {})) == bool(one.profiles)


@dataclass(frozen=True)
class Histograms:
    """Sums of the API server's histograms, in seconds: creations of pods, and policies at creations."""

    request: float
    admission: float


def read_histograms(metrics: str) -> Histograms:
    """Reads the sums out of what /metrics answers."""
    request = _sum_lines(metrics, f"{REQUEST}_sum", resource="pods", verb="POST")
    admission = sum(_sum_lines(metrics, f"{ADMISSION}_sum", name=plugin, operation="CREATE") for plugin in PLUGINS)
    return Histograms(request, admission)


def _sum_lines(metrics: str, metric: str, **labels: str) -> float:
    wanted = set(labels.items())
    total = 0.0
    for found, value in re.findall(rf"^{metric}\{{(.*)\}} (\S+)$", metrics, re.MULTILINE):
        if wanted <= set(re.findall(r'(\w+)="([^"]*)"', found)):
            total += float(value)
    return total


def _split(count: int) -> list[int]:
    """Blocks that make up the count."""
    whole, rest = divmod(count, BLOCK)
    return [BLOCK] * whole + ([rest] if rest else [])
