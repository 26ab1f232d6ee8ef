"""What the operator may write, where RBAC can't say it: rights are on whole objects, whatever field or purpose.

These rules don't trust the operator: they bound what its token is worth to whoever gets hold of it. Each lets pass what
the operator does, and nothing else as far as a policy can tell; docs/concepts/operator.md has the list, and what is
left. Labels and annotations are compared as maps, a key at a time: sorted lists of them would exceed CEL's budget on
objects that carry many, and the operator could then not write on these at all.
"""

from collections.abc import Sequence

from monopod.admission.task_restraint import IS_CLUSTERS, WAS_TASK
from monopod.api.ecs.names import ECS_CAPABILITIES, ECS_TASK_GATE, ECS_TASK_LABEL
from monopod.api.names import (
    BASE_POLICY,
    DEFAULT_GROUP,
    EVENT_SOURCE,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUP_POLICIES_ANNOTATION,
    ISOLATED_ANNOTATION,
    ISOLATION_GATE,
    KUBE_SYSTEM,
    NAMESPACE_LABEL,
    ON_DEMAND_ANNOTATION,
    POD_GROUPS_ANNOTATION,
    POLICY_LABEL,
    PROFILE_FINALIZER,
    PROFILE_LABEL,
    RECREATED_ANNOTATION,
    SELECTORS_ANNOTATION,
    STORED_POD_PLURAL,
    TASK_LABEL,
    VOLUMES_GATE,
)
from monopod.cel.expressions import Validation, Variable, quote, quote_all
from monopod.isolation.cel.groups import IS_GROUP
from monopod.isolation.rules.network_policies import GROUPS_POLICY
from monopod.pods.cel.selection import IS_REACHED
from monopod.pods.rules.support import DEFAULT_CAPABILITIES

MAPS = (
    Variable("labelsNow", "The labels after the change.", "object.metadata.?labels.orValue({})"),
    Variable("labelsBefore", "The labels before it.", "oldObject.metadata.?labels.orValue({})"),
    Variable("annotationsNow", "The annotations after it.", "object.metadata.?annotations.orValue({})"),
    Variable("annotationsBefore", "The annotations before it.", "oldObject.metadata.?annotations.orValue({})"),
)
"""For policies on changes; nothing of it is evaluated where there is no old object."""


def _same_but(field: str, own: str) -> str:
    """Whether a map is the same as before but for those keys, `key`, that are the operator's own."""
    now, before = f"variables.{field}Now", f"variables.{field}Before"
    return f"""({now} == {before} || (
        {now}.all(key, value, {own} || (key in {before} && {before}[key] == value)) &&
        {before}.all(key, {own} || key in {now})))"""


def _all_same(fields: Sequence[str]) -> str:
    return "".join(f"object.{field} == oldObject.{field} &&\n      " for field in fields)


def _other_finalizers(profile: str) -> str:
    return f"{profile}.metadata.?finalizers.orValue([]).filter(name, name != {quote(PROFILE_FINALIZER)})"


_KEPT = ("spec", "metadata.?labels", "metadata.?annotations", "metadata.?ownerReferences")

ONLY_FINALIZER_CHANGED = Validation(
    "The rest of a profile is the administrator's.",
    "".join(f"object.{field} == oldObject.{field} &&\n" for field in _KEPT)
    + f"{_other_finalizers('object')}\n  == {_other_finalizers('oldObject')}",
    f"Monopod's operator may change nothing of a FargateProfile but its status and the finalizer {PROFILE_FINALIZER}.",
)

ONLY_TRIED = Validation(
    "A dry run, or the namespace of a cluster of ECS's.",
    f"request.operation != 'CREATE' || request.?dryRun.orValue(false) ||\n  {IS_CLUSTERS}",
    "Monopod's operator may create namespaces only with dryRun=All, to try admission, and those of ECSClusters.",
)

_NAMESPACE_ANNOTATIONS = (SELECTORS_ANNOTATION, ISOLATED_ANNOTATION, GROUP_POLICIES_ANNOTATION, ON_DEMAND_ANNOTATION)

