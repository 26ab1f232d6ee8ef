"""Monopod's marks on pods can't be forged, changed or dropped, by whichever resource a pod is written.

Everything of Monopod's selects pods by its mark: the operator's watch, policies, usage. The mark's label selects the
pods that this policy looks at, so that it costs nothing for others. These are the pod itself, its subresources
status, ephemeralcontainers and resize, and a Binding (see `bindings`).
"""

from collections.abc import Sequence

from monopod.api.ecs.names import ECS_TASK_GATE
from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    ISOLATION_GATE,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    SELECTORS_ANNOTATION,
    STORAGE_ANNOTATION,
    TASK_LABEL,
    UNSUPPORTED_ANNOTATION,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.cel.compiled_selectors import LINE_SEPARATOR, SEPARATOR
from monopod.cel.expressions import Validation, Variable, quote
from monopod.isolation.cel.groups import IS_GROUP
from monopod.pods.cel.bounds import build_growth_refused, grows
from monopod.pods.cel.gates import has_gate
from monopod.pods.cel.selection import IS_REACHED
from monopod.pods.cel.support import (
    CONFIGURES_NODE,
    CONFIGURES_SANDBOX,
    IS_ALLOWED,
    build_allowed_annotations,
    build_security_variables,
)

SUBRESOURCES = ("pods", "pods/status", "pods/ephemeralcontainers", "pods/resize")
"""Where a pod's marks could change once it exists."""

MAY_CHANGE_MARKS = """
// Kubelets and the scheduler write a pod's status many times in its life. By that resource no one can change its spec,
// so what leaves labels and annotations as they are needs no further look.
request.?subResource.orValue('') != 'status' ||
  object.metadata.?labels != oldObject.metadata.?labels ||
  object.metadata.?annotations != oldObject.metadata.?annotations
"""

LABEL_MARKS = (PROFILE_LABEL, EKS_PROFILE_LABEL, GROUP_COUNT_LABEL, CAPACITY_PROVIDER_LABEL)
ANNOTATION_MARKS = (CAPACITY_ANNOTATION, STORAGE_ANNOTATION, UNSUPPORTED_ANNOTATION, POD_GROUPS_ANNOTATION)


def _is_unchanged(field: str, name: str) -> str:
    def read(owner: str) -> str:
        return f"{owner}.metadata.?{field}[?{quote(name)}]"

    return f"{read('object')} == {read('oldObject')}"


NOT_FORGED = Validation(
    "Only admission sets the mark, and it does so only in a namespace that a profile reaches.",
    IS_REACHED,
    f"metadata.labels[{PROFILE_LABEL}] says that this pod runs in a Fargate profile's sandbox, but no profile reaches "
    "its namespace. Remove the label, or create a FargateProfile that selects the pod. If no one wrote the label, "
    "profiles have just changed: try again.",
)

PROFILE_LABEL_KEPT = Validation(
    "A pod is marked once, when it is created.",
    _is_unchanged("labels", PROFILE_LABEL),
    f"metadata.labels[{PROFILE_LABEL}] is written when a pod is created and can't be added, changed or removed "
    "afterwards. Leave it as it is; to move the pod to another profile, or out of one, create it again.",
)

EKS_LABEL_KEPT = Validation(
    "The same holds for EKS's label on a marked pod.",
    _is_unchanged("labels", EKS_PROFILE_LABEL),
    f"metadata.labels[{EKS_PROFILE_LABEL}] names the profile that this pod runs in and can't change. Leave it as it "
    "is; to pin the pod to another profile, create it again with that label.",
)

CAPACITY_KEPT = Validation(
    "The size is fixed, so what says it is fixed too.",
    _is_unchanged("annotations", CAPACITY_ANNOTATION),
    f"metadata.annotations[{CAPACITY_ANNOTATION}] says the size that was provisioned for this pod and can't change. "
    "Leave it as it is; for another size, create the pod again with other requests.",
)

PROVIDER_KEPT = Validation(
    "A pod is paid for as what it was created.",
    _is_unchanged("labels", CAPACITY_PROVIDER_LABEL),
    f"metadata.labels[{CAPACITY_PROVIDER_LABEL}] says that this pod runs on Spot, and can't be added, changed or "
    "removed. Leave it as it is; to change what a workload runs on, change its profile and create the pods again.",
)

