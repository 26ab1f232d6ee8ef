"""Makes the file system of an image from the packages of the Debian or Ubuntu that this machine runs.

Packages are downloaded by apt-get with a package database of its own, which is empty, and unpacked without running
their scripts. So nothing is installed on this machine and root isn't needed.
"""

import contextlib
import fnmatch
import io
import os
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from image.layers import File, Folder, Link, Tree, hash_parts, read_content, read_member
from lab.shell import run

NOT_SHIPPED = (
    "usr/share/doc/*/[!c]*",  # what remains is each package's copyright file
    "usr/share/doc/*/changelog*",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/lintian/*",
    "usr/share/bug/*",
    "usr/share/binfmts/*",
    "usr/share/applications/*",
    "usr/share/pixmaps/*",
    "usr/lib/*/gconv/*",  # iconv's character sets; Python has its own
    "usr/lib/python3*/test/*",
    "usr/lib/python3*/idlelib/*",
    "usr/lib/python3*/lib2to3/*",
    "usr/lib/python3*/pydoc_data/*",
    "usr/lib/python3*/ensurepip/*",
)
MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders that Debian keeps under /usr, with links at the root; some packages still name the old place."""


def describe_release() -> str:
    """Returns the distribution and architecture that images are made from, such as `debian-12-x86_64`."""
    release = platform.freedesktop_os_release()
    return f"{release['ID']}-{release.get('VERSION_ID', 'unstable')}-{platform.machine()}"


def download_packages(folder: Path, names: tuple[str, ...], *, alone: tuple[str, ...] = ()) -> list[Path]:
    """Downloads packages and returns the files.

    Args:
        folder: An empty folder to work in.
        names: Packages that are wanted with what they depend on.
        alone: Packages that are wanted without.
    """
    apt = _prepare_apt(folder)
    run([*apt, "update"], timeout=None)
    if names:
        run([*apt, "install", "--download-only", "--yes", *names], timeout=None)
    packages = list((folder / "archives").glob("*.deb"))
    if alone:
        run([*apt, "download", *alone], cwd=folder, timeout=None)
        packages += folder.glob("*.deb")
    return sorted(packages)


def unpack_packages(packages: list[Path]) -> Tree:
    """Merges the packages' files into one tree, with a list of the packages for vulnerability scanners."""
    tree: Tree = {}
    for package in packages:
        raw = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True, timeout=60
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
            tree |= dict(_read_members(tar))
        control = run(["dpkg-deb", "--field", package]).stdout
        tree[f"var/lib/dpkg/status.d/{package.name.split('_')[0]}"] = File(control.encode())
    tree |= {place: Link(f"usr/{place}") for place in MERGED if any(path.startswith(f"usr/{place}/") for path in tree)}
    return {path: entry for path, entry in tree.items() if not is_left_out(path)}


def is_left_out(path: str) -> bool:
    """Tells whether a file of a package has no use in an image."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in NOT_SHIPPED)


def read_programs(names: dict[str, str], cache: Path) -> dict[str, bytes]:
    """Returns programs out of packages that need nothing else: package name to path of the program in it."""
    folder = cache / f"programs-{describe_release()}-{hash_parts(repr(sorted(names.items())))}"
    wanted = {package: folder / package for package in names}
    if not all(path.exists() for path in wanted.values()):
        with working_folder(cache) as work:
            packages = download_packages(work, (), alone=tuple(names))
            tree = unpack_packages(packages)
        folder.mkdir(parents=True, exist_ok=True)
        for package, program in names.items():
            fresh = wanted[package].with_suffix(f".{os.getpid()}")
            fresh.write_bytes(read_content(tree, program))
            fresh.rename(wanted[package])
    return {package: path.read_bytes() for package, path in wanted.items()}


@contextlib.contextmanager
def working_folder(cache: Path) -> Iterator[Path]:
    """Gives a folder beside the cached images that is removed afterwards."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".work-") as name:
        yield Path(name)


def _prepare_apt(folder: Path) -> list[str]:
    for place in ("lists/partial", "archives/partial"):
        (folder / place).mkdir(parents=True)
    (folder / "status").touch()
    options = {
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Debug::NoLocking": "1",
        "APT::Install-Recommends": "0",
        "APT::Sandbox::User": "root",  # its own user for downloads may not write to our folder
    }
    return ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]


def _read_members(tar: tarfile.TarFile) -> Iterator[tuple[str, File | Link | Folder]]:
    for member in tar:
        path = _merge_usr(str(PurePosixPath(member.name)))
        if member.isdir():
            # A folder's entry matters where others may write (/tmp); as the parent of a file it is made anyway.
            if member.mode & 0o002:
                yield path, Folder(member.mode & 0o7777)
        elif member.issym():
            yield path, Link(member.linkname)
        elif member.isfile() or member.islnk():
            # Set-user-ID bits don't come along: no program in an image of ours needs them.
            yield path, File(read_member(tar, member), member.mode & 0o755)


def _merge_usr(path: str) -> str:
    return f"usr/{path}" if path.split("/")[0] in MERGED else path
