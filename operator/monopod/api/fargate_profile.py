"""The kind FargateProfile: which pods run each in a sandbox of their own, and how.

The docstrings of kinds and fields are the CRD's descriptions (`kubectl explain`), and the rules next to them are the
CRD's validation, in AWS's words where AWS has them (EKS API reference, CreateFargateProfile; EKS user guide, "Define
which Pods use AWS Fargate when launched"). This module must not know how profiles are matched with pods: that is
`monopod.pods.rules.selection`.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from monopod.api.capacity_provider import CapacityProviderStrategy
from monopod.api.names import (
    API_VERSION,
    CAPACITY_PROVIDER_LABEL,
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    PROFILE_LABEL,
    TASK_LABEL,
)
from monopod.api.parts import ATOMIC_LIST, ATOMIC_MAP, Part
from monopod.api.profile_fields import AnnotationPatterns, Capabilities, GroupNames, MaxUnavailable, Subnets, Tags
from monopod.api.profile_parts.capacity import Capacity
from monopod.api.profile_parts.patching import Patching
from monopod.api.profile_parts.spot import Spot
from monopod.api.profile_parts.warm_images import WarmImages
from monopod.api.profile_status import FargateProfileStatus
from monopod.api.rules import Rule, for_kind, unchangeable

MAX_SELECTORS = 5
MAX_LABELS = 5
LABELS_CEILING = 20
"""The schema's own bound on label pairs. It lies above MAX_LABELS because the API server skips every CEL rule, and
with it AWS's message, once a schema bound is broken; and there must be one, or the rules' cost can't be estimated."""


LabelValuePattern = Annotated[
    str,
    Field(max_length=63),
    Rule(
        "self.matches('^([A-Za-z0-9*?]([-A-Za-z0-9_.*?]*[A-Za-z0-9*?])?)?$')",
        "a label value consists of letters, digits, '-', '_' and '.', and the wildcards '*' and '?'; "
        "it starts and ends with a letter, a digit or a wildcard",
    ),
]

_OTHER_MARKS = (PROFILE_LABEL, GROUP_COUNT_LABEL, TASK_LABEL, CAPACITY_PROVIDER_LABEL)

LabelPatterns = Annotated[
    dict[str, LabelValuePattern],
    Field(max_length=LABELS_CEILING),
    Rule(f"self.size() <= {MAX_LABELS}", f"Request contains Selector with more than {MAX_LABELS} Label pairs"),
    Rule(
        """self.all(key, key.matches('^([a-z0-9*?]([-a-z0-9.*?]{0,251}[a-z0-9*?])?/)?'
           + '[A-Za-z0-9*?]([-A-Za-z0-9_.*?]{0,61}[A-Za-z0-9*?])?$'))""",
        "a label key is a name (at most 63 letters, digits, '-', '_', '.' and the wildcards '*' and '?'), "
        "if need be after a prefix (a lower-case DNS name of at most 253 characters, wildcards allowed) and '/'",
    ),
    Rule(
        f"!('{EKS_PROFILE_LABEL}' in self)",
        f"no pod would match: selectors don't see the label {EKS_PROFILE_LABEL}, because the profile that takes a pod "
        "writes its name there. Select by another label, or none; on a pod, this one chooses among the profiles that "
        "match it",
    ),
    Rule(
        f"!self.exists(key, key in {list(_OTHER_MARKS)} || key.startsWith('{GROUP_LABEL_PREFIX}'))",
        f"no pod would match: selectors don't see the labels that Monopod writes ({', '.join(_OTHER_MARKS)} and those "
        f"that begin with {GROUP_LABEL_PREFIX})",
    ),
]


