"""What a thief of the operator's token finds: a namespace in a profile, one outside, and what is in them."""

from dataclasses import dataclass
from typing import Any

from monopod.api.names import API_VERSION, RECREATED_ANNOTATION
from monopod.capacity.rules.images.daemon_set import build_name
from monopod.capacity.rules.images.wish import Source
from tests.attack.people import as_operator
from tests.controlplane.operating.capacity.buffers import serve_buffers
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.controlplane.operating.moving import TOLERATION
from tests.resources import RESOURCES

REACHED, OUTSIDE = "token-reached", "token-outside"
SYSTEM = "monopod-system"
PROFILE = "token"
STORED_UID = "33333333-3333-3333-3333-333333333333"
NEVER = [{"name": "example.com/never"}]
POWERFUL = "powerful"
"""A ServiceAccount in the reached namespace that may read every Secret."""


@dataclass(frozen=True)
class Scene:
    """The cluster, with the paths of what is in it."""

    lab: Lab
    supported: str
    """A pod of the profile, behind a gate of its author's."""
    unsupported: str
    """One that Fargate can't run, behind Monopod's gate."""
    bare: str
    """A pod outside."""
    foreign_policy: str
    """A NetworkPolicy of somebody else's, outside."""
    own_policy: str
    """Monopod's own in the reached namespace."""
    foreign_event: str
    own_daemon_set: str
    """Monopod's own in its namespace, which keeps images for the profile."""
    foreign_daemon_set: str
    """Somebody else's there, such as an installer of sandboxes."""


def a_pod(name: str = "", *, annotations: Json | None = None, **spec: Any) -> Json:
    metadata: Json = {"name": name} if name else {"generateName": "by-the-token-"}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "app", "image": "app"}], **spec},
    }


def a_policy(name: str, labels: Json | None = None, selector: Json | None = None) -> Json:
    spec = {"podSelector": selector or {}, "policyTypes": ["Ingress"]}
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def a_daemon_set(name: str) -> Json:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": SYSTEM},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def an_event(name: str, component: str, namespace: str) -> Json:
    about = {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": about,
        "reason": "Seen",
        "message": "seen",
        "source": {"component": component},
    }


def set_the_scene(lab: Lab) -> Scene:
    """Makes everything; the operator has to run."""
    serve_buffers(lab)
    for namespace in (REACHED, OUTSIDE):
        lab.create_namespace(namespace)
        lab.patch("Namespace", namespace, {"metadata": {"labels": {"team": "theirs"}}})
    capabilities = ["SYS_ADMIN", "SYS_PTRACE"]
    lab.create_profile(PROFILE, REACHED, allowedCapabilities=capabilities, warmImages={"images": ["app"]})
    keeper = RESOURCES["DaemonSet"].path(build_name(PROFILE, Source.SPEC), SYSTEM)
    eventually(lambda: lab.get("DaemonSet", build_name(PROFILE, Source.SPEC), SYSTEM))
    lab.create(a_daemon_set("installer")).expect_ok()
    eventually(lambda: lab.phase(PROFILE) == "ACTIVE", 180)
    own = RESOURCES["NetworkPolicy"].path("monopod-base", REACHED)
    eventually(lambda: lab.get("NetworkPolicy", "monopod-base", REACHED))
    pods: dict[str, tuple[str, Json]] = {
        "supported": (REACHED, {"schedulingGates": NEVER}),
        "unsupported": (REACHED, {"hostPID": True, "hostNetwork": True}),
        "bare": (OUTSIDE, {"schedulingGates": NEVER}),
    }
    _create_controlled_pod(lab)
    paths = {name: _create_pod(lab, namespace, name, spec) for name, (namespace, spec) in pods.items()}
    lab.create({**a_policy("theirs"), "metadata": {"name": "theirs", "namespace": OUTSIDE}}).expect_ok()
    lab.create(an_event("theirs", "kubelet", OUTSIDE)).expect_ok()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": POWERFUL, "namespace": REACHED}}
    lab.create(account).expect_ok()
    _store_pod(lab)
    lab.kubectl("create", "clusterrole", POWERFUL, "--verb=get", "--resource=secrets")
    user = f"--serviceaccount={REACHED}:{POWERFUL}"
    lab.kubectl("create", "clusterrolebinding", POWERFUL, f"--clusterrole={POWERFUL}", user)
    return Scene(
        lab,
        foreign_policy=RESOURCES["NetworkPolicy"].path("theirs", OUTSIDE),
        own_policy=own,
        foreign_event=RESOURCES["Event"].path("theirs", OUTSIDE),
        own_daemon_set=keeper,
        foreign_daemon_set=RESOURCES["DaemonSet"].path("installer", SYSTEM),
        **paths,
    )


def _create_controlled_pod(lab: Lab) -> None:
    """`held`, which a controller would replace."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": REACHED}}
    uid = lab.create(owner).expect_ok()["metadata"]["uid"]
    pod = a_pod("held", terminationGracePeriodSeconds=30, tolerations=[TOLERATION])
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": True}
    pod["metadata"] |= {"namespace": REACHED, "ownerReferences": [reference]}
    lab.create(pod).expect_ok()
    # One that is nowhere may be ended at once.
    eventually(lambda: (lab.get("Pod", "held", REACHED) or {})["spec"].get("nodeName"))


def _create_pod(lab: Lab, namespace: str, name: str, spec: Json) -> str:
    lab.create_pod(namespace, name, **spec)
    return RESOURCES["Pod"].path(name, namespace)


def a_stored_pod(name: str, namespace: str, account: str = "default", within: str = "") -> Json:
    """What the operator stores of a pod, or of one of another namespace."""
    manifest = a_pod(name, serviceAccountName=account)
    manifest["metadata"]["namespace"] = within or namespace
    return {
        "apiVersion": API_VERSION,
        "kind": "StoredPod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"profile": PROFILE, "podUID": STORED_UID, "manifest": manifest},
    }


def _store_pod(lab: Lab) -> None:
    """A stored pod that stays: its successor is there, and doesn't run."""
    successor = a_pod("stored", annotations={RECREATED_ANNOTATION: STORED_UID}, schedulingGates=NEVER)
    successor["metadata"]["namespace"] = REACHED
    lab.create(successor).expect_ok()
    as_operator(lab).create(RESOURCES["StoredPod"].list_path(REACHED), a_stored_pod("stored", REACHED)).expect_ok()
