"""Writes the go.mod files under gomod/ from versions.env, after a pin changed.

`hack/run python -m lab.build.modules [TOOL…]`.

Needs the Go module proxy. What it writes is committed, so that a build takes exactly the modules that were reviewed.
"""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lab.build.pins import read_pins
from lab.build.toolchain import GOMOD, TOOLS, go_environment, install_go
from lab.progress import step
from lab.shell import run

GO_LANGUAGE = "1.26.0"
Replacements = dict[str, tuple[str, str]]
"""Module to the module and version that take its place."""


@dataclass(frozen=True)
class Recipe:
    """How a tool's go.mod comes about.

    Attributes:
        requires: Modules that it names itself, each with its pin.
        replaces: Replacements, found by reading the tool's own module.
        seeded: Whether to start from the tool's own go.sum, where `go mod tidy` alone would choose newer versions.
    """

    requires: dict[str, str]
    replaces: Callable[[Path], Replacements] = field(default=lambda _: {})
    seeded: bool = False


def _replace_staging(source: Path) -> Replacements:
    """Kubernetes' own go.mod points its staging modules into its source tree; published they are v0 of the same tag."""
    staging = sorted(set(re.findall(r"^\s*(k8s\.io/[\w.-]+) => ", (source / "go.mod").read_text(), re.MULTILINE)))
    version = "v0." + read_pins()["kubernetes"].split(".", 1)[1]
    return {module: (module, version) for module in staging}


def _replace_for_calico(source: Path) -> Replacements:
    """Calico's own replacements, but for one that the proxy doesn't serve and its nested API module."""
    own = re.findall(r"^\s*([\w./-]+) => (\S+) (v\S+)", (source / "go.mod").read_text(), re.MULTILINE)
    api = "github.com/projectcalico/api"
    return {module: (target, version) for module, target, version in own} | {
        "github.com/Microsoft/hcsshim": ("github.com/Microsoft/hcsshim", "v0.11.7"),
        api: (api, f"v{read_pins()['calico_api']}"),
    }


def _replace_for_plugin(_: Path) -> Replacements:
    """It has no go.mod, so nothing says which version of this one it needs; with the tagged one it doesn't compile."""
    uuid = "github.com/twinj/uuid"
    return {uuid: (uuid, f"v{read_pins()['twinj_uuid']}")}


RECIPES: dict[str, Recipe] = {
    "etcd": Recipe({"go.etcd.io/etcd/server/v3": "etcd"}),
    "kubernetes": Recipe({"k8s.io/kubernetes": "kubernetes"}, _replace_staging, seeded=True),
    "netpol": Recipe({"k8s.io/kubernetes": "kubernetes"}, _replace_staging, seeded=True),
    "conformance": Recipe({"k8s.io/kubernetes": "kubernetes"}, _replace_staging, seeded=True),
    "containerd": Recipe({"github.com/containerd/containerd/v2": "containerd"}),
    "gvisor": Recipe({"gvisor.dev/gvisor": "gvisor"}),
    "cni": Recipe({"github.com/containernetworking/plugins": "cni_plugins"}),
    "calico": Recipe(
        {"github.com/projectcalico/calico": "calico", "github.com/projectcalico/api": "calico_api"},
        _replace_for_calico,
        seeded=True,
    ),
    "coredns": Recipe({"github.com/coredns/coredns": "coredns"}, seeded=True),
    "kwok": Recipe({"sigs.k8s.io/kwok": "kwok"}),
    "karpenter": Recipe({"sigs.k8s.io/karpenter": "karpenter"}, seeded=True),
    "helm": Recipe({"helm.sh/helm/v4": "helm"}),
    "kind": Recipe({"sigs.k8s.io/kind": "kind"}),
    "session-manager-plugin": Recipe(
        {"github.com/aws/session-manager-plugin": "session_manager_plugin"}, _replace_for_plugin
    ),
    "ecs-client": Recipe({"github.com/aws/aws-sdk-go-v2/service/ecs": "aws_sdk_go_ecs"}),
}


def write_module(tool: str) -> None:
    """Writes one tool's go.mod, go.sum and, for the programs of other modules, tools.go."""
    recipe = RECIPES[tool]
    requires = {module: f"v{read_pins()[pin]}" for module, pin in recipe.requires.items()}
    first, version = next(iter(requires.items()))
    folder = GOMOD / tool
    folder.mkdir(exist_ok=True)
    go = install_go()
    env = go_environment(go)
    downloaded = run([go, "mod", "download", "-json", f"{first}@{version}"], cwd=Path("/"), env=env, timeout=None)
    source = Path(json.loads(downloaded.stdout)["Dir"])
    (folder / "go.mod").write_text(_format_module(tool, requires, recipe.replaces(source)))
    (folder / "go.sum").unlink(missing_ok=True)
    if recipe.seeded:
        shutil.copyfile(source / "go.sum", folder / "go.sum")
    if elsewhere := set(TOOLS[tool].programs.values()) - {"."}:
        (folder / "tools.go").write_text(_format_imports(elsewhere))
    run([go, "mod", "tidy"], cwd=folder, env=env, timeout=None)


def _format_module(tool: str, requires: dict[str, str], replaces: Replacements) -> str:
    required = "".join(f"\t{module} {version}\n" for module, version in sorted(requires.items()))
    text = f"module monopod.dev/lab/{tool}\n\ngo {GO_LANGUAGE}\n\nrequire (\n{required})\n"
    if replaces:
        lines = "".join(f"\t{module} => {to} {version}\n" for module, (to, version) in sorted(replaces.items()))
        text += f"\nreplace (\n{lines})\n"
    return text


def _format_imports(packages: Iterable[str]) -> str:
    lines = "".join(f'\t_ "{package}"\n' for package in sorted(packages))
    return f"//go:build tools\n\npackage tools\n\nimport (\n{lines})\n"


if __name__ == "__main__":
    for name in sys.argv[1:] or RECIPES:
        with step(f"writing gomod/{name}", 15):
            write_module(name)
