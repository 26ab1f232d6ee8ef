"""Kubernetes' own examples of what its Pod Security Standards refuse, in a namespace whose pods are on Fargate.

Each either runs in its sandbox, if what it asks for is about its own kernel, or not at all: it waits behind a gate, or
the API server refuses it. They come with the Kubernetes that the clusters are made of.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab.build.toolchain import find_module
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, build_profile

NAMESPACE = "pod-security"

ABOUT_THE_NODE = {
    "hostnamespaces",
    "hostpathvolumes",
    "hostports",
    "privileged",
    "windowshostprocess",
    "selinuxoptions",
}
"""Checks of which no example may run. Others have some that may, because they are about the guest alone."""

OF_EVERY_CONTAINER = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
"""Capabilities that the container runtime gives anyway."""

MOUNTED = {"configMap", "downwardAPI", "emptyDir", "nfs", "persistentVolumeClaim", "projected", "secret"}

pytestmark = pytest.mark.skipif(not os.environ.get("MONOPOD_POD_SECURITY"), reason="`make test-deep` runs it")


def read_examples() -> Iterator[tuple[str, Json]]:
    """The check that refuses it, and the pod; each pod once, though many versions of the standards have it."""
    folder = find_module("kubernetes", "k8s.io/pod-security-admission") / "test/testdata"
    seen = set()
    for path in sorted(Path(folder).glob("*/*/fail/*.yaml")):
        pod = yaml.safe_load(path.read_text())
        text = json.dumps([pod["spec"], pod["metadata"].get("annotations")], sort_keys=True)
        if text not in seen:
            seen.add(text)
            yield re.sub(r"\d+$", "", path.stem), pod


def is_about_the_guest(check: str, pod: Json) -> bool:
    """Whether the example may run in a sandbox."""
    containers = [one for kind in ("initContainers", "containers") for one in pod["spec"].get(kind, ())]
    contexts = [one.get("securityContext") or {} for one in containers]
    added = {name for each in contexts for name in (each.get("capabilities") or {}).get("add", ())}
    sources = {key for volume in pod["spec"].get("volumes", ()) for key in volume if key != "name"}
    return (
        check not in ABOUT_THE_NODE
        and added <= OF_EVERY_CONTAINER
        and sources <= MOUNTED
        and not any(each.get("allowPrivilegeEscalation") for each in contexts)
    )


def test_what_pod_security_refuses_runs_in_its_sandbox_or_not_at_all(lab: Lab, operator: OperatorProcess) -> None:
    assert operator.process.poll() is None
    lab.create_namespace(NAMESPACE)
    lab.create(build_profile(NAMESPACE, selectors=[{"namespace": NAMESPACE}])).expect_ok()
    lab.becomes_active(NAMESPACE)
    runs: list[str] = []
    waits: list[str] = []
    wrong: list[tuple[str, Json]] = []
    for check, pod in read_examples():
        metadata = {**pod["metadata"], "namespace": NAMESPACE}
        answer = lab.create({**pod, "metadata": metadata}, dry_run=True)
        if not answer.ok:
            continue  # by Kubernetes itself: fields that contradict each other
        made = answer.body
        waiting = {"name": "monopod.dev/unsupported"} in made["spec"].get("schedulingGates", ())
        (waits if waiting else runs).append(check)
        outside = made["metadata"]["labels"].get("monopod.dev/profile") != NAMESPACE
        if outside or not (waiting or is_about_the_guest(check, pod)):
            wrong.append((check, made["spec"]))
    lab.delete_profile(NAMESPACE)
    assert wrong == []
    assert len(runs) > 50
    assert len(waits) > 100
