"""The kind SecurityGroup: which connections its pods may accept and open, as a security group does on AWS.

How rules become NetworkPolicies is decided in `monopod.isolation.rules.network_policies`, which pods have which groups
in `monopod.isolation.rules.membership`. The sources are the EC2 user guide ("Security group rules") and Kubernetes'
NetworkPolicy.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from monopod.api.names import API_VERSION
from monopod.api.parts import ATOMIC_LIST, Condition, GroupName, LabelSelector, Part
from monopod.api.rules import Rule, for_kind

MAX_RULES = 60
"""For each direction, as AWS's quota has it."""

MAX_PEERS = 20
MAX_EXCEPTS = 20

Cidr = Annotated[
    str,
    Field(max_length=43),
    Rule("isCIDR(self)", "must be a CIDR such as 10.0.0.0/8 or fd00::/8"),
    Rule(
        "!isCIDR(self) || cidr(self) == cidr(self).masked()",
        "a CIDR has no bits beyond its prefix: write 10.0.0.0/8 and not 10.1.2.3/8",
    ),
]

Port = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": 1,
            "maximum": 65535,
            "maxLength": 15,
            "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        }
    ),
]


class Peer(Part):
    """The other end of a connection: exactly one of a cidr, a securityGroup, an entity, or selectors."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "[has(self.cidr), has(self.securityGroup), has(self.entity), "
                "has(self.namespaceSelector) || has(self.podSelector)].filter(given, given).size() == 1",
                "must have exactly one of cidr, securityGroup, entity, or namespaceSelector and podSelector",
            ),
            Rule("!has(self.except) || has(self.cidr)", "except belongs to a cidr", "FieldValueForbidden", ".except"),
            Rule(
                "!has(self.except) || !has(self.cidr) || "
                "self.except.all(one, isCIDR(self.cidr) && isCIDR(one) ? cidr(self.cidr).containsCIDR(one) : true)",
                "must lie inside the cidr",
                "FieldValueInvalid",
                ".except",
            ),
        )
    )

    cidr: Cidr | None = None
    """Addresses, IPv4 or IPv6. Anywhere is 0.0.0.0/0 together with ::/0."""

    except_: Annotated[
        list[Cidr] | None, Field(alias="except", max_length=MAX_EXCEPTS, json_schema_extra=ATOMIC_LIST)
    ] = None
    """Parts of the cidr that don't belong to it; at most 20."""

    security_group: GroupName | None = None
    """The pods of this group, in all namespaces. It may be the group itself."""

    namespace_selector: LabelSelector | None = None
    """Namespaces whose pods are meant, or those of them that podSelector selects. `{}` means all."""

    pod_selector: LabelSelector | None = None
    """Pods, of the namespaces that namespaceSelector selects; without it, of the pod's own namespace."""

    entity: Literal["Nodes", "APIServer"] | None = None
    """Something whose addresses Monopod knows. Nodes: the cluster's nodes. APIServer: the Kubernetes API, in egress
    rules only."""


class SecurityGroupRule(Part):
    """What the rules of both directions have in common."""

    description: Annotated[str | None, Field(max_length=255)] = None
    """What the rule is for."""

    protocol: Literal["TCP", "UDP", "SCTP"] | None = None
    """The protocol. Default: all of them."""

    port: Port | None = None
    """The port, a number or the name of a container's port. Default: all ports."""

    end_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """The last port of a range that begins with `port`."""


def _rules_for(field: str, who: str, *more: Rule) -> dict[str, Any]:
    return for_kind(
        Rule(
            f"self.{field}.size() > 0",
            f"{field} must list who {who}; anywhere is the cidr 0.0.0.0/0 and the cidr ::/0",
            "FieldValueRequired",
            f".{field}",
        ),
        Rule(
            "!has(self.port) || has(self.protocol)",
            "a port needs a protocol: TCP, UDP or SCTP",
            "FieldValueRequired",
            ".protocol",
        ),
        Rule(
            "!has(self.endPort) || has(self.port) && type(self.port) == int && int(self.port) <= self.endPort",
            "endPort needs a port that is a number and not larger",
            "FieldValueInvalid",
            ".endPort",
        ),
        *more,
    )


