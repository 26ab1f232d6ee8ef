"""Nothing that a profile matches runs outside its sandbox: the decision again, after everything that could undo it.

Validation comes after all mutation, so this catches a webhook that changed the pod last, and a mutating policy that
is missing or not yet in effect (a new or changed policy takes about a second). It selects, sizes and judges with the
variables of the mutation, on the pod as it would be stored.

Messages are fixed where they can be: the API server evaluates the messages of all rules for each pod, whether or not a
rule is broken, and all variables in them once more.
"""

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUPS_ANNOTATION,
    ISOLATION_GATE,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    STORAGE_ANNOTATION,
    TASK_LABEL,
    UNSUPPORTED_ANNOTATION,
    UNSUPPORTED_GATE,
    VOLUMES_GATE,
)
from monopod.cel.expressions import Validation, quote
from monopod.isolation.cel.groups import IS_GROUP
from monopod.isolation.rules.membership import MALFORMED, MEMBER
from monopod.pods.cel.bounds import NOT_TOO_LARGE
from monopod.pods.cel.exemptions import MIRRORS_STATIC_POD, OPT_OUT_STAYS_REFUSED, OWNED_BY_DAEMON_SET
from monopod.pods.cel.selection import IS_REACHED
from monopod.pods.cel.spot import KNOWN_PROVIDER, RUNS_ON_ITS_PROVIDER
from monopod.pods.cel.storage import has_limit
from monopod.selectors.publication import PODS_REFUSED

MUTATING_POLICY = "monopod-pods"

_MATCHES = "A Fargate profile matches this pod (`kubectl fargate explain` says which), but"
_ADVICE = (
    "Create the pod again without these fields; if that fails too, the MutatingAdmissionPolicy "
    f"{MUTATING_POLICY} or its binding is missing, or a webhook undoes its work."
)

PROFILES_ARE_KNOWN = Validation(
    "In a namespace that profiles reach, and that doesn't say what they say, no one knows which pods are theirs. Only "
    "those pass that no profile takes anywhere.",
    f"""
    variables.selectors.size() > 0 ||
      !({IS_REACHED}) ||
      ({OWNED_BY_DAEMON_SET.strip()}) ||
      ({MIRRORS_STATIC_POD.strip()})
    """,
    "Fargate profiles reach this namespace, but Monopod cannot write them on it.",
    f"{quote(PODS_REFUSED[0])} + namespaceObject.metadata.name + " + "\n  + ".join(map(quote, PODS_REFUSED[1:])),
)

ONLY_TAKEN_PODS_ARE_MARKED = Validation(
    "A pod that no profile matches, or that is left alone, must not claim to be sandboxed.",
    "variables.taken || !variables.marked",
    f"metadata.labels[{PROFILE_LABEL}] says that this pod runs in a Fargate profile's sandbox, but no profile takes "
    "it. Remove the label, or what keeps the pod out: labels that match no profile, spec.nodeName, "
    "spec.schedulerName, the compute-type annotation, the DaemonSet whose controller creates it.",
)

REJECTED_PODS_STAY_OUT = Validation(
    "Profiles with unsupportedPods: Reject refuse what others leave Pending.",
    "!variables.taken || variables.unsupported.size() == 0 || variables.winner[2] != 'Reject'",
    "Pod not supported on Fargate.",
    f"object.metadata.?annotations[?{quote(UNSUPPORTED_ANNOTATION)}].orValue('Pod not supported on Fargate.')",
)

HAS_MARKS = Validation(
    "Both marks name the profile that wins.",
    f"""
    !variables.taken ||
      (variables.labels[?{quote(PROFILE_LABEL)}].orValue('') == variables.winner[0] &&
       variables.labels[?{quote(EKS_PROFILE_LABEL)}].orValue('') == variables.winner[0])
    """,
    f"{_MATCHES} metadata.labels[{PROFILE_LABEL}] and [{EKS_PROFILE_LABEL}] do not both name it. {_ADVICE}",
)

NAMES_GROUPS = Validation(
    "Of a pod that asks for what can't be read as groups no one knows what it is to be open to.",
    "!variables.taken || !variables.misnamesGroups",
    f"metadata.annotations[{GROUPS_ANNOTATION}] {MALFORMED}.",
)

HAS_GROUPS = Validation(
    "The pod belongs to its security groups and to no others, and says so; and no one gave it a task id beforehand.",
    f"""
    !variables.taken ||
      (variables.groups.all(name,
         variables.labels[?{quote(GROUP_LABEL_PREFIX)} + name].orValue('') == {quote(MEMBER)}) &&
       variables.labels.filter(key, {IS_GROUP}).size() == variables.groups.size() &&
       variables.labels[?{quote(GROUP_COUNT_LABEL)}].orValue('') == string(variables.groups.size()) &&
       variables.annotations[?{quote(POD_GROUPS_ANNOTATION)}].orValue('') == variables.groups.join(',') &&
       !({quote(TASK_LABEL)} in variables.labels))
    """,
    f"{_MATCHES} its labels {GROUP_LABEL_PREFIX}… and {GROUP_COUNT_LABEL} and its annotation {POD_GROUPS_ANNOTATION} "
    f"do not name its security groups, or it has the label {TASK_LABEL}, which a pod gets later. {_ADVICE}",
)

