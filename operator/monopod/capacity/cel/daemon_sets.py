"""What the DaemonSets may be that the operator writes: pods that keep images on nodes, and can do nothing else.

RBAC can't say it: whoever may write DaemonSets runs anything on every node. These run the pause image and nothing of
the images that they mount; so nothing may be given that starts another program, and no image may be mounted where the
pause image's own program is.
"""

from collections.abc import Iterable

from monopod.api.names import WARM_IMAGES_LABEL, WARM_IMAGES_NAME
from monopod.capacity.rules.images.daemon_set import LIMITS, MOUNT_PATH, REQUESTS
from monopod.cel.expressions import Validation, Variable, quote

VARIABLES = (
    Variable("labelsNow", "The labels after the change.", "object.metadata.?labels.orValue({})"),
    Variable("labelsBefore", "The labels before it.", "oldObject.metadata.?labels.orValue({})"),
    Variable("pod", "What the pods are.", "object.spec.template.spec"),
)

ONLY_OWN_DAEMON_SETS = Validation(
    "Others, such as an installer of the sandbox, may stand in the same namespace.",
    f"""
    (request.operation == 'DELETE' || {quote(WARM_IMAGES_LABEL)} in variables.labelsNow) &&
      (request.operation == 'CREATE' || {quote(WARM_IMAGES_LABEL)} in variables.labelsBefore)
    """,
    f"Monopod's operator may write and delete only DaemonSets with the label {WARM_IMAGES_LABEL}.",
)

_NO_POD_FIELDS = ("initContainers", "runtimeClassName", "shareProcessNamespace", "hostAliases", "resourceClaims")
_NO_HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
_NO_CONTAINER_FIELDS = (
    *("command", "args", "workingDir", "env", "envFrom", "ports", "lifecycle", "volumeDevices"),
    *("livenessProbe", "readinessProbe", "startupProbe"),
)


def _all_of(needs: Iterable[str]) -> str:
    return " &&\n          ".join(needs)


ONLY_POWERLESS_PODS = Validation(
    "No token, nothing of the node's, and a priority that takes no room from anyone.",
    f"""
    request.operation == 'DELETE' || (
      variables.pod.?serviceAccountName.orValue('') == {quote(WARM_IMAGES_NAME)} &&
      variables.pod.?automountServiceAccountToken.orValue(true) == false &&
      variables.pod.?priorityClassName.orValue('') == {quote(WARM_IMAGES_NAME)} &&
      variables.pod.?securityContext.?runAsNonRoot.orValue(false) &&
      {_all_of(f"!variables.pod.?{field}.orValue(false)" for field in _NO_HOST_FIELDS)} &&
      {_all_of(f"!has(variables.pod.{field})" for field in _NO_POD_FIELDS)} &&
      variables.pod.?volumes.orValue([]).all(volume, has(volume.image)))
    """,
    "Monopod's operator may write only DaemonSets whose pods mount images and nothing else, are nobody, and share "
    "nothing with their node.",
)


def build_only_pausing(pause_image: str) -> Validation:
    """The validation of the containers.

    Args:
        pause_image: the one image that they may run.
    """
    return Validation(
        "What an image holds is mounted where no program is started from.",
        f"""
        request.operation == 'DELETE' || variables.pod.containers.all(container,
          container.image == {quote(pause_image)} &&
          {_all_of(f"!has(container.{field})" for field in _NO_CONTAINER_FIELDS)} &&
          container.?volumeMounts.orValue([]).all(mount, mount.mountPath == {quote(MOUNT_PATH)} &&
            !has(mount.subPath) && !has(mount.subPathExpr)) &&
          container.?securityContext.?allowPrivilegeEscalation.orValue(true) == false &&
          !container.?securityContext.?privileged.orValue(false) &&
          container.?securityContext.?runAsNonRoot.orValue(true) &&
          container.?securityContext.?capabilities.?drop.orValue([]) == ['ALL'] &&
          container.?securityContext.?capabilities.?add.orValue([]).size() == 0 &&
          string(container.?resources.?requests[?'cpu'].orValue('')) == {quote(REQUESTS["cpu"])} &&
          string(container.?resources.?requests[?'memory'].orValue('')) == {quote(REQUESTS["memory"])} &&
          string(container.?resources.?limits[?'memory'].orValue('')) == {quote(LIMITS["memory"])})
        """,
        f"Monopod's operator may write only DaemonSets whose containers run the image {pause_image} as it is: the "
        "chart's value pauseImage.",
    )
