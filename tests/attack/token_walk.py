"""The operator's rights, one by one: what is refused of each, and the worst that is left.

Nearly everything is a dry run, which goes through all of admission: what is allowed here is no less harmful for it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from monopod.api.names import BALLOON_PRIORITY_CLASS, GROUP_LABEL_PREFIX, PROFILE_FINALIZER, PROFILE_LABEL
from monopod.kube.objects.resources import CAPACITY_BUFFERS, CONFIG_MAPS, NODE_POOLS
from tests.attack.token_attempt import GONE, Attempt, meta, no, yes
from tests.attack.token_images import of_daemon_sets, of_new_daemon_sets
from tests.attack.token_scene import (
    OUTSIDE,
    POWERFUL,
    PROFILE,
    REACHED,
    SYSTEM,
    Scene,
    a_pod,
    a_policy,
    a_stored_pod,
    an_event,
)
from tests.attack.token_warm import (
    DEPLOYMENTS_HERE,
    TEMPLATES_HERE,
    of_buffers,
    of_deployments,
    of_new_deployments,
    of_templates,
)
from tests.controlplane.operating.lab import Json, eventually
from tests.controlplane.server import APPLY_PATCH, JSON_PATCH
from tests.resources import RESOURCES
from tests.rights import Right

RECREATED = {"monopod.dev/recreated-from": "22222222-2222-2222-2222-222222222222"}
FARGATE = {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "Exists"}]}
STRATEGIC = "application/strategic-merge-patch+json"
OURS = {"monopod.dev/policy": "groups"}


def of_namespaces(_: Scene) -> Sequence[Attempt]:
    ns, system = RESOURCES["Namespace"].path(OUTSIDE), RESOURCES["Namespace"].path("kube-system")
    return (
        no("have the garbage collector delete it", "PATCH", ns, meta(ownerReferences=[GONE])),
        no("hold it by a finalizer", "PATCH", ns, meta(finalizers=["example.com/hold"])),
        no("lift Pod Security", "PATCH", system, meta(labels={"pod-security.kubernetes.io/enforce": "privileged"})),
        no("a label of somebody's", "PATCH", ns, meta(labels={"team": "mine"})),
        no("an annotation of somebody's", "PATCH", ns, meta(annotations={"team": "mine"})),
        no("drop all labels", "PATCH", ns, meta(labels=None)),
        no("a label beside its own", "PATCH", ns, meta(labels={"monopod.dev/fargate": "true", "team": "mine"})),
        yes("put it under profiles of its own making", "PATCH", ns, meta(labels={"monopod.dev/fargate": "true"})),
        yes("take the mark off: new pods run unsandboxed", "PATCH", ns, meta(labels={"monopod.dev/fargate": None})),
        yes("forge the rows", "PATCH", ns, meta(annotations={"monopod.dev/profiles": "web|runc|Pend||"})),
        yes("say what runs on demand", "PATCH", ns, meta(annotations={"monopod.dev/on-demand": "web/1=x,1"})),
        yes("say that it is isolated", "PATCH", ns, meta(annotations={"monopod.dev/isolated": "true"})),
    )


def of_new_namespaces(_: Scene) -> Sequence[Attempt]:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "by-the-token"}}
    return (
        no("create one", "POST", RESOURCES["Namespace"].list_path(), namespace, real=True),
        yes("try one", "POST", RESOURCES["Namespace"].list_path(), namespace),
    )


def of_new_pods(_: Scene) -> Sequence[Attempt]:
    """Here the chart's value barePods.recreate is on, so this is the most that a token is ever worth."""
    reached, outside = RESOURCES["Pod"].list_path(REACHED), RESOURCES["Pod"].list_path(OUTSIDE)

    def pod(**spec: Any) -> Json:
        return a_pod(annotations=RECREATED, **spec)

    def volume(**source: Any) -> Json:
        return pod(volumes=[{"name": "v", **source}])

    def container(**fields: Any) -> Json:
        return pod(containers=[{"name": "app", "image": "app", **fields}])

    beyond = {
        "a host path": volume(hostPath={"path": "/"}),
        "a driver of its own": volume(csi={"driver": "example.com"}),
        "an iSCSI disk": volume(iscsi={"targetPortal": "1.2.3.4", "iqn": "iqn.2001-04.com.example:s", "lun": 0}),
        "the host's network": pod(hostNetwork=True),
        "the host's processes": pod(hostPID=True),
        "a node of its choice": pod(nodeName="kwok-0"),
        "a port of the host": container(ports=[{"containerPort": 80, "hostPort": 80}]),
        "privileges": container(securityContext={"privileged": True}),
        "what only a row allows": container(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}),
        "a GPU": container(resources={"limits": {"nvidia.com/gpu": "1"}}),
        "a raw device": pod(
            containers=[{"name": "app", "image": "app", "volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}],
            volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "v"}}],
        ),
        "a ServiceAccount that reads every Secret": pod(serviceAccountName=POWERFUL),
    }
    system = pod(serviceAccountName="clusterrole-aggregation-controller")
    operator = pod(serviceAccountName="monopod")
    opting_out = a_pod(annotations={**RECREATED, "eks.amazonaws.com/compute-type": "ec2"}, hostPID=True)
    return (
        *(no(what, "POST", reached, each, real=True) for what, each in beyond.items()),
        *(no(f"{what}, tried", "POST", reached, each) for what, each in beyond.items()),
        no("one outside all profiles", "POST", outside, pod(), real=True),
        no("one in kube-system", "POST", RESOURCES["Pod"].list_path("kube-system"), system, real=True),
        no("one beside the operator", "POST", RESOURCES["Pod"].list_path(SYSTEM), operator, real=True),
        no("one that leaves its profile", "POST", reached, opting_out, real=True),
        no("one in nobody's place", "POST", reached, a_pod(), real=True),
        yes("an ordinary one, with the Secrets of its namespace", "POST", reached, volume(secret={"secretName": "s"})),
        yes("one that traces", "POST", reached, container(securityContext={"capabilities": {"add": ["SYS_PTRACE"]}})),
        yes("the same, outside its profile", "POST", reached, a_pod(annotations={**RECREATED, **OPTS_OUT})),
        yes("try any other", "POST", outside, a_pod(hostPID=True)),
    )


