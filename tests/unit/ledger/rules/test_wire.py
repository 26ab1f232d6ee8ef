"""Lifetimes as JSON: what a peer reads is what was sent."""

import json
from typing import Any

import pytest

from monopod.ledger.rules.wire import (
    InvalidWire,
    decode_lifetime,
    decode_watched,
    encode_lifetime,
    encode_watched,
)
from monopod.usage.rules.lifetime import Description, Lifetime, Watched

DESCRIPTION = Description(
    7, "shop", "web-0", "web", "Deployment/web", 250, 512, 20, "FARGATE", "x86", "node-1", (("app", "web"),)
)
SPARSE = Lifetime("u-1", DESCRIPTION, 1_000)
WHOLE = Lifetime(
    "u-2", DESCRIPTION, 1_000, 2_000, 1_500, 2_500, 9_000, 9_500, frozenset({9_400, 9_900}), 9_300,
    frozenset({"ledger-0", "ledger-1"}), frozenset({"PullStarted", "WatchedDeletion"}),
)  # fmt: skip


@pytest.mark.parametrize("lifetime", [SPARSE, WHOLE], ids=["sparse", "whole"])
def test_a_lifetime_survives_the_way_to_a_peer(lifetime: Lifetime) -> None:
    assert decode_lifetime(json.loads(json.dumps(encode_lifetime(lifetime)))) == lifetime


def test_a_window_survives_the_way_to_a_peer() -> None:
    watched = Watched("ledger-0", 5, 9)

    assert decode_watched(json.loads(json.dumps(encode_watched(watched)))) == watched


def test_fields_of_a_newer_release_are_passed_over() -> None:
    encoded = encode_lifetime(WHOLE) | {"cooledDown": 5}
    encoded["description"]["colour"] = "red"

    assert decode_lifetime(encoded) == WHOLE


SPOILED: dict[str, Any] = {
    "no uid": {"uid": None},
    "a fraction": {"alive": 1.5},
    "a switch for a number": {"created": True},
    "a text for a number": {"finished": "9000"},
    "gone isn't a list": {"gone": 5},
    "no database has the number": {"alive": 10**30},
    "before there were clocks": {"acknowledged": -62_135_596_800_000},
    "the year 3000000": {"gone": [10**17]},
    "half a character": {"uid": "\ud800"},
    "NUL": {"uid": "a\0b"},
    "no index has room": {"uid": "x" * 100_000},
    "no description": {"description": None},
    "labels of numbers": {"description": encode_lifetime(WHOLE)["description"] | {"labels": {"app": 1}}},
    "a description without a size": {"description": {"version": 1}},
}


@pytest.mark.parametrize("spoiled", SPOILED.values(), ids=SPOILED)
def test_what_is_no_lifetime_is_refused(spoiled: dict[str, Any]) -> None:
    with pytest.raises(InvalidWire):
        decode_lifetime(encode_lifetime(WHOLE) | spoiled)
