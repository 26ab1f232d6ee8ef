"""Monopod's own kinds, by the schemas that their CRDs are rendered from: what the API server refuses, and its words."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from monopod.api.crd import KINDS, Kind, build_schema
from monopod.cli.input.schema.expressions import compute_broken_rules
from monopod.cli.input.schema.names import compute_metadata_faults
from monopod.cli.input.schema.structural import Checker, Fault, Schema, fill_in

_CHECKER: Final = Checker()


def get_kind(document: Mapping[str, Any]) -> Kind | None:
    """The kind of ours that a document claims to be, in whatever version; None if it is none."""
    group = str(document.get("apiVersion")).partition("/")[0]
    return next((kind for kind in KINDS if (kind.group, kind.model.__name__) == (group, document.get("kind"))), None)


def compute_faults(document: Mapping[str, Any], kind: Kind) -> list[Fault]:
    """Why the API server, or kubectl before it, would refuse an object of ours; empty if neither would."""
    version = f"{kind.group}/{kind.version}"
    if document.get("apiVersion") != version:
        name = kind.model.__name__
        return [
            Fault("apiVersion", f'no matches for kind "{name}" in version "{document["apiVersion"]}": it is {version}')
        ]
    schema = _build_schema(kind.model.__name__)
    body = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata")}
    if unknown := list(_CHECKER.find_unknown(body, schema)):
        return [Fault("", f'unknown field "{path}"') for path in unknown]
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    filled = fill_in({**body, "metadata": metadata}, schema)
    faults = [*compute_metadata_faults(metadata), *_CHECKER.compute_faults(filled, schema)]
    return faults or list(compute_broken_rules(filled, schema))


@cache
def _build_schema(name: str) -> Schema:
    return build_schema(next(kind.model for kind in KINDS if kind.model.__name__ == name))
