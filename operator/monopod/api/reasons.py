"""Every condition, reason and event that the operator reports, each with the sentence that the reference repeats.

The same constant appears as a condition's or event's reason, as a health issue's code, as a metric's label and in
docs/reference/conditions.md. This module must not know when a reason applies: that is
`monopod.profiles.rules.conditions` and the capabilities' own rules.
"""

from enum import StrEnum
from typing import Self


class Documented(StrEnum):
    """A name together with the sentence that explains it."""

    sentence: str

    def __new__(cls, name: str, sentence: str) -> Self:
        """A member of the enumeration is its name, and carries its sentence."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.sentence = sentence
        return member


class ConditionType(Documented):
    """The conditions of a FargateProfile, in the order in which they are found."""

    READY = "Ready", "Everything below holds: matching pods are sandboxed when they are created."
    VALID = "Valid", "The operator understands the profile."
    RUNTIME_CLASS_FOUND = "RuntimeClassFound", "The RuntimeClass of the profile's sandbox exists, and is a sandbox."
    ADMISSION_INSTALLED = (
        "AdmissionInstalled",
        "The cluster serves and has Monopod's admission policies, as they were installed.",
    )
    PUBLISHED = "Published", "The profile's compiled selectors are on every namespace that it reaches."
    NAMESPACE_MATCHED = "NamespaceMatched", "At least one existing namespace matches the profile."
    DISTINCT = "Distinct", "No other profile takes all pods of this one, or selects the same pods."
    ISOLATED = "Isolated", "Each pod's network does what its security groups say, and no more."
    ENFORCED = "Enforced", "A dry run of a pod that matches the profile came back from the API server sandboxed."
    RESCHEDULED = "Rescheduled", "No pod that the profile moves runs elsewhere any more."
    PATCHED = "Patched", "No sandbox of the profile is older than the last patch, or than `maxPodAge`."
    CAPACITY_AVAILABLE = "CapacityAvailable", "No pod of the profile waits for room: there is some, or it will be made."
    IMAGES_WARM = (
        "ImagesWarm",
        "The nodes have the images of `warmImages`. Only profiles that ask for warm images have this condition.",
    )
    DELETING = "Deleting", "The profile is being deleted: it takes no more pods, and its pods are evicted."


class Reason(Documented):
    """Why a condition has its status; also the codes of health issues and the reasons of events."""

    ACTIVE = "Active", "The profile is active."
    CREATE_FAILED = "CreateFailed", "The profile is not active; the message says why and what to do."
    DELETING = "Deleting", "The profile takes no more pods, and its pods are evicted as their budgets allow."
    DELETION_QUEUED = "DeletionQueued", "Another profile is deleted first; this one takes no more pods meanwhile."
    DELETE_FAILED = "DeleteFailed", "Pods are left after the deadline; the operator keeps trying to evict them, slowly."
    BUDGET_EXHAUSTED = "BudgetExhausted", "A PodDisruptionBudget doesn't allow the eviction of pods."
    SEVERAL_BUDGETS = "SeveralBudgets", "Several PodDisruptionBudgets select a pod, which can't be evicted then."
    EVICTION_REFUSED = "EvictionRefused", "The API server refuses an eviction for another reason than a budget."
    PODS_TERMINATING = "PodsTerminating", "Pods were evicted and still exist."
    SELECTORS_NOT_WITHDRAWN = (
        "SelectorsNotWithdrawn",
        "The profile's compiled selectors couldn't be removed from a namespace, so its pods aren't evicted: they would "
        "come back; or it takes no new ones.",
    )
    WAITS_FOR_DELETION = (
        "WaitsForDeletion",
        "The profile was created while another for the same pods is being deleted; it is published afterwards, as EKS "
        "creates none then.",
    )
    PROFILE_QUOTA_EXCEEDED = "ProfileQuotaExceeded", "The cluster has as many profiles as its quota allows."

    SPEC_VALID = "SpecValid", "The profile has selectors, and the operator can read them."
    SPEC_INVALID = "SpecInvalid", "The API server accepted a profile that the operator can't read."
    INTERNAL_ERROR = "InternalError", "The operator failed on this profile; its log has the details."

    RUNTIME_CLASS_FOUND = "RuntimeClassFound", "The RuntimeClass exists."
    RUNTIME_CLASS_NOT_FOUND = "RuntimeClassNotFound", "The RuntimeClass doesn't exist, so matching pods are refused."
    NOT_A_SANDBOX = "NotASandbox", "The RuntimeClass's handler is no sandbox: matching pods share the node's kernel."

    POLICIES_INSTALLED = (
        "PoliciesInstalled",
        "Monopod's admission policies and their bindings exist, and are as they were installed.",
    )
    MUTATING_ADMISSION_POLICY_NOT_SERVED = (
        "MutatingAdmissionPolicyNotServed",
        "The API server doesn't serve MutatingAdmissionPolicy v1, which Kubernetes has from 1.36.",
    )
    ADMISSION_POLICY_MISSING = (
        "AdmissionPolicyMissing",
        "Some of Monopod's admission policies or bindings are missing, so pods would pass unsandboxed.",
    )

    POLICY_CHANGED = (
        "PolicyChanged",
        "Some of Monopod's admission policies or bindings were edited since they were installed.",
    )

    SELECTORS_PUBLISHED = (
        "SelectorsPublished",
        "The profile's compiled selectors are on the namespaces that it reaches.",
    )
    SELECTORS_TOO_LARGE = (
        "SelectorsTooLarge",
        "With this profile, the compiled selectors of a namespace, or of the cluster, would be more than admission can "
        "read.",
    )
    SELECTORS_KEPT = (
        "SelectorsKept",
        "The profile was changed and is more than admission can read; what was published before still applies.",
    )
    PUBLISH_FAILED = (
        "PublishFailed",
        "The API server refuses what the operator writes on a namespace: new pods there are refused, or wait, and none "
        "is moved. The operator keeps trying.",
    )

    NAMESPACES_MATCHED = "NamespacesMatched", "Existing namespaces match the profile."
    NO_NAMESPACE_MATCHES = "NoNamespaceMatches", "No namespace matches yet; one that is created later will."

    NO_OVERLAP = "NoOverlap", "No other profile takes all of this one's pods, or selects the same ones."
    NEVER_WINS = "NeverWins", "Profiles that come first by name match every pod that this one matches."
    EQUAL_SELECTORS = "EqualSelectors", "Another profile matches exactly the same pods."

    DRY_RUN_SANDBOXED = "DryRunSandboxed", "A dry run of a pod came back sandboxed by this profile."
    DRY_RUN_PENDING = "DryRunPending", "The dry run has no result yet."
    DRY_RUN_NOT_SANDBOXED = "DryRunNotSandboxed", "The dry run of a pod came back without this profile's sandbox."
    DRY_RUN_REFUSED = "DryRunRefused", "The API server refused the dry run, so the operator can't tell."
    DRY_RUN_IMPOSSIBLE = "DryRunImpossible", "No pod with valid labels can match any of the profile's selectors."
    PODS_ISOLATED = "PodsIsolated", "Each pod's network does what its security groups say."
    PODS_DENIED = (
        "PodsDenied",
        "Pods are denied all traffic, because a security group of theirs doesn't exist or can't be used.",
    )
    POLICIES_NOT_WRITTEN = (
        "PoliciesNotWritten",
        "NetworkPolicies or labels of pods can't be written, so these are denied all traffic or keep their old rules.",
    )
    PODS_OVER_PERMISSIVE = (
        "PodsOverPermissive",
        "NetworkPolicies of others may allow more than security groups that someone chose do, as "
        "NetworkPolicies add up; or they open the metadata service or nodes.",
    )

    PODS_NOT_LISTED = (
        "PodsNotListed",
        "The pods haven't been looked at yet, or can't be, or the profile isn't active.",
    )
    ALL_MOVED = "AllMoved", "No pod runs elsewhere, but for those that the profile leaves alone."
    EXISTING_PODS_KEPT = "ExistingPodsKept", "The profile leaves pods that exist where they are (`existingPods: Keep`)."
    MOVING = "Moving", "Pods that run elsewhere are evicted, a few at a time, and replaced."
    PAUSED = "Paused", "The profile has pods to move, and says that none is moved now (`paused`)."
    BLOCKED = "Blocked", "Pods can't be moved now, and the others have been; the message says why."
    PODS_UNSUPPORTED = (
        "PodsUnsupported",
        "Fargate couldn't run a pod's replacement, so the pod isn't moved.",
    )
    REPLACEMENT_NOT_SANDBOXED = (
        "ReplacementNotSandboxed",
        "A replacement doesn't run by the profile, so no more pods of the workload are evicted.",
    )
    REPLACEMENT_REFUSED = (
        "ReplacementRefused",
        "A dry run shows that a pod's replacement can't be created, so the pod isn't evicted.",
    )
    REPLACEMENT_UNSCHEDULABLE = (
        "ReplacementUnschedulable",
        "No node could take a pod's replacement, even an empty one, so the pod isn't evicted.",
    )
    REPLACEMENTS_NOT_READY = (
        "ReplacementsNotReady",
        "Replacements don't become Ready, so no more pods are evicted there.",
    )
    BARE_PODS_LEFT = (
        "BarePodsLeft",
        "Nothing would replace these pods, and the profile leaves them (`barePods: Leave`).",
    )
    RECREATION_OFF = (
        "RecreationOff",
        "The profile has pods without a controller created again (`barePods: Recreate`), and the installation doesn't.",
    )
    RUNNING_JOBS_LEFT = (
        "RunningJobsLeft",
        "These pods do work that ends, and the profile leaves them (`runningJobs: Leave`).",
    )
    RESCHEDULING_STARTED = "ReschedulingStarted", "There are pods to move, and there were none before."
    RESCHEDULING_FINISHED = "ReschedulingFinished", "All pods have been moved, but for those that the profile leaves."
    WORKLOAD_STOPPED = "WorkloadStopped", "No more pods of a workload are evicted, as ReplacementNotSandboxed says."

    SANDBOXES_CURRENT = "SandboxesCurrent", "No sandbox is out of date, but for those that the profile leaves alone."
    PATCH_NOTICED = (
        "PatchNoticed",
        "Sandboxes are older than the last patch; their pods are evicted from the time on that the message says.",
    )
    PATCH_WAITING = "PatchWaiting", "Pods with such sandboxes may be evicted, and no window is open."
    PATCH_EVICTING = "PatchEvicting", "Pods with such sandboxes are evicted, zone after zone, and replaced."
    PATCH_OVERDUE = (
        "PatchOverdue",
        "All such pods that are left couldn't be evicted, and the times at which they were to go are past.",
    )
    PATCH_FINISHED = "PatchFinished", "All pods from before the patch are gone, but for those that the profile leaves."
    PATCH_WINDOW_INVALID = (
        "PatchWindowInvalid",
        "A window of the profile can't be used, as the message says, so nothing is evicted for a patch.",
    )
    PATCH_DATE_INVALID = (
        "PatchDateInvalid",
        "The annotation monopod.dev/patched of the RuntimeClass of some pods is no time such as 2026-11-20T00:00:00Z.",
    )
    ECS_TASKS_LEFT = "ECSTasksLeft", "These pods are tasks of ECS's, which aren't evicted: nothing would replace them."

    BARE_POD_NOT_RECREATABLE = (
        "BarePodNotRecreatable",
        "A pod without a controller would not come back in the sandbox, or no node could take it, so it isn't touched.",
    )
    RECREATION_REFUSED = (
        "RecreationRefused",
        "A pod without a controller isn't created again, or ends before it runs; its manifest is kept in a StoredPod.",
    )
    NAME_TAKEN = (
        "NameTaken",
        "Another pod has the name of one that is to be created again; its manifest is kept in a StoredPod.",
    )

    CAPACITY_AVAILABLE = "CapacityAvailable", "No pod waits for room."
    CAPACITY_NOT_READ = "CapacityNotRead", "Nodes, NodePools and pods haven't been looked at yet, or can't be."
    NO_SANDBOX_NODES = "NoSandboxNodes", "No node takes pods of the profile's RuntimeClass, and nothing makes one."
    NODES_FULL = "NodesFull", "Pods wait for room on the nodes that there are, and nothing makes more."
    GROWING = "Growing", "Pods wait, and the autoscaler is to make nodes for them."
    LIMIT_REACHED = "LimitReached", "Pods wait, and the limits of the NodePools allow no more nodes for them."
    KARPENTER_NOT_SERVED = "KarpenterNotServed", "The profile relies on Karpenter, and the cluster has no NodePools."
    NODE_POOL_NOT_FOUND = "NodePoolNotFound", "The profile names NodePools that don't exist."
    NODE_POOL_NOT_READY = "NodePoolNotReady", "The NodePools that would make nodes aren't Ready."
    NODE_POOL_LABEL_MISSING = (
        "NodePoolLabelMissing",
        "No NodePool gives its nodes the labels that the profile's pods select, so Karpenter makes none for them.",
    )
    NODE_POOL_TAINT_NOT_TOLERATED = (
        "NodePoolTaintNotTolerated",
        "The NodePool's nodes have a taint that the profile's pods don't tolerate.",
    )
    STARTUP_TAINT_MISSING = (
        "StartupTaintMissing",
        "The NodePool's nodes have the sandbox's label from birth, so pods come before the sandbox is installed.",
    )
    STARTUP_TAINT_STUCK = (
        "StartupTaintStuck",
        "A node has had its startup taint for more than five minutes, so no pod comes.",
    )
    WARM_SHORT = "WarmShort", "No pod waits for room, but less of it is kept warm than the profile asks for."
    BUFFER_NOT_IMPLEMENTED = (
        "BufferNotImplemented",
        "No pod waits for room. The cluster has CapacityBuffers and nothing implements them, so balloon pods keep the "
        "room warm.",
    )

    IMAGES_WARM = "ImagesWarm", "Every node of the sandbox has the images, and keeps them."
    WARM_IMAGES_NOT_READ = "WarmImagesNotRead", "The nodes' images haven't been looked at yet, or can't be."
    WARM_IMAGES_NOT_WRITTEN = (
        "WarmImagesNotWritten",
        "The API server refuses the DaemonSet that would pull the images and keep them, as the message says.",
    )
    IMAGES_PULLING = "ImagesPulling", "Nodes pull the images, or have no room for the pod that keeps them."
    IMAGE_PULL_FAILED = "ImagePullFailed", "A node can't pull an image; the others are pulled all the same."
    IMAGE_VOLUMES_UNSUPPORTED = (
        "ImageVolumesUnsupported",
        "A node can't mount an image as a volume, so it may remove the image again when its disk is full.",
    )

    NO_DRY_RUN = "NoDryRun", "No dry run was done, because something that it needs is missing."


class PodReason(Documented):
    """Reasons of the events that the operator writes about pods."""

    SPOT_INTERRUPTION = (
        "SpotInterruption",
        "The pod is ended because its capacity is wanted elsewhere, or in a drill: AWS's words, once per pod.",
    )
    RECREATED = "Recreated", "The pod was created in the place of one without a controller that was moved."

    FAILED_SCHEDULING = (
        "FailedScheduling",
        "Fargate can't run this pod, as the message says; it stays Pending, as on EKS.",
    )


class MoveReason(Documented):
    """Reasons of the events about pods that are moved."""

    RESCHEDULED = "Rescheduled", "The pod was evicted so that its replacement runs in a sandbox of its own."
    PATCHED = "Patched", "The pod was evicted so that its replacement runs in a sandbox that is up to date."
    SCHEDULED_TERMINATION = (
        "ScheduledTermination",
        "The pod's sandbox is out of date and its eviction was refused; the message says why, and when it is to go.",
    )


class SpotReason(Documented):
    """Reasons of the events about pods that find no room on Spot."""

    SPOT_FALLBACK = (
        "SpotFallback",
        "Spot has had no room for the workload, so its new pods run on demand until the time that the message says.",
    )
    SPOT_FALLBACK_REFUSED = (
        "SpotFallbackRefused",
        "Spot has no room for the pod, and it isn't deleted so that one on demand could come; the message says why.",
    )


class TaskReason(Documented):
    """Reasons of the events about ECSTasks."""

    STATUS_REFUSED = (
        "StatusRefused",
        "The API server refuses what the operator would record of the task, as the message says; it is tried again.",
    )


class GroupReason(Documented):
    """Why the condition Ready of a SecurityGroup has its status."""

    RULES_ENFORCED = "RulesEnforced", "The group's rules are in the NetworkPolicies of its pods."
    GROUP_INVALID = (
        "GroupInvalid",
        "The operator can't use the group, as the message says; its pods are denied all traffic.",
    )
    PEER_NOT_FOUND = "PeerNotFound", "A rule names a group that doesn't exist; it allows nothing there."
    PEER_OPENS_NOTHING = "PeerOpensNothing", "A peer of a rule allows nothing, as the message says."


class IsolationReason(Documented):
    """Reasons of the events about what isolates pods."""

    SECURITY_GROUP_NOT_FOUND = (
        "SecurityGroupNotFound",
        "A security group of the pod doesn't exist or can't be used, so its traffic is denied, as the message says.",
    )
    NOT_ENFORCED = (
        "SecurityGroupsNotEnforced",
        "The pod's NetworkPolicy or its labels can't be written, so it is denied traffic, keeps the rules that it had, "
        "or has those of its new groups while its labels name the old ones; the message says what refuses it.",
    )
    WAITS_FOR_ISOLATION = (
        "WaitsForIsolation",
        "The pod doesn't start yet, because nothing would deny its traffic, or its security groups aren't known; the "
        "message says what it waits for.",
    )
    POLICY_RESTORED = (
        "PolicyRestored",
        "Someone changed or deleted a NetworkPolicy of Monopod's; the operator has restored it.",
    )
    MARKS_RESTORED = (
        "MarksRestored",
        "Someone changed what Monopod writes on a namespace; the operator has restored it.",
    )


class EventType(StrEnum):
    """Kubernetes' two types of events."""

    NORMAL = "Normal"
    WARNING = "Warning"
