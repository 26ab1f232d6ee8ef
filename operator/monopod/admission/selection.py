"""Which profile a pod belongs to, in CEL: the same rule as `monopod.domain.selection`.

The policies read the namespace's rows (see `rows` for their format), which are sorted in the order in which profiles
win. A row's label patterns are tested against all labels written as one text, `,app=web,tier=front,`, because CEL
compiles a regular expression anew for each test, and so one test per pattern suffices. Neither keys nor values can
hold `,` or `=`, so a pattern can't match across two labels.
"""

from monopod.admission.cel import Variable, quote, quote_all
from monopod.admission.rows import LINE_SEPARATOR, PAIR_SEPARATOR, SEPARATOR
from monopod.api.names import EKS_PROFILE_LABEL, GROUP_LABEL_PREFIX, PROFILE_LABEL, ROWS_ANNOTATION
from monopod.domain.selection import WRITTEN_LABELS

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

LABEL_PAIRS = Variable(
    "labelPairs",
    "The labels as 'key=value'. Those that admission writes are left out: if they decided, admission's own work "
    "could undo its decision when it runs again.",
    f"""
    variables.labels.map(key,
      !(key in {quote_all(WRITTEN_LABELS)}) && !key.startsWith({quote(GROUP_LABEL_PREFIX)}),
      key + '=' + variables.labels[key])
    """,
)

LABEL_TEXT = Variable(
    "labelText",
    "The same as one text, ',key=value,key=value,'.",
    "',' + variables.labelPairs.join(',') + ','",
)

ROWS = Variable(
    "rows",
    "The profiles that reach this namespace, a row per selector: "
    "[profile, RuntimeClass, Pend or Reject, exact label pairs, label patterns as regular expressions, and if any: "
    "zones, security groups, Allow where pods may choose theirs].",
    f"""
    namespaceObject.metadata.?annotations[?{quote(ROWS_ANNOTATION)}].orValue('')
      .split({quote(LINE_SEPARATOR)})
      .filter(line, line != '')
      .map(line, line.split({quote(SEPARATOR)}))
    """,
)

MATCHING = Variable(
    "matching",
    "The rows whose label pairs all hold, still in the order in which profiles win. No pairs: every pod.",
    f"""
    variables.rows.filter(row,
      (row[3] == '' || row[3].split({quote(PAIR_SEPARATOR)})
        .all(pair, pair in variables.labelPairs)) &&
      (row[4] == '' || row[4].split({quote(PAIR_SEPARATOR)})
        .all(pattern, variables.labelText.matches(',' + pattern + ','))))
    """,
)

WINNER = Variable(
    "winner",
    "The profile that the pod names, if it matches; else the first. An error if nothing matches: ask 'taken' first.",
    f"""
    (variables.matching.filter(row, row[0] == variables.labels[?{quote(EKS_PROFILE_LABEL)}].orValue(''))
      + variables.matching)[0]
    """,
)

MARKED = Variable(
    "marked",
    "Whether the pod carries Monopod's mark already: admission ran before, a copied manifest, or a forgery.",
    f"{quote(PROFILE_LABEL)} in variables.labels",
)

SELECTION = (LABELS, ANNOTATIONS, LABEL_PAIRS, LABEL_TEXT, ROWS, MATCHING, WINNER, MARKED)