STORAGE_KEPT = Validation(
    "So is the ephemeral storage.",
    _is_unchanged("annotations", STORAGE_ANNOTATION),
    f"metadata.annotations[{STORAGE_ANNOTATION}] says the ephemeral storage that was provisioned for this pod and "
    "can't change. Leave it as it is; for more, create the pod again with other requests.",
)

REASON_KEPT = Validation(
    "Why the pod can't run.",
    _is_unchanged("annotations", UNSUPPORTED_ANNOTATION),
    f"metadata.annotations[{UNSUPPORTED_ANNOTATION}] says why Fargate can't run this pod and can't change. Create the "
    "pod again without what it names.",
)


def _is_same(field: str, which: str, owners: Sequence[str] = ("object", "oldObject")) -> str:
    """Whether none of the labels or annotations that `which` says of `key` differ: those of one owner, or of both.

    By keys, not by sorted lists: CEL reckons sorting so dear that with some hundreds of labels every change would be
    refused. Mostly all are equal, which is quickly seen.
    """
    new, old = f"object.metadata.?{field}", f"oldObject.metadata.?{field}"
    each = (
        f"{owner}.metadata.?{field}.orValue({{}}).all(key, !({which}) || {new}[?key] == {old}[?key])"
        for owner in owners
    )
    return f"{new} == {old} || ({grows(field)}) ||\n      (" + " &&\n       ".join(each) + ")"


SANDBOX_KEPT = Validation(
    "A sandbox starts with the annotations that the pod has then, and may start again. They may go, but not come.",
    _is_same("annotations", CONFIGURES_SANDBOX, ["object"]),
    "Annotations that configure the sandbox of a pod of a Fargate profile can't be added or changed: by them the pod "
    "could leave it.",
)

NODE_KEPT = Validation(
    "The same for what the pod asks of its node, unless its profile allows it. What network plugins write on pods that "
    "run is none of it.",
    f"""
    object.metadata.?annotations == oldObject.metadata.?annotations || ({grows("annotations")}) ||
    object.metadata.?annotations.orValue({{}}).all(key,
      object.metadata.?annotations[?key] == oldObject.metadata.?annotations[?key] ||
      !{CONFIGURES_NODE} ||
      {IS_ALLOWED})
    """,
    "Annotations by which a pod asks something of its node's container runtime, devices or network plugin can't be "
    "added to a pod of a Fargate profile, or changed, unless its profile's allowedAnnotations names them.",
)

TASK_KEPT = Validation(
    "Its own NetworkPolicy finds the pod by it. The operator writes it where the pod has such a policy.",
    f"""
    {_is_unchanged("labels", TASK_LABEL)} ||
      (!oldObject.metadata.?labels[?{quote(TASK_LABEL)}].hasValue() &&
       object.metadata.labels[{quote(TASK_LABEL)}] == oldObject.metadata.uid.replace('-', ''))
    """,
    f"metadata.labels[{TASK_LABEL}] is this pod's task id, its uid without dashes, by which its own NetworkPolicy "
    "finds it, and can't be anything else. Leave it as it is.",
)


def _is_operator(service_account: str) -> str:
    return f"request.userInfo.username == {quote(service_account)} && request.?subResource.orValue('') == ''"


def _groups_kept(by_operator: str) -> tuple[Validation, ...]:
    advice = (
        "Leave it as it is; to change the pod's security groups, change the SecurityGroupPolicy or the "
        "FargateProfile that they come from."
    )
    return (
        Validation(
            "By these labels other pods' rules admit the pod. The operator changes them when the pod's groups change.",
            f"""
            ({by_operator}) ||
      {_is_same("labels", f"{IS_GROUP} || key == {quote(GROUP_COUNT_LABEL)}")}
            """,
            f"metadata.labels[{GROUP_LABEL_PREFIX}…] and [{GROUP_COUNT_LABEL}] say which security groups this pod "
            f"belongs to, and only Monopod changes them. {advice}",
        ),
        Validation(
            "The same for people and for whatever reads EKS's annotation.",
            f"""
            ({by_operator}) ||
              object.metadata.?annotations[?{quote(POD_GROUPS_ANNOTATION)}]
                == oldObject.metadata.?annotations[?{quote(POD_GROUPS_ANNOTATION)}]
            """,
            f"metadata.annotations[{POD_GROUPS_ANNOTATION}] says which security groups this pod belongs to, and only "
            f"Monopod changes it. {advice}",
        ),
    )


def _has_kept(gate: str) -> str:
    old, new = has_gate("oldObject.spec", gate), has_gate("object.spec", gate)
    return f"!{old} ||\n  {new}"


