"""What EFS file systems are here: whoever installs Monopod says for each an NFS export, or a claim."""

from collections.abc import Iterable
from typing import Any, Final

FILE_SYSTEM: Final = r"^[^=\s]+=(claim/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?|[^:/=\s]+:/[^:=\s]*)$"
"""`ID=SERVER:/PATH`, or `ID=claim/NAME`."""

_CLAIM: Final = "claim/"


def read_file_systems(pairs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """By the id of a file system, the source of a pod's volume."""
    return {identifier: _read(source) for identifier, _, source in (pair.partition("=") for pair in pairs)}


def _read(source: str) -> dict[str, Any]:
    if source.startswith(_CLAIM):
        return {"persistentVolumeClaim": {"claimName": source.removeprefix(_CLAIM)}}
    server, _, path = source.partition(":")
    return {"nfs": {"server": server, "path": path}}
