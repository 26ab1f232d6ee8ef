"""What is left of a stored pod once everything is taken off that its author didn't write."""

from copy import deepcopy
from typing import Any

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    EKS_PROFILE_LABEL,
    ISOLATION_GATE,
    PROFILE_LABEL,
    RECREATED_ANNOTATION,
    SPOT_PRIORITY_CLASS,
    TASK_LABEL,
    VOLUMES_GATE,
)
from monopod.pods.rules.original import compute_original
from tests.unit.builders import PodBuilder, a_pod

Manifest = dict[str, Any]

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
CREATED: Manifest = {
    "f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}}
}


def recorded(pod: PodBuilder, *entries: Manifest) -> Manifest:
    """The pod with the record of its creation, and with these entries of others."""
    built = pod.in_namespace("default").build()
    built["metadata"] |= {"uid": "1", "resourceVersion": "2", "creationTimestamp": "2026-01-01T00:00:00Z"}
    built["metadata"]["managedFields"] = [{"manager": "kubectl", "fieldsV1": CREATED}, *entries]
    built["status"] = {"phase": "Running"}
    return built


def entry(spec: Manifest | None = None, subresource: str = "", **metadata: Manifest) -> Manifest:
    fields = {"f:metadata": {f"f:{field}": below for field, below in metadata.items()}, "f:spec": spec or {}}
    return {"manager": "someone", "fieldsV1": fields, **({"subresource": subresource} if subresource else {})}


def plain() -> Manifest:
    return a_pod().in_namespace("default").build()


def test_what_the_api_server_and_the_scheduler_write_is_left_out() -> None:
    pod = a_pod().with_spec(
        nodeName="node-1", priority=0, preemptionPolicy="PreemptLowerPriority", overhead={"cpu": "1"},
        serviceAccountName="default", serviceAccount="default", restartPolicy="Always", ephemeralContainers=[{}],
    )  # fmt: skip
    assert compute_original(recorded(pod, entry({"f:restartPolicy": {}}))) == plain()


def test_a_node_that_the_author_named_stays() -> None:
    pod = recorded(a_pod().with_spec(nodeName="node-1"), entry({"f:nodeName": {}}))
    assert compute_original(pod)["spec"]["nodeName"] == "node-1"


