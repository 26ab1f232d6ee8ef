"""Facts about a cluster in which all is well, to be spoiled one at a time."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from monopod.cli.doctor.diagnosis import Facts
from tests.unit.builders import a_profile_resource

Json = dict[str, Any]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXPECTED = (("MutatingAdmissionPolicy", "monopod-pods"), ("ValidatingAdmissionPolicyBinding", "monopod-marks"))


def a_node(name: str = "node-1", **labels: str) -> Json:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.36.3"},
            "runtimeHandlers": [{"name": ""}, {"name": "runsc"}, {"name": "kata-qemu-runtime-rs"}],
        },
    }


def a_runtime_class(name: str = "gvisor", handler: str = "runsc", **fields: object) -> Json:
    return {"metadata": {"name": name}, "handler": handler, **fields}


def a_live_profile(name: str, *selectors: Mapping[str, object], phase: str = "ACTIVE", message: str = "") -> Json:
    resource = a_profile_resource(name, *(dict(selector) for selector in selectors or ({"namespace": name},)))
    condition = {"type": "Ready", "status": "Unknown", "message": message}
    return {**resource, "status": {"phase": phase, "conditions": [condition]}}


def a_lease(seconds_ago: float = 3, holder: str = "monopod-1") -> Json:
    renewed = (NOW - timedelta(seconds=seconds_ago)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 10}}


def a_deployment(ready: int = 2, wanted: int = 2, sandbox: str = "gvisor") -> Json:
    container = {"name": "operator", "args": ["run", f"--sandbox={sandbox}"]}
    return {
        "metadata": {"name": "monopod"},
        "spec": {"replicas": wanted, "template": {"spec": {"containers": [container]}}},
        "status": {"readyReplicas": ready} if ready else {},
    }


HEALTHY = Facts(
    version={"gitVersion": "v1.36.3"},
    admission_kinds=frozenset({"mutatingadmissionpolicies"}),
    pod_level_resources=True,
    policies=[
        {"kind": kind, "metadata": {"name": name}, "spec": {"validationActions": ["Deny"]}} for kind, name in EXPECTED
    ],
    expected=EXPECTED,
    profiles=[a_live_profile("web")],
    runtime_classes=[a_runtime_class()],
    nodes=[a_node()],
    cgroup_drivers={"node-1": "cgroupfs"},
    deployments=[a_deployment()],
    lease=a_lease(),
    namespace="monopod-system",
    now=NOW,
)


def a_cluster(**differences: Any) -> Facts:
    return replace(deepcopy(HEALTHY), **differences)
