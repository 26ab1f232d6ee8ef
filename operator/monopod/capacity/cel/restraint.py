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

ONLY_BALLOONS = Validation(
    "Without a token, the host, volumes or values from Secrets, a pod can do nothing but take room.",
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
        container.?env.orValue([]).size() == 0 && container.?envFrom.orValue([]).size() == 0 &&
        container.?ports.orValue([]).size() == 0 &&
        container.?securityContext.?allowPrivilegeEscalation.orValue(true) == false &&
        !container.?securityContext.?privileged.orValue(false) &&
        container.?securityContext.?runAsNonRoot.orValue(true) &&
        container.?securityContext.?capabilities.?add.orValue([]).size() == 0))
    """,
    f"Monopod's operator may make no pods in its own namespace but such as keep room warm: of the PriorityClass "
    f"{BALLOON_PRIORITY_CLASS}, without a token, volumes, environment or rights on the host.",
)
