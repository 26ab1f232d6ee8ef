"""Pods that are left alone although a profile matches, in CEL: the same rules as `monopod.domain.skips`.

RuntimeClass admission runs before the policies, so a class with `scheduling` has already written its nodeSelector when
they read the pod. A nodeSelector is therefore no opt-out on a pod that names the very class that its profile would
choose: when admission runs again on its own work, and in manifests that name the class. A pod that names another class
with `scheduling` looks like one that chose its nodes, and is left alone.

Anyone can write an owner or an annotation on a pod, so pods of DaemonSets and mirror pods are known by who creates
them.
"""

from textwrap import dedent

from monopod.admission.bounds import WITHIN_BOUNDS
from monopod.admission.cel import Variable, quote, quote_all
from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_EC2, MIRROR_ANNOTATION
from monopod.domain.skips import DAEMON_SET_API, DAEMON_SET_CONTROLLERS, DEFAULT_SCHEDULER

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

HAS_NODE_SELECTOR = """
    object.spec.?nodeSelector.orValue({}).size() > 0
      && object.spec.?runtimeClassName.orValue('') != variables.winner[1]
"""

HAS_NODE_NAME = "object.spec.?nodeName.orValue('') != ''"

HAS_OTHER_SCHEDULER = f"!(object.spec.?schedulerName.orValue('') in ['', {quote(DEFAULT_SCHEDULER)}])"

SKIP_RULES = (OWNED_BY_DAEMON_SET, MIRRORS_STATIC_POD, OPTS_OUT, HAS_NODE_SELECTOR, HAS_NODE_NAME, HAS_OTHER_SCHEDULER)

SKIPPED = Variable(
    "skipped",
    "A DaemonSet's, from its controller; a kubelet's mirror pod; opted out; chose its nodes, its node or its "
    "scheduler. The nodeSelector of a pod with its profile's class may be RuntimeClass.scheduling's.",
    "\n|| ".join(f"({dedent(rule).strip()})" for rule in SKIP_RULES),
)

TAKEN = Variable(
    "taken",
    "Whether the pod belongs to a profile and has to run in its sandbox.",
    "variables.withinBounds && variables.matching.size() > 0 && !variables.skipped",
)

SKIPS = (WITHIN_BOUNDS, SKIPPED, TAKEN)