ONLY_MARKED = Validation(
    "By an owner that doesn't exist the garbage collector would delete the namespace; by another label Pod Security or "
    "a quota would let through what it refuses.",
    f"""
    request.operation != 'UPDATE' || (
      {_all_same(("?spec", "?status", "metadata.?finalizers", "metadata.?ownerReferences"))}{
        _same_but("labels", f"key == {quote(NAMESPACE_LABEL)}")
    } &&
      {_same_but("annotations", f"key in {quote_all(_NAMESPACE_ANNOTATIONS)}")})
    """,
    f"Monopod's operator may change nothing of a namespace but the label {NAMESPACE_LABEL} and the annotations "
    f"{', '.join(_NAMESPACE_ANNOTATIONS)}. If a webhook or another policy adds to what it writes, exempt its "
    "ServiceAccount there.",
)

RECREATING = Variable(
    "recreating",
    "Whether the pod is created in the place of another, or would be: dry runs of such pods say so too, so that what "
    "would be refused then is refused now, and the other pod is left alone.",
    f"""
    request.operation == 'CREATE' && (!request.?dryRun.orValue(false) ||
      {quote(RECREATED_ANNOTATION)} in object.metadata.?annotations.orValue({{}}))
    """,
)

ONLY_RECREATED = Validation(
    "A dry run, a pod that says in whose place it comes, or a task's.",
    f"""
    !variables.recreating || {quote(RECREATED_ANNOTATION)} in object.metadata.?annotations.orValue({{}}) ||
      variables.isTask
    """,
    "Monopod's operator may create pods only with dryRun=All, to try admission, or with the annotation "
    f"{RECREATED_ANNOTATION}, in the place of a pod without a controller that it moved, or as an ECSTask asks for.",
)


def build_only_reached(system_namespace: str) -> Validation:
    """The validation of where pods are created again.

    Args:
        system_namespace: where the operator runs.
    """
    return Validation(
        "The ServiceAccounts of kube-system may do anything, and Monopod's own namespace has no pods to move.",
        f"""
        !variables.recreating || (
          !(request.namespace in {quote_all((KUBE_SYSTEM, system_namespace))}) &&
          {IS_REACHED})
        """,
        "Monopod's operator creates pods again only in namespaces that a Fargate profile reaches, and never in "
        f"{KUBE_SYSTEM} or its own. `kubectl fargate restore` does it with your rights.",
    )


ONLY_SUPPORTED = Validation(
    "Whether or not a profile takes it: no profile would have taken the pod in whose place it comes.",
    "!variables.recreating || (variables.unsupported.size() == 0 && object.spec.?nodeName.orValue('') == '')",
    "Monopod's operator may create no pod that Fargate can't run, and none that names its node.",
    """
    // Evaluated even where nothing is refused, and the operator labels each pod.
    !variables.recreating ? '' :
      'Monopod\\'s operator may create no pod that names its node, and none that Fargate can\\'t run. '
        + (variables.unsupported.size() == 0 ? '' : variables.unsupportedText)
    """,
)


ONLY_FEW_CAPABILITIES = Validation(
    "Whatever the compiled selectors allow: the operator writes those, too, and may write a class that is no sandbox.",
    f"""
    !variables.recreating || variables.securityContexts.all(context, context.?capabilities.?add.orValue([])
      .all(name, name in {quote_all((*DEFAULT_CAPABILITIES, *ECS_CAPABILITIES))}))
    """,
    f"Monopod's operator may create no pod that adds a capability other than {', '.join(ECS_CAPABILITIES)} to those "
    "that every container has, whatever its profile allows.",
)


def _may(verb: str, resource: str) -> str:
    return (
        f"authorizer.serviceAccount(request.namespace, variables.account).group('').resource({quote(resource)})"
        f".namespace({quote(KUBE_SYSTEM)}).check({quote(verb)}).allowed()"
    )


# An expression has a budget for two such questions.
ONLY_WITHOUT_POWERS = Validation(
    "A policy can't tell which ServiceAccount the other pod had, because the operator itself writes what is stored of "
    "it. So none that is worth more than its namespace.",
    f"!variables.recreating || !({_may('get', 'secrets')} ||\n  {_may('create', 'pods')})",
    f"Monopod's operator may create no pod whose ServiceAccount may read Secrets or create pods in {KUBE_SYSTEM}.",
)

