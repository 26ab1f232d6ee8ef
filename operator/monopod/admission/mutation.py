"""What admission writes on a pod, as JSON Patch operations in CEL.

One mutation, not several: a policy's variables are evaluated again for each. JSON Patch, not an apply configuration,
because fields have to be removed too. Running it again on its own result changes nothing.
"""

from monopod.admission.withdrawal import IS_WITHDRAWN, TAKE_BACK
from monopod.api.names import (
    CAPACITY_ANNOTATION,
    EKS_PROFILE_LABEL,
    LOGGING_ANNOTATION,
    LOGGING_DISABLED,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
    UNSUPPORTED_ANNOTATION,
)
from monopod.cel.expressions import quote
from monopod.cel.json_patch import drop_annotation, drop_if, put, put_annotation, put_label, put_map_if_absent
from monopod.isolation.cel.groups import JOIN
from monopod.pods.cel.gates import WAIT_FOR_EVER, WAIT_FOR_OPERATOR
from monopod.pods.cel.nodes import PLACE
from monopod.pods.cel.spot import RUN_ON_SPOT
from monopod.pods.cel.storage import PROVIDE, WITHDRAW
from monopod.pods.cel.zones import BIND


def lower_limits(field: str, containers_cel: str, resource: str) -> str:
    """Operations that lower a limit above the pod's size to that size.

    The API server refuses a container whose limit exceeds the pod's; on Fargate the pod's size bounds it anyway.
    """
    limit = f"{containers_cel}[index].?resources.?limits[?{quote(resource)}].orValue('0')"
    return f"""lists.range({containers_cel}.size())
      .map(index, quantity({limit}).isGreaterThan(quantity(variables.{resource})), JSONPatch{{
        op: 'replace',
        path: '/spec/{field}/' + string(index) + '/resources/limits/{resource}',
        value: variables.{resource}
      }})"""


MARKS = f"""
    // Marks.
    {put_map_if_absent("/metadata/labels", "has(object.metadata.labels)")} +
    {put_map_if_absent("/metadata/annotations", "has(object.metadata.annotations)")} +
    {put_label(PROFILE_LABEL, "variables.winner[0]")} +
    {put_label(EKS_PROFILE_LABEL, "variables.winner[0]")} +
    {JOIN.strip()}
"""

SANDBOX = f"""
    // The sandbox. Another class's overhead goes, so that RuntimeClass admission, which runs again after this
    // policy, writes that of the profile's class instead of refusing the pod.
    {put("/spec/runtimeClassName", "variables.winner[1]")} +
    {
    drop_if(
        "object.spec.?runtimeClassName.orValue('') != variables.winner[1] && has(object.spec.overhead)",
        "/spec/overhead",
    )
} +
    {PLACE.strip()}
"""

SIZE = """{
      'requests': {'cpu': variables.cpu, 'memory': variables.memory},
      'limits': {'cpu': variables.cpu, 'memory': variables.memory}
    }"""

SIZED_POD = f"""
    // A pod that Fargate can run gets its size. With claims it waits until they are bound, and
    // where nothing denies its traffic yet it waits for that.
    {put_annotation(CAPACITY_ANNOTATION, "variables.capacity")} +
    {put_annotation(LOGGING_ANNOTATION, quote(LOGGING_DISABLED))} +
    {drop_annotation(UNSUPPORTED_ANNOTATION)} +
    {WAIT_FOR_OPERATOR.strip()} +
    {put("/spec/resources", SIZE)} +
    // Containers may use the whole pod, and no limit may exceed it.
    {lower_limits("containers", "object.spec.containers", "cpu")} +
    {lower_limits("containers", "object.spec.containers", "memory")} +
    {lower_limits("initContainers", "variables.initContainers", "cpu")} +
    {lower_limits("initContainers", "variables.initContainers", "memory")} +
    {PROVIDE.strip()} +
    {BIND.strip()}
"""

UNSUPPORTED_POD = f"""
    // A pod that Fargate can't run says why and waits behind a scheduling gate; nothing is provisioned for it.
    {put_annotation(UNSUPPORTED_ANNOTATION, "variables.unsupportedText")} +
    {drop_annotation(CAPACITY_ANNOTATION)} +
    {drop_annotation(STORAGE_ANNOTATION)} +
    {WITHDRAW} +
    {drop_if("variables.sized && has(object.spec.resources)", "/spec/resources")} +
    {WAIT_FOR_EVER.strip()}
"""


def _close(part: str) -> str:
    return part.strip()


POD_PATCH = f"""
    !variables.taken ? (!{IS_WITHDRAWN} ? [] : (
    {_close(TAKE_BACK)}
    )) : (
    {_close(MARKS)} +
    {_close(SANDBOX)} +
    {_close(RUN_ON_SPOT)} +
    (variables.unsupported.size() == 0 ? (
    {_close(SIZED_POD)}
    ) : (
    {_close(UNSUPPORTED_POD)}
    )))
"""
"""All operations; none for a pod that no profile takes, or took in an earlier run."""
