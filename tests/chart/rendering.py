"""What helm and kubectl render from the chart and the manifests, as objects to look at."""

import functools
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.build.toolchain import build_tools

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "monopod"
RELEASE, NAMESPACE = "monopod", "monopod-system"

Object = dict[str, Any]


class Refused(Exception):
    """Helm refused; the message is its own."""


@dataclass(frozen=True)
class Rendered:
    objects: list[Object]

    def of_kind(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] in kinds]

    def one(self, kind: str) -> Object:
        (only,) = self.of_kind(kind)
        return only

    @property
    def ledger(self) -> Object:
        """The pod template of the ledger."""
        template: Object = self.one("StatefulSet")["spec"]["template"]
        return template

    @property
    def ledger_container(self) -> Object:
        (only,) = self.ledger["spec"]["containers"]
        return dict(only)

    @property
    def pod(self) -> Object:
        template: Object = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def container(self) -> Object:
        (only,) = self.pod["spec"]["containers"]
        return dict(only)

    def find_argument(self, name: str) -> str | None:
        """The value of one of the operator's `--NAME=VALUE` arguments."""
        found = [word.split("=", 1)[1] for word in self.container["args"] if word.startswith(f"--{name}=")]
        return found[0] if found else None


@functools.cache
def find_tool(name: str) -> Path:
    """The pinned helm or kubectl, built on first use."""
    return build_tools({"helm": "helm", "kubectl": "kubernetes"}[name])[name]


def run_tool(name: str, *arguments: str | Path, text: str | None = None) -> str:
    command = [str(word) for word in (find_tool(name), *arguments)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def render_chart(
    values: Mapping[str, Any] | None = None, release: str = RELEASE, namespace: str = NAMESPACE
) -> Rendered:
    text = json.dumps(values or {})
    output = run_tool("helm", "template", release, CHART, "--namespace", namespace, "--values", "-", text=text)
    return read_objects(output)


def render_manifests(folder: str) -> Rendered:
    return read_objects(run_tool("kubectl", "kustomize", ROOT / "manifests" / folder))


def read_objects(text: str) -> Rendered:
    return Rendered([item for item in yaml.safe_load_all(text) if item])


def nest(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The values file that sets one value: `("image", "tag"), "x"` → `{"image": {"tag": "x"}}`."""
    for name in reversed(path):
        value = {name: value}
    return dict(value)
