"""Writes image layers and docker archives (`docker save` format) whose bytes depend on nothing but their content.

Times, owners and the order of entries are fixed, so that the same input gives the same digest and a container
runtime that already has a layer doesn't unpack it again.
"""

import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

SOURCE_EPOCH = 315532800
"""Modification time of every entry, in seconds: 1980-01-01, the earliest that zip files and py_compile accept."""

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class File:
    """A regular file, with its permissions."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Folder:
    """A folder whose permissions matter, or that has to be there while nothing is in it."""

    mode: int = 0o755


Tree = dict[str, File | Link | Folder]
"""What a layer holds: relative path to entry. Folders in between need no entry of their own."""


def find_architecture() -> str:
    """Returns this machine's architecture as images name it: `amd64` or `arm64`."""
    return ARCHITECTURES[platform.machine()]


def hash_parts(*parts: str | bytes) -> str:
    """Returns a short key for a cache: 12 hexadecimal digits that change with any of the parts."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()[:12]


def name_build(repository: str, key: str) -> str:
    """Returns the reference of an image that was built here, by the key of its content.

    The tag begins with a letter: `helm --set` takes one of digits alone for a number, which the chart refuses.
    """
    return f"{repository}:build-{key}"


def write_layer(tree: Tree, target: Path) -> None:
    """Writes a layer's tar file."""
    entries: Tree = {str(parent): Folder() for path in tree for parent in PurePosixPath(path).parents}
    entries |= tree
    entries.pop(".", None)
    with _replacing(target) as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(entries):
            info, content = _describe(path, entries[path])
            tar.addfile(info, io.BytesIO(content))


def write_archive(target: Path, reference: str, layers: Sequence[Path], config: Mapping[str, Any]) -> None:
    """Writes a docker archive of one image, as `docker load` and `ctr images import` read it.

    Args:
        target: The archive.
        reference: The image's name and tag.
        layers: Their tar files, lowest first.
        config: The image's run configuration in Docker's words: `User`, `Entrypoint`, `Cmd`, `Env`, …
    """
    digests = [_hash_file(layer) for layer in layers]
    document = {
        "architecture": find_architecture(),
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }
    blob = json.dumps(document, sort_keys=True).encode()
    name = f"{hashlib.sha256(blob).hexdigest()}.json"
    names = [f"{digest}.tar" for digest in digests]
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": names}]
    with _replacing(target) as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, raw in ((name, blob), ("manifest.json", json.dumps(manifest).encode())):
            info, content = _describe(path, File(raw))
            tar.addfile(info, io.BytesIO(content))
        for path, layer in dict(zip(names, layers, strict=True)).items():
            info, _ = _describe(path, File(b""))
            info.size = layer.stat().st_size
            with layer.open("rb") as source:
                tar.addfile(info, source)


def read_reference(archive: Path) -> str:
    """Returns the name and tag of the image in a docker archive."""
    with tarfile.open(archive) as tar:
        tag: str = json.loads(read_member(tar, "manifest.json"))[0]["RepoTags"][0]
        return tag


def read_member(tar: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    """Returns the content of a file in a tar file.

    Raises:
        ValueError: If the member isn't a file.
    """
    source = tar.extractfile(member)
    if source is None:
        raise ValueError(f"{member!r} is not a file")
    return source.read()


def read_content(tree: Tree, path: str) -> bytes:
    """Returns the content of a file in a layer.

    Raises:
        ValueError: If the layer has no such file.
    """
    entry = tree.get(path)
    if not isinstance(entry, File):
        raise ValueError(f"{path} is not a file of the image")
    return entry.content


def read_tree(folder: Path, keep: Callable[[str], bool], prefix: str) -> Tree:
    """Reads a folder of this machine into a layer.

    Args:
        folder: What to read.
        keep: Tells by an entry's path below the folder whether it comes along.
        prefix: Where the folder's content goes in the image; empty for its root.
    """
    tree: Tree = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if keep(relative) and path.is_file():
            mode = 0o755 if os.access(path, os.X_OK) else 0o644
            tree[str(PurePosixPath(prefix, relative))] = File(path.read_bytes(), mode)
    return tree


def _describe(path: str, entry: File | Link | Folder) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.mtime = SOURCE_EPOCH
    match entry:
        case File(content, mode):
            info.size, info.mode = len(content), mode
            return info, content
        case Link(target):
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        case Folder(mode):
            info.type, info.mode = tarfile.DIRTYPE, mode
    return info, b""


def _hash_file(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """Opens a file that takes the target's place only when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as out:
        try:
            yield out
        except BaseException:
            Path(out.name).unlink()
            raise
    Path(out.name).chmod(0o644)
    Path(out.name).rename(target)