OPTS_OUT = {"eks.amazonaws.com/compute-type": "ec2"}


def of_pods(scene: Scene) -> Sequence[Attempt]:
    mine, evil = scene.supported, scene.unsupported
    without_gate = [{"op": "remove", "path": "/spec/schedulingGates"}]
    others_gate = {"spec": {"schedulingGates": [{"name": "example.com/never", "$patch": "delete"}]}}
    groups = {f"{GROUP_LABEL_PREFIX}admin": "true"}
    return (
        no("let a pod out that reaches into its node", "PATCH", evil, without_gate, JSON_PATCH),
        no("lift somebody's gate", "PATCH", mine, others_gate, STRATEGIC),
        no("lift somebody's gate outside", "PATCH", scene.bare, without_gate, JSON_PATCH),
        no("an image", "PATCH", mine, {"spec": {"containers": [{"name": "app", "image": "evil"}]}}, STRATEGIC),
        no("a label", "PATCH", mine, meta(labels={"app": "db"})),
        no("an annotation", "PATCH", mine, meta(annotations={"team": "mine"})),
        no("have it collected", "PATCH", mine, meta(ownerReferences=[GONE])),
        no("hold it", "PATCH", mine, meta(finalizers=["example.com/hold"])),
        no("a deadline", "PATCH", mine, {"spec": {"activeDeadlineSeconds": 1}}),
        no("its profile", "PATCH", mine, meta(labels={PROFILE_LABEL: "other"})),
        no("a group outside", "PATCH", scene.bare, meta(labels=groups)),
        yes("put a pod of a profile into any security group", "PATCH", mine, meta(labels=groups)),
    )


