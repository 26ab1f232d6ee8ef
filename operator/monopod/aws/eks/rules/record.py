"""What a request said that a profile can't say, on the profile itself: nothing else remembers it.

The record is an annotation. Whoever may write the profile may write it, and it goes along when a manifest is copied. So
each part counts only as long as it fits the object that it is on, and nothing is lost without it but the original
words.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import EKS_REQUEST_ANNOTATION, EKS_TOKEN_LABEL
from monopod.aws.eks.rules.names import compute_object_name
from monopod.aws.wire.call import Params

IDEMPOTENCY: Final = "clientRequestToken"
"""The parameter by which a repeated request is known."""

_HASH_DIGITS: Final = 40  # a label's value has at most 63


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of the request that created a profile.

    Attributes:
        name: the profile's name on EKS.
        subnets: as they were sent; None if none were.
        zones: those of the subnets, as the profile has them.
        request: what the request is known by, without its token.
    """

    name: str
    subnets: tuple[str, ...] | None = None
    zones: tuple[str, ...] = ()
    request: str = ""


def hash_token(token: str) -> str:
    """A token as a label can have it, whatever it consists of."""
    return hashlib.sha256(token.encode()).hexdigest()[:_HASH_DIGITS]


def hash_request(params: Params) -> str:
    """What a request is known by, apart from its token: the same for the same parameters, in any order."""
    said = {name: value for name, value in params.items() if name != IDEMPOTENCY}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:_HASH_DIGITS]


def build_marks(record: Record, token: str | None) -> dict[str, dict[str, str]]:
    """Labels and annotations of a new profile."""
    said = {
        "name": record.name,
        "subnets": None if record.subnets is None else list(record.subnets),
        "zones": list(record.zones),
        "request": record.request,
    }
    annotation = json.dumps({key: value for key, value in said.items() if value}, ensure_ascii=False)
    labels = {"labels": {EKS_TOKEN_LABEL: hash_token(token)}} if token else {}
    return {"annotations": {EKS_REQUEST_ANNOTATION: annotation}, **labels}


def read_record(profile: Mapping[str, Any]) -> Record:
    """What is remembered of a profile's request, as far as it is about this profile.

    Args:
        profile: the object, or no more than its metadata: what it says of subnets is left out then.
    """
    metadata = profile.get("metadata") or {}
    said = _parse((metadata.get("annotations") or {}).get(EKS_REQUEST_ANNOTATION) or "")
    name, request = said.get("name"), said.get("request")
    if not isinstance(name, str) or compute_object_name(name) != metadata["name"]:
        return Record(metadata["name"])
    subnets, zones = _read_names(said.get("subnets")), _read_names(said.get("zones")) or ()
    if zones != tuple((profile.get("spec") or {}).get("subnets") or ()):
        subnets, zones = None, ()
    return Record(name, subnets, zones, request if isinstance(request, str) else "")


def _parse(annotation: str) -> dict[str, Any]:
    try:
        said = json.loads(annotation)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _read_names(said: object) -> tuple[str, ...] | None:
    if isinstance(said, list) and all(isinstance(each, str) for each in said):
        return tuple(said)
    return None