_CHANGEABLE = (
    *("metadata.?finalizers", "metadata.?ownerReferences"),
    *("spec.?containers", "spec.?initContainers", "spec.?tolerations"),
    *("spec.?terminationGracePeriodSeconds", "spec.?nodeSelector", "spec.?affinity"),
)
"""All of a pod that the API server lets anyone change, but for its gates, labels, annotations and its deadline."""

_POD_LABELS = (GROUP_COUNT_LABEL, TASK_LABEL)
_LIFTED_GATES = (VOLUMES_GATE, ISOLATION_GATE, ECS_TASK_GATE)


def _kept_gates(pod: str) -> str:
    return f"{pod}.spec.?schedulingGates.orValue([]).filter(gate, !(gate.name in {quote_all(_LIFTED_GATES)}))"


ONLY_GATES_LIFTED = Validation(
    "The rest of a pod is none of its business, and pods outside all profiles aren't either.",
    f"""
    request.operation != 'UPDATE' || (
      {quote(PROFILE_LABEL)} in variables.labelsBefore &&
      {_all_same(_CHANGEABLE)}({WAS_TASK} ||
        object.spec.?activeDeadlineSeconds == oldObject.spec.?activeDeadlineSeconds) &&
      {_same_but("labels", f"{IS_GROUP} || key in {quote_all(_POD_LABELS)}")} &&
      {_same_but("annotations", f"key == {quote(POD_GROUPS_ANNOTATION)}")} &&
      {_kept_gates("object")}
        == {_kept_gates("oldObject")})
    """,
    f"Monopod's operator may change nothing of a pod but remove the scheduling gates {' and '.join(_LIFTED_GATES)} and "
    f"say its security groups ({GROUP_LABEL_PREFIX}…, {GROUP_COUNT_LABEL}, {POD_GROUPS_ANNOTATION}) and its task id "
    f"({TASK_LABEL}), on pods of profiles, and set the deadline of those of ECSTasks.",
)

POD_SUBRESOURCES = {
    "CREATE": ("pods/eviction", "pods/binding", "bindings"),
    "UPDATE": ("pods/status", "pods/ephemeralcontainers", "pods/resize"),
    "CONNECT": ("pods/exec", "pods/attach", "pods/portforward", "pods/proxy"),
}
"""What else there is of a pod. RBAC gives the operator the first only, and these rules too."""

ONLY_EVICTED = Validation(
    "A pod is evicted with its own grace period, and only the one that was observed.",
    """
    request.?subResource.orValue('') == 'eviction' &&
      object.?deleteOptions.?preconditions.?uid.hasValue() &&
      !object.?deleteOptions.?gracePeriodSeconds.hasValue() && !object.?deleteOptions.?propagationPolicy.hasValue()
    """,
    "Of a pod's subresources Monopod's operator may only use eviction, naming the pod's uid and no grace period.",
)

# The API server has filled in the pod's own by the time that a policy is asked.
_OWN_GRACE = "oldObject.spec.?terminationGracePeriodSeconds.orValue(30)"

ONLY_TERMINATED = Validation(
    "Of pods of profiles alone, with their own grace periods, and only the one that was observed. Tasks of ECS's have "
    "nothing that would replace them.",
    f"""
    {quote(PROFILE_LABEL)} in oldObject.metadata.?labels.orValue({{}}) &&
      oldObject.metadata.?labels[?{quote(ECS_TASK_LABEL)}].orValue('') != oldObject.metadata.name &&
      oldObject.metadata.?ownerReferences.orValue([]).exists(owner, owner.?controller.orValue(false)) &&
      request.options.?preconditions.?uid.hasValue() &&
      request.options.?gracePeriodSeconds.orValue({_OWN_GRACE}) >= {_OWN_GRACE}
    """,
    "Monopod's operator may delete only pods of Fargate profiles that a controller replaces, whose eviction is overdue "
    "(patching.overdue: Delete), naming the pod's uid and with no shorter grace period than its own.",
)

