"""Where a profile's pods may run, in CEL: the same as `monopod.domain.zones`, which says how affinities merge."""

from monopod.admission.cel import Variable, quote
from monopod.admission.patch import each, put, put_map_if_absent
from monopod.admission.rows import ZONE_SEPARATOR
from monopod.api.names import TOPOLOGY_ZONE
from monopod.domain.zones import REQUIRED

_PATH = f"/spec/affinity/nodeAffinity/{REQUIRED}"
_EXPRESSIONS = f"'{_PATH}/nodeSelectorTerms/' + string(index) + '/matchExpressions"

ZONES = Variable(
    "zones",
    "The zones that the profile's subnets name; none: anywhere.",
    f"""
    variables.winner[?5].orValue('').split({quote(ZONE_SEPARATOR)}).filter(zone, zone != '')
    """,
)

TERMS = Variable(
    "nodeTerms",
    "The alternatives of the pod's required node affinity.",
    f"object.spec.?affinity.?nodeAffinity.?{REQUIRED}.?nodeSelectorTerms.orValue([])",
)

ZONE_REQUIREMENTS = Variable(
    "zoneRequirements",
    "What each of them says of the zone. One without any requirement matches no node, and is left out.",
    f"""
    variables.nodeTerms
      .filter(term, term.?matchExpressions.orValue([]).size() > 0 || term.?matchFields.orValue([]).size() > 0)
      .map(term, term.?matchExpressions.orValue([]).filter(need, need.key == {quote(TOPOLOGY_ZONE)}))
    """,
)

EXCLUDES_ZONES = Variable(
    "excludesZones",
    "Whether the pod's own affinity leaves none of the profile's zones.",
    """
    variables.zones.size() > 0 && variables.nodeTerms.size() > 0 &&
      !variables.zoneRequirements.exists(needs, variables.zones.exists(zone, needs.all(need,
        need.operator == 'In' ? zone in need.?values.orValue([])
          : need.operator == 'NotIn' ? !(zone in need.?values.orValue([]))
          : need.operator != 'DoesNotExist')))
    """,
)

TERMS_TO_BIND = Variable(
    "termsToBind",
    "The places of the alternatives that don't require the profile's zones yet.",
    f"""
    lists.range(variables.nodeTerms.size()).filter(index,
      (variables.nodeTerms[index].?matchExpressions.orValue([]).size() > 0 ||
        variables.nodeTerms[index].?matchFields.orValue([]).size() > 0) &&
      !variables.nodeTerms[index].?matchExpressions.orValue([]).exists(need,
        need.key == {quote(TOPOLOGY_ZONE)} && need.operator == 'In' && need.?values.orValue([]) == variables.zones))
    """,
)

ZONE_VARIABLES = (ZONES, TERMS, ZONE_REQUIREMENTS, EXCLUDES_ZONES, TERMS_TO_BIND)

# dyn: a CEL map's values are of one type, unless that is left open.
_REQUIREMENT = f"{{'key': dyn({quote(TOPOLOGY_ZONE)}), 'operator': dyn('In'), 'values': dyn(variables.zones)}}"

BIND = f"""
    // The profile's zones, required by each alternative that the pod's node affinity has, or by one of its own.
    (variables.zones.size() == 0 ? [] : (
    {put_map_if_absent("/spec/affinity", "has(object.spec.affinity)")} +
    {put_map_if_absent("/spec/affinity/nodeAffinity", "object.spec.?affinity.?nodeAffinity.hasValue()")} +
    (variables.nodeTerms.size() > 0 ? [] :
      {put(_PATH, f"{{'nodeSelectorTerms': [{{'matchExpressions': [{_REQUIREMENT}]}}]}}")}) +
    {
    each(
        "variables.termsToBind",
        "!variables.nodeTerms[index].?matchExpressions.hasValue()",
        f"JSONPatch{{op: 'add', path: {_EXPRESSIONS}', value: []}}",
    )
} +
    {each("variables.termsToBind", "true", f"JSONPatch{{op: 'add', path: {_EXPRESSIONS}/-', value: {_REQUIREMENT}}}")}
    ))
"""
"""Operations on a pod that can run."""