class IngressRule(SecurityGroupRule):
    """Connections that the group's pods accept."""

    model_config = ConfigDict(
        json_schema_extra=_rules_for(
            "from",
            "may connect",
            Rule(
                "!self.from.exists(peer, has(peer.entity) && peer.entity == 'APIServer')",
                "the entity APIServer is a peer of egress rules only; for the calls to webhooks name the entity Nodes "
                "or a cidr",
                "FieldValueForbidden",
                ".from",
            ),
        )
    )

    from_: Annotated[
        list[Peer], Field(alias="from", max_length=MAX_PEERS, json_schema_extra={**ATOMIC_LIST, "default": []})
    ]
    """Who may connect: any of these; 1 to 20."""


class EgressRule(SecurityGroupRule):
    """Connections that the group's pods open."""

    model_config = ConfigDict(
        json_schema_extra=_rules_for(
            "to",
            "may be connected to",
            Rule(
                "!has(self.protocol) || !self.to.exists(peer, has(peer.entity) && peer.entity == 'APIServer')",
                "a rule to the entity APIServer has no protocol and no port: Monopod knows them",
                "FieldValueForbidden",
                ".protocol",
            ),
        )
    )

    to: Annotated[list[Peer], Field(max_length=MAX_PEERS, json_schema_extra={**ATOMIC_LIST, "default": []})]
    """Who may be connected to: any of these; 1 to 20."""


class SecurityGroupSpec(Part):
    """What the pods of the group may accept and open. What no rule allows is denied."""

    description: Annotated[str | None, Field(max_length=255)] = None
    """What the group is for."""

    ingress: Annotated[list[IngressRule], Field(max_length=MAX_RULES, json_schema_extra=ATOMIC_LIST)] = Field(
        default_factory=list
    )
    """Connections that the pods accept; at most 60 rules. Without any they accept none."""

    egress: Annotated[list[EgressRule], Field(max_length=MAX_RULES, json_schema_extra=ATOMIC_LIST)] = Field(
        default_factory=list
    )
    """Connections that the pods open; at most 60 rules. Without any they open none. Answers need no rule."""


class SecurityGroupStatus(Part):
    """What Monopod observed. Written by the operator only."""

    pods: Annotated[int | None, Field(ge=0)] = None
    """How many pods have the group."""

    used_by: Annotated[list[str] | None, Field(json_schema_extra=ATOMIC_LIST)] = None
    """Who names the group, such as `FargateProfile/web`. A group that is in use can't be deleted."""

    observed_generation: Annotated[int | None, Field(ge=0)] = None
    """The metadata.generation of the group that this status is about."""

    conditions: Annotated[
        list[Condition],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = Field(default_factory=list)
    """The group's state, with reasons."""


class SecurityGroup(Part):
    """A SecurityGroup says which connections its pods may accept and open, as a security group does on AWS.

    A pod's groups come from a SecurityGroupPolicy that selects it, from its annotation monopod.dev/security-groups if
    its profile allows that, or from its profile; otherwise it has the group `cluster`. The rules of all its groups
    add up. Changes take effect on running pods within seconds; connections that are open go on.

    Fields that are not listed here are refused by kubectl (--validate=strict, its default).
    """

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",
                "a group's name has at most 63 characters and no dots, because it becomes part of a label's key",
                "FieldValueInvalid",
                ".metadata.name",
            )
        )
    )

    api_version: Annotated[str, Field(description="The API's group and version.")] = API_VERSION
    kind: Annotated[Literal["SecurityGroup"], Field(description="The kind.")] = "SecurityGroup"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The object's metadata; the name is at most 63 characters, without dots."""

    spec: SecurityGroupSpec
    """What the pods of the group may accept and open. What no rule allows is denied."""

    status: SecurityGroupStatus | None = None
    """What Monopod observed. Written by the operator only."""
