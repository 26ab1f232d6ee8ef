"""What the operator may write for warm capacity, in its own namespace, where RBAC lets it write Deployments.

As in `monopod.admission.restraint`, nothing here trusts the operator. Other pods of that namespace have tokens that are
worth much, so what it makes run there has none, and nothing else by which a pod could do anything. So each kind has the
fields that Monopod writes, or the API server fills in, and no others: a list of what is harmful would miss the next.
"""

from collections.abc import Iterable, Mapping

from monopod.api.names import (
    BALLOON_PRIORITY_CLASS,
    CAPACITY_ANNOTATION,
    COMPUTE_TYPE,
    COMPUTE_TYPE_EC2,
    WARM_LABEL,
)
from monopod.capacity.rules.warm.objects import OBJECTS_PREFIX, label_balloons
from monopod.capacity.rules.warm.wish import MOST
from monopod.cel.expressions import Validation, Variable, quote, quote_all


def _is_warm(resource: str) -> str:
    return f"{quote(WARM_LABEL)} in {resource}.metadata.?labels.orValue({{}})"


def _only(fields: str, names: Iterable[str]) -> str:
    """Whether an object, or a map, has no fields but these; also where there is none."""
    return f"{fields}.orValue({{}}).all(field, field in {quote_all(names)})"


def _template(resource: str) -> str:
    return f"""(
      request.resource.resource == 'deployments' ? dyn({resource}).?spec.?template.orValue({{}})
        : request.resource.resource == 'podtemplates' ? dyn({resource}).?template.orValue({{}}) : {{}})"""


VARIABLES = (
    Variable("profile", "Whom it is for.", f"object.metadata.?labels[?{quote(WARM_LABEL)}].orValue('')"),
    Variable("template", "The pods that it would make: of a Deployment, or of a PodTemplate.", _template("object")),
    Variable("pod", "Their spec.", "variables.template.?spec.orValue({})"),
    Variable(
        "templateBefore",
        "The pods before the change.",
        f"request.operation != 'UPDATE' ? {{}} : {_template('oldObject')}",
    ),
    Variable(
        "annotationsBefore",
        "Others add to these: `kubectl rollout restart` does.",
        "variables.templateBefore.?metadata.?annotations.orValue({})",
    ),
)

ONLY_WARM = Validation(
    "All else of these kinds is the chart's, or somebody's.",
    f"""
    request.operation == 'DELETE' ? {_is_warm("oldObject")}
      : {_is_warm("object")} && (request.operation == 'CREATE' || {_is_warm("oldObject")})
    """,
    f"Monopod's operator may write and delete only what keeps room warm, which has the label {WARM_LABEL}.",
)


def build_only_named(system_namespace: str) -> Validation:
    """The validation of where it is, what it is called, and whose it is.

    Args:
        system_namespace: where the operator runs.
    """
    return Validation(
        "One for each profile, which goes when Monopod is uninstalled.",
        f"""
        request.namespace == {quote(system_namespace)} && (request.operation == 'DELETE' || (
          object.metadata.name == {quote(OBJECTS_PREFIX)} + variables.profile &&
          object.metadata.?ownerReferences.orValue([]).all(owner,
            owner.kind == 'PriorityClass' && owner.name == {quote(BALLOON_PRIORITY_CLASS)}) &&
          object.metadata.?finalizers.orValue([]).all(name,
            request.operation == 'UPDATE' && name in oldObject.metadata.?finalizers.orValue([]))))
        """,
        f"What Monopod's operator keeps room warm by is called {OBJECTS_PREFIX}PROFILE, is in {system_namespace}, "
        f"belongs to the PriorityClass {BALLOON_PRIORITY_CLASS}, and has no finalizers.",
    )


DEPLOYMENT_FIELDS = ("replicas", "revisionHistoryLimit", "selector", "strategy", "template", "progressDeadlineSeconds")
BUFFER_FIELDS = ("podTemplateRef", "replicas", "provisioningStrategy")
_STRATEGY = "buffer.x-k8s.io/active-capacity"
"""The default of the kind."""

ONLY_SO_MUCH = Validation(
    "Without a count a CapacityBuffer asks for all that its limits allow, and by a scalableRef for pods of any shape.",
    f"""
    request.operation == 'DELETE' ||
      (request.resource.resource == 'deployments' ? object.spec.replicas <= {MOST} &&
        {_only("object.?spec", DEPLOYMENT_FIELDS)}
      : request.resource.resource != 'capacitybuffers' || (
        object.?spec.?replicas.orValue({MOST + 1}) <= {MOST} &&
        object.spec.?podTemplateRef.?name.orValue('') == object.metadata.name &&
        object.spec.?provisioningStrategy.orValue({quote(_STRATEGY)}) == {quote(_STRATEGY)} &&
        {_only("object.?spec", BUFFER_FIELDS)}))
    """,
    f"Monopod's operator may keep room for {MOST} pods of a profile at most, as spec.capacity.warm may ask for, by a "
    "Deployment or by a CapacityBuffer with the profile's own PodTemplate.",
)

