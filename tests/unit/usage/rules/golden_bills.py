"""Lifetimes whose bills were computed by hand (golden_bills.yaml)."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from monopod.usage.rules.bill import BilledUntil, LostNode, Terms, UnknownEnd, Usage
from monopod.usage.rules.lifetime import Description, Lifetime

NOON = 1_795_867_200_000  # 2026-11-28T12:00:00Z


@dataclass(frozen=True)
class Golden:
    """One of them; `seconds` are the least, those billed and the most, None if nothing is."""

    name: str
    lifetime: Lifetime
    terms: Terms
    now: int
    seconds: tuple[int, int, int] | None
    usage: Usage
    usd_seconds: Decimal
    usd: str


def a_lifetime(**facts: Any) -> Lifetime:
    """A pod of the smallest size that was made at noon; moments are milliseconds after."""
    cpu, memory, storage = facts.pop("size", (250, 512, 20))
    architecture = facts.pop("architecture", "x86")
    moments = {
        name: NOON + facts[key]
        for key, name in (
            ("pull", "pull_started"),
            ("ack", "acknowledged"),
            ("container", "container_started"),
            ("finished", "finished"),
            ("alive", "alive"),
            ("node", "node_renewed"),
        )
        if key in facts
    }
    return Lifetime(
        "uid",
        Description(
            7,
            facts.get("namespace", "prod"),
            facts.get("name", "web-1"),
            "web",
            "Deployment/web",
            cpu,
            memory,
            storage,
            "FARGATE",
            architecture,
            "node-1",
            tuple(sorted(facts.get("labels", {}).items())),
        ),
        created=NOON,
        gone=frozenset(NOON + moment for moment in facts.get("gone", ())),
        evidence=frozenset(facts.get("evidence", ())),
        **moments,
    )


def read_golden() -> list[Golden]:
    """All of the file."""
    rows = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return [_read(**row) for row in rows]


def _read(
    name: str,
    size: dict[str, Any],
    life: dict[str, Any],
    seconds: int | list[int] | None,
    terms: dict[str, str] | None = None,
    usage: dict[str, Any] | None = None,
    usdSeconds: str = "0",
    usd: str = "0",
) -> Golden:
    terms, usage = terms or {}, usage or {"vcpuSeconds": 0, "gbSeconds": 0, "storageGbSeconds": 0}
    amounts = (int(Decimal(size["vcpu"]) * 1000), int(Decimal(size["gb"]) * 1024), size.get("storage", 20))
    bounds = [seconds] * 3 if isinstance(seconds, int) else seconds
    return Golden(
        name,
        a_lifetime(size=amounts, architecture=size.get("architecture", "x86"), **life),
        Terms(
            BilledUntil(terms.get("until", "PodDeleted")),
            UnknownEnd(terms.get("unknownEnd", "Earliest")),
            LostNode(terms.get("lostNode", "Bill")),
        ),
        NOON + life.get("now", 0),
        (bounds[0], bounds[1], bounds[2]) if bounds else None,
        Usage(
            bounds[1] if bounds else 0,
            int(Decimal(usage["vcpuSeconds"]) * 1000),
            int(Decimal(usage["gbSeconds"]) * 1024),
            usage["storageGbSeconds"],
        ),
        Decimal(usdSeconds),
        usd,
    )
