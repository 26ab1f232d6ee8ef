"""The dry run that makes a profile ACTIVE: which pod or namespace to try, and what the answer means.

A profile is enforced only if the API server really sandboxes a pod that matches it: policies that are missing, stale
or not yet compiled let pods pass without a word. So the operator creates one as a server-side dry run and checks
what comes back. Where no namespace exists to try it in, the creation of one is tried. Sending is not done here.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.api.names import (
    EKS_PROFILE_LABEL,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    PROFILE_LABEL,
    SELECTORS_ANNOTATION,
    UNSUPPORTED_GATE,
)
from monopod.kube.objects.label_selector import is_label_key, is_label_value
from monopod.kube.objects.names import is_dns_label
from monopod.pods.rules.selection import Selector, is_written

# Never pulled: the pod is only tried, not created.
IMAGE = "registry.k8s.io/pause:3.10"

# What a `*` is tried with, in this order. (A `?` is tried as x, which is valid everywhere, then as 0.)
FILLINGS = ("", "x", "x0", "x1", "x2", "x3", "x4", "xx/x", "x.x/x")


@dataclass(frozen=True, slots=True)
class PodDryRun:
    """A pod to try in this namespace."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    profile: str
    runtime_class: str


@dataclass(frozen=True, slots=True)
class NamespaceDryRun:
    """A namespace to try, and the profile's compiled selectors, which it should come back with among others."""

    namespace: str
    compiled: str


DryRun = PodDryRun | NamespaceDryRun


@dataclass(frozen=True, slots=True)
class Pending:
    """No result yet."""


@dataclass(frozen=True, slots=True)
class Sandboxed:
    """The answer is as it should be. `where` names what was tried, for a message."""

    where: str


@dataclass(frozen=True, slots=True)
class NotSandboxed:
    """The API server accepted the dry run, but not as this profile says."""

    where: str
    saw: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The API server refused the dry run, in these words."""

    where: str
    answer: str


@dataclass(frozen=True, slots=True)
class Impossible:
    """No valid pod can match."""


Outcome = Pending | Sandboxed | NotSandboxed | Refused | Impossible


@functools.lru_cache(maxsize=8192)  # asked for every selector whenever profiles are reconciled
def compute_pod_labels(selector: Selector) -> tuple[tuple[str, str], ...] | None:
    """Valid labels that satisfy the selector; None if there are none, as for the value pattern `*-`."""
    labels: dict[str, str] = {}
    # Exact keys first: a wildcard key can evade them, not the other way round.
    for key_pattern, value_pattern in sorted(selector.labels, key=lambda pair: ("*" in pair[0], "?" in pair[0], pair)):
        value = next((text for text in _fill(value_pattern) if is_label_value(text)), None)
        if value is None:
            return None
        keys = (text for text in _fill(key_pattern) if is_label_key(text) and not is_written(text))
        key = next((text for text in keys if labels.get(text, value) == value), None)
        if key is None:
            return None
        labels[key] = value
    return tuple(sorted(labels.items()))


def get_namespace_names(pattern: str) -> Iterator[str]:
    """Valid namespace names that the pattern matches, the shortest first."""
    return (text for text in _fill(pattern) if is_dns_label(text))


def _fill(pattern: str) -> Iterator[str]:
    stars = FILLINGS if "*" in pattern else FILLINGS[:1]
    marks = "x0" if "?" in pattern else "x"
    return (pattern.replace("*", star).replace("?", mark) for star, mark in itertools.product(stars, marks))


def build_pod(dry_run: PodDryRun) -> dict[str, Any]:
    """The pod of a dry run: pinned to its profile, and within the restricted Pod Security Standard."""
    labels = {EKS_PROFILE_LABEL: dry_run.profile, **dict(dry_run.labels)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "monopod-probe-", "namespace": dry_run.namespace, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "probe",
                    "image": IMAGE,
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def build_namespace(dry_run: NamespaceDryRun) -> dict[str, Any]:
    """The namespace of a dry run."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": dry_run.namespace}}


def judge_pod(pod: Mapping[str, Any], dry_run: PodDryRun) -> Outcome:
    """Whether the pod that came back is sandboxed by the dry run's profile."""
    where = f"a pod in namespace {dry_run.namespace}"
    checks: tuple[Callable[[Mapping[str, Any], PodDryRun], str], ...] = (
        _find_other_profile,
        _find_other_runtime,
        _compute_gate,
    )
    saw = [fault for check in checks if (fault := check(pod, dry_run))]
    return NotSandboxed(where, "; ".join(saw)) if saw else Sandboxed(where)


def _find_other_profile(pod: Mapping[str, Any], dry_run: PodDryRun) -> str:
    mark = (pod["metadata"].get("labels") or {}).get(PROFILE_LABEL)
    if mark == dry_run.profile:
        return ""
    return f"it belongs to profile {mark}" if mark else f"it has no label {PROFILE_LABEL}"


def _find_other_runtime(pod: Mapping[str, Any], dry_run: PodDryRun) -> str:
    runtime_class = pod["spec"].get("runtimeClassName")
    if runtime_class == dry_run.runtime_class:
        return ""
    return f"its runtimeClassName is {runtime_class or 'not set'}, not {dry_run.runtime_class}"


def _compute_gate(pod: Mapping[str, Any], dry_run: PodDryRun) -> str:
    gates = {gate.get("name") for gate in pod["spec"].get("schedulingGates") or ()}
    return "it was taken for a pod that Fargate can't run" if UNSUPPORTED_GATE in gates else ""


def judge_namespace(namespace: Mapping[str, Any], dry_run: NamespaceDryRun) -> Outcome:
    """Whether the namespace that came back carries what a namespace of the profile must carry."""
    where = f"a namespace named {dry_run.namespace}"
    metadata = namespace["metadata"]
    if (metadata.get("labels") or {}).get(NAMESPACE_LABEL) != NAMESPACE_LABEL_VALUE:
        return NotSandboxed(where, f"it has no label {NAMESPACE_LABEL}={NAMESPACE_LABEL_VALUE}")
    compiled = str((metadata.get("annotations") or {}).get(SELECTORS_ANNOTATION) or "")
    if not set(dry_run.compiled.splitlines()) <= set(compiled.splitlines()):
        return NotSandboxed(where, f"its annotation {SELECTORS_ANNOTATION} lacks the profile's compiled selectors")
    return Sandboxed(where)
