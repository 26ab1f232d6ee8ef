"""Which profile a pod belongs to, in CEL: the same rule as `monopod.pods.rules.selection`.

The policies read the namespace's compiled selectors (for their format see `monopod.selectors.compile`), sorted as
profiles win. Three steps sift them, the cheapest first, each in a variable of its own, because Kubernetes bounds the
cost of each expression: exact pairs, patterns for the value of one label, patterns for any label. The last are tested
against all labels written as one text, a line each, because CEL compiles a regular expression again for each test, and
so one test per pattern suffices. Neither keys nor values can hold `=` or a line break, so no pattern matches across two
lines.
"""

from monopod.api.names import (
    EKS_PROFILE_LABEL,
    GROUP_LABEL_PREFIX,
    NAMESPACE_LABEL,
    NAMESPACE_LABEL_VALUE,
    PROFILE_LABEL,
    SELECTORS_ANNOTATION,
)
from monopod.cel.compiled_selectors import LINE_SEPARATOR, PAIR_SEPARATOR, SEPARATOR, VALUE_SEPARATOR
from monopod.cel.expressions import Variable, quote, quote_all
from monopod.pods.rules.selection import WRITTEN_LABELS

IS_OWN = f"!key.contains('/') || !(key.startsWith({quote(GROUP_LABEL_PREFIX)}) || key in {quote_all(WRITTEN_LABELS)})"
"""Whether a label, `key`, isn't one that admission writes: all of those have a slash, and that is seen at once."""

IS_REACHED = (
    f"namespaceObject.metadata.?labels[?{quote(NAMESPACE_LABEL)}].orValue('') == {quote(NAMESPACE_LABEL_VALUE)}"
)
"""Whether a profile reaches the namespace, as this policy reads it; its selector may have read an earlier version."""

LABELS = Variable(
    "labels",
    "The pod's labels.",
    "object.metadata.?labels.orValue({})",
)

ANNOTATIONS = Variable(
    "annotations",
    "The pod's annotations.",
    "object.metadata.?annotations.orValue({})",
)

PAIR_SET = Variable(
    "pairSet",
    "The labels as 'key=value', as keys of a map, in which a pair is found at once. Those that admission writes are "
    "left out: if they decided, admission's own work could undo its decision when it runs again.",
    f"""
    variables.labels.transformMapEntry(key, value,
      {IS_OWN},
      {{key + '=' + value: true}})
    """,
)

LABEL_TEXT = Variable(
    "labelText",
    "The same as one text, a line each, with an empty line before and after.",
    f"""
    {quote(LINE_SEPARATOR)} + variables.pairSet.map(pair, pair).join({quote(LINE_SEPARATOR)}) + {quote(LINE_SEPARATOR)}
    """,
)

SELECTORS = Variable(
    "selectors",
    "The compiled selectors of the profiles that reach this namespace: "
    "[profile, RuntimeClass, Pend or Reject, exact label pairs, label patterns as regular expressions, and if any: "
    "zones, security groups, Allow where pods may choose theirs, allowed annotations, Allow for SELinux options, "
    "Refuse for opting out, Spot, the label of Spot's nodes, allowed capabilities, Allow where pods may choose their "
    "provider, Keep where pods on Spot don't give way].",
    f"""
    namespaceObject.metadata.?annotations[?{quote(SELECTORS_ANNOTATION)}].orValue('')
      .split({quote(LINE_SEPARATOR)})
      .filter(line, line != '')
      .map(line, line.split({quote(SEPARATOR)}))
    """,
)

WITH_PAIRS = Variable(
    "withPairs",
    "The selectors whose label pairs without wildcards all hold, still in the order in which profiles win.",
    f"""
    variables.selectors.filter(selector, selector[3] == '' || selector[3].split({quote(PAIR_SEPARATOR)})
      .all(pair, pair in variables.pairSet))
    """,
)

WITH_VALUES = Variable(
    "withValues",
    "Those among them whose patterns for the value of one label hold, too. A label that is missing has no value that a "
    "pattern matches.",
    f"""
    variables.withPairs.filter(selector, selector[4] == '' || selector[4].split({quote(PAIR_SEPARATOR)})
      .map(pattern, pattern.split({quote(VALUE_SEPARATOR)}))
      .all(parts, parts.size() == 1 || variables.labels[?parts[0]].orValue({quote(LINE_SEPARATOR)})
        .matches('^' + parts[1] + '$')))
    """,
)

MATCHING = Variable(
    "matching",
    "The selectors that match the pod: the patterns for any label hold, too. No pairs and no patterns: every pod.",
    f"""
    variables.withValues.filter(selector, selector[4] == '' || selector[4].split({quote(PAIR_SEPARATOR)})
      .all(pattern, pattern.contains({quote(VALUE_SEPARATOR)}) ||
        variables.labelText.matches({quote(LINE_SEPARATOR)} + pattern + {quote(LINE_SEPARATOR)})))
    """,
)

WINNER = Variable(
    "winner",
    "The profile that the pod names, if it matches; else the first. If nothing matches, an empty one, which allows "
    "nothing: the operator's pods are judged whether or not a profile takes them.",
    f"""
    (variables.matching.filter(selector, selector[0] == variables.labels[?{quote(EKS_PROFILE_LABEL)}].orValue(''))
      + variables.matching + [['', '', '', '', '']])[0]
    """,
)

MARKED = Variable(
    "marked",
    "Whether the pod carries Monopod's mark already: admission ran before, a copied manifest, or a forgery.",
    f"{quote(PROFILE_LABEL)} in variables.labels",
)

MARKED_SELECTOR = Variable(
    "markedSelector",
    "A selector of the profile that the mark names: the one that took the pod when admission ran before, if it did. "
    "Empty if none of its selectors reaches the namespace.",
    f"""
    (variables.selectors.filter(selector, selector[0] == variables.labels[?{quote(PROFILE_LABEL)}].orValue(''))
      + [['', '', '', '', '']])[0]
    """,
)

SELECTION = (
    *(LABELS, ANNOTATIONS, PAIR_SET, LABEL_TEXT, SELECTORS, WITH_PAIRS, WITH_VALUES, MATCHING, WINNER),
    *(MARKED, MARKED_SELECTOR),
)