class Selector(Part):
    """Pods that a profile takes: those of a namespace, or the ones among them that carry certain labels."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "self.namespace != ''",
                "Fargate Profile must have at least one selector with at least one namespace value.",
                "FieldValueRequired",
                ".namespace",
            )
        )
    )

    namespace: Annotated[
        str,
        # The default lets the rule above speak where the schema would say no more than "Required value".
        Field(max_length=63, json_schema_extra={"default": ""}),
        Rule(
            "self.matches('^([a-z0-9*?]([-a-z0-9*?]*[a-z0-9*?])?)?$')",
            "a namespace consists of lower-case letters, digits and '-', and the wildcards '*' and '?'; "
            "it doesn't start or end with '-'",
        ),
    ]
    """The pods' namespace. `*` stands for any number of characters, `?` for exactly one. kube-system and Monopod's
    own namespace are reached only by their exact names, never by a wildcard."""

    labels: Annotated[LabelPatterns, Field(json_schema_extra=ATOMIC_MAP)] = Field(default_factory=dict)
    """Labels that a pod must carry, all of them; at most 5. Keys and values may hold the wildcards `*` and `?`.
    Without labels, every pod of the namespace is taken."""


Selectors = Annotated[
    list[Selector],
    Field(max_length=MAX_SELECTORS),
    # Not as FieldValueDuplicate: for that reason the API server leaves the message out.
    Rule("self.all(one, self.exists_one(other, other == one))", "the same selector is listed twice"),
]


class FargateProfileSpec(Part):
    """Which pods the profile takes, and how they run."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "self.selectors.size() > 0",
                "Fargate Profile requires at least one selector.",
                "FieldValueRequired",
                ".selectors",
            ),
            unchangeable("selectors"),
            unchangeable("runtimeClassName", optional=True),
            unchangeable("podExecutionRoleARN", optional=True),
            unchangeable("subnets", optional=True),
        )
    )

    # The default: as for a selector's namespace.
    selectors: Annotated[Selectors, Field(json_schema_extra={**ATOMIC_LIST, "default": []})]
    """The pods that the profile takes: those that match any of these selectors; 1 to 5. Can't be changed."""

    runtime_class_name: Annotated[
        str | None,
        Field(max_length=253),
        Rule(
            "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
            "the name of a RuntimeClass consists of lower-case letters, digits, '-' and '.', "
            "and starts and ends with a letter or a digit",
        ),
    ] = None
    """The RuntimeClass of the sandbox that each pod runs in. Default: the sandbox that Monopod was installed with,
    else the best that the cluster has: Kata's, else gVisor's. Can't be changed, added or removed."""

    unsupported_pods: Literal["Pend", "Reject"] = "Pend"
    """What becomes of a matching pod that Fargate can't run (host network, privileged containers, hostPath
    volumes and the like). Pend, as on EKS: it is accepted and stays Pending, and an event says why. Reject: its
    creation is refused, with the same words."""

    opt_out: Literal["Allow", "Refuse"] = "Allow"
    """What becomes of a matching pod whose author keeps it out of the profile: by the annotation
    eks.amazonaws.com/compute-type: ec2, a node (spec.nodeName) or a scheduler (spec.schedulerName). Allow, as on EKS:
    it is an ordinary pod. Refuse: its creation is refused, also if only another of its profiles says Allow. Pods that
    the DaemonSet controller creates, and static pods, are ordinary pods either way."""

    pod_execution_role_arn: Annotated[
        str | None,
        Field(alias="podExecutionRoleARN", max_length=640),
        Rule(
            "self == '' || self.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}$')",
            "must be the ARN of an IAM role, as in arn:aws:iam::111122223333:role/NAME",
        ),
    ] = None
    """The IAM role that EKS would use to run the pods. Accepted so that profiles from EKS apply as they are; recorded,
    not used. Can't be changed, added or removed."""

    subnets: Annotated[Subnets | None, Field(json_schema_extra=ATOMIC_LIST)] = None
    """The zones that pods of the profile may run in, as the nodes' label topology.kubernetes.io/zone names them; at
    most 16. On EKS these are IDs of subnets, each of which is in one zone. Default: any. Can't be changed, added or
    removed."""

    security_groups: Annotated[GroupNames, Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """The SecurityGroups of the pods, by name; at most 5. Default: the group `cluster`. A SecurityGroupPolicy that
    selects a pod goes before this. A change takes effect on running pods, too."""

    pod_security_groups: Literal["Ignore", "Allow"] = "Ignore"
    """Whether a pod may choose its groups itself, by the annotation monopod.dev/security-groups (`web,db`), which then
    goes before `securityGroups`."""

    allowed_annotations: Annotated[AnnotationPatterns, Field(json_schema_extra=ATOMIC_LIST)] = Field(
        default_factory=list
    )
    """Annotations that pods may have although they ask something of the node, its container runtime, its devices or
    its network plugin: `k8s.v1.cni.cncf.io/networks`, or `cni.projectcalico.org/*`; at most 20. Other such annotations
    Fargate doesn't support. Those that configure the sandbox can't be allowed."""

    se_linux_options: Annotated[Literal["Unsupported", "Allow"], Field(alias="seLinuxOptions")] = "Unsupported"
    """Whether pods may choose SELinux labels (`seLinuxOptions`), which the node gives to the sandbox. Unsupported: as
    what else Fargate can't run. Allow: where nodes don't enforce SELinux, or a webhook writes the labels, as on
    OpenShift."""

    allowed_capabilities: Annotated[Capabilities, Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """Capabilities of Linux that containers may add (`securityContext.capabilities.add`), in upper case and without
    CAP_: `[SYS_PTRACE]`. They hold in the pod's sandbox, on a kernel of its own. Those that every container has anyway
    needn't be named, and ALL can't be. Default: none, as on EKS. A change holds for new pods."""

    capacity_provider_strategy: CapacityProviderStrategy = Field(default_factory=list)
    """What the pods run on, as ECS says it: `[{capacityProvider: FARGATE_SPOT}]` for Spot, where pods may be
    interrupted, with at most 120 seconds between SIGTERM and SIGKILL. One provider; default: FARGATE, on demand. A
    change holds for new pods."""

    spot: Spot | None = None
    """How the pods use Spot."""

    isolation: Literal["PerPod", "PerGroup"] = "PerPod"
    """How pods are isolated. PerPod, as on EKS, where each has a network interface of its own: a NetworkPolicy for each
    pod. PerGroup, for large clusters: one for all pods of a namespace that have the same groups, with the same
    verdicts."""

    existing_pods: Literal["Reschedule", "Keep"] = "Reschedule"
    """What becomes of pods that exist already and that the profile would take if they were created now. Reschedule:
    they are evicted, a few at a time and as their PodDisruptionBudgets allow, so that whatever controls them makes new
    ones, each in its own sandbox. Keep, as on EKS: they are left where they are."""

    capacity: Capacity | None = None
    """What makes nodes for the profile's pods, so that the condition CapacityAvailable can say why they don't come.
    Default: provider Auto."""

    warm_images: WarmImages | None = None
    """Images that nodes have before pods come, so that these start without a pull."""

    max_unavailable: MaxUnavailable = "10%"
    """How many pods of one workload may be unavailable while its pods are moved: a number, or a percentage of its
    replicas (rounded down, but at least 1)."""

    bare_pods: Literal["Leave", "Recreate"] = "Leave"
    """What rescheduling does with pods that nothing controls, so that nothing would replace them. Leave: nothing.
    Recreate: the pod's manifest is stored in a StoredPod, the pod is evicted, and created again under its name, where
    the installation lets the operator create pods (the chart's value barePods.recreate)."""

    running_jobs: Literal["Leave", "Reschedule"] = "Leave"
    """What rescheduling does with pods that work towards an end: those of Jobs, and others whose restartPolicy isn't
    Always. Leave: nothing, so that their work isn't lost; a Job's next pods are sandboxed. Reschedule: they are moved
    like others, and start from the beginning; a Job counts that as a failure, unless its podFailurePolicy ignores
    disruptions."""

    paused: bool = False
    """Whether rescheduling pauses: nothing more is evicted, and what has begun is finished. The deletion of the profile
    continues."""

    patching: Patching | None = None
    """When pods are replaced because their sandboxes are out of date. Default: from seven days after the notice of a
    patch on, at any time, as their PodDisruptionBudgets allow. `maxUnavailable`, `barePods`, `runningJobs` and `paused`
    hold for this, too."""

    tags: Annotated[Tags, Field(json_schema_extra=ATOMIC_MAP)] = Field(default_factory=dict)
    """Tags of the profile itself; at most 50. As on EKS they are not passed on to pods."""


class FargateProfile(Part):
    """A FargateProfile says which pods run each in a sandbox of their own, as a Fargate profile does on EKS.

    A pod that matches one of the selectors when it is created is sized from Fargate's table, given its own sandbox
    (its own kernel), and labelled eks.amazonaws.com/fargate-profile with the profile's name; its manifest needs no
    change. Matching pods that exist already are replaced by new ones, gently, unless `existingPods` says Keep. Where
    several profiles match, the alphanumerically first name wins, unless the pod pins another matching profile by that
    label.

    Fields that are not listed here are refused by kubectl (--validate=strict, its default).
    """

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "!self.metadata.name.startsWith('eks-')",
                "The fargate profile name starts with the reserved prefix: 'eks-'.",
                "FieldValueInvalid",
                ".metadata.name",
            ),
            Rule(
                "self.metadata.name.size() <= 63",
                "a profile's name has at most 63 characters, because it becomes the value of a label on its pods",
                "FieldValueInvalid",
                ".metadata.name",
            ),
        )
    )

    api_version: Annotated[str, Field(description="The API's group and version.")] = API_VERSION
    kind: Annotated[Literal["FargateProfile"], Field(description="The kind.")] = "FargateProfile"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The object's metadata; the name is at most 63 characters and doesn't start with eks-."""

    spec: FargateProfileSpec
    """Which pods the profile takes, and how they run."""

    status: FargateProfileStatus | None = None
    """What Monopod observed. Written by the operator only."""
