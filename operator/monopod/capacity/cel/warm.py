"""What the operator may write for warm capacity, in its own namespace, where RBAC lets it write Deployments.

As in `monopod.admission.restraint`, nothing here trusts the operator. Other pods of that namespace have tokens that are
worth much, so what it makes run there has none, and nothing else by which a pod could do anything.
"""

from monopod.api.names import BALLOON_PRIORITY_CLASS, WARM_LABEL
from monopod.cel.expressions import Validation, Variable, quote


def _is_warm(resource: str) -> str:
    return f"{quote(WARM_LABEL)} in {resource}.metadata.?labels.orValue({{}})"


POD = Variable(
    "pod",
    "The spec of the pods that it would make: of a Deployment, or of a PodTemplate.",
    """
    request.resource.resource == 'deployments'
      ? dyn(object).?spec.?template.?spec.orValue({}) : dyn(object).?template.?spec.orValue({})
    """,
)

ONLY_WARM = Validation(
    "All else of these kinds is the chart's, or somebody's.",
    f"""
    request.operation == 'DELETE' ? {_is_warm("oldObject")}
      : {_is_warm("object")} && (request.operation == 'CREATE' || {_is_warm("oldObject")})
    """,
    f"Monopod's operator may write and delete only what keeps room warm, which has the label {WARM_LABEL}.",
)


def build_only_balloons(pause_image: str) -> Validation:
    """The validation of the pods.

    Args:
        pause_image: the one image that they may run.
    """
    return Validation(
        "Without a token, the host, volumes or a program of its own, a pod can do nothing but take room. A probe has "
        "the kubelet call whoever it names, from the node.",
        f"""
        request.operation == 'DELETE' || request.resource.resource == 'capacitybuffers' || (
          variables.pod.?priorityClassName.orValue('') == {quote(BALLOON_PRIORITY_CLASS)} &&
          variables.pod.?serviceAccountName.orValue('default') == 'default' &&
          variables.pod.?automountServiceAccountToken.orValue(true) == false &&
          variables.pod.?initContainers.orValue([]).size() == 0 &&
          variables.pod.?volumes.orValue([]).size() == 0 &&
          variables.pod.?resourceClaims.orValue([]).size() == 0 &&
          variables.pod.?nodeName.orValue('') == '' &&
          !variables.pod.?hostNetwork.orValue(false) && !variables.pod.?hostPID.orValue(false) &&
          !variables.pod.?hostIPC.orValue(false) &&
          variables.pod.?securityContext.?runAsNonRoot.orValue(false) &&
          variables.pod.?containers.orValue([]).size() == 1 &&
          variables.pod.?containers.orValue([]).all(container,
            container.image == {quote(pause_image)} &&
            container.?command.orValue([]).size() == 0 && container.?args.orValue([]).size() == 0 &&
            container.?env.orValue([]).size() == 0 && container.?envFrom.orValue([]).size() == 0 &&
            container.?ports.orValue([]).size() == 0 && !container.?lifecycle.hasValue() &&
            !container.?livenessProbe.hasValue() && !container.?readinessProbe.hasValue() &&
            !container.?startupProbe.hasValue() &&
            container.?securityContext.?allowPrivilegeEscalation.orValue(true) == false &&
            !container.?securityContext.?privileged.orValue(false) &&
            container.?securityContext.?runAsNonRoot.orValue(true) &&
            container.?securityContext.?capabilities.?add.orValue([]).size() == 0))
        """,
        "Monopod's operator may make no pods in its own namespace but such as keep room warm: of the PriorityClass "
        f"{BALLOON_PRIORITY_CLASS}, with the image {pause_image} as it is, and without a token, volumes or rights on "
        "the host.",
    )