def of_evictions(scene: Scene) -> Sequence[Attempt]:
    path = f"{scene.bare}/eviction"
    uid = (scene.lab.get("Pod", "bare", OUTSIDE) or {})["metadata"]["uid"]

    def eviction(**options: Any) -> Json:
        metadata = {"name": "bare", "namespace": OUTSIDE}
        return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": options}

    known = {"preconditions": {"uid": uid}}
    return (
        no("kill it at once", "POST", path, eviction(gracePeriodSeconds=0, **known)),
        no("whichever has the name", "POST", path, eviction()),
        yes("evict any pod, as its budgets allow", "POST", path, eviction(**known)),
    )


def of_ends(scene: Scene) -> Sequence[Attempt]:
    def end(path: str, name: str, namespace: str, **options: Any) -> tuple[str, str, Json]:
        uid = (scene.lab.get("Pod", name, namespace) or {})["metadata"]["uid"]
        return "DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}, **options}

    held = RESOURCES["Pod"].path("held", REACHED)
    return (
        no("a pod outside", *end(scene.bare, "bare", OUTSIDE)),
        no("one that nothing would replace", *end(scene.supported, "supported", REACHED)),
        no("whichever has the name", "DELETE", held, {"apiVersion": "v1", "kind": "DeleteOptions"}),
        no("at once", *end(held, "held", REACHED, gracePeriodSeconds=0)),
        yes("end a pod of a profile that is replaced, whatever its budgets say", *end(held, "held", REACHED)),
    )


def of_profiles(_: Scene) -> Sequence[Attempt]:
    path = RESOURCES["FargateProfile"].path(PROFILE)
    return (
        no("its selectors", "PATCH", path, {"spec": {"unsupportedPods": "Reject"}}),
        no("a label", "PATCH", path, meta(labels={"team": "mine"})),
        no("an annotation", "PATCH", path, meta(annotations={"team": "mine"})),
        no("have it collected", "PATCH", path, meta(ownerReferences=[GONE])),
        no("hold it", "PATCH", path, meta(finalizers=["example.com/hold", PROFILE_FINALIZER])),
        yes("let go of it", "PATCH", path, meta(finalizers=[])),
    )


def of_profile_statuses(_: Scene) -> Sequence[Attempt]:
    path = f"{RESOURCES['FargateProfile'].list_path()}/{PROFILE}/status"
    return (yes("tell any lie", "PATCH", path, {"status": {"phase": "ACTIVE"}}),)


def of_new_stored_pods(_: Scene) -> Sequence[Attempt]:
    place, system = RESOURCES["StoredPod"].list_path(REACHED), RESOURCES["StoredPod"].list_path("kube-system")
    return (
        no("one in kube-system", "POST", system, a_stored_pod("x", "kube-system")),
        no("one of another namespace", "POST", place, a_stored_pod("x", REACHED, within=OUTSIDE)),
        yes("a manifest that somebody may restore", "POST", place, a_stored_pod("x", REACHED, POWERFUL)),
    )


def of_stored_pods(_: Scene) -> Sequence[Attempt]:
    path = RESOURCES["StoredPod"].path("stored", REACHED)
    other = a_stored_pod("stored", REACHED, POWERFUL)["spec"]
    same = {**a_stored_pod("stored", REACHED)["spec"], "profile": "other"}
    return (
        no("another ServiceAccount", "PATCH", path, {"spec": other}),
        yes("another manifest", "PATCH", path, {"spec": same}),
    )


