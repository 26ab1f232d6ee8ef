"""How a profile's pods use Spot: `spec.spot`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from monopod.api.parts import Part
from monopod.api.rules import Rule, for_kind

FallbackAfter = Annotated[
    str,
    Field(max_length=15),
    Rule(
        """self.matches('^([0-9]+h)?([0-9]+m)?([0-9]+s)?$') && self != '' &&
           duration(self) >= duration('30s') && duration(self) <= duration('1h')""",
        "must be a duration between 30s and 1h, such as 2m or 1m30s",
    ),
]


class Spot(Part):
    """How the profile's pods use Spot."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "!has(self.fallbackAfter) || (has(self.fallback) && self.fallback == 'OnDemand')",
                "fallbackAfter has no effect without fallback: OnDemand",
            )
        )
    )

    pod_choice: Literal["Ignore", "Allow"] = "Ignore"
    """Whether a pod may choose its capacity provider itself, by the annotation monopod.dev/capacity-provider (FARGATE
    or FARGATE_SPOT), which then goes before `capacityProviderStrategy`. Ignore: the annotation has no effect."""

    fallback: Literal["None", "OnDemand"] = "None"
    """What becomes of pods that find no room on Spot. None, as on ECS: they wait. OnDemand: their workload's next pods
    run on demand for a while, 10 minutes at first and up to 6 hours, and those that wait and never started are deleted,
    so that their controller makes new ones."""

    fallback_after: FallbackAfter | None = None
    """How long a pod waits for room on Spot before that, from 30s to 1h. Default: 2m."""
