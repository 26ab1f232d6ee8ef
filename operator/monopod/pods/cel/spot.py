"""What it means for a pod to run on Spot, in CEL: the same as `monopod.pods.rules.spot`.

Priority admission runs before the policies, and once more after them. It refuses a class that doesn't go with the
priority and the policy of preemption that it wrote the first time, so all three are written, and dropped, together.
"""

from monopod.api.names import (
    CAPACITY_PROVIDER_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    FARGATE,
    FARGATE_SPOT,
    ON_DEMAND_ANNOTATION,
    SELECTORS_ANNOTATION,
    SPOT_CLASSES,
    SPOT_KEPT_CLASS,
    SPOT_PRIORITY_CLASS,
)
from monopod.cel.compiled_selectors import (
    LINE_SEPARATOR,
    ON_DEMAND_SEPARATOR,
    ON_DEMAND_UNTIL,
    OWNER_SEPARATOR,
    PROVIDER_ALLOWED,
    SEPARATOR,
    SPOT,
    SPOT_KEPT,
)
from monopod.cel.expressions import Validation, Variable, quote, quote_all
from monopod.cel.json_patch import drop_if, escape_pointer, put, put_label
from monopod.pods.rules.spot import (
    DEFAULT_GRACE_SECONDS,
    MAX_GRACE_SECONDS,
    SPOT_KEPT_PRIORITY,
    SPOT_PREEMPTION,
    SPOT_PRIORITY,
    UNKNOWN_PROVIDER,
)

CHOSEN = Variable(
    "chosenProvider",
    "The capacity provider that the pod asks for, where its profile lets it choose.",
    f"""
    variables.winner[?14].orValue('') == {quote(PROVIDER_ALLOWED)}
      ? variables.annotations[?{quote(CAPACITY_PROVIDER_ANNOTATION)}] : optional.none()
    """,
)

_ON_DEMAND = f"namespaceObject.metadata.?annotations[?{quote(ON_DEMAND_ANNOTATION)}]"

FALLEN_BACK = Variable(
    "fallenBack",
    "Whether the pod's workload runs on demand for a while, because Spot lacks room for it.",
    f"""
    {_ON_DEMAND}.hasValue() &&
      object.metadata.?ownerReferences.orValue([]).exists(owner, owner.?controller.orValue(false) &&
        ({quote(ON_DEMAND_SEPARATOR)} + {_ON_DEMAND}.orValue('')).contains({quote(ON_DEMAND_SEPARATOR)} +
          variables.winner[0] + {quote(OWNER_SEPARATOR)} + owner.uid + {quote(ON_DEMAND_UNTIL)}))
    """,
)

IS_SPOT = Variable(
    "spot",
    "Whether the pod runs on Spot: by its own choice, or else by its profile's, and unless Spot lacks room for it.",
    f"""
    (variables.chosenProvider.hasValue() ? variables.chosenProvider.value() == {quote(FARGATE_SPOT)}
      : variables.winner[?11].orValue('') == {quote(SPOT)}) && !variables.fallenBack
    """,
)

IS_KEPT = Variable(
    "spotKept",
    "Whether pods on Spot have a place that they don't give way from, on nodes of their own.",
    f"variables.winner[?15].orValue('') == {quote(SPOT_KEPT)}",
)

SPOT_VARIABLES = (CHOSEN, FALLEN_BACK, IS_SPOT, IS_KEPT)

KNOWN_PROVIDER = Validation(
    "A pod that may choose what it runs on names something that there is.",
    f"""
    !variables.taken || !variables.chosenProvider.hasValue() ||
      variables.chosenProvider.value() in {quote_all((FARGATE, FARGATE_SPOT))}
    """,
    UNKNOWN_PROVIDER,
)

_MARK = quote(CAPACITY_PROVIDER_LABEL)
_HAS_MARK = f"{_MARK} in variables.labels"
_CLASS = "object.spec.?priorityClassName.orValue('')"
_HAS_CLASS = f"{_CLASS} in {quote_all(SPOT_CLASSES)}"
_OWN_CLASS = f"(variables.spotKept ? {quote(SPOT_KEPT_CLASS)} : {quote(SPOT_PRIORITY_CLASS)})"
_OWN_PRIORITY = f"(variables.spotKept ? {SPOT_KEPT_PRIORITY} : {SPOT_PRIORITY})"
_GRACE = f"object.spec.?terminationGracePeriodSeconds.orValue({DEFAULT_GRACE_SECONDS})"

GIVE_PRIORITY_BACK = f"""
    {drop_if(f"{_HAS_MARK} && {_HAS_CLASS} && has(object.spec.priority)", "/spec/priority")} +
    {drop_if(f"{_HAS_MARK} && {_HAS_CLASS} && has(object.spec.preemptionPolicy)", "/spec/preemptionPolicy")} +
    {drop_if(f"{_HAS_MARK} && {_HAS_CLASS}", "/spec/priorityClassName")}
"""
"""Operations on a pod that isn't on Spot and was when admission ran before, or is the copy of one that was."""

