"""The kind CapacityBuffer, as Karpenter's module has it."""

import yaml

from lab.build.toolchain import find_module
from tests.controlplane.operating.lab import Json, Lab, eventually

_CRD = "pkg/apis/crds/autoscaling.x-k8s.io_capacitybuffers.yaml"


def serve_buffers(lab: Lab) -> str:
    """Has the API server serve the kind, which nothing implements; the name of its definition."""
    crd: Json = yaml.safe_load((find_module("karpenter", "sigs.k8s.io/karpenter") / _CRD).read_text())
    lab.create(crd).expect_ok()
    eventually(lambda: not lab.kubectl("get", "capacitybuffers", "-A", check=False).returncode)
    return str(crd["metadata"]["name"])
