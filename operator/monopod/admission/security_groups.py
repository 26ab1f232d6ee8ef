"""Security groups and NetworkPolicies, as far as the API server guards them.

A group that is in use stays. NetworkPolicies add up, so the operator must know its own from others: nobody else writes
its label. And an administrator may have others' policies refused that would open a pod further than its groups do.
"""

from monopod.admission.cel import Validation, Variable, quote
from monopod.api.names import POLICY_LABEL, PROFILE_LABEL

USERS_SHOWN = 3

USERS = Variable(
    "users",
    "What uses the group, as the operator saw it: FargateProfile/web, SecurityGroupPolicy/shop/db.",
    "oldObject.?status.?usedBy.orValue([])",
)

PODS = Variable("pods", "How many pods belong to it.", "oldObject.?status.?pods.orValue(0)")

GROUP_USE = (USERS, PODS)

NOT_IN_USE = Validation(
    "A pod whose group doesn't exist is closed.",
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


def build_label_kept(service_account: str) -> Validation:
    """The validation of NetworkPolicies that are, or pretend to be, Monopod's.

    Args:
        service_account: the operator's user name, which alone may write the label.
    """
    label = f"metadata.?labels[?{quote(POLICY_LABEL)}]"
    return Validation(
        "By this label the operator knows its own. It is removed in vain: the operator writes it again.",
        f"""
        request.userInfo.username == {quote(service_account)} || !object.{label}.hasValue() ||
          (request.operation == 'UPDATE' && object.{label} == oldObject.{label})
        """,
        f"metadata.labels[{POLICY_LABEL}] marks the NetworkPolicies that Monopod writes, and only Monopod writes it. "
        "Leave it out of yours, and as it is on Monopod's.",
    )


OPENS = Variable(
    "opens",
    "Whether the policy opens anything; one without rules only closes.",
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
