"""How a profile's pods use Spot: `spec.spot`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

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

MOST_PER_HOUR = 60


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

    interruptions_per_hour: Annotated[int, Field(ge=0, le=MOST_PER_HOUR)] = 0
    """How many of the profile's pods on Spot are interrupted in an hour, by the operator, one at a time: a drill that
    goes on, for clusters in which workloads are tried. They are evicted, so PodDisruptionBudgets hold. 0: none; at most
    60."""


class SpotDrill(Part):
    """The last interruption of the drill that the profile asks for by `spot.interruptionsPerHour`. It is written before
    the pod is evicted, so that an operator that has just started interrupts no second one.
    """

    interrupted_at: Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
    """When the pod was chosen."""

    namespace: Annotated[str, Field(max_length=63)]
    """The pod's namespace."""

    pod: Annotated[str, Field(max_length=253)]
    """Its name."""

    pod_uid: Annotated[str, Field(max_length=64)]
    """Its uid."""