DRY_RUN = Validation(
    "The chart's value barePods.recreate leaves this policy out.",
    f"""
    (request.?dryRun.orValue(false) || variables.isTask) &&
      !({quote(RECREATED_ANNOTATION)} in object.metadata.?annotations.orValue({{}}))
    """,
    "Monopod's operator may create pods only with dryRun=All on this cluster, to try admission. Set the chart's value "
    "barePods.recreate to let it create pods again that it moved; `kubectl fargate restore` does it with your rights.",
)

STORED_POD_RESOURCES = (STORED_POD_PLURAL, f"{STORED_POD_PLURAL}/status")
"""Where a StoredPod could be written."""


def _account(stored: str) -> str:
    spec = f"{stored}.spec.manifest.?spec"
    return f"{spec}.?serviceAccountName.orValue({spec}.?serviceAccount.orValue('default'))"


def build_stored_pod_validations(service_account: str, system_namespace: str) -> tuple[Validation, ...]:
    """Only the operator writes StoredPods, whatever rights others have, and it only of pods that it may create again.

    Args:
        service_account: the operator's user name.
        system_namespace: where it runs.
    """
    return (
        Validation(
            "The operator creates pods from them.",
            f"request.userInfo.username == {quote(service_account)}",
            "Only Monopod's operator creates and changes StoredPods. To bring a pod back use `kubectl fargate "
            "restore`, with -f for an edited manifest.",
        ),
        Validation(
            "No pod of these is created again. What an earlier release stored may still be withdrawn.",
            f"""
            request.operation != 'CREATE' || !(request.namespace in {quote_all((KUBE_SYSTEM, system_namespace))}) &&
              object.spec.manifest.metadata.?namespace.orValue(request.namespace) == request.namespace
            """,
            f"A StoredPod is of its own namespace, and of neither {KUBE_SYSTEM} nor Monopod's.",
        ),
        Validation(
            "A pod's ServiceAccount never changes.",
            f"request.operation != 'UPDATE' ||\n  {_account('object')}\n    == {_account('oldObject')}",
            "The ServiceAccount of a StoredPod's manifest can't change.",
        ),
    )


def _is_ours(policy: str) -> str:
    return f"{policy}.metadata.?labels[?{quote(POLICY_LABEL)}].hasValue()"


ONLY_OWN_POLICIES = Validation(
    "Other people's are theirs. One that has a name of ours is taken over, because the operator needs the name.",
    f"""
    request.operation == 'DELETE' ? {_is_ours("oldObject")}
      : {_is_ours("object")} && (request.operation == 'CREATE' || {_is_ours("oldObject")} ||
          object.metadata.name == {quote(BASE_POLICY)} || object.metadata.name.contains('.'))
    """,
    f"Monopod's operator may write and delete only NetworkPolicies with the label {POLICY_LABEL}, and take over only "
    f"such as have a name that it uses: {BASE_POLICY}, {GROUPS_POLICY}.GROUPS or POD.GROUPS.",
)

ONLY_FARGATE_PODS = Validation(
    "Policies deny all else to the pods that they select, so they must not select pods outside all profiles.",
    f"""
    request.operation == 'DELETE' ||
      object.spec.?podSelector.?matchLabels[?{quote(TASK_LABEL)}].hasValue() ||
      object.spec.?podSelector.?matchExpressions.orValue([]).exists(need,
        need.key == {quote(PROFILE_LABEL)} && need.operator == 'Exists')
    """,
    f"Monopod's operator may write only NetworkPolicies that select pods by {PROFILE_LABEL} or {TASK_LABEL}: those of "
    "Fargate profiles.",
)

ONLY_DEFAULT_GROUP = Validation(
    "Any other group is the administrator's.",
    f"object.metadata.name == {quote(DEFAULT_GROUP)}",
    f"Monopod's operator may create no SecurityGroup but {DEFAULT_GROUP}, where it is missing.",
)


def _is_own_event(event: str) -> str:
    return f"{event}.?source.?component.orValue('') == {quote(EVENT_SOURCE)}"


ONLY_OWN_EVENTS = Validation(
    "No one is to take its words for another's.",
    f"{_is_own_event('object')} && (request.operation == 'CREATE' || {_is_own_event('oldObject')})",
    f"Monopod's operator may write only events whose source.component is {EVENT_SOURCE}.",
)