UNSUPPORTED_GATE_KEPT = Validation(
    "A pod that Fargate can't run isn't released by anybody: it may reach into its node.",
    _has_kept(UNSUPPORTED_GATE),
    f"The scheduling gate {UNSUPPORTED_GATE} keeps a pod from running that Fargate can't run, and can't be removed. "
    f"See the annotation {UNSUPPORTED_ANNOTATION} and create the pod again without what it names.",
)


def _gate_kept(service_account: str, gate: str, why: str, message: str) -> Validation:
    return Validation(why, f"request.userInfo.username == {quote(service_account)} || {_has_kept(gate)}", message)


def _volumes_gate_kept(service_account: str) -> Validation:
    return _gate_kept(
        service_account,
        VOLUMES_GATE,
        "Nor must a pod whose volumes may be none that Fargate can mount.",
        f"The scheduling gate {VOLUMES_GATE} keeps a pod from running until Fargate can mount its persistent volume "
        "claims; Monopod removes it once they are bound. The pod's events say which claims it waits for.",
    )


def _isolation_gate_kept(service_account: str) -> Validation:
    return _gate_kept(
        service_account,
        ISOLATION_GATE,
        "Nor must a pod whose namespace isn't isolated yet.",
        f"The scheduling gate {ISOLATION_GATE} keeps a pod from running until its namespace has its "
        "default-deny policy and its security groups are known; only Monopod removes it. If it stays, "
        "check the operator.",
    )


def _record_gate_kept(service_account: str) -> Validation:
    return _gate_kept(
        service_account,
        ECS_TASK_GATE,
        "Nor must a second pod of a task that was started.",
        f"The scheduling gate {ECS_TASK_GATE} keeps an ECS task's pod from running until the task's record names it; "
        "only Monopod removes it. If it stays, check the operator.",
    )


NOT_RESIZED = Validation(
    "The sandbox was sized when the pod was created.",
    "request.?subResource.orValue('') != 'resize'",
    "A pod of a Fargate profile can't be resized in place: its sandbox has the size that was provisioned for it. "
    "Create the pod again with other requests.",
)

OWN_SELECTOR = Variable(
    "ownSelector",
    "A selector of the profile that the pod runs by; empty if the namespace has none of it any more.",
    f"""
    (namespaceObject.metadata.?annotations[?{quote(SELECTORS_ANNOTATION)}].orValue('')
      .split({quote(LINE_SEPARATOR)})
      .filter(line, line.startsWith(object.metadata.?labels[?{quote(PROFILE_LABEL)}].orValue('') + {quote(SEPARATOR)}))
      + [''])[0].split({quote(SEPARATOR)})
    """,
)

MARK_VARIABLES = (
    OWN_SELECTOR,
    build_allowed_annotations("variables.ownSelector"),
    *build_security_variables("object.spec.?ephemeralContainers.orValue([])", "variables.ownSelector"),
)

NOT_DEBUGGED_WITH_PRIVILEGES = Validation(
    "Ephemeral containers come after admission, so they are judged here.",
    "request.?subResource.orValue('') != 'ephemeralcontainers' || variables.securityFields.size() == 0",
    "Fargate does not run ephemeral containers with these privileges.",
    """
    // Evaluated even where nothing is refused.
    request.?subResource.orValue('') != 'ephemeralcontainers' ? '' :
      'Pod not supported on Fargate: invalid SecurityContext fields: ' + variables.securityFields.join(', ')
        + ' in spec.ephemeralContainers. Leave them out; kubectl debug does so with --profile=baseline.'
    """,
)


def build_marks(service_account: str) -> tuple[Validation, ...]:
    """The validations of a change of a marked pod.

    Args:
        service_account: the operator's user name, which may release a gate and change the groups.
    """
    by_operator = _is_operator(service_account)
    return (
        PROFILE_LABEL_KEPT,
        EKS_LABEL_KEPT,
        PROVIDER_KEPT,
        CAPACITY_KEPT,
        STORAGE_KEPT,
        REASON_KEPT,
        SANDBOX_KEPT,
        NODE_KEPT,
        TASK_KEPT,
        *_groups_kept(by_operator),
        *build_growth_refused(by_operator),
        UNSUPPORTED_GATE_KEPT,
        _volumes_gate_kept(service_account),
        _isolation_gate_kept(service_account),
        _record_gate_kept(service_account),
        NOT_RESIZED,
        NOT_DEBUGGED_WITH_PRIVILEGES,
    )
