"""Where a profile's pods may run, in CEL: the same as `monopod.pods.rules.zones`, which says how affinities merge."""

from monopod.api.names import TOPOLOGY_ZONE
from monopod.cel.compiled_selectors import NODE_LABEL_SEPARATOR, SPOT, ZONE_SEPARATOR
from monopod.cel.expressions import Variable, quote
from monopod.cel.json_patch import put, put_map_if_absent
from monopod.pods.cel.nodes import ASKS_FOR_TYPE, IS_ON_FARGATE, ON_FARGATE, RULES_OUT
from monopod.pods.rules.nodes import REQUIRED

_PATH = f"/spec/affinity/nodeAffinity/{REQUIRED}"
_NEEDS = "term.?matchExpressions.orValue([])"
_FIELDS = "term.?matchFields.orValue([])"
_IS_BOUND = "need.key == place.key && need.operator == place.operator && need.?values.orValue([]) == place.values"
"""Whether a requirement, `need`, of the pod's is one of its profile's, `place`."""

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
      .filter(term, {_NEEDS}.size() > 0 || {_FIELDS}.size() > 0)
      .map(term, {_NEEDS}.filter(need, need.key == {quote(TOPOLOGY_ZONE)}))
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

# dyn: a CEL map's values are of one type, unless that is left open.
_IN_ZONES = f"{{'key': dyn({quote(TOPOLOGY_ZONE)}), 'operator': dyn('In'), 'values': dyn(variables.zones)}}"
_ON_SPOT_NODES = """{
            'key': dyn(label[0]), 'operator': dyn(variables.spot ? 'In' : 'NotIn'), 'values': dyn([label[1]])
          }"""

PLACES = Variable(
    "places",
    "What the profile requires of its pods' nodes: its zones, and to be Spot's or not, where Spot's have a label.",
    f"""
    (variables.zones.size() == 0 ? [] : [{_IN_ZONES}]) +
      (variables.winner[?12].orValue('') == '' ? []
        : [variables.winner[12].split({quote(NODE_LABEL_SEPARATOR)})].map(label, {_ON_SPOT_NODES}))
    """,
)

# A JSON patch takes no parts of the pod as values.
_WRITE_OUT = """needs.map(need, {
        'key': dyn(need.key),
        'operator': dyn(need.operator),
        ?'values': need.?values.optMap(values, dyn(values.map(value, value)))
      })"""
_TERM = "{'matchExpressions': term[0], 'matchFields': term[1]}"

ASKS_FOR_TYPE_AT_ALL = Variable(
    "asksForType",
    "Whether any of the alternatives is about the compute type of nodes.",
    f"variables.nodeTerms.exists(term, {_NEEDS}.exists(need, {ASKS_FOR_TYPE}))",
)

SETTLED_TERMS = Variable(
    "settledTerms",
    "The alternatives, each as its requirements and its fields, without what being on Fargate meets. One that rules "
    "Fargate out asks for it besides, and so matches no node. None if one holds on all of Fargate's nodes.",
    f"""
    variables.asksForType && variables.nodeTerms.exists(term,
        {_NEEDS}.size() > 0 && {_FIELDS}.size() == 0 &&
        {_NEEDS}.all(need, {ASKS_FOR_TYPE} && !{RULES_OUT}))
      ? []
      : variables.nodeTerms.map(term, [
          {_NEEDS}.exists(need, {ASKS_FOR_TYPE} && {RULES_OUT})
            ? dyn({_NEEDS} + ({_NEEDS}.exists(need, {IS_ON_FARGATE}) ? [] : [{ON_FARGATE}]))
            : dyn({_NEEDS}.filter(need, !({ASKS_FOR_TYPE}))),
          dyn({_FIELDS})
        ])
    """,
)