_LABELS: Mapping[str, str] = label_balloons("")


def _write_labels() -> str:
    """The labels of a profile's balloons, as a CEL map."""
    pairs = {quote(key): quote(value) if value else "variables.profile" for key, value in _LABELS.items()}
    return f"{{{', '.join(f'{key}: {value}' for key, value in pairs.items())}}}"


ONLY_OWN_LABELS = Validation(
    "By other labels the Services and NetworkPolicies of Monopod's own pods would take them for theirs, and by "
    "annotations other programs would do something for them.",
    f"""
    request.operation == 'DELETE' || request.resource.resource == 'capacitybuffers' || (
      {_only("variables.template.?metadata", ("labels", "annotations", "creationTimestamp"))} &&
      variables.template.?metadata.?labels.orValue({{}}) == {_write_labels()} &&
      variables.template.?metadata.?annotations[?{quote(COMPUTE_TYPE)}].orValue('') == {quote(COMPUTE_TYPE_EC2)} &&
      variables.template.?metadata.?annotations.orValue({{}}).all(key, value,
        key in {quote_all((COMPUTE_TYPE, CAPACITY_ANNOTATION))} ||
          (key in variables.annotationsBefore && variables.annotationsBefore[key] == value)))
    """,
    "The pods by which Monopod's operator keeps room warm have the labels "
    f"{' and '.join(_LABELS)}, the annotations {COMPUTE_TYPE} and {CAPACITY_ANNOTATION}, and no others.",
)

POD_FIELDS = (
    *("affinity", "automountServiceAccountToken", "containers", "dnsPolicy", "enableServiceLinks", "nodeSelector"),
    *("overhead", "priorityClassName", "resources", "restartPolicy", "runtimeClassName", "schedulerName"),
    *("securityContext", "terminationGracePeriodSeconds", "tolerations"),
)
POD_SECURITY_FIELDS = ("runAsGroup", "runAsNonRoot", "runAsUser", "seccompProfile")
CONTAINER_FIELDS = (
    *("image", "imagePullPolicy", "name", "resources", "securityContext"),
    *("terminationMessagePath", "terminationMessagePolicy"),
)
CONTAINER_SECURITY_FIELDS = ("allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem")
AMOUNT_FIELDS = ("cpu", "memory")


def _only_amounts(owner: str) -> str:
    fields = ("requests", "limits")
    amounts = (_only(f"{owner}.?resources.?{field}", AMOUNT_FIELDS) for field in fields)
    return " &&\n      ".join((_only(f"{owner}.?resources", fields), *amounts))


ONLY_BALLOONS = Validation(
    "Without a token, the host and volumes, of a priority and with a grace that let any other pod by, and with no "
    "affinity to pods, which would keep others off its node.",
    f"""
    request.operation == 'DELETE' || request.resource.resource == 'capacitybuffers' || (
      {_only("optional.of(variables.pod)", POD_FIELDS)} &&
      variables.pod.?priorityClassName.orValue('') == {quote(BALLOON_PRIORITY_CLASS)} &&
      variables.pod.?automountServiceAccountToken.orValue(true) == false &&
      variables.pod.?terminationGracePeriodSeconds.orValue(30) == 0 &&
      variables.pod.?securityContext.?runAsNonRoot.orValue(false) &&
      {_only("variables.pod.?securityContext", POD_SECURITY_FIELDS)} &&
      {_only("variables.pod.?affinity", ("nodeAffinity",))} &&
      {_only("variables.pod.?overhead", AMOUNT_FIELDS)} &&
      {_only_amounts("variables.pod")})
    """,
    "Monopod's operator may make no pods in its own namespace but such as keep room warm: of the PriorityClass "
    f"{BALLOON_PRIORITY_CLASS}, without a grace period, a token, volumes, rights on the host, or anything else that "
    "such pods don't need.",
)


def build_only_pausing(pause_image: str) -> Validation:
    """The validation of their containers.

    Args:
        pause_image: the one image that they may run.
    """
    return Validation(
        "No program of its own, and no probe, by which the kubelet would call whoever it names, from the node.",
        f"""
        request.operation == 'DELETE' || request.resource.resource == 'capacitybuffers' || (
          variables.pod.?containers.orValue([]).size() == 1 && variables.pod.containers.all(container,
            container.image == {quote(pause_image)} &&
            {_only("optional.of(container)", CONTAINER_FIELDS)} &&
            {_only("container.?securityContext", CONTAINER_SECURITY_FIELDS)} &&
            container.?securityContext.?allowPrivilegeEscalation.orValue(true) == false &&
            container.?securityContext.?capabilities.?add.orValue([]).size() == 0 &&
            {_only_amounts("container")}))
        """,
        f"The pods by which Monopod's operator keeps room warm run the image {pause_image} as it is (the chart's value "
        "pauseImage), in one container without anything else that it doesn't need.",
    )
