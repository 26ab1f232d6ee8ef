"""Takes everything back that an earlier run wrote on a pod that has opted out of its profile since.

Another mutating policy or webhook may opt pods out after Monopod has sized them: by the annotation or by the scheduler.
Admission runs again then. What it wrote over can't be had back, because no policy sees the manifest as it was sent:
the author's own classes, of sandbox and priority, pod-level resources, a longer grace period, limits above the size and
the other limits of ephemeral storage. Nor can
what RuntimeClass admission added of the class's scheduling. A pod that names its node is none of these: it is the copy
of one that ran, and is refused (`backstop`).
"""

from monopod.cel.expressions import quote_all
from monopod.cel.json_patch import drop_annotation, drop_if
from monopod.isolation.cel.groups import IS_GROUP
from monopod.pods.cel.exemptions import HAS_NODE_NAME
from monopod.pods.cel.gates import REMOVE_GATES
from monopod.pods.cel.spot import GIVE_PRIORITY_BACK
from monopod.pods.cel.storage import WITHDRAW
from monopod.pods.cel.zones import UNBIND
from monopod.pods.rules.bounds import WRITTEN_ANNOTATIONS
from monopod.pods.rules.selection import WRITTEN_LABELS

IS_WITHDRAWN = f"""(variables.marked && variables.withinBounds && variables.markedSelector[0] != '' &&
      variables.optedOut && !variables.exempt && !({HAS_NODE_NAME}))"""
"""Whether an earlier run took the pod, which has opted out since."""

_OUR_CLASS = "object.spec.?runtimeClassName.orValue('') == variables.markedSelector[1]"

TAKE_BACK = f"""
    // What an earlier run wrote on a pod that has opted out since.
    variables.labels.filter(key, key in {quote_all(WRITTEN_LABELS)} || {IS_GROUP})
      .map(key, JSONPatch{{op: 'remove', path: '/metadata/labels/' + jsonpatch.escapeKey(key)}}) +
    {" +".join(drop_annotation(name) for name in WRITTEN_ANNOTATIONS)} +
    {WITHDRAW} +
    {drop_if("variables.sized && has(object.spec.resources)", "/spec/resources")} +
    // The overhead first: it is our class's, and without that one RuntimeClass admission refuses any.
    {drop_if(f"{_OUR_CLASS} && has(object.spec.overhead)", "/spec/overhead")} +
    {drop_if(_OUR_CLASS, "/spec/runtimeClassName")} +
    {GIVE_PRIORITY_BACK.strip()} +
    {REMOVE_GATES} +
    {UNBIND.strip()}
"""
"""Operations on such a pod."""
