"""The operator's image: a Debian Python, the packages of requirements.lock, and operator/monopod, without a shell.

Three layers, each cached under a key of what it is made from, slowest first: a changed line of the operator costs a
second, a changed lock file a quarter of a minute, and only another release of the system makes all of it anew.
The Dockerfile at the repository's root makes the same content where Docker runs.
"""

import fcntl
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from image.debian import MERGED, describe_release, download_packages, unpack_packages, working_folder
from image.layers import (
    File,
    Folder,
    Tree,
    hash_parts,
    name_build,
    read_content,
    read_tree,
    write_archive,
    write_layer,
)
from lab.progress import step
from lab.shell import run

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "monopod.local/operator"
USER = 65532
"""The user that distroless images made customary for "not root"; nothing in the image belongs to it."""

PACKAGES_FOLDER = "opt/monopod/packages"
SOURCE_FOLDER = "opt/monopod/operator"
CONFIG: dict[str, Any] = {
    "User": f"{USER}:{USER}",
    "Entrypoint": ["python3", "-m", "monopod"],
    "Cmd": ["run"],
    "WorkingDir": "/",
    "Env": [
        "PATH=/usr/bin",
        f"PYTHONPATH=/{SOURCE_FOLDER}:/{PACKAGES_FOLDER}",
        "PYTHONUNBUFFERED=1",
        "PYTHONDONTWRITEBYTECODE=1",  # the root file system is read-only in the cluster
        "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    ],
}

SYSTEM_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
"""The last is for re2, by which the AWS endpoint checks patterns."""

NOT_NEEDED = (
    *("dpkg", "tar", "libacl1", "libmd0", "libpcre2-8-0", "libselinux1", "libzstd1", "readline-common", "media-types"),
    *("libdb5.3", "libnsl2", "libtirpc3", "libtirpc-common"),
    *("libgssapi-krb5-2", "libk5crypto3", "libkrb5-3", "libkrb5support0", "libkeyutils1", "libcom-err2"),
)
"""What dependencies bring along for scripts of packages, which don't run here, and for Python's `dbm` and `nis`."""

IMPORTED = (
    *("click", "kopf", "kubernetes.aio", "kubernetes.aio.client", "prometheus_client", "pydantic", "pydantic_settings"),
    *("structlog", "yaml"),
    *("alembic", "psycopg", "sqlalchemy"),  # the ledger's
    *("botocore.loaders", "botocore.model", "re2"),  # the AWS endpoint's
)
"""What the operator imports when it starts: compiled ahead, as a read-only file system can't keep bytecode."""

ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/:/usr/sbin/nologin\nmonopod:x:{USER}:{USER}:monopod:/:/usr/sbin/nologin\n",
    "etc/group": f"root:x:0:\nmonopod:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def build_operator_image(cache: Path) -> Path:
    """Builds the operator's image, or takes it from the cache, and returns its docker archive.

    Args:
        cache: Folder for layers and archives; made when it doesn't exist.

    Raises:
        lab.shell.CommandFailed: If packages can't be downloaded.
    """
    with _locked(cache):
        base = build_base(cache)
        packages = _build_packages(cache, base)
        source = read_tree(ROOT / "operator", _is_source, SOURCE_FOLDER)
        key = hash_parts(packages.name, repr(sorted(source.items())), repr(CONFIG))
        archive = cache / f"operator-{key}.tar"
        if not archive.exists():
            _remove_old_archives(cache)
            with step("packing the operator's image"):
                layer = cache / f"operator-{key}.layer"
                write_layer(source, layer)
                write_archive(archive, name_build(REPOSITORY, key), [base, packages, layer], CONFIG)
                layer.unlink()
        return archive


def build_base(cache: Path) -> Path:
    """Makes the layer with a Debian Python, or takes it from the cache; other images of ours begin with it, too."""
    recipe = _hash_recipe("debian.py", "layers.py", "operator_image.py")
    layer = cache / f"base-{describe_release()}-{recipe}.layer"
    if not layer.exists():
        with step("making the base of the operator's image", 20), working_folder(cache) as work:
            wanted = download_packages(work, SYSTEM_PACKAGES, alone=("ca-certificates",))
            tree = unpack_packages([file for file in wanted if _find_package_name(file) not in NOT_NEEDED])
            write_layer(tree | _configure_system(tree), layer)
    return layer


def _find_package_name(file: Path) -> str:
    """Returns the package of a downloaded file, without the suffix of the releases that moved to 64-bit times."""
    return file.name.split("_")[0].removesuffix("t64")


def _configure_system(packages: Tree) -> Tree:
    """Returns the files that the packages' scripts would have written."""
    authorities = sorted(path for path in packages if path.startswith("usr/share/ca-certificates/mozilla/"))
    bundle = b"".join(read_content(packages, path) for path in authorities)
    tree: Tree = {path: File(text.encode()) for path, text in ACCOUNTS.items()}
    return tree | {"etc/ssl/certs/ca-certificates.crt": File(bundle), "tmp": Folder(0o1777)}


def _build_packages(cache: Path, base: Path) -> Path:
    lock = ROOT / "requirements.lock"
    layer = cache / f"packages-{hash_parts(base.name, lock.read_bytes())}.layer"
    if not layer.exists():
        with step("installing the operator's packages into its image", 30), working_folder(cache) as work:
            system, packages = work / "system", work / "system" / PACKAGES_FOLDER
            run(["tar", "-xf", base, "--one-top-level=system", "--no-same-owner"], cwd=work)
            _install_wheels(lock, packages, _find_python_version(system))
            _compile_imported(system)
            write_layer(read_tree(system, _is_added, ""), layer)
    return layer


def _install_wheels(lock: Path, target: Path, version: str) -> None:
    """Installs the locked packages for the image's Python, which may not be the one that runs this."""
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(34, 4, -1)]
    tags += [f"manylinux2014_{machine}", f"manylinux1_{machine}"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    choice = ["--only-binary=:all:", f"--python-version={version}", "--implementation=cp"]
    choice += [f"--platform={tag}" for tag in tags]
    run([*pip, "--no-deps", "--require-hashes", *choice, "--target", target, "-r", lock], timeout=None)


COMPILE = f"""
import importlib, py_compile, sys
for name in {IMPORTED!r}:
    importlib.import_module(name)
root = sys.argv[1]
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None) or ""
    if path.startswith(root) and path.endswith(".py"):
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(path, dfile=path[len(root):], invalidation_mode=mode, doraise=True)
"""


def _compile_imported(system: Path) -> None:
    """Compiles what the operator imports, by the image's own Python. Its start takes a second instead of four.

    The Python is run through its own dynamic loader, so that no root is needed to change into the image; that its
    imports work is tested on the way.
    """
    libraries = next(iter(system.glob("usr/lib/*-linux-gnu*")))
    loader = next(iter([*libraries.glob("ld-linux*"), *system.glob("usr/lib/ld-linux*")]))
    python = next(iter(system.glob("usr/bin/python3.*")))
    environment = {"PYTHONHOME": str(system / "usr"), "PYTHONPATH": str(system / PACKAGES_FOLDER)}
    command: list[str | Path] = [loader, "--library-path", libraries, python, "-B", "-c", COMPILE, system]
    run(command, env=environment, timeout=600)


def _find_python_version(system: Path) -> str:
    names = [path.name for path in system.glob("usr/bin/python3.*")]
    return next(match[1] for name in names if (match := re.fullmatch(r"python(3\.\d+)", name)))


def _is_added(path: str) -> bool:
    """Picks what the packages' layer adds to the base: the packages, and bytecode, also the standard library's."""
    if re.match(rf"{PACKAGES_FOLDER}/botocore/data/(?!(ecs|eks|logs|ssm|sts)/)", path):
        return False  # models of services that nobody asks this one for
    if path.startswith(PACKAGES_FOLDER):
        return not re.match(rf"{PACKAGES_FOLDER}/(bin/|.*/(tests?|testing)/)", path)
    # Below the links of the merged /usr stands what is listed under /usr already.
    return "/__pycache__/" in path and path.split("/")[0] not in MERGED


def _is_source(path: str) -> bool:
    return path.startswith("monopod/") and path.endswith((".py", ".cel", ".json", ".yaml", ".typed"))


def _hash_recipe(*names: str) -> str:
    return hash_parts(*((Path(__file__).parent / name).read_bytes() for name in names))


def _remove_old_archives(cache: Path, days: float = 1) -> None:
    """Removes archives of earlier states of the code, each as large as the image; a running test keeps its own."""
    for archive in cache.glob("operator-*.tar"):
        if time.time() - archive.stat().st_mtime > days * 86400:
            archive.unlink(missing_ok=True)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
