"""Which security groups a pod belongs to, in CEL, and the marks that say so.

The same as `monopod.isolation.rules.membership`.

The namespace's SecurityGroupPolicies are read from its annotation (see `group_policies` for the format). Where there
are none, that costs next to nothing.
"""

from monopod.api.names import (
    DEFAULT_GROUP,
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUP_POLICIES_ANNOTATION,
    GROUPS_ANNOTATION,
    ISOLATED_ANNOTATION,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
    TASK_LABEL,
)
from monopod.cel.compiled_selectors import GROUP_SEPARATOR, GROUPS_ALLOWED, LINE_SEPARATOR, PAIR_SEPARATOR, SEPARATOR
from monopod.cel.expressions import Variable, quote, quote_all
from monopod.cel.json_patch import each, escape_pointer, put_annotation, put_label
from monopod.isolation.cel.group_policies import ACCOUNTS, ANY_ACCOUNT, VALUE_SEPARATOR
from monopod.isolation.rules.membership import ANNOTATED_GROUPS, DEFAULT_ACCOUNT, MEMBER
from monopod.pods.view import MAX_ANNOTATED

_PROFILE_LABELS = (PROFILE_LABEL, EKS_PROFILE_LABEL)
_PREFIX = len(GROUP_LABEL_PREFIX)

GROUP_LINES = Variable(
    "groupLines",
    "The namespace's SecurityGroupPolicies, a line each: [name, security groups, what the pod's labels must be, "
    "ServiceAccounts]; before them, if one asks for ServiceAccounts: ['accounts', those that are known].",
    f"""
    namespaceObject.metadata.?annotations[?{quote(GROUP_POLICIES_ANNOTATION)}].orValue('')
      .split({quote(LINE_SEPARATOR)})
      .filter(line, line != '')
      .map(line, line.split({quote(SEPARATOR)}))
    """,
)

# What a podSelector sees under a key: also the profile's name, before it is written.
_VALUE = f"""(parts[0].substring(1) in {quote_all(_PROFILE_LABELS)}
          ? optional.of(variables.winner[0]) : variables.labels[?parts[0].substring(1)])"""

POD_POLICIES = Variable(
    "podPolicies",
    "The SecurityGroupPolicies whose podSelector selects the pod: +key=a,b is one of these values, +key is there, and "
    "with a minus the contrary. A comma is no value, so it stands for a label that isn't there.",
    f"""
    variables.groupLines.filter(line, line.size() == 4 && (line[2] == '' ||
      line[2].split({quote(PAIR_SEPARATOR)})
        .map(need, need.split('='))
        .all(parts, parts[0].startsWith('+') == (parts.size() == 1
          ? {_VALUE}.hasValue()
          : {_VALUE}.orValue(',')
            in parts[1].split({quote(VALUE_SEPARATOR)})))))
    """,
)

ACCOUNT = Variable(
    "account",
    "The name of the pod's ServiceAccount.",
    f"""
    object.spec.?serviceAccountName.orValue('') == ''
      ? {quote(DEFAULT_ACCOUNT)} : object.spec.serviceAccountName
    """,
)

GROUP_POLICIES = Variable(
    "groupPolicies",
    "Those of them that select the pod's ServiceAccount too, or don't ask for one.",
    f"""
    variables.podPolicies.filter(line, line[3] == {quote(ANY_ACCOUNT)} ||
      variables.account in line[3].split({quote(VALUE_SEPARATOR)}))
    """,
)

ANNOTATED = Variable(
    "annotatedGroups",
    "The annotation by which the pod itself asks for security groups, where it has a say and is asked.",
    f"""
    variables.groupPolicies.size() == 0 && variables.winner[?7].orValue('') == {quote(GROUPS_ALLOWED)}
      ? variables.annotations[?{quote(GROUPS_ANNOTATION)}] : optional.none()
    """,
)

MISNAMED = Variable(
    "misnamesGroups",
    "Whether that annotation doesn't name groups.",
    f"""
    variables.annotatedGroups.hasValue() && (variables.annotatedGroups.orValue('').size() > {MAX_ANNOTATED} ||
      !variables.annotatedGroups.orValue('').matches({quote(ANNOTATED_GROUPS)}))
    """,
)

GROUPS = Variable(
    "groups",
    "The names of the pod's security groups: those of all matching SecurityGroupPolicies, or else of the pod's "
    "annotation, or else of the profile, or else the default. Sorted, each once.",
    f"""
    (variables.groupPolicies.size() > 0
        ? variables.groupPolicies.map(line, line[1].split({quote(GROUP_SEPARATOR)})).flatten()
      : variables.misnamesGroups
        ? []
      : variables.annotatedGroups.hasValue()
        ? variables.annotatedGroups.orValue('').split(',').map(name, name.trim())
      : variables.winner[?6].orValue('') != ''
        ? variables.winner[6].split({quote(GROUP_SEPARATOR)})
        : [{quote(DEFAULT_GROUP)}])
      .filter(name, name != '').distinct().sort()
    """,
)

AWAITS_ISOLATION = Variable(
    "awaitsIsolation",
    "Whether the pod has to wait for the operator: its namespace has no default-deny policy yet, or a "
    "SecurityGroupPolicy selects by ServiceAccount, and the operator hasn't seen the pod's yet.",
    f"""
    namespaceObject.metadata.?annotations[?{quote(ISOLATED_ANNOTATION)}].orValue('') != 'true' ||
      (variables.podPolicies.exists(line, line[3] != {quote(ANY_ACCOUNT)}) &&
       !variables.groupLines.exists(line, line.size() == 2 && line[0] == {quote(ACCOUNTS)} &&
         variables.account in line[1].split({quote(VALUE_SEPARATOR)})))
    """,
)

GROUP_VARIABLES = (
    GROUP_LINES,
    POD_POLICIES,
    ACCOUNT,
    GROUP_POLICIES,
    ANNOTATED,
    MISNAMED,
    GROUPS,
    AWAITS_ISOLATION,
)

IS_GROUP = f"key.startsWith({quote(GROUP_LABEL_PREFIX)})"
"""Whether a label, `key`, is one of a security group."""

JOIN = f"""
    // Its security groups, and no others that the manifest may have brought; nor a task id, which it gets with its
    // node.
    variables.labels
      .map(key, key == {quote(TASK_LABEL)} || ({IS_GROUP} && !(key.substring({_PREFIX}) in variables.groups)),
        JSONPatch{{op: 'remove', path: '/metadata/labels/' + jsonpatch.escapeKey(key)}}) +
    {
    each(
        "lists.range(variables.groups.size())",
        "true",
        f"JSONPatch{{op: 'add', path: '/metadata/labels/{escape_pointer(GROUP_LABEL_PREFIX)}' + "
        f"variables.groups[index], value: {quote(MEMBER)}}}",
    )
} +
    {put_label(GROUP_COUNT_LABEL, "string(variables.groups.size())")} +
    {put_annotation(POD_GROUPS_ANNOTATION, "variables.groups.join(',')")}
"""
"""Operations on every pod that a profile takes."""
