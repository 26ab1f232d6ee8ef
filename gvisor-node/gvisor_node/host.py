"""The node's files, seen from a container that has the node's root folder at some path."""

import contextlib
import os
import posixpath
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MOST_LINKS = 40


@dataclass(frozen=True)
class Host:
    """A node's file system. Paths are the node's own, and so are the targets of its links."""

    root: Path
    proc: Path = Path("/proc")

    def locate(self, path: str) -> Path:
        """Where a file of the node is found here, links followed as the node would."""
        done, rest, links = "/", [part for part in path.split("/") if part], 0
        while rest:
            step = posixpath.normpath(posixpath.join(done, rest.pop(0)))
            here = self.root / step.lstrip("/")
            if not here.is_symlink():
                done = step
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(f"too many links: {path}")
            target = posixpath.join(done, os.readlink(here))
            done, rest = "/", [part for part in target.split("/") if part] + rest
        return self.root / done.lstrip("/")

    def read(self, path: str) -> str | None:
        """A file's text; None if there is none."""
        try:
            return self.locate(path).read_text()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Writes a file at once: whoever reads it meanwhile, or after a crash, finds the old one or the new one."""
        target = self.locate(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(mode)
        fresh.rename(target)

    def remove(self, path: str) -> None:
        """Removes a file, if it is there."""
        self.locate(path).unlink(missing_ok=True)

    def remove_folder(self, path: str) -> None:
        """Removes a folder and all that is in it, if it is there."""
        shutil.rmtree(self.locate(path), ignore_errors=True)

    def remove_empty(self, path: str) -> None:
        """Removes a folder if nothing is in it."""
        with contextlib.suppress(OSError):
            self.locate(path).rmdir()

    def list_names(self, folder: str) -> list[str]:
        """The names in a folder, in order; none if it isn't there."""
        try:
            return sorted(entry.name for entry in self.locate(folder).iterdir())
        except FileNotFoundError:
            return []

    def is_running(self, programs: Iterable[str]) -> bool:
        """Whether a process of the node runs one of these files."""
        files = {found for path in programs if (found := _identify(self.locate(path)))}
        return any(_identify(entry / "exe") in files for entry in self._list_processes())

    def _list_processes(self) -> Iterator[Path]:
        yield from (entry for entry in self.proc.iterdir() if entry.name.isdecimal())


def _identify(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others, by whatever name; a path means little across mount namespaces."""
    try:
        found = path.stat()
    except OSError:  # gone, a kernel thread, or a process that has ended
        return None
    return found.st_dev, found.st_ino
