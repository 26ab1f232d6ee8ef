"""What containerd's configuration says, and what to add to it for one more runtime. Texts in, texts out.

    main file ──imports──► folder/*.toml          gvisor-node-HANDLER.toml is put there; the main file stays as it is

Only where a main file that is nobody's product imports nothing, it gets one line, which carries a mark and goes again.
A drop-in has the version of the main file: with a higher one containerd wouldn't migrate the main file, and lose what
it says (containerd/containerd#12891). containerd 1 replaces a plugin's whole configuration by a drop-in's, so it is
refused (containerd/containerd#5837).
"""

import json
import posixpath
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MARK: Final = "# gvisor-node"
PLUGINS: Final = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
_EMPTY_IMPORTS: Final = re.compile(r"^imports\s*=\s*\[\s*\][^\S\n]*$", re.MULTILINE)
_OUR_IMPORTS: Final = re.compile(rf"^imports = .* {MARK} (?P<before>added|was empty|file added)\n", re.MULTILINE)


class Unsupported(Exception):
    """The node's containerd can't be given the runtime; the message says why, and what to do."""


@dataclass(frozen=True)
class Distribution:
    """Where one way of running containerd has its configuration.

    Attributes:
        config: the main file.
        units: the systemd units, of which one runs containerd.
        generated: whether the main file is written anew at each start, so that an edit is lost.
    """

    config: str
    units: tuple[str, ...]
    generated: bool = False


DISTRIBUTIONS: Final = (
    Distribution("/var/lib/rancher/k3s/agent/etc/containerd/config.toml", ("k3s", "k3s-agent"), generated=True),
    Distribution("/var/lib/rancher/rke2/agent/etc/containerd/config.toml", ("rke2-server", "rke2-agent"), True),
    Distribution("/etc/containerd/config.toml", ("containerd",)),
)
"""k3s, RKE2, and the rest, such as kubeadm and kind, whose file may also be missing. The first that has one counts."""


@dataclass(frozen=True)
class Edit:
    """What to do: the version and the folder of the drop-in, and the main file's new text, None if it stays."""

    version: int
    folder: str
    main: str | None


def check_containerd(version: str) -> None:
    """Raises Unsupported for container runtimes other than containerd 2 and newer.

    Args:
        version: as the node's status has it, `containerd://2.4.2`.
    """
    found = re.match(r"containerd://v?(\d+)\.", version)
    if found is None or int(found[1]) < 2:
        raise Unsupported(f"The node's container runtime is {version}; this needs containerd 2 or newer.")


def plan_edit(distribution: Distribution, text: str | None) -> Edit:
    """How a drop-in gets read.

    Args:
        distribution: whose main file it is.
        text: the main file; None if there is none, and containerd runs by its defaults.

    Raises:
        Unsupported: the file can't be read, or has imports that no drop-in of ours fits into.
    """
    home = posixpath.dirname(distribution.config)
    drop_ins = f"{home}/conf.d"
    line = f'imports = ["{drop_ins}/*.toml"] {MARK}'
    if text is None:
        return Edit(3, drop_ins, f"{line} file added\nversion = 3\n")
    config = parse(text, distribution.config)
    version = config.get("version", 1)
    if version not in PLUGINS:
        raise Unsupported(f"{distribution.config} is of version {version}; containerd knows runtimes from 2 and 3.")
    imports = [posixpath.join(home, pattern) for pattern in config.get("imports") or ()]
    for pattern in imports:
        folder, name = posixpath.split(pattern)
        if name == "*.toml" and "*" not in folder:
            return Edit(version, folder, None)
    if distribution.generated:
        raise Unsupported(
            f"{distribution.config} imports no folder of drop-ins. k3s and RKE2 do from Kubernetes 1.36 on, unless a "
            'template of your own (config-v3.toml.tmpl) leaves it out: begin it with {{ template "base" . }}.'
        )
    if imports:
        raise Unsupported(f'{distribution.config} has imports of its own: add "{drop_ins}/*.toml" to them.')
    edited, count = _EMPTY_IMPORTS.subn(f"{line} was empty", text, count=1)
    return Edit(version, drop_ins, edited if count else f"{line} added\n{text}")


def restore_main(text: str) -> str | None:
    """The main file as it was before `plan_edit` changed it; None: there was none. Without our mark it stays."""
    found = _OUR_IMPORTS.search(text)
    if found is None:
        return text
    if found["before"] == "file added" and text == f"{found[0]}version = 3\n":
        return None
    return text.replace(found[0], "imports = []\n" if found["before"] == "was empty" else "", 1)


def parse(text: str, path: str) -> dict[str, Any]:
    """Reads TOML; raises Unsupported with the file's name if it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise Unsupported(f"{path} can't be read: {problem}.") from None


def has_runtime(config: Mapping[str, Any], handler: str) -> bool:
    """Whether a file of containerd's configuration defines the runtime, for whichever version."""
    found: list[Any] = [config]
    for key in ("plugins", *PLUGINS.values()):
        found += [each[key] for each in found if isinstance(each, Mapping) and key in each]
    tables = [each.get("containerd") for each in found if isinstance(each, Mapping)]
    runtimes = [each.get("runtimes") for each in tables if isinstance(each, Mapping)]
    return any(isinstance(each, Mapping) and handler in each for each in runtimes)


def render_drop_in(version: int, handler: str, folder: str) -> str:
    """The drop-in that gives containerd the runtime, whose programs and settings are in the folder."""
    table = f'plugins."{PLUGINS[version]}".containerd.runtimes.{json.dumps(handler)}'
    return f"""\
{MARK}: written by its DaemonSet, and removed when the chart is uninstalled.
version = {version}

[{table}]
  runtime_type = "io.containerd.runsc.v1"
  runtime_path = "{folder}/containerd-shim-runsc-v1"

[{table}.options]
  TypeUrl = "io.containerd.runsc.v1.options"
  ConfigPath = "{folder}/runsc.toml"
"""


def render_shim_settings(folder: str, flags: Mapping[str, str]) -> str:
    """The shim's settings: which runsc, and with which flags."""
    lines = [f"  {json.dumps(name)} = {json.dumps(value)}\n" for name, value in sorted(flags.items())]
    return f'binary_name = "{folder}/runsc"\n\n[runsc_config]\n{"".join(lines)}'
