"""Images of one program each: the sample's busybox, the pods' pause container, and programs such as CoreDNS."""

import os
from collections.abc import Mapping
from pathlib import Path

from image.debian import read_programs
from image.layers import File, Folder, Link, Tree, hash_parts, write_archive, write_layer

BUSYBOX = "usr/bin/busybox"
BUSYBOX_COMMANDS = (
    *("sh", "awk", "basename", "cat", "chmod", "cp", "cut", "date", "dd", "df", "dirname", "dmesg"),
    *("du", "echo", "env", "expr", "false", "find", "free", "grep", "head", "hostname", "httpd", "id"),
    *("ip", "kill", "ls", "md5sum", "mkdir", "more", "mount", "mv", "nc", "nproc", "nslookup", "ping"),
    *("printf", "ps", "pwd", "rm", "sed", "seq", "sha256sum", "sleep", "sort", "stat", "stty", "sync"),
    *("tail", "tee", "test", "time", "timeout", "touch", "tr", "true", "uname", "uniq", "uptime", "vi"),
    *("wc", "wget", "which", "whoami", "xargs", "yes"),
)
UNPRIVILEGED = "65532:65532"


def build_busybox_image(cache: Path, reference: str = "monopod.local/busybox:1") -> Path:
    """Builds an image of Debian's static busybox, enough of a system for the samples, and returns its archive."""
    return build_image(cache, reference, build_busybox_tree(cache), {"Cmd": ["sh"], "Env": ["PATH=/usr/bin"]})


def build_busybox_tree(cache: Path) -> Tree:
    """The files of an image of Debian's static busybox."""
    program = _read_program("busybox-static", BUSYBOX, cache)
    tree: Tree = {BUSYBOX: File(program, 0o755), "bin": Link("usr/bin"), "tmp": Folder(0o1777)}
    tree |= {f"usr/bin/{command}": Link("busybox") for command in BUSYBOX_COMMANDS}
    tree["etc/passwd"] = File(b"root:x:0:0::/:/bin/sh\nnobody:x:65532:65532::/:/bin/sh\n")
    return tree


def build_pause_image(cache: Path, reference: str = "monopod.local/pause:1") -> Path:
    """Builds the image of the container that holds a pod's namespaces, and returns its archive.

    It is catatonit, which Podman uses for the same purpose: it waits, reaps the children of a shared process
    namespace, and ends on SIGTERM.
    """
    program = _read_program("catatonit", "usr/bin/catatonit", cache)
    # As process 1 it needs no -g; a pod with the node's process namespace (hostPID) gives it another number.
    config = {"Entrypoint": ["/pause", "-P", "-g"], "User": UNPRIVILEGED}
    return build_image(cache, reference, {"pause": File(program, 0o755)}, config)


def build_binary_image(reference: str, binary: Path, dest: Path) -> Path:
    """Builds an image of one static program, started as `/NAME` and as root, and returns its archive.

    Args:
        reference: The image's name and tag.
        binary: The program on this machine.
        dest: The archive to write.
    """
    layer = dest.with_suffix(f".{os.getpid()}.layer")
    tree: Tree = {binary.name: File(binary.read_bytes(), 0o755), "tmp": Folder(0o1777)}
    write_layer(tree, layer)
    write_archive(dest, reference, [layer], {"Entrypoint": [f"/{binary.name}"], "Env": ["PATH=/"]})
    layer.unlink()
    return dest


def _read_program(package: str, path: str, cache: Path) -> bytes:
    return read_programs({package: path}, cache)[package]


def build_image(cache: Path, reference: str, tree: Tree, config: Mapping[str, object]) -> Path:
    """Builds an image of one layer, or takes it from the cache, and returns its archive."""
    key = hash_parts(reference, repr(sorted(tree.items())), repr(config))
    archive = cache / f"{reference.rsplit('/', 1)[-1].replace(':', '-')}-{key}.tar"
    if not archive.exists():
        layer = archive.with_suffix(f".{os.getpid()}.layer")
        write_layer(tree, layer)
        write_archive(archive, reference, [layer], config)
        layer.unlink()
    return archive