def of_policies(scene: Scene) -> Sequence[Attempt]:
    own, theirs = scene.own_policy, scene.foreign_policy
    return (
        no("open what is somebody's", "PATCH", theirs, {"spec": {"ingress": [{}]}}),
        no("take it over", "PATCH", theirs, meta(labels=OURS)),
        no("make it over", "PATCH", theirs, {**meta(labels=OURS), "spec": {"podSelector": FARGATE}}),
        no("give its own away", "PATCH", own, meta(labels={"monopod.dev/policy": None})),
        no("select all pods", "PATCH", own, {"spec": {"podSelector": {"matchExpressions": None}}}),
        yes("open the pods of profiles", "PATCH", own, {"spec": {"ingress": [{}]}}),
    )


def of_new_policies(_: Scene) -> Sequence[Attempt]:
    place = RESOURCES["NetworkPolicy"].list_path(OUTSIDE)
    return (
        no("one that isn't its own", "POST", place, a_policy("x", selector=FARGATE)),
        no("one that closes others' pods", "POST", place, a_policy("x", OURS)),
        yes("one for pods of profiles", "POST", place, a_policy("x", OURS, FARGATE)),
    )


def of_groups(_: Scene) -> Sequence[Attempt]:
    group = {"apiVersion": "monopod.dev/v1beta1", "kind": "SecurityGroup", "spec": {}}
    return (no("any other", "POST", RESOURCES["SecurityGroup"].list_path(), {**group, **meta(name="web")}),)


def of_new_events(_: Scene) -> Sequence[Attempt]:
    place = RESOURCES["Event"].list_path(OUTSIDE)
    return (
        no("in another's name", "POST", place, an_event("x", "kubelet", OUTSIDE)),
        yes("about anything, in Monopod's name", "POST", place, an_event("x", "monopod", OUTSIDE)),
    )


def of_events(scene: Scene) -> Sequence[Attempt]:
    return (
        no("reword another's", "PATCH", scene.foreign_event, {"message": "all is well"}),
        no("take it over", "PATCH", scene.foreign_event, {"source": {"component": "monopod"}}),
    )


def only(method: str, path: str, what: str, body: Any = None, kind: str = "") -> Callable[[Scene], Sequence[Attempt]]:
    return lambda _: (yes(what, method, path, body, kind),)


CONFIGMAPS = CONFIG_MAPS.list_path(SYSTEM)
LEASES = RESOURCES["Lease"].list_path(SYSTEM)
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
ROWS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "monopod-namespaces"}, "data": {"rows": ""}}


def of_new_leases(_: Scene) -> Sequence[Attempt]:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "another"}}
    return (yes("make others", "POST", LEASES, lease),)