RUN_ON_SPOT = f"""
    // On Spot it gives way: by its priority, and in time. Elsewhere it has no mark of Spot, nor Spot's priority by it.
    (variables.spot ? (
    {put_label(CAPACITY_PROVIDER_LABEL, quote(FARGATE_SPOT))} +
    {put("/spec/priorityClassName", _OWN_CLASS)} +
    {put("/spec/priority", _OWN_PRIORITY)} +
    {put("/spec/preemptionPolicy", quote(SPOT_PREEMPTION))} +
    ({_GRACE} > {MAX_GRACE_SECONDS} ? {put("/spec/terminationGracePeriodSeconds", str(MAX_GRACE_SECONDS))} : [])
    ) : !({_HAS_MARK}) ? [] : (
    {GIVE_PRIORITY_BACK.strip()} +
    [JSONPatch{{op: 'remove', path: {quote(f"/metadata/labels/{escape_pointer(CAPACITY_PROVIDER_LABEL)}")}}}]
    ))
"""
"""Operations on a pod that a profile takes."""

RUNS_ON_ITS_PROVIDER = Validation(
    "A pod on Spot says so and gives way; any other doesn't say so, and isn't charged as one.",
    f"""
    !variables.taken || (variables.spot
      ? variables.labels[?{_MARK}].orValue('') == {quote(FARGATE_SPOT)} && {_CLASS} == {_OWN_CLASS} &&
        {_GRACE} <= {MAX_GRACE_SECONDS}
      : !({_HAS_MARK}))
    """,
    "A Fargate profile matches this pod (`kubectl fargate explain` says which), but it isn't as the profile's "
    f"capacityProviderStrategy wants it: on Spot the label {CAPACITY_PROVIDER_LABEL} is {FARGATE_SPOT}, "
    f"spec.priorityClassName is {SPOT_PRIORITY_CLASS} (or {SPOT_KEPT_CLASS}, by the chart's spot.reclaim) and "
    f"spec.terminationGracePeriodSeconds at most {MAX_GRACE_SECONDS}; elsewhere there is no such label. Create the pod "
    "again without these fields; if that fails too, the MutatingAdmissionPolicy monopod-pods or its binding is "
    "missing, or a webhook undoes its work.",
)

# Whoever deletes a pod may give it a grace period of any length, and the scheduler takes no further notice of one that
# is on its way out already: for so long it would keep its room, at Spot's price, and no pod on demand could have it.
# The pod's own is at most Spot's; what only bears the label, where no profile is, must be deletable with its own.
_ASKED = "request.options.?gracePeriodSeconds.orValue(0)"
_OWN = f"oldObject.spec.?terminationGracePeriodSeconds.orValue({DEFAULT_GRACE_SECONDS})"

ENDS_IN_TIME = Validation(
    "A pod on Spot gives way in time, whoever deletes it.",
    f"{_ASKED} <= {MAX_GRACE_SECONDS} || {_ASKED} <= {_OWN}",
    f"A pod on Spot ends within {MAX_GRACE_SECONDS} seconds, so gracePeriodSeconds may be {MAX_GRACE_SECONDS} at most. "
    "Delete it with less, or without any.",
)

# An eviction names the pod and doesn't show it, so the profiles that reach its namespace decide. cluster-autoscaler and
# `kubectl drain` may give a pod on demand all the time it wants: who may change nodes is no tenant.
_COMPILED = f"namespaceObject.metadata.?annotations[?{quote(SELECTORS_ANNOTATION)}].orValue('')"

EVICTED_IN_TIME = Validation(
    "A pod on Spot gives way in time, whoever evicts it but who drains nodes. An eviction doesn't show the pod, so the "
    "profiles of its namespace decide.",
    f"""
    object.?deleteOptions.?gracePeriodSeconds.orValue(0) <= {MAX_GRACE_SECONDS} ||
      authorizer.group('').resource('nodes').check('update').allowed() ||
      !{_COMPILED}.split({quote(LINE_SEPARATOR)}).map(line, line.split({quote(SEPARATOR)})).exists(selector,
        selector[?11].orValue('') == {quote(SPOT)} || selector[?14].orValue('') == {quote(PROVIDER_ALLOWED)})
    """,
    "A Fargate profile may run pods of this namespace on Spot, which end within "
    f"{MAX_GRACE_SECONDS} seconds, so deleteOptions.gracePeriodSeconds of an eviction may be {MAX_GRACE_SECONDS} at "
    "most. Evict it with less, or without any, or as a user who may update nodes.",
)
