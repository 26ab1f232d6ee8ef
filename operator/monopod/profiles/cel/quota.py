"""The eleventh profile is refused: CEL can't count objects, so the operator keeps their names in a ConfigMap.

Without that ConfigMap, or before the operator has filled it, nothing is refused. The operator's count lags behind by
some milliseconds; what slips through meanwhile it reports on the profile (`monopod.profiles.rules.quota`).
"""

from monopod.api.names import QUOTA_KEY, QUOTA_PROFILES_KEY
from monopod.cel.compiled_selectors import LINE_SEPARATOR
from monopod.cel.expressions import Validation, Variable, quote

_QUOTA = f"params.?data[?{quote(QUOTA_KEY)}].orValue('')"

LIMIT = Variable(
    "quota",
    "How many profiles there may be; -1 where the ConfigMap holds no number.",
    f"""
    {_QUOTA}.matches('^[0-9]{{1,9}}$') ? int({_QUOTA}) : -1
    """,
)

NAMES = Variable(
    "profiles",
    "The names of those that there are.",
    f"""
    params.?data[?{quote(QUOTA_PROFILES_KEY)}].orValue('')
      .split({quote(LINE_SEPARATOR)})
      .filter(name, name != '')
    """,
)

QUOTA_VARIABLES = (LIMIT, NAMES)

WITHIN_QUOTA = Validation(
    "For a name that exists the API server has words of its own.",
    """
    variables.quota < 0 || variables.profiles.size() < variables.quota ||
      object.metadata.?name.orValue('') in variables.profiles
    """,
    "The quota of Fargate profiles is used up: delete a profile or raise the chart's profileQuota.",
    """
    'The quota of Fargate profiles is used up: the cluster has ' + string(variables.profiles.size()) + ' and may have '
      + string(variables.quota) + '. Delete a profile or raise the chart\\'s profileQuota.'
    """,
)
