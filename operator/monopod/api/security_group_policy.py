"""The kind SecurityGroupPolicy, which is EKS's own (`vpcresources.k8s.aws`): which pods have which groups.

The shape is AWS's, so that manifests apply as they are; the group ids are names of SecurityGroups here. Clusters that
have AWS's definition of the kind keep it. Source: EKS user guide, "Assign security groups to individual Pods".
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from monopod.api.names import GROUP_POLICY_API_VERSION
from monopod.api.parts import ATOMIC_LIST, GroupName, LabelSelector, Part
from monopod.api.rules import Rule, for_kind

MAX_GROUPS = 5


class GroupIds(Part):
    """Security groups."""

    group_ids: Annotated[
        list[GroupName],
        Field(max_length=MAX_GROUPS, json_schema_extra=ATOMIC_LIST),
        Rule("self.size() > 0", "at least one security group is required", "FieldValueRequired"),
    ]
    """Names of SecurityGroups; 1 to 5."""


class SecurityGroupPolicySpec(Part):
    """Which pods of the namespace have which groups."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "has(self.podSelector) || has(self.serviceAccountSelector)",
                "one of podSelector and serviceAccountSelector is required; podSelector: {} selects all pods",
                "FieldValueRequired",
                ".podSelector",
            )
        )
    )

    pod_selector: LabelSelector | None = None
    """Pods by their labels. With serviceAccountSelector too, both must match."""

    service_account_selector: LabelSelector | None = None
    """Pods by the labels of their ServiceAccount."""

    security_groups: GroupIds
    """The groups of the pods. They go before those of the pods' profile; those of several policies add up."""


class SecurityGroupPolicy(Part):
    """A SecurityGroupPolicy gives pods of its namespace security groups, as on EKS.

    Only pods that a FargateProfile takes are meant. Changes take effect on running pods within seconds, where EKS needs
    new pods.
    """

    api_version: Annotated[str, Field(description="The API's group and version.")] = GROUP_POLICY_API_VERSION
    kind: Annotated[Literal["SecurityGroupPolicy"], Field(description="The kind.")] = "SecurityGroupPolicy"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The object's metadata."""

    spec: SecurityGroupPolicySpec
    """Which pods of the namespace have which groups."""
