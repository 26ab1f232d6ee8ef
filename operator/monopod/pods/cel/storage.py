"""How much ephemeral storage a pod is given, and the limits that bound it, in CEL.

The same as `monopod.pods.rules.storage`; that module says why it is the first container whose limit carries the bound.
"""

from monopod.api.names import STORAGE_ANNOTATION
from monopod.cel.expressions import Variable, quote
from monopod.cel.json_patch import drop_if, each, put, put_annotation, put_map_if_absent
from monopod.pods.cel.size import mebibytes, peak
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB
from monopod.pods.rules.storage import FILE_SYSTEM_PERCENT, GIB_AS_WRITTEN, SYSTEM_GIB

RESOURCE = "ephemeral-storage"
FIRST = "/spec/containers/0/resources"

_STEP = 100 * 1024


def _limit(container: str) -> str:
    return f"{container}.?resources.?limits[?{quote(RESOURCE)}]"


def _request(container: str) -> str:
    return f"{container}.?resources.?requests[?{quote(RESOURCE)}]"


def has_limit(container: str) -> str:
    """Whether a container has a limit of ephemeral storage."""
    return f"{_limit(container)}.hasValue()"


FIRST_LIMIT = _limit("object.spec.containers[0]")

GIB = Variable(
    "storageGiB",
    "What the pod is given, in GiB: its requests, 10 % for the file system and 5 GiB for the system; at least 20.",
    f"""
    [
      {DEFAULT_STORAGE_GIB},
      (variables.storagePeak * {100 + FILE_SYSTEM_PERCENT} + {SYSTEM_GIB * _STEP + _STEP - 1}) / {_STEP}
    ].max()
    """,
)

STORAGE = Variable("storage", "The same as a quantity.", "string(variables.storageGiB) + 'Gi'")

LIMITS = Variable(
    "storageLimits",
    "Per container [its limit in MiB, 0 without one].",
    f"""
    object.spec.containers.map(container, [
      {mebibytes(_limit("container") + ".orValue('0')")}
    ])
    """,
)

INIT_LIMITS = Variable(
    "initStorageLimits",
    "The same per init container, and in the second place 1 if it is a sidecar.",
    f"""
    variables.initContainers.map(container, [
      {mebibytes(_limit("container") + ".orValue('0')")},
      container.?restartPolicy.orValue('') == 'Always' ? 1 : 0
    ])
    """,
)

BOUND = Variable(
    "storageBound",
    "What the kubelet holds the pod to, in MiB: Kubernetes' formula over the limits that there are.",
    peak(0, "storageLimits", "initStorageLimits", sidecar=1),
)

OURS = Variable(
    "storageIsOurs",
    "Whether the first container's limit is what admission wrote: an earlier run, or a copied manifest.",
    f"""
    variables.sized &&
      variables.annotations[?{quote(STORAGE_ANNOTATION)}].orValue('').matches({quote(GIB_AS_WRITTEN)}) &&
      {FIRST_LIMIT}.hasValue() &&
      quantity({FIRST_LIMIT}.orValue('0')).compareTo(quantity(variables.annotations[{quote(STORAGE_ANNOTATION)}])) == 0
    """,
)

BOUNDED = Variable(
    "storageIsBounded",
    "Whether the manifest's own limits hold the pod to what it is given: each container and sidecar has one, and "
    "together they aren't more. Where the first one's is all of it, that is read as ours: a second run couldn't tell.",
    f"""
    !variables.storageIsOurs &&
      quantity({FIRST_LIMIT}.orValue('0')).compareTo(quantity(variables.storage)) != 0 &&
      object.spec.containers.all(container, {has_limit("container")}) &&
      variables.initContainers.all(container,
        container.?restartPolicy.orValue('') != 'Always' || {has_limit("container")}) &&
      variables.storageBound <= variables.storageGiB * 1024
    """,
)

STORAGE_SIZE = (GIB, STORAGE, LIMITS, INIT_LIMITS, BOUND, OURS, BOUNDED)


def _path(field: str) -> str:
    return f"'/spec/{field}/' + string(index) + '/resources/limits/{RESOURCE}'"


def _remove(field: str) -> str:
    return f"JSONPatch{{op: 'remove', path: {_path(field)}}}"


_IS_SIDECAR = "variables.initStorageLimits[index][1] == 1"
_INIT_HAS_LIMIT = has_limit("variables.initContainers[index]")

PROVIDE = f"""
    // Ephemeral storage: the first container's limit bounds the whole pod, as long as no other has one. Its request is
    // written too, or the API server would copy the limit into it.
    {put_annotation(STORAGE_ANNOTATION, "variables.storage")} +
    (variables.storageIsBounded ? [] : (
    {put_map_if_absent(FIRST, "has(object.spec.containers[0].resources)")} +
    {put_map_if_absent(f"{FIRST}/limits", "object.spec.containers[0].?resources.?limits.hasValue()")} +
    {put_map_if_absent(f"{FIRST}/requests", "object.spec.containers[0].?resources.?requests.hasValue()")} +
    {put(f"{FIRST}/limits/{RESOURCE}", "variables.storage")} +
    ({_request("object.spec.containers[0]")}.hasValue() ? [] :
      {put(f"{FIRST}/requests/{RESOURCE}", quote("0"))}) +
    {
    each(
        "lists.range(object.spec.containers.size())",
        f"index > 0 && {has_limit('object.spec.containers[index]')}",
        _remove("containers"),
    )
} +
    {
    each(
        "lists.range(variables.initContainers.size())", f"{_IS_SIDECAR} && {_INIT_HAS_LIMIT}", _remove("initContainers")
    )
} +
    {
    each(
        "lists.range(variables.initContainers.size())",
        "variables.initStorageLimits[index][1] == 0 && "
        "variables.initStorageLimits[index][0] > variables.storageGiB * 1024",
        f"JSONPatch{{op: 'replace', path: {_path('initContainers')}, value: variables.storage}}",
    )
}
    ))
"""
"""Operations on a pod that can run."""

_OUR_REQUEST = f"{_request('object.spec.containers[0]')}.orValue('') == '0'"
WITHDRAW = f"""
    {drop_if("variables.storageIsOurs", f"{FIRST}/limits/{RESOURCE}")} +
    {drop_if(f"variables.storageIsOurs && {_OUR_REQUEST}", f"{FIRST}/requests/{RESOURCE}")}
"""
"""Operations on a pod that can't, or has opted out, besides removing the annotation."""
