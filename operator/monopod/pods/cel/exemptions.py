"""Pods that are left alone although a profile matches, in CEL: the same rules as `monopod.pods.rules.exemptions`.

Anyone can write an owner or an annotation on a pod, so pods of DaemonSets and mirror pods are known by who creates
them.
"""

from textwrap import dedent

from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_EC2, MIRROR_ANNOTATION
from monopod.cel.compiled_selectors import OPT_OUT_REFUSED
from monopod.cel.expressions import Validation, Variable, quote, quote_all
from monopod.pods.cel.bounds import WITHIN_BOUNDS
from monopod.pods.rules.exemptions import DAEMON_SET_API, DAEMON_SET_CONTROLLERS, OPT_OUTS, REFUSAL, SCHEDULERS, Skip

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


def _any_of(*rules: str) -> str:
    return "\n|| ".join(f"({dedent(rule).strip()})" for rule in rules)


EXEMPT = Variable(
    "exempt",
    "A DaemonSet's, from its controller; a kubelet's mirror pod.",
    _any_of(OWNED_BY_DAEMON_SET, MIRRORS_STATIC_POD),
)

OPTED_OUT = Variable(
    "optedOut",
    "Kept out by its author: by the annotation, by its node or by its scheduler.",
    _any_of(OPTS_OUT, HAS_NODE_NAME, HAS_OTHER_SCHEDULER),
)

REFUSING = Variable(
    "refusing",
    "Profiles that match a pod that opts out, and refuse that. Whichever wins it: a pod chooses that, too.",
    f"""
    !variables.optedOut || variables.exempt || !variables.withinBounds ? []
      : variables.matching.filter(selector, selector[?10].orValue('') == {quote(OPT_OUT_REFUSED)})
        .map(selector, selector[0])
    """,
)

SKIPPED = Variable("skipped", "Either of these.", "variables.exempt || variables.optedOut")

TAKEN = Variable(
    "taken",
    "Whether the pod belongs to a profile and has to run in its sandbox.",
    "variables.withinBounds && variables.matching.size() > 0 && !variables.skipped",
)

SKIPS = (WITHIN_BOUNDS, EXEMPT, OPTED_OUT, REFUSING, SKIPPED, TAKEN)

_FIELDS = ", ".join(
    f"{rule} ? {quote(OPT_OUTS[skip])} : ''"
    for skip, rule in (
        (Skip.COMPUTE_TYPE_EC2, OPTS_OUT),
        (Skip.NODE_NAME, HAS_NODE_NAME),
        (Skip.SCHEDULER, HAS_OTHER_SCHEDULER),
    )
)
_BEFORE, _BETWEEN, _AFTER = REFUSAL.split("{}")

OPT_OUT_STAYS_REFUSED = Validation(
    "Profiles with optOut: Refuse keep all pods that they match.",
    "variables.refusing.size() == 0",
    "A Fargate profile matches this pod, which must not opt out of it (optOut: Refuse).",
    f"""
    variables.refusing.size() == 0 ? '' : {quote(_BEFORE)} + variables.refusing[0] + {quote(_BETWEEN)}
      + [{_FIELDS}].filter(field, field != '').join(', ') + {quote(_AFTER)}
    """,
)