WRITES: dict[str, Callable[[Scene], Sequence[Attempt]]] = {
    "patch namespaces": of_namespaces,
    "create namespaces": of_new_namespaces,
    "create pods": of_new_pods,
    "patch pods": of_pods,
    "delete pods": of_ends,
    "create pods/eviction": of_evictions,
    "patch fargateprofiles.monopod.dev": of_profiles,
    "patch fargateprofiles.monopod.dev/status": of_profile_statuses,
    "create storedpods.monopod.dev": of_new_stored_pods,
    "patch storedpods.monopod.dev": of_stored_pods,
    "patch storedpods.monopod.dev/status": only(
        "PATCH",
        f"{RESOURCES['StoredPod'].list_path(REACHED)}/stored/status",
        "tell any lie",
        {"status": {"phase": "Stored"}},
    ),
    "delete storedpods.monopod.dev": only("DELETE", RESOURCES["StoredPod"].path("stored", REACHED), "lose a manifest"),
    "create networkpolicies.networking.k8s.io": of_new_policies,
    "patch networkpolicies.networking.k8s.io": of_policies,
    "delete networkpolicies.networking.k8s.io": lambda scene: (
        no("somebody's", "DELETE", scene.foreign_policy),
        yes("leave pods of profiles open", "DELETE", scene.own_policy),
    ),
    "create securitygroups.monopod.dev": of_groups,
    "patch securitygroups.monopod.dev/status": only(
        "PATCH",
        f"{RESOURCES['SecurityGroup'].list_path()}/cluster/status",
        "say that nobody uses it",
        {"status": {"pods": 0}},
    ),
    "create daemonsets.apps (own)": of_new_daemon_sets,
    "patch daemonsets.apps (own)": of_daemon_sets,
    "delete daemonsets.apps (own)": lambda scene: (
        no("an installer of sandboxes", "DELETE", scene.foreign_daemon_set),
        yes("let images go from nodes", "DELETE", scene.own_daemon_set),
    ),
    "create deployments.apps (own)": of_new_deployments,
    "patch deployments.apps (own)": of_deployments,
    "delete deployments.apps (own)": of_deployments,
    "create podtemplates (own)": of_templates,
    "patch podtemplates (own)": of_templates,
    "delete podtemplates (own)": of_templates,
    "create capacitybuffers.autoscaling.x-k8s.io (own)": of_buffers,
    "patch capacitybuffers.autoscaling.x-k8s.io (own)": of_buffers,
    "delete capacitybuffers.autoscaling.x-k8s.io (own)": of_buffers,
    "create events": of_new_events,
    "patch events": of_events,
    "create configmaps (own)": only(
        "PATCH", f"{CONFIGMAPS}/monopod-namespaces?fieldManager=x&force=true", "forge rows to come", ROWS, APPLY_PATCH
    ),
    "patch configmaps (own)": only("PATCH", f"{CONFIGMAPS}/monopod-quota", "refuse new profiles", {"data": None}),
    "create leases.coordination.k8s.io (own)": of_new_leases,
    "update leases.coordination.k8s.io (own)": lambda scene: (
        yes("stop the operator", "PUT", f"{LEASES}/monopod", _read_lease(scene)),
    ),
}

LISTS = {
    **{".".join(filter(None, (each.plural, each.group))): each.list_path() for each in RESOURCES.values()},
    "configmaps": f"{CONFIGMAPS}?fieldSelector=metadata.name=monopod-namespaces",
    "daemonsets.apps": RESOURCES["DaemonSet"].list_path(SYSTEM),
    "nodepools.karpenter.sh": NODE_POOLS.list_path(),
    "deployments.apps": DEPLOYMENTS_HERE,
    "podtemplates": TEMPLATES_HERE,
    "capacitybuffers.autoscaling.x-k8s.io": CAPACITY_BUFFERS.list_path(SYSTEM),
}
"""Where; a watch shows the same."""

GETS = {
    "pods": RESOURCES["Pod"].path("bare", OUTSIDE),
    "persistentvolumes": RESOURCES["PersistentVolume"].path("x"),
    "deployments.apps": RESOURCES["Deployment"].path("x", OUTSIDE),
    "replicasets.apps": RESOURCES["ReplicaSet"].path("x", OUTSIDE),
    "statefulsets.apps": RESOURCES["StatefulSet"].path("x", OUTSIDE),
    "replicationcontrollers": RESOURCES["ReplicationController"].path("x", OUTSIDE),
    "priorityclasses.scheduling.k8s.io": RESOURCES["PriorityClass"].path(BALLOON_PRIORITY_CLASS),
    "jobs.batch": RESOURCES["Job"].path("x", OUTSIDE),
    "configmaps (own)": f"{CONFIGMAPS}/monopod-quota",
    "leases.coordination.k8s.io (own)": f"{LEASES}/monopod",
}
"""By name; that there is none says enough of whether it may be read."""


def _read_lease(scene: Scene) -> Json:
    return eventually(lambda: scene.lab.get("Lease", "monopod", SYSTEM)) or {}


def find_attempts(right: Right, scene: Scene) -> Sequence[Attempt]:
    """What is tried of a right.

    Raises:
        KeyError: nobody has said what its worst is.
    """
    if right.verb in ("list", "watch"):
        return (yes("read them all", "GET", LISTS[right.resource]),)
    if right.verb == "get":
        return (yes("read it, whosever it is", "GET", GETS[right.target]),)
    return WRITES[str(right)](scene)
