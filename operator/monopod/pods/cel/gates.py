"""The scheduling gates by which pods wait: for ever, for their claims, or until their namespace is isolated.

A pod that Fargate can't run waits for ever, behind one gate. Policies can't look a PersistentVolumeClaim up, nor a
NetworkPolicy. So every other pod that mounts a claim gets a gate, and the operator, which sees the claims, lifts it
(`monopod.pods.rules.volumes`); and so does every one in a namespace without its default-deny policy
(`monopod.isolation.cel.groups`). Gates of these names that a manifest brings are replaced by what admission decides;
all others stay.
"""

from monopod.api.names import ISOLATION_GATE, OUR_GATES, UNSUPPORTED_GATE, VOLUMES_GATE
from monopod.cel.expressions import Variable, quote, quote_all
from monopod.cel.json_patch import put

HAS_CLAIMS = Variable(
    "hasClaims",
    "Whether the pod mounts persistent volume claims, and so has to wait for them.",
    "object.spec.?volumes.orValue([]).exists(volume, has(volume.persistentVolumeClaim))",
)


def has_gate(spec: str, gate: str) -> str:
    """Whether a spec has a gate."""
    return f"{spec}.?schedulingGates.orValue([]).exists(gate, gate.name == {quote(gate)})"


def other_gates(spec: str) -> str:
    """The gates of a spec that aren't ours."""
    return f"{spec}.?schedulingGates.orValue([]).filter(gate, !(gate.name in {quote_all(OUR_GATES)}))"


GATED = Variable(
    "gated",
    "Whether the pod waits behind the gate of pods that can't run.",
    has_gate("object.spec", UNSUPPORTED_GATE),
)

WAITS_FOR_VOLUMES = Variable(
    "waitsForVolumes",
    "Whether it waits behind the gate of pods with claims.",
    has_gate("object.spec", VOLUMES_GATE),
)

WAITS_FOR_ISOLATION = Variable(
    "waitsForIsolation",
    "Whether it waits behind the gate of pods whose namespace isn't isolated yet.",
    has_gate("object.spec", ISOLATION_GATE),
)

CHECKED_GATES = (GATED, WAITS_FOR_VOLUMES, WAITS_FOR_ISOLATION)
"""Only for the policy that checks pods; the mutation writes the gates."""


def _append(gate: str) -> str:
    return put("/spec/schedulingGates/-", f"{{'name': {quote(gate)}}}")


_CLEAN = put("/spec/schedulingGates", other_gates("object.spec"))

REMOVE_GATES = f"""(!has(object.spec.schedulingGates) ? []
      : {other_gates("object.spec")}.size() > 0 ? {_CLEAN}
      : [JSONPatch{{op: 'remove', path: '/spec/schedulingGates'}}])"""
"""Operations on a pod that has opted out."""

WAIT_FOR_OPERATOR = f"""
    (has(object.spec.schedulingGates) || variables.hasClaims || variables.awaitsIsolation
      ? {_CLEAN} : []) +
    (variables.hasClaims ? {_append(VOLUMES_GATE)} : []) +
    (variables.awaitsIsolation ? {_append(ISOLATION_GATE)} : [])
"""
"""Operations on a pod that can run."""

WAIT_FOR_EVER = f"""
    {_CLEAN} +
    {_append(UNSUPPORTED_GATE)}
"""
"""Operations on a pod that can't."""
