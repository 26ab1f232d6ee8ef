"""What a profile's status says of its cost: what the ledger answers, and when a status is worth writing for it.

    no ledger ──────────────────────────────────────────────────────────────► nothing
    ledger, not asked yet or not answering ── the status' own is young ─────► as it is
                                            └ older than STALE_SECONDS ─────► nothing
    answered ── other amounts, or the same for REFRESH_SECONDS ─────────────► the new ones
             └─ else, or written within LEAST_SECONDS ──────────────────────► as it is

So an idle profile is written twice an hour and a busy one every few minutes, also while the operator restarts again and
again.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError

from monopod.kube.objects.timestamps import read_time

PROFILES_PATH: Final = "/v1/profiles"
STALE_SECONDS: Final = 3600.0
"""How long amounts are shown that can't be refreshed."""
REFRESH_SECONDS: Final = 1800.0
"""After how long the time of amounts that haven't changed is written again, before they would look stale."""
LEAST_SECONDS: Final = 240.0
"""Between two writes of a status for its cost."""
_PLACES: Final = Decimal("0.0001")


class InvalidAnswer(Exception):
    """What answered is no ledger, or one of another release."""


Amount = Annotated[Decimal, Field(ge=0, lt=10**20, max_digits=60)]


class ProfileCost(BaseModel, frozen=True):
    """What the pods of one profile cost."""

    hourly: Amount = Decimal()
    """In an hour, those that run."""
    month: Amount = Decimal()
    """Since the month began."""


class _Answer(BaseModel, frozen=True):
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    profiles: dict[str, ProfileCost]


@dataclass(frozen=True, slots=True)
class ProfileCosts:
    """What the ledger answered.

    Attributes:
        read_at: when.
        currency: of all amounts.
        profiles: by name; those that aren't there have cost nothing this month.
    """

    read_at: datetime.datetime
    currency: str
    profiles: Mapping[str, ProfileCost] = field(default_factory=dict)


def read_costs(answer: object, read_at: datetime.datetime) -> ProfileCosts:
    """Reads an answer of the ledger's, as JSON has it.

    Raises:
        InvalidAnswer: it is none.
    """
    try:
        read = _Answer.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))[:100]
        raise InvalidAnswer(f"its answer isn't understood: {where or 'it'}: {first['msg'][:200]}") from None
    return ProfileCosts(read_at, read.currency, read.profiles)


def decide_usage(
    name: str, current: Mapping[str, Any] | None, costs: ProfileCosts | None, now: datetime.datetime
) -> Mapping[str, Any] | None:
    """What the status should say; None: nothing.

    Args:
        name: the profile's.
        current: what it says.
        costs: the ledger's last answer; None if it hasn't answered this operator yet.
        now: the time.
    """
    said_at = _read_moment(current, now)
    if costs is None or (now - costs.read_at).total_seconds() > STALE_SECONDS:
        is_young = said_at is not None and (now - said_at).total_seconds() <= STALE_SECONDS
        return current if is_young else None
    cost = costs.profiles.get(name, ProfileCost())
    wanted = {
        "costPerHour": _round(cost.hourly),
        "costThisMonth": _round(cost.month),
        "currency": costs.currency,
        "observedAt": costs.read_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if current is None or said_at is None:
        return wanted
    age = (costs.read_at - said_at).total_seconds()
    is_same = all(current.get(key) == wanted[key] for key in wanted if key != "observedAt")
    return current if age < (REFRESH_SECONDS if is_same else LEAST_SECONDS) else wanted


def _read_moment(current: Mapping[str, Any] | None, now: datetime.datetime) -> datetime.datetime | None:
    """When the status last heard of the ledger; None if it never did, or says so of the future."""
    try:
        moment = read_time(str((current or {}).get("observedAt") or ""))
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None:
        return None
    # A second of grace: times in statuses are whole seconds, and clocks of two operators differ.
    return moment if moment <= now + datetime.timedelta(seconds=LEAST_SECONDS) else None


def _round(amount: Decimal) -> str:
    return str(amount.quantize(_PLACES, ROUND_HALF_EVEN))
