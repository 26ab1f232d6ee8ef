"""The format of the text that policies read from namespaces: separators, fixed words, and what doesn't fit.

It is written by `monopod.selectors.compile`, where the fields are explained, and, for SecurityGroupPolicies, by
`monopod.isolation.cel.group_policies`.
"""

import re
from typing import Final

LINE_SEPARATOR: Final = "\n"
SEPARATOR: Final = "|"
PAIR_SEPARATOR: Final = " "
VALUE_SEPARATOR: Final = "~"
ZONE_SEPARATOR: Final = ","
GROUP_SEPARATOR: Final = ","
NODE_LABEL_SEPARATOR: Final = "="
ANNOTATION_SEPARATOR: Final = ","
CAPABILITY_SEPARATOR: Final = ","
GROUPS_ALLOWED: Final = "Allow"
SELINUX_ALLOWED: Final = "Allow"
OPT_OUT_REFUSED: Final = "Refuse"
SPOT: Final = "Spot"
PROVIDER_ALLOWED: Final = "Allow"
SPOT_KEPT: Final = "Keep"

ON_DEMAND_SEPARATOR: Final = " "
OWNER_SEPARATOR: Final = "/"
ON_DEMAND_UNTIL: Final = "="
WAS_ON_DEMAND_UNTIL: Final = "~"
"""Of the workloads that Spot lacks room for: `PROFILE/UID=UNTIL,NUMBER`, or with `~` for one whose time is over."""

FIXED_FIELDS: Final = 5
"""Fields that every compiled selector has, empty or not."""

PATTERNS_KEY: Final = "rows"
"""Of the ConfigMap for new namespaces. Clusters have it, and policies of the version before read it: it stays."""

PROTECTED_KEY: Final = "protected"

FOREIGN: Final = re.compile(r"[|=,~\s]")
"""What no label's key or value holds."""


class SelectorsTooLarge(ValueError):
    """More than Kubernetes lets an object carry, or lets a policy spend on reading it."""


def check_bound(found: int, most: int, what: str, place: str) -> None:
    """Holds a number to its bound; `what` says with `{}` for the number what there is, `place` where.

    Raises:
        SelectorsTooLarge: it is above the bound.
    """
    if found > most:
        raise SelectorsTooLarge(f"{what.format(found)} for {place}; the capacity is {most}")
