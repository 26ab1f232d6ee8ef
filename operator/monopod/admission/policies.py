"""The policies and their bindings as Kubernetes objects: which requests each looks at, and what happens if it fails.

All fail closed (failurePolicy Fail): an expression that can't be evaluated refuses the request. Each sees as little
as possible: the pod policies only pods of namespaces that a profile reaches, the marks' policies only marked pods.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

from monopod.admission import backstop, bindings, marks, restoration
from monopod.admission.ecs_records import build_ecs_records
from monopod.admission.mutation import POD_PATCH
from monopod.admission.operator_policies import DRY_RUNS_ONLY, NO_TASKS, build_operator_policies
from monopod.admission.revision import get_revision
from monopod.admission.shapes import (
    Document,
    build_mutating,
    build_validating,
    core_rule,
    json_patch,
    own_rule,
    to_documents,
)
from monopod.api.names import (
    CAPACITY_PROVIDER_LABEL,
    FARGATE_SPOT,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    PATTERNS_CONFIGMAP,
    POLICY_LABEL,
    PROFILE_LABEL,
    PROFILE_PLURAL,
    QUOTA_CONFIGMAP,
    REVISION_ANNOTATION,
    SECURITY_GROUP_PLURAL,
    SERVICE_ACCOUNT,
    SYSTEM_NAMESPACE,
)
from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.cel.expressions import format_cel
from monopod.isolation.cel import security_groups
from monopod.isolation.cel.groups import GROUP_VARIABLES
from monopod.pods.cel.exemptions import SKIPS
from monopod.pods.cel.gates import CHECKED_GATES, HAS_CLAIMS
from monopod.pods.cel.selection import SELECTION
from monopod.pods.cel.size import SIZE
from monopod.pods.cel.spot import ENDS_IN_TIME, EVICTED_IN_TIME, SPOT_VARIABLES
from monopod.pods.cel.storage import STORAGE_SIZE
from monopod.pods.cel.support import SUPPORT
from monopod.pods.cel.zones import ZONE_VARIABLES
from monopod.profiles.cel.quota import QUOTA_VARIABLES, WITHIN_QUOTA
from monopod.selectors.cel import namespaces

DEFAULT_SERVICE_ACCOUNT: Final = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{SERVICE_ACCOUNT}"

POD_VARIABLES: Final = (
    *SELECTION,
    *SKIPS,
    *SIZE,
    *STORAGE_SIZE,
    *SPOT_VARIABLES,
    *ZONE_VARIABLES,
    *SUPPORT,
    HAS_CLAIMS,
    *GROUP_VARIABLES,
)
REACHED_NAMESPACES: Final[Document] = {"matchLabels": {NAMESPACE_LABEL: NAMESPACE_LABEL_VALUE}}
PODS_ON_SPOT: Final[Document] = {"matchLabels": {CAPACITY_PROVIDER_LABEL: FARGATE_SPOT}}
MARKED_PODS: Final[Document] = {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "Exists"}]}
UNMARKED_PODS: Final[Document] = {"matchExpressions": [{"key": PROFILE_LABEL, "operator": "DoesNotExist"}]}
NETWORK_POLICY_RULE: Final[Document] = {
    "apiGroups": ["networking.k8s.io"],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["networkpolicies"],
}
CONFIGMAP_KIND: Final[Document] = {"apiVersion": "v1", "kind": "ConfigMap"}


def build_policies(
    service_account: str = DEFAULT_SERVICE_ACCOUNT,
    system_namespace: str = SYSTEM_NAMESPACE,
    *,
    recreate_bare_pods: bool = False,
    runs_tasks: bool = False,
    pause_image: str = PAUSE_IMAGE,
) -> dict[str, tuple[Document, Document]]:
    """Every policy with its binding, under a short name, each with the revision of its text.

    Args:
        service_account: the operator's user name, as in `request.userInfo`.
        system_namespace: where the operator runs and keeps its ConfigMap.
        recreate_bare_pods: whether it may create pods again that it moved.
        runs_tasks: whether it may create what tasks of ECS's need.
        pause_image: what pods of its DaemonSets run.
    """
    built, revisions = _build(service_account, system_namespace, pause_image), _compute_revisions()
    if recreate_bare_pods:
        del built[DRY_RUNS_ONLY]
    if runs_tasks:
        del built[NO_TASKS]
    for kind_and_name, document in ((_key(each), each) for pair in built.values() for each in pair):
        document["metadata"].setdefault("annotations", {})[REVISION_ANNOTATION] = revisions[kind_and_name]
    return built


@cache
def _compute_revisions() -> Mapping[tuple[str, str], str]:
    """By kind and name; the same whatever the operator and its namespace are called."""
    built = _build(DEFAULT_SERVICE_ACCOUNT, SYSTEM_NAMESPACE, PAUSE_IMAGE)
    return {_key(each): get_revision(each["spec"]) for pair in built.values() for each in pair}


def _key(document: Document) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _build(service_account: str, system_namespace: str, pause_image: str) -> dict[str, tuple[Document, Document]]:
    return {
        "pods": _build_pods(),
        "marked-pods": _build_marked_pods(),
        "sandbox": _build_sandbox(),
        "marks": _build_marks(service_account),
        "kept-marks": _build_kept_marks(service_account),
        "bindings": _build_bindings(),
        "spot-deletions": _build_spot_deletions(),
        "spot-evictions": _build_spot_evictions(),
        "new-namespaces": _build_new_namespaces(system_namespace),
        "new-namespaces-check": _build_new_namespaces_check(system_namespace),
        "namespaces": _build_namespaces(service_account),
        "quota": _build_quota(system_namespace),
        **build_operator_policies(service_account, system_namespace, POD_VARIABLES, pause_image),
        "ecs-records": build_ecs_records(),
        "security-groups": _build_security_groups(),
        "network-policies": _build_network_policies(service_account),
    }


def build_optional_policies(service_account: str = DEFAULT_SERVICE_ACCOUNT) -> dict[str, tuple[Document, Document]]:
    """Policies that are installed only where an administrator asks for them.

    Args:
        service_account: the operator's user name, as in `request.userInfo`.
    """
    return {"foreign-policies": _build_foreign_policies(service_account)}


def _build_pods() -> tuple[Document, Document]:
    return build_mutating(
        backstop.MUTATING_POLICY,
        "Selects the Fargate profile of a pod that is being created, and gives the pod its size, its sandbox and its "
        "marks. Reads the profiles from the pod's namespace. Runs a second time after webhooks (IfNeeded), because a "
        "sidecar that one of them injects belongs in the size.",
        {
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {
                "namespaceSelector": REACHED_NAMESPACES,
                "resourceRules": [core_rule(["CREATE"], ["pods"])],
            },
            "variables": to_documents(POD_VARIABLES),
            "mutations": [json_patch(POD_PATCH)],
        },
    )


def _build_marked_pods() -> tuple[Document, Document]:
    return build_validating(
        "monopod-marked-pods",
        "Refuses a new pod with Monopod's mark that doesn't run in its profile's sandbox, at its size, under its name; "
        "and any where no profile reaches. Looks at all namespaces and asks what it reads of the pod's own whether a "
        "profile reaches it. Of two policies, one for each kind of namespace, each would read the namespace for "
        "itself, and a pod could get between them while its label changes.",
        {
            "matchConstraints": {
                "objectSelector": MARKED_PODS,
                "resourceRules": [core_rule(["CREATE"], ["pods"])],
            },
            "variables": to_documents((*POD_VARIABLES, *CHECKED_GATES)),
            "validations": to_documents((marks.NOT_FORGED, *backstop.BACKSTOP)),
        },
    )


def _build_sandbox() -> tuple[Document, Document]:
    return build_validating(
        "monopod-sandbox",
        "Refuses a pod that a Fargate profile matches and that would still not run in the profile's sandbox, at its "
        "size, under its name; and pods that Fargate can't run, where the profile says Reject. Its binding leaves pods "
        "with Monopod's mark to monopod-marked-pods.",
        {
            "matchConstraints": {
                "namespaceSelector": REACHED_NAMESPACES,
                "resourceRules": [core_rule(["CREATE"], ["pods"])],
            },
            "variables": to_documents((*POD_VARIABLES, *CHECKED_GATES)),
            "validations": to_documents(backstop.BACKSTOP),
        },
        # Here and not above: policies are written before all bindings, so in upgrades and on the way back to an earlier
        # version, which judged all pods of a reached namespace by this policy, every pod is judged at every instant.
        {"matchResources": {"objectSelector": UNMARKED_PODS}},
    )


def _build_marks(service_account: str) -> tuple[Document, Document]:
    return build_validating(
        "monopod-marks",
        "Keeps Monopod's marks on pods from being changed or dropped, and the sandbox's size and privileges "
        "from being changed behind admission's back. Kubelets and controllers may change everything else.",
        {
            "matchConstraints": {
                "objectSelector": MARKED_PODS,
                "resourceRules": [core_rule(["UPDATE"], marks.SUBRESOURCES)],
            },
            "matchConditions": [{"name": "may-change-marks", "expression": format_cel(marks.MAY_CHANGE_MARKS)}],
            "variables": to_documents(marks.MARK_VARIABLES),
            "validations": to_documents(marks.build_marks(service_account)),
        },
    )


def _build_kept_marks(service_account: str) -> tuple[Document, Document]:
    return build_mutating(
        "monopod-marks",
        "Gives a pod its marks back that an update lacks, as one does that replaces labels as a whole.",
        {
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {
                "objectSelector": MARKED_PODS,
                "resourceRules": [core_rule(["UPDATE"], ["pods"])],
            },
            "matchConditions": [
                {"name": "lacks-marks", "expression": format_cel(restoration.build_missing(service_account))}
            ],
            "mutations": [json_patch(restoration.RESTORED)],
        },
    )


def _build_bindings() -> tuple[Document, Document]:
    return build_validating(
        "monopod-bindings",
        "Keeps a Binding from writing Monopod's marks on the pod that it binds.",
        {
            "matchConstraints": {"resourceRules": [core_rule(["CREATE"], bindings.SUBRESOURCES)]},
            "variables": to_documents([bindings.TASK]),
            "validations": to_documents(
                [bindings.NOT_BOUND_WITH_MARKS, bindings.NOT_BOUND_WITH_SANDBOX, bindings.BOUND_AS_ITSELF]
            ),
        },
    )


def _build_new_namespaces(system_namespace: str) -> tuple[Document, Document]:
    return build_mutating(
        "monopod-namespaces",
        "Gives a namespace that is being created the label and the selectors of the Fargate profiles that reach it, "
        f"from a ConfigMap that the operator keeps in {system_namespace}.",
        {
            "reinvocationPolicy": "Never",
            "paramKind": CONFIGMAP_KIND,
            "matchConstraints": {"resourceRules": [core_rule(["CREATE"], ["namespaces"])]},
            "variables": to_documents(namespaces.NAMESPACE_VARIABLES),
            "mutations": [json_patch(namespaces.NAMESPACE_PATCH)],
        },
        _param(PATTERNS_CONFIGMAP, system_namespace),
    )


def _build_new_namespaces_check(system_namespace: str) -> tuple[Document, Document]:
    return build_validating(
        "monopod-new-namespaces",
        "Refuses a new namespace whose label or selectors are not those that the profiles give it.",
        {
            "paramKind": CONFIGMAP_KIND,
            "matchConstraints": {"resourceRules": [core_rule(["CREATE"], ["namespaces"])]},
            "variables": to_documents(namespaces.NAMESPACE_VARIABLES),
            "validations": to_documents([namespaces.CREATED_WITH_ITS_SELECTORS]),
        },
        _param(PATTERNS_CONFIGMAP, system_namespace),
    )


def _build_namespaces(service_account: str) -> tuple[Document, Document]:
    return build_validating(
        "monopod-namespaces",
        "Lets only the operator change the label, the selectors and the isolation of a namespace: removing the first "
        "two would let its new pods run unsandboxed at once, and a forged third would let them run open.",
        {
            "matchConstraints": {
                "resourceRules": [core_rule(["CREATE"], ["namespaces"]), core_rule(["UPDATE"], namespaces.SUBRESOURCES)]
            },
            "validations": to_documents(namespaces.build_kept_by_operator(service_account)),
        },
    )


def _build_spot_deletions() -> tuple[Document, Document]:
    return build_validating(
        "monopod-spot-deletions",
        "Keeps pods on Spot from being deleted with a longer grace period than Spot's: they would keep their room.",
        {
            "matchConstraints": {"objectSelector": PODS_ON_SPOT, "resourceRules": [core_rule(["DELETE"], ["pods"])]},
            "validations": to_documents([ENDS_IN_TIME]),
        },
    )


def _build_spot_evictions() -> tuple[Document, Document]:
    return build_validating(
        "monopod-spot-evictions",
        "Keeps pods from being evicted with a longer grace period than Spot's where a profile may run them on it.",
        {
            "matchConstraints": {
                "namespaceSelector": REACHED_NAMESPACES,
                "resourceRules": [core_rule(["CREATE"], ["pods/eviction"])],
            },
            "validations": to_documents([EVICTED_IN_TIME]),
        },
    )


def _build_security_groups() -> tuple[Document, Document]:
    return build_validating(
        "monopod-security-groups",
        "Refuses the deletion of a SecurityGroup that is in use: its pods would be cut off.",
        {
            "matchConstraints": {"resourceRules": [own_rule(["DELETE"], SECURITY_GROUP_PLURAL)]},
            "variables": to_documents(security_groups.GROUP_USE),
            "validations": to_documents([security_groups.NOT_IN_USE]),
        },
    )


def _build_network_policies(service_account: str) -> tuple[Document, Document]:
    return build_validating(
        "monopod-network-policies",
        "Lets only the operator write, change and delete Monopod's NetworkPolicies, which isolate pods.",
        {
            "matchConstraints": {
                "objectSelector": {"matchExpressions": [{"key": POLICY_LABEL, "operator": "Exists"}]},
                "resourceRules": [{**NETWORK_POLICY_RULE, "operations": ["CREATE", "UPDATE", "DELETE"]}],
            },
            "validations": to_documents([security_groups.build_kept_by_operator(service_account)]),
        },
    )


def _build_foreign_policies(service_account: str) -> tuple[Document, Document]:
    return build_validating(
        "monopod-foreign-policies",
        "Refuses NetworkPolicies of others that could open Fargate pods further than their security groups do.",
        {
            "matchConstraints": {
                "namespaceSelector": REACHED_NAMESPACES,
                "resourceRules": [NETWORK_POLICY_RULE],
            },
            "variables": to_documents(security_groups.FOREIGN_POLICY),
            "validations": to_documents([security_groups.build_foreign_refused(service_account)]),
        },
    )


def _build_quota(system_namespace: str) -> tuple[Document, Document]:
    return build_validating(
        "monopod-quota",
        "Refuses a FargateProfile beyond the quota, from the count that the operator keeps in a ConfigMap of "
        f"{system_namespace}.",
        {
            "paramKind": CONFIGMAP_KIND,
            "matchConstraints": {"resourceRules": [own_rule(["CREATE"], PROFILE_PLURAL)]},
            "variables": to_documents(QUOTA_VARIABLES),
            "validations": to_documents([WITHIN_QUOTA]),
        },
        _param(QUOTA_CONFIGMAP, system_namespace),
    )


def _param(name: str, system_namespace: str) -> Document:
    # Allow: with half an installation, or after half a removal, namespaces and profiles can still be created.
    return {"paramRef": {"name": name, "namespace": system_namespace, "parameterNotFoundAction": "Allow"}}
