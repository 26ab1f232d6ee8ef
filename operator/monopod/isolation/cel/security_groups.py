"""Security groups and NetworkPolicies, as far as the API server guards them.

A group that is in use stays. Monopod's own NetworkPolicies, which it knows by their label, are no one else's to touch.
And an administrator may have others' policies refused that would open a pod further than its groups do.
"""

from collections.abc import Sequence
from typing import Final

from monopod.api.names import CONTROLLER_MANAGER, POLICY_LABEL, PROFILE_LABEL
from monopod.cel.expressions import Validation, Variable, quote

USERS_SHOWN = 3

USERS = Variable(
    "users",
    "What uses the group, as the operator saw it: FargateProfile/web, SecurityGroupPolicy/shop/db.",
    "oldObject.?status.?usedBy.orValue([])",
)

PODS = Variable("pods", "How many pods belong to it.", "oldObject.?status.?pods.orValue(0)")

GROUP_USE = (USERS, PODS)

NOT_IN_USE = Validation(
    "A pod whose group doesn't exist is denied all traffic.",
    "variables.users.size() == 0 && variables.pods == 0",
    "This security group is in use.",
    f"""
    'Security group ' + oldObject.metadata.name + ' is in use by ' + (variables.users.size() == 0
        ? string(variables.pods) + (variables.pods == 1 ? ' pod' : ' pods')
        : variables.users.slice(0, [variables.users.size(), {USERS_SHOWN}].min()).join(', ')
          + (variables.users.size() > {USERS_SHOWN}
            ? ' and ' + string(variables.users.size() - {USERS_SHOWN}) + ' more' : ''))
      + ': its pods would be cut off. Name other groups there first'
      + (variables.users.size() == 0 ? ', or delete the pods.' : '; kubectl get sg -o yaml shows all users.')
    """,
)


GARBAGE_COLLECTORS: Final = ("system:serviceaccount:kube-system:generic-garbage-collector", CONTROLLER_MANAGER)
NAMESPACE_CONTROLLERS: Final = ("system:serviceaccount:kube-system:namespace-controller", CONTROLLER_MANAGER)


def build_kept_by_operator(service_account: str) -> Validation:
    """The validation of NetworkPolicies that are, were, or pretend to be Monopod's.

    Others may write them as they are, as storage migrations do. Kubernetes' own controllers may do what they do: with a
    pod goes its policy, whose owner it is, and with a namespace all of them. A default-deny policy has no owner, so no
    owner that somebody gave it beforehand lets the garbage collector take it.

    Args:
        service_account: the operator's user name, which alone may write, change and delete them.
    """
    return Validation(
        "Without them pods are open. To restore them afterwards is too late: a connection that is open stays open.",
        f"""
        request.userInfo.username == {quote(service_account)} ||
          (request.operation == 'UPDATE' &&
            {_same("spec", "metadata.?labels", "metadata.?annotations")} &&
            ({_is_one_of(GARBAGE_COLLECTORS)} ||
              ({_same("metadata.?ownerReferences", "metadata.?finalizers")}))) ||
          (request.operation == 'DELETE' &&
            ({_is_one_of(NAMESPACE_CONTROLLERS)} ||
              ({_is_one_of(GARBAGE_COLLECTORS)} &&
                oldObject.metadata.?ownerReferences.orValue([]).size() > 0)))
        """,
        f"NetworkPolicies with the label {POLICY_LABEL} isolate pods of Fargate profiles, and only Monopod writes, "
        "changes and deletes them. Leave the label out of your own. What a pod may reach is changed by its security "
        "groups; its policy goes with the pod, and the namespace's when no profile reaches it any more.",
    )


def _same(*fields: str) -> str:
    return " && ".join(f"object.{field} == oldObject.{field}" for field in fields)


def _is_one_of(users: Sequence[str]) -> str:
    return f"request.userInfo.username in [{', '.join(map(quote, users))}]"


OPENS = Variable(
    "opens",
    "Whether the policy opens anything; one without rules only denies.",
    "object.spec.?ingress.orValue([]).size() + object.spec.?egress.orValue([]).size() > 0",
)

SPARES_FARGATE = Variable(
    "sparesFargate",
    "Whether its podSelector can't select a pod of a Fargate profile.",
    f"""
    object.spec.?podSelector.?matchExpressions.orValue([]).exists(need,
      need.key == {quote(PROFILE_LABEL)} && need.operator == 'DoesNotExist')
    """,
)

FOREIGN_POLICY = (OPENS, SPARES_FARGATE)


def build_foreign_refused(service_account: str) -> Validation:
    """The validation of everybody's NetworkPolicies.

    Args:
        service_account: the operator's user name, whose policies may open pods.
    """
    return Validation(
        "NetworkPolicies add up: one that selects a Fargate pod opens it beyond its security groups.",
        f"""
        request.userInfo.username == {quote(service_account)} || !variables.opens || variables.sparesFargate ||
          (request.operation == 'UPDATE' && object.spec == oldObject.spec)
        """,
        "This NetworkPolicy could open pods of Fargate profiles further than their security groups do, which this "
        f"cluster doesn't allow. Leave them out with {{key: {PROFILE_LABEL}, operator: DoesNotExist}} in "
        "spec.podSelector.matchExpressions, and open them by rules of their security groups.",
    )
