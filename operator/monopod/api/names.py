"""Every name that Monopod reads or writes on Kubernetes objects: groups, labels, annotations, gates.

Marks are EKS's own where EKS has one, so that manifests and habits carry over; all others are in Monopod's group.
"""

from typing import Final

GROUP: Final = "monopod.dev"
VERSION: Final = "v1beta1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
PROFILE_PLURAL: Final = "fargateprofiles"

PROFILE_FINALIZER: Final = f"{GROUP}/profile"
"""On every profile: it stays until the profile's pods have been moved elsewhere."""

EKS_REQUEST_ANNOTATION: Final = f"{GROUP}/eks-request"
"""On a profile that was created by AWS's API: what the request said that the profile can't, such as its name in upper
case, and by what a repetition of the request is known."""

EKS_TOKEN_LABEL: Final = f"{GROUP}/eks-request-token"
"""On the same profiles: a hash of the request's clientRequestToken."""

REVISION_ANNOTATION: Final = f"{GROUP}/revision"
"""On every admission policy and binding: which text it was rendered from, so that an edit shows."""

FIELD_MANAGER: Final = "monopod"
EVENT_SOURCE: Final = "monopod"
SYSTEM_NAMESPACE: Final = "monopod-system"
SERVICE_ACCOUNT: Final = "monopod"

KUBE_SYSTEM: Final = "kube-system"
"""The cluster's own namespace, whose ServiceAccounts may do anything."""

CONTROLLER_MANAGER: Final = "system:kube-controller-manager"
"""The one user that all controllers are where kube-controller-manager has no credentials for each of them (without
`--use-service-account-credentials`)."""

NAMESPACE_LABEL: Final = f"{GROUP}/fargate"
"""On a namespace that a profile reaches; the admission policies select namespaces by it."""

NAMESPACE_LABEL_VALUE: Final = "true"

SELECTORS_ANNOTATION: Final = f"{GROUP}/profiles"
"""On the same namespaces: their profiles' compiled selectors, which the admission policies read."""

PATTERNS_CONFIGMAP: Final = "monopod-namespaces"
"""In Monopod's namespace: the compiled profiles for namespaces that don't exist yet."""

EKS_PROFILE_LABEL: Final = "eks.amazonaws.com/fargate-profile"
"""EKS's mark on a pod. A user may set it to pin a pod to a profile; admission sets it to the winner."""

PROFILE_LABEL: Final = f"{GROUP}/profile"
"""Monopod's mark on a pod: only admission sets it, and everything of Monopod's selects pods by it."""

CAPACITY_PROVIDER_LABEL: Final = f"{GROUP}/capacity-provider"
"""On a pod that runs on Spot: `FARGATE_SPOT`. Pods on demand don't have it."""

ON_DEMAND_ANNOTATION: Final = f"{GROUP}/on-demand"
"""On a namespace that a profile reaches: the workloads that run on demand for a while, because Spot lacks room."""

CAPACITY_PROVIDER_ANNOTATION: Final = CAPACITY_PROVIDER_LABEL
"""On a pod, by its author: the capacity provider that it asks for, if its profile lets it."""

FARGATE: Final = "FARGATE"
FARGATE_SPOT: Final = "FARGATE_SPOT"
"""AWS's names of the two capacity providers."""

BALLOON_PRIORITY_CLASS: Final = "monopod-balloon"
"""The PriorityClass of every pod that only keeps room warm, and the owner of all that Monopod writes for warm capacity:
what is left behind goes with it. The chart makes it."""

WARM_LABEL: Final = f"{GROUP}/warm"
"""On what keeps room warm, in Monopod's own namespace: the profile that it is for."""

SPOT_PRIORITY_CLASS: Final = "monopod-spot"
"""The PriorityClass of pods on Spot. The chart makes it; its value is SPOT_PRIORITY of `pods.rules.spot`."""

SPOT_KEPT_CLASS: Final = "monopod-spot-kept"
"""The same where pods on Spot don't give way to others (the chart's `spot.reclaim: None`). A class of its own, because
the value of a PriorityClass can't change."""

SPOT_CLASSES: Final = (SPOT_PRIORITY_CLASS, SPOT_KEPT_CLASS)

PATCHED_ANNOTATION: Final = f"{GROUP}/patched"
"""On a RuntimeClass, by whoever patches it: the time from which its nodes have the new version of the sandbox."""

PATCH_REASON_ANNOTATION: Final = f"{GROUP}/patch-reason"
"""Next to it, for people: why."""

CAPACITY_ANNOTATION: Final = "CapacityProvisioned"
LOGGING_ANNOTATION: Final = "Logging"
LOGGING_DISABLED: Final = "LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND"

COMPUTE_TYPE: Final = "eks.amazonaws.com/compute-type"
"""As an annotation with the value `ec2`, a pod's way to opt out of its profile; as a label, what nodes are."""

