"""What kind is told, against the configuration that kind's own nodes come with."""

import re
import tomllib
from typing import Any

import pytest

from lab.build.pins import read_pins
from lab.build.toolchain import find_module
from lab.cluster.kind_config import CRI_PLUGINS, build_containerd_patch, find_node_image
from lab.cluster.node import SANDBOX_HANDLER

Table = dict[str, Any]


@pytest.fixture(scope="module")
def kinds_own() -> Table:
    """The containerd configuration of kind's node image, of the pinned release."""
    path = find_module("kind", "sigs.k8s.io/kind") / "images/base/files/etc/containerd/config.toml"
    return tomllib.loads(path.read_text())


def merge(config: Table, patch: Table) -> Table:
    """As kind merges patches: table by table, the patch wins."""
    both = config.keys() & patch.keys()
    tables = {key: merge(config[key], patch[key]) for key in both if isinstance(config[key], dict)}
    return {**config, **patch, **tables}


def test_the_patch_of_its_version_adds_the_sandbox_and_keeps_all_that_kind_says_of_runc(kinds_own: Table) -> None:
    version = kinds_own["version"]
    plugin = CRI_PLUGINS[version]
    before = kinds_own["plugins"][plugin]["containerd"]["runtimes"]
    after = merge(kinds_own, tomllib.loads(build_containerd_patch(version)))["plugins"][plugin]["containerd"][
        "runtimes"
    ]
    assert after.keys() == before.keys() | {SANDBOX_HANDLER}
    assert after["runc"] == {**before["runc"], "options": {**before["runc"]["options"], "SystemdCgroup": False}}
    assert all(after[name] == before[name] for name in before.keys() - {"runc"})


@pytest.mark.parametrize("version", CRI_PLUGINS)
def test_each_patch_names_its_version_and_the_plugin_as_that_version_does(version: int) -> None:
    patch = tomllib.loads(build_containerd_patch(version))
    assert patch["version"] == version
    assert list(patch["plugins"]) == [CRI_PLUGINS[version]]


def test_kinds_nodes_run_the_pinned_minor_of_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONOPOD_KIND_IMAGE", raising=False)
    minor = read_pins()["kubernetes"].rpartition(".")[0]
    assert re.fullmatch(rf"kindest/node:v{re.escape(minor)}\.\d+@sha256:[0-9a-f]{{64}}", find_node_image())
