"""What a pod asks of its node and being on Fargate answers, in CEL: the same as `monopod.pods.rules.nodes`.

RuntimeClass admission runs before the policies, and once more after them. Where the class of the profile finds its
nodes by the very label, the second time writes it again; the pod is marked by then, and it stays.
"""

from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_FARGATE
from monopod.cel.expressions import quote
from monopod.cel.json_patch import drop_if, escape_pointer, put
from monopod.pods.rules.nodes import DEFAULT_SCHEDULER, FARGATE_SCHEDULER

_TYPE, _FARGATE = quote(COMPUTE_TYPE), quote(COMPUTE_TYPE_FARGATE)

ASKS_FOR_TYPE = f"need.key == {_TYPE}"
"""Whether a requirement, `need`, is about the compute type."""

RULES_OUT = f"""(need.operator == 'In' ? !({_FARGATE} in need.?values.orValue([]))
            : need.operator == 'NotIn' ? {_FARGATE} in need.?values.orValue([])
            : need.operator != 'Exists')"""
"""Whether such a requirement holds on no node of Fargate."""

IS_ON_FARGATE = f"{ASKS_FOR_TYPE} && need.operator == 'In' && need.?values.orValue([]) == [{_FARGATE}]"

ON_FARGATE = f"{{'key': dyn({_TYPE}), 'operator': dyn('In'), 'values': dyn([{_FARGATE}])}}"

PLACE = f"""
    // On Fargate it is, whatever its node is called, and the cluster's scheduler stands in for AWS's.
    {
    drop_if(
        f"!variables.marked && object.spec.?nodeSelector[?{_TYPE}].orValue('') == {_FARGATE}",
        f"/spec/nodeSelector/{escape_pointer(COMPUTE_TYPE)}",
    )
} +
    (object.spec.?schedulerName.orValue('') == {quote(FARGATE_SCHEDULER)}
      ? {put("/spec/schedulerName", quote(DEFAULT_SCHEDULER))} : [])
"""
"""Operations on a pod that a profile takes."""