COMPUTE_TYPE_EC2: Final = "ec2"
COMPUTE_TYPE_FARGATE: Final = "fargate"

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"

UNSUPPORTED_GATE: Final = f"{GROUP}/unsupported"
"""The scheduling gate of a pod that Fargate can't run: it stays Pending and never runs unsandboxed."""

UNSUPPORTED_ANNOTATION: Final = f"{GROUP}/unsupported"
"""On the same pod: the sentence that says why."""

VOLUMES_GATE: Final = f"{GROUP}/volumes"
"""The scheduling gate of a pod with persistent volume claims, until the operator has seen that Fargate can mount them.
The admission policies can't look claims up."""

STORAGE_ANNOTATION: Final = f"{GROUP}/ephemeral-storage"
"""The ephemeral storage that was provisioned for a pod: `20Gi`."""

QUOTA_CONFIGMAP: Final = "monopod-quota"
"""In Monopod's namespace: the names of all profiles, and how many there may be."""

QUOTA_KEY: Final = "quota"
QUOTA_PROFILES_KEY: Final = "profiles"

TOPOLOGY_ZONE: Final = "topology.kubernetes.io/zone"
"""On nodes: the zone that a profile's `subnets` name."""

SECURITY_GROUP_PLURAL: Final = "securitygroups"

GROUP_POLICY_GROUP: Final = "vpcresources.k8s.aws"
"""The API group of SecurityGroupPolicy, which is EKS's kind."""

GROUP_POLICY_VERSION: Final = "v1beta1"
GROUP_POLICY_API_VERSION: Final = f"{GROUP_POLICY_GROUP}/{GROUP_POLICY_VERSION}"
GROUP_POLICY_PLURAL: Final = "securitygrouppolicies"

GROUP_LABEL_PREFIX: Final = f"sg.{GROUP}/"
"""Before the name of a security group: a label on each pod that belongs to it. Rules that name a group select by it,
together with PROFILE_LABEL, because anyone may put any other label on a pod of their own."""

GROUP_COUNT_LABEL: Final = f"{GROUP}/security-groups"
"""How many groups a pod belongs to. With a label per group it selects the pods of exactly these groups."""

DEFAULT_GROUP: Final = "cluster"
"""The security group of pods for which no one chose any. The operator makes it where it is missing."""

POD_GROUPS_ANNOTATION: Final = "fargate.amazonaws.com/pod-sg"
"""EKS's mark on a pod: its security groups, `cluster,web`. Admission writes it, and the operator keeps it right."""

GROUPS_ANNOTATION: Final = f"{GROUP}/security-groups"
"""On a pod, by its author: the security groups that it asks for, if its profile lets it."""

TASK_LABEL: Final = f"{GROUP}/task"
"""On a pod that has a NetworkPolicy of its own, which selects the pod by it: a task id that no other pod has, 32
hexadecimal digits of its uid. Written by the operator, because a policy of admission doesn't know the uid yet."""

ISOLATION_GATE: Final = f"{GROUP}/isolation"
"""The scheduling gate of a pod whose namespace has no default-deny policy yet, or whose security groups only the
operator can work out."""

OUR_GATES: Final = (UNSUPPORTED_GATE, VOLUMES_GATE, ISOLATION_GATE)
"""All scheduling gates of Monopod's."""

ISOLATED_ANNOTATION: Final = f"{GROUP}/isolated"
"""On a namespace that a profile reaches, with the value `true`: its default-deny policy exists."""

GROUP_POLICIES_ANNOTATION: Final = f"{GROUP}/security-group-policies"
"""On the same namespaces: their SecurityGroupPolicies, compiled for the admission policies."""

POLICY_LABEL: Final = f"{GROUP}/policy"
"""On NetworkPolicies of Monopod's: `base`, `pod`, `groups` or `tasks`."""

BASE_POLICY: Final = "monopod-base"
"""The default-deny policy: it denies all traffic of a namespace's Fargate pods, in both directions."""

TASKS_POLICY: Final = "monopod-tasks"
TASKS_POLICY_KIND: Final = "tasks"
"""The policy that opens the task metadata endpoint to the pods of ECS tasks, in the namespaces of ECS clusters."""

WARM_IMAGES_LABEL: Final = f"{GROUP}/warm-images"
"""On a DaemonSet whose pods keep images on nodes, and on these: the profile that asks for the images."""

WARM_IMAGES_SOURCE_LABEL: Final = f"{GROUP}/warm-images-source"
"""On the same: where the images are named, `spec` or `workloads`."""

WARM_IMAGES_NAME: Final = "monopod-warm-images"
"""The PriorityClass and the ServiceAccount of these pods."""

STORED_POD_PLURAL: Final = "storedpods"

RECREATED_ANNOTATION: Final = f"{GROUP}/recreated-from"
"""On a pod without a controller that was moved: the uid of the pod in whose place it was created."""
