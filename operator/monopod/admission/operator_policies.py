"""The policies that bound what the operator's token is worth, each on requests of the operator's user alone.

RBAC can't tell one field, one purpose or a dry run from another. What the rules say is in `restraint`.
"""

from collections.abc import Sequence
from typing import Final

from monopod.admission import restraint, task_restraint
from monopod.admission.shapes import Document, build_validating, core_rule, own_rule, to_documents
from monopod.api.names import PROFILE_PLURAL, SECURITY_GROUP_PLURAL
from monopod.capacity.cel import daemon_sets, warm
from monopod.cel.expressions import Validation, Variable, quote
from monopod.selectors.cel.namespaces import SUBRESOURCES

Policy = tuple[Document, Document]

DRY_RUNS_ONLY: Final = "operator-dry-runs"
"""The policy that is left out where the operator may create pods."""

NO_TASKS: Final = "operator-no-tasks"
"""The policy that is left out where there are tasks of ECS's."""

_NETWORK_POLICIES: Final[Document] = {
    "apiGroups": ["networking.k8s.io"],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE", "DELETE"],
    "resources": ["networkpolicies"],
}

_WRITES: Final = ["CREATE", "UPDATE", "DELETE"]
_WARM: Final[list[Document]] = [
    {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": _WRITES, "resources": ["deployments"]},
    core_rule(_WRITES, ["podtemplates"]),
    {
        "apiGroups": ["autoscaling.x-k8s.io"],
        "apiVersions": ["*"],
        "operations": _WRITES,
        "resources": ["capacitybuffers"],
    },
]


_DAEMON_SETS: Final[Document] = {
    "apiGroups": ["apps"],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE", "DELETE"],
    "resources": ["daemonsets"],
}


def build_operator_policies(
    service_account: str, system_namespace: str, pod_variables: Sequence[Variable], pause_image: str
) -> dict[str, Policy]:
    """Each policy with its binding, under a short name.

    Args:
        service_account: the operator's user name, as in `request.userInfo`.
        system_namespace: where the operator runs.
        pod_variables: the variables of the pods' policies, in whose words pods are judged that it creates.
        pause_image: the one image that pods of its DaemonSets and Deployments run.
    """
    return {
        **_build_pod_policies(service_account, system_namespace, pod_variables),
        **_build_other_policies(service_account),
        "operator-daemon-sets": _build_daemon_sets(service_account, pause_image),
        "operator-warm": _build_warm(service_account, system_namespace, pause_image),
        "stored-pods": _build_stored_pods(service_account, system_namespace),
    }


def _build_pod_policies(
    service_account: str, system_namespace: str, pod_variables: Sequence[Variable]
) -> dict[str, Policy]:
    return {
        "operator-pods": _restrain(
            service_account,
            "monopod-operator-pods",
            "creates pods as dry runs, for tasks of ECS's, or in the place of those that it moved, which Fargate must "
            "be able to run; and changes nothing of a pod but its own scheduling gates, its security groups, and the "
            "deadline of a task's.",
            [core_rule(["CREATE", "UPDATE"], ["pods"])],
            (
                restraint.ONLY_RECREATED,
                restraint.build_only_reached(system_namespace),
                restraint.ONLY_SUPPORTED,
                restraint.ONLY_FEW_CAPABILITIES,
                restraint.ONLY_WITHOUT_POWERS,
                restraint.ONLY_GATES_LIFTED,
            ),
            (*pod_variables, *restraint.MAPS, restraint.RECREATING, task_restraint.IS_TASK),
        ),
        DRY_RUNS_ONLY: _restrain(
            service_account,
            "monopod-operator-dry-runs",
            "creates pods only as dry runs, and for tasks of ECS's, because this installation doesn't recreate pods "
            "without a controller.",
            [core_rule(["CREATE"], ["pods"])],
            (restraint.DRY_RUN,),
            (task_restraint.IS_TASK,),
        ),
        NO_TASKS: _restrain(
            service_account,
            "monopod-operator-no-tasks",
            "creates nothing for tasks of ECS's, because this installation has none.",
            [core_rule(["CREATE"], ["pods", "namespaces"])],
            (task_restraint.NO_TASKS,),
        ),
        "operator-tasks": _restrain(
            service_account,
            "monopod-operator-tasks",
            "deletes only namespaces of clusters of ECS's, and creates no profile but that of tasks.",
            [core_rule(["DELETE"], ["namespaces"]), own_rule(["CREATE"], PROFILE_PLURAL)],
            (task_restraint.ONLY_CLUSTERS_DELETED, task_restraint.ONLY_ECS_PROFILE),
        ),
        "operator-terminations": _restrain(
            service_account,
            "monopod-operator-terminations",
            "deletes only pods of Fargate profiles that something else replaces.",
            [core_rule(["DELETE"], ["pods"])],
            (restraint.ONLY_TERMINATED,),
        ),
        "operator-subresources": _restrain(
            service_account,
            "monopod-operator-subresources",
            "evicts pods, with their own grace periods, and uses no other subresource of them.",
            [core_rule([operation], resources) for operation, resources in restraint.POD_SUBRESOURCES.items()],
            (restraint.ONLY_EVICTED,),
        ),
    }


def _build_other_policies(service_account: str) -> dict[str, Policy]:
    return {
        "operator": _restrain(
            service_account,
            "monopod-operator",
            "creates namespaces only as dry runs, or for clusters of ECS's, and changes nothing of one but its own "
            "label and annotations.",
            [core_rule(["CREATE"], ["namespaces"]), core_rule(["UPDATE"], SUBRESOURCES)],
            (restraint.ONLY_TRIED, restraint.ONLY_MARKED),
            restraint.MAPS,
        ),
        "operator-profiles": _restrain(
            service_account,
            "monopod-operator-profiles",
            "changes nothing of a FargateProfile but its status and its own finalizer.",
            [own_rule(["UPDATE"], PROFILE_PLURAL)],
            (restraint.ONLY_FINALIZER_CHANGED,),
        ),
        "operator-security-groups": _restrain(
            service_account,
            "monopod-operator-security-groups",
            "creates no SecurityGroup but the default one.",
            [own_rule(["CREATE"], SECURITY_GROUP_PLURAL)],
            (restraint.ONLY_DEFAULT_GROUP,),
        ),
        "operator-network-policies": _restrain(
            service_account,
            "monopod-operator-network-policies",
            "writes and deletes only NetworkPolicies of its own, which select pods of Fargate profiles.",
            [_NETWORK_POLICIES],
            (restraint.ONLY_OWN_POLICIES, restraint.ONLY_FARGATE_PODS),
        ),
        "operator-events": _restrain(
            service_account,
            "monopod-operator-events",
            "writes events in its own name only.",
            [core_rule(["CREATE", "UPDATE"], ["events"])],
            (restraint.ONLY_OWN_EVENTS,),
        ),
    }


def _build_warm(service_account: str, system_namespace: str, pause_image: str) -> Policy:
    return _restrain(
        service_account,
        "monopod-operator-warm",
        "writes and deletes only what keeps room warm, no more than a profile may ask for, whose pods can do nothing.",
        _WARM,
        (
            warm.ONLY_WARM,
            warm.build_only_named(system_namespace),
            warm.ONLY_SO_MUCH,
            warm.ONLY_OWN_LABELS,
            warm.ONLY_BALLOONS,
            warm.build_only_pausing(pause_image),
        ),
        warm.VARIABLES,
    )


def _build_daemon_sets(service_account: str, pause_image: str) -> Policy:
    return _restrain(
        service_account,
        "monopod-operator-daemon-sets",
        "writes and deletes only DaemonSets of its own, whose pods keep images on nodes and do nothing.",
        [_DAEMON_SETS],
        (
            daemon_sets.ONLY_OWN_DAEMON_SETS,
            daemon_sets.ONLY_POWERLESS_PODS,
            daemon_sets.build_only_pausing(pause_image),
        ),
        daemon_sets.VARIABLES,
    )


def _restrain(
    service_account: str,
    name: str,
    what: str,
    rules: list[Document],
    validations: Sequence[Validation],
    variables: Sequence[Variable] = (),
) -> Policy:
    by_operator = f"request.userInfo.username == {quote(service_account)}"
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": [{"name": "by-the-operator", "expression": by_operator}],
        **({"variables": to_documents(variables)} if variables else {}),
        "validations": to_documents(validations),
    }
    return build_validating(name, f"Holds the operator to its word: it {what} RBAC can't say so.", spec)


def _build_stored_pods(service_account: str, system_namespace: str) -> Policy:
    return build_validating(
        "monopod-stored-pods",
        "Lets only the operator write StoredPods, from which it creates pods. Who has the right to may delete them.",
        {
            "matchConstraints": {"resourceRules": [own_rule(["CREATE", "UPDATE"], *restraint.STORED_POD_RESOURCES)]},
            "validations": to_documents(restraint.build_stored_pod_validations(service_account, system_namespace)),
        },
    )