HAS_SANDBOX = Validation(
    "The pod runs in the sandbox of the profile that wins.",
    "!variables.taken || object.spec.?runtimeClassName.orValue('') == variables.winner[1]",
    f"{_MATCHES} spec.runtimeClassName is not the profile's sandbox. {_ADVICE}",
)

HAS_SIZE = Validation(
    "A pod that can run has the size that its containers need, and says so.",
    f"""
    !variables.taken || variables.unsupported.size() > 0 ||
      (variables.annotations[?{quote(CAPACITY_ANNOTATION)}].orValue('') == variables.capacity &&
       quantity(object.spec.?resources.?requests[?'cpu'].orValue('0')) == quantity(variables.cpu) &&
       quantity(object.spec.?resources.?requests[?'memory'].orValue('0')) == quantity(variables.memory) &&
       quantity(object.spec.?resources.?limits[?'cpu'].orValue('0')) == quantity(variables.cpu) &&
       quantity(object.spec.?resources.?limits[?'memory'].orValue('0')) == quantity(variables.memory))
    """,
    f"{_MATCHES} spec.resources and the annotation {CAPACITY_ANNOTATION} are not the size that its containers need. "
    f"{_ADVICE}",
)

HAS_STORAGE = Validation(
    "A pod that can run is held to its ephemeral storage by the kubelet, and says how much it is.",
    f"""
    !variables.taken || variables.unsupported.size() > 0 ||
      (variables.annotations[?{quote(STORAGE_ANNOTATION)}].orValue('') == variables.storage &&
       object.spec.containers.exists(container, {has_limit("container")}) &&
       variables.storageBound <= variables.storageGiB * 1024)
    """,
    f"{_MATCHES} its limits of ephemeral-storage and the annotation {STORAGE_ANNOTATION} do not hold it to what its "
    f"containers need. {_ADVICE}",
)

HAS_ZONES = Validation(
    "A pod that can run stays in its profile's zones, and on Spot's nodes or off them.",
    """
    !variables.taken || variables.unsupported.size() > 0 || variables.places.size() == 0 ||
      (variables.nodeTerms.size() > 0 && variables.termsToBind.size() == 0)
    """,
    f"{_MATCHES} spec.affinity.nodeAffinity does not require its zones, or its capacity's nodes. {_ADVICE}",
)

UNSUPPORTED_PODS_WAIT = Validation(
    "A pod that can't run waits behind the gate and says why; any other has no gate of ours.",
    f"""
    !variables.taken ||
      (variables.unsupported.size() == 0
        ? !variables.gated && !({quote(UNSUPPORTED_ANNOTATION)} in variables.annotations)
        : variables.gated &&
          variables.annotations[?{quote(UNSUPPORTED_ANNOTATION)}].orValue('') == variables.unsupportedText)
    """,
    f"{_MATCHES} the scheduling gate {UNSUPPORTED_GATE} and the annotation of that name do not say what Fargate can "
    f"run of it. {_ADVICE}",
)

PODS_WITH_CLAIMS_WAIT = Validation(
    "A pod with claims waits for them; any other that can run has no such gate.",
    "!variables.taken || variables.unsupported.size() > 0 || variables.waitsForVolumes == variables.hasClaims",
    f"{_MATCHES} it must have the scheduling gate {VOLUMES_GATE} if it mounts persistent volume claims, and only then. "
    f"{_ADVICE}",
)

PODS_WAIT_FOR_ISOLATION = Validation(
    "No pod runs before its namespace is isolated. One that waits in vain does no harm, as the operator lifts its "
    "gate: the namespace may have been marked as isolated since the mutation read it.",
    "!variables.taken || variables.unsupported.size() > 0 || !variables.awaitsIsolation || variables.waitsForIsolation",
    f"{_MATCHES} it lacks the scheduling gate {ISOLATION_GATE}, by which it must wait until its namespace has its "
    f"default-deny policy and the operator knows its security groups. {_ADVICE}",
)

BACKSTOP = (
    PROFILES_ARE_KNOWN,
    NOT_TOO_LARGE,
    OPT_OUT_STAYS_REFUSED,
    KNOWN_PROVIDER,
    ONLY_TAKEN_PODS_ARE_MARKED,
    REJECTED_PODS_STAY_OUT,
    HAS_MARKS,
    NAMES_GROUPS,
    HAS_GROUPS,
    HAS_SANDBOX,
    HAS_SIZE,
    HAS_STORAGE,
    HAS_ZONES,
    RUNS_ON_ITS_PROVIDER,
    UNSUPPORTED_PODS_WAIT,
    PODS_WITH_CLAIMS_WAIT,
    PODS_WAIT_FOR_ISOLATION,
)
