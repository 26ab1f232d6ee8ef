"""Pods that are left alone although a profile matches, in CEL: the same rules as `monopod.domain.skips`.

Anyone can write an owner or an annotation on a pod, so pods of DaemonSets and mirror pods are known by who creates
them.
"""

from textwrap import dedent

from monopod.admission.bounds import WITHIN_BOUNDS
from monopod.admission.cel import Variable, quote, quote_all
from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_EC2, MIRROR_ANNOTATION
from monopod.domain.skips import DAEMON_SET_API, DAEMON_SET_CONTROLLERS, SCHEDULERS

OWNED_BY_DAEMON_SET = f"""
    request.userInfo.username in {quote_all(DAEMON_SET_CONTROLLERS)}
      && object.metadata.?ownerReferences.orValue([]).exists(owner, owner.kind == 'DaemonSet'
        && owner.apiVersion == {quote(DAEMON_SET_API)} && owner.?controller.orValue(false))
"""

MIRRORS_STATIC_POD = f"""
    {quote(MIRROR_ANNOTATION)} in variables.annotations
      && request.userInfo.username.startsWith('system:node:')
"""

OPTS_OUT = f"variables.annotations[?{quote(COMPUTE_TYPE)}].orValue('') == {quote(COMPUTE_TYPE_EC2)}"

HAS_NODE_NAME = "object.spec.?nodeName.orValue('') != ''"

HAS_OTHER_SCHEDULER = f"!(object.spec.?schedulerName.orValue('') in {quote_all(SCHEDULERS)})"

SKIP_RULES = (OWNED_BY_DAEMON_SET, MIRRORS_STATIC_POD, OPTS_OUT, HAS_NODE_NAME, HAS_OTHER_SCHEDULER)

SKIPPED = Variable(
    "skipped",
    "A DaemonSet's, from its controller; a kubelet's mirror pod; opted out; names its node or its scheduler.",
    "\n|| ".join(f"({dedent(rule).strip()})" for rule in SKIP_RULES),
)

TAKEN = Variable(
    "taken",
    "Whether the pod belongs to a profile and has to run in its sandbox.",
    "variables.withinBounds && variables.matching.size() > 0 && !variables.skipped",
)

SKIPS = (WITHIN_BOUNDS, SKIPPED, TAKEN)