def test_the_volume_of_the_service_accounts_token_is_left_out_and_the_authors_stay() -> None:
    pod = recorded(
        a_pod().with_volume("kube-api-access-x2x7p", projected={"sources": []}).with_volume("data", emptyDir={}),
        entry({"f:volumes": {'k:{"name":"data"}': {".": {}, "f:emptyDir": {}, "f:name": {}}}}),
        entry({"f:containers": {'k:{"name":"app"}': {"f:volumeMounts": {'k:{"mountPath":"/data"}': {}}}}}),
    )
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "kube-api-access-x2x7p", "mountPath": TOKEN}]
    pod["spec"]["containers"][0]["volumeMounts"] = mounts
    spec = compute_original(pod)["spec"]
    assert spec["volumes"] == [{"name": "data", "emptyDir": {}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]


def test_a_sidecar_that_a_webhook_injected_is_left_out() -> None:
    pod = recorded(a_pod().with_container("proxy").with_init("proxy-init").annotated({"injected": "yes"}))
    assert compute_original(pod) == plain()


def test_requests_that_a_limit_range_filled_in_are_left_out() -> None:
    assert compute_original(recorded(a_pod().requesting(cpu="100m"))) == plain()


def test_labels_and_annotations_of_any_author_stay_and_those_of_admission_and_bindings_do_not() -> None:
    pod = (
        a_pod()
        .labelled({"app": "web", "topology.kubernetes.io/zone": "z1", PROFILE_LABEL: "web", EKS_PROFILE_LABEL: "web"})
        .annotated(
            {"kubectl.kubernetes.io/last-applied-configuration": "{}", "added": "later", CAPACITY_ANNOTATION: ""}
        )
    )
    labels: Manifest = {".": {}, "f:app": {}}
    annotations: Manifest = {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}
    writers = entry(labels=labels, annotations=annotations), entry(annotations={"f:added": {}})
    metadata = compute_original(recorded(pod, *writers))["metadata"]
    assert metadata["labels"] == {"app": "web"}
    assert metadata["annotations"] == {"kubectl.kubernetes.io/last-applied-configuration": "{}", "added": "later"}


def test_what_kubelets_and_network_plugins_say_of_a_running_pod_is_left_out() -> None:
    pod = a_pod().annotated({"cni.projectcalico.org/podIP": "10.0.0.1/32", "example.com/address": "10.0.0.1"})
    names: Manifest = {".": {}, "f:cni.projectcalico.org/podIP": {}, "f:example.com/address": {}}
    assert compute_original(recorded(pod, entry(subresource="status", annotations=names))) == plain()


def test_a_pin_of_the_authors_stays() -> None:
    pod = recorded(a_pod().labelled({EKS_PROFILE_LABEL: "web"}), entry(labels={f"f:{EKS_PROFILE_LABEL}": {}}))
    assert compute_original(pod)["metadata"]["labels"] == {EKS_PROFILE_LABEL: "web"}


def test_marks_that_came_with_a_copied_manifest_are_left_out() -> None:
    ours = {PROFILE_LABEL: "web", TASK_LABEL: "0", "sg.monopod.dev/web": "member", "monopod.dev/security-groups": "1"}
    pod = a_pod().labelled(ours).annotated({CAPACITY_ANNOTATION: "x", RECREATED_ANNOTATION: "1"})
    pod.with_spec(schedulingGates=[{"name": VOLUMES_GATE}, {"name": "example.com/wait"}, {"name": ISOLATION_GATE}])
    copied = entry(
        {
            "f:schedulingGates": {
                f'k:{{"name":"{name}"}}': {} for name in (VOLUMES_GATE, ISOLATION_GATE, "example.com/wait")
            }
        },
        labels={f"f:{key}": {} for key in ours},
        annotations={f"f:{CAPACITY_ANNOTATION}": {}, f"f:{RECREATED_ANNOTATION}": {}},
    )
    expected = plain()
    expected["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
    assert compute_original(recorded(pod, copied)) == expected


def test_what_spot_made_of_a_pod_is_left_out_with_a_record_and_without() -> None:
    spot = {PROFILE_LABEL: "web", CAPACITY_PROVIDER_LABEL: "FARGATE_SPOT"}
    pod = a_pod().labelled(spot)
    pod.with_spec(priorityClassName=SPOT_PRIORITY_CLASS, priority=-5, preemptionPolicy="PreemptLowerPriority")
    assert compute_original(recorded(pod, entry({"f:priorityClassName": {}}))) == plain()
    lost = recorded(pod)
    del lost["metadata"]["managedFields"]
    assert compute_original(lost) == plain()
    own = recorded(a_pod().with_spec(priorityClassName=SPOT_PRIORITY_CLASS), entry({"f:priorityClassName": {}}))
    assert compute_original(own)["spec"]["priorityClassName"] == SPOT_PRIORITY_CLASS, "no profile's, so its author's"


def test_without_a_record_everything_stays_but_what_is_the_api_servers_beyond_doubt() -> None:
    pod = a_pod().labelled(app="web").in_namespace("default")
    pod.with_spec(nodeName="node-1", nodeSelector={"disk": "ssd"}, serviceAccountName="default")
    kept = pod.build()
    lost = pod.annotated({"cni.projectcalico.org/podIP": "10.0.0.1/32"}).with_spec(priority=0).build()
    lost["metadata"] |= {
        "uid": "1",
        "managedFields": [{"manager": "cleaner", "fieldsV1": {"f:spec": {"f:containers": {}}}}],
    }
    assert compute_original(lost) == kept


def test_only_the_tolerations_that_admission_appends_are_left_out() -> None:
    late = [
        {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for state in ("not-ready", "unreachable")
    ]
    own = [{"key": "disk", "operator": "Exists"}, {**late[0], "tolerationSeconds": 5}]
    pod = recorded(a_pod().with_spec(tolerations=[*own, *late]), entry({"f:tolerations": {}}))
    assert compute_original(pod)["spec"]["tolerations"] == own


def test_what_the_api_server_makes_of_label_keys_is_left_out_and_the_authors_selector_stays() -> None:
    """It appends an expression for each key that is one of the pod's labels, and refuses a pod that has it already."""
    own = {"key": "role", "operator": "NotIn", "values": ["test"]}
    same = {"key": "version", "operator": "In", "values": ["1"]}
    other = {"key": "role", "operator": "NotIn", "values": ["db"]}
    keys = {"matchLabelKeys": ["version", "unset"], "topologyKey": "zone"}
    term = {**keys, "mismatchLabelKeys": ["role"], "labelSelector": {"matchExpressions": [own, same, other]}}
    weighted = {"weight": 1, "podAffinityTerm": {**keys, "labelSelector": {"matchExpressions": [same]}}}
    affinity = {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]},
        "nodeAffinity": {},
    }
    pod = a_pod().with_spec(
        affinity=affinity, topologySpreadConstraints=[{**keys, "labelSelector": {"matchExpressions": [own, same]}}]
    )
    spec = compute_original(recorded(pod, entry({"f:affinity": {}, "f:topologySpreadConstraints": {}})))["spec"]
    (kept,) = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert kept == {**term, "labelSelector": {"matchExpressions": [own]}}
    (kept,) = spec["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert kept["podAffinityTerm"] == {**keys, "labelSelector": {}}, (
        "none would select nothing, an empty one everything"
    )
    assert spec["topologySpreadConstraints"] == [{**keys, "labelSelector": {"matchExpressions": [own]}}]


def test_owners_that_are_no_controllers_and_finalizers_stay() -> None:
    pod = recorded(a_pod().owned_by("Database", "example.com/v1"))
    pod["metadata"]["finalizers"] = ["example.com/backup"]
    metadata = compute_original(pod)["metadata"]
    assert [owner["kind"] for owner in metadata["ownerReferences"]] == ["Database"]
    assert metadata["finalizers"] == ["example.com/backup"]


def test_the_pod_itself_is_left_alone() -> None:
    pod = recorded(a_pod().with_volume("s", secret={"secretName": "s", "defaultMode": 420}))
    before = deepcopy(pod)
    compute_original(pod)
    assert pod == before
