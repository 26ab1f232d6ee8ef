"""Pods without a controller on fake nodes, what became of them, and how to have new ones refused."""

from typing import Any

from click.testing import Result

from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.controlplane.operating.moving import build_pod_spec
from tests.unit.cli.running import run

HOLD = "example.com/hold"
"""A finalizer that keeps a pod terminating until the test lets it go."""


def run_pod(lab: Lab, namespace: str, name: str = "toolbox", *, hold: bool = False, **spec: Any) -> str:
    """A pod that runs; its uid."""
    metadata: Json = {"name": name, "namespace": namespace, "labels": {"app": name}, "annotations": {"mine": "x"}}
    if hold:
        metadata["finalizers"] = [HOLD]
    lab.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": build_pod_spec(**spec)}).expect_ok()
    eventually(lambda: find_phase(lab, namespace, name) == "Running")
    return find_uid(lab, namespace, name)


def find_pod(lab: Lab, namespace: str, name: str = "toolbox") -> Json:
    return lab.get("Pod", name, namespace) or {"metadata": {}, "status": {}, "spec": {}}


def find_phase(lab: Lab, namespace: str, name: str = "toolbox") -> str:
    return str(find_pod(lab, namespace, name)["status"].get("phase", ""))


def find_uid(lab: Lab, namespace: str, name: str = "toolbox") -> str:
    return str(find_pod(lab, namespace, name)["metadata"].get("uid", ""))


def get_profile(lab: Lab, namespace: str, name: str = "toolbox") -> str | None:
    labels = find_pod(lab, namespace, name)["metadata"].get("labels", {})
    return str(labels["monopod.dev/profile"]) if "monopod.dev/profile" in labels else None


def find_stored(lab: Lab, namespace: str, name: str = "toolbox") -> str:
    """The phase of a stored pod; "" if there is none."""
    stored = lab.get("StoredPod", name, namespace)
    return str(stored.get("status", {}).get("phase", "Stored")) if stored else ""


def await_phase(lab: Lab, namespace: str, phase: str) -> None:
    eventually(lambda: find_stored(lab, namespace) == phase)


def is_leaving(lab: Lab, namespace: str, name: str = "toolbox") -> bool:
    return "deletionTimestamp" in find_pod(lab, namespace, name)["metadata"]


def let_go(lab: Lab, namespace: str, name: str = "toolbox") -> None:
    lab.patch("Pod", name, {"metadata": {"finalizers": None}}, namespace)


def move(lab: Lab, profile: str, *namespaces: str, **spec: Any) -> None:
    lab.create_profile(profile, *namespaces, barePods="Recreate", **spec)


def is_moved(lab: Lab, namespace: str, profile: str, name: str = "toolbox") -> bool:
    return (
        get_profile(lab, namespace, name) == profile
        and find_phase(lab, namespace, name) == "Running"
        and not find_stored(lab, namespace, name)
    )


def restore(lab: Lab, *arguments: str) -> Result:
    return run("restore", *arguments, "--kubeconfig", str(lab.kubeconfig_path))


def forbid(lab: Lab, namespace: str, *, dry_runs: bool = True) -> None:
    """From now on new pods with a label are refused in the namespace."""
    concerned = "true" if dry_runs else "!request.?dryRun.orValue(false)"
    forbidden = "'example.com/forbidden' in object.metadata.?labels.orValue({})"
    refuse(lab, namespace, f"forbid-{namespace}", f"!({concerned} && {forbidden})", "forbidden here")


def refuse(lab: Lab, namespace: str, name: str, rule: str, message: str) -> None:
    """Has pods refused that break a rule, as someone's webhook would; returns when that is in effect."""
    meta: Json = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    matches = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    rules = {"matchConstraints": matches, "validations": [{"expression": rule, "message": message}]}
    lab.create({**meta, "kind": "ValidatingAdmissionPolicy", "spec": rules}).expect_ok()
    binding = {"policyName": name, "validationActions": ["Deny"]}
    lab.create({**meta, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding}).expect_ok()
    probe: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": namespace, "labels": {"example.com/forbidden": "yes"}},
        "spec": {"containers": [{"name": "app", "image": "app"}], "schedulingGates": [{"name": "example.com/never"}]},
    }

    def is_refused() -> bool:
        lab.delete("Pod", "probe", namespace)
        return message in lab.create(probe).message

    eventually(is_refused)