BOUND_TERMS = Variable(
    "boundTerms",
    "The same with what the profile requires in each that requires anything; or in one, where there is none. "
    "Written out, because a JSON patch takes no parts of the pod as values.",
    f"""
    (variables.places.size() > 0 && variables.settledTerms.size() == 0
        ? [[dyn(variables.places), dyn([])]] : variables.settledTerms)
      .map(term, [
        variables.places.size() == 0 || term[0].size() + term[1].size() == 0
          ? term[0] : dyn(term[0] + variables.places.filter(place, !term[0].exists(need, {_IS_BOUND}))),
        term[1]
      ].map(needs, {_WRITE_OUT}))
      .map(term, {_TERM})
    """,
)

TERMS_TO_BIND = Variable(
    "termsToBind",
    "The alternatives that don't require what the profile does.",
    f"""
    variables.nodeTerms.filter(term,
      ({_NEEDS}.size() > 0 || {_FIELDS}.size() > 0) &&
      variables.places.exists(place, !{_NEEDS}.exists(need, {_IS_BOUND})))
    """,
)

ZONE_VARIABLES = (
    *(ZONES, PLACES, TERMS, ZONE_REQUIREMENTS, EXCLUDES_ZONES),
    *(ASKS_FOR_TYPE_AT_ALL, SETTLED_TERMS, BOUND_TERMS, TERMS_TO_BIND),
)

BIND = f"""
    // The profile's zones, and Spot's nodes or others, required by each alternative that the pod's node affinity has,
    // or by one of its own; and what the alternatives say of the compute type, decided.
    (variables.places.size() == 0 && !variables.asksForType ? [] :
      variables.boundTerms.size() == 0 ? [JSONPatch{{op: 'remove', path: {quote(_PATH)}}}] : (
    {put_map_if_absent("/spec/affinity", "has(object.spec.affinity)")} +
    {put_map_if_absent("/spec/affinity/nodeAffinity", "object.spec.?affinity.?nodeAffinity.hasValue()")} +
    {put(_PATH, "{'nodeSelectorTerms': variables.boundTerms}")}
    ))
"""
"""Operations on a pod that can run."""

_WAS_BOUND = f"""need.key == {quote(TOPOLOGY_ZONE)} && need.operator == 'In' &&
          need.?values.orValue([]) == variables.markedSelector[?5].orValue('').split({quote(ZONE_SEPARATOR)})"""
_WAS_ON_SPOT = f"""variables.markedSelector[?12].orValue('').startsWith(need.key + {quote(NODE_LABEL_SEPARATOR)}) &&
          need.operator == (variables.markedSelector[?11].orValue('') == {quote(SPOT)} ? 'In' : 'NotIn') &&
          need.?values.orValue([]) == [variables.markedSelector[12].substring(need.key.size() + 1)]"""
_IS_OURS = f"""({_WAS_BOUND} || {_WAS_ON_SPOT} || {IS_ON_FARGATE} &&
          {_NEEDS}.exists(need, {ASKS_FOR_TYPE} && {RULES_OUT}))"""

UNBIND = f"""
    // What the profile that took it required, and what keeps an alternative that rules Fargate out from matching. Where
    // this is all that the affinity says, there was none; else an alternative of nothing more is the author's own.
    (!variables.nodeTerms.exists(term, {_NEEDS}.exists(need, {_IS_OURS})) ? []
      : variables.nodeTerms.size() == 1 && variables.nodeTerms.all(term,
          {_FIELDS}.size() == 0 && {_NEEDS}.all(need, {_IS_OURS}))
      ? [JSONPatch{{op: 'remove', path: {quote(_PATH)}}}]
      : {
    put(
        _PATH + "/nodeSelectorTerms",
        f'''variables.nodeTerms.map(term, [
          {_FIELDS}.size() == 0 && {_NEEDS}.all(need, {_IS_OURS})
            ? dyn({_NEEDS}) : dyn({_NEEDS}.filter(need, !{_IS_OURS})),
          dyn({_FIELDS})
        ].map(needs, {_WRITE_OUT}))
        .map(term, {_TERM})''',
    )
})
"""
"""Operations on a pod that has opted out."""
