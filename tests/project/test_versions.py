"""The pins of hack/versions.env and the go.mod files that the local cluster is built from agree."""

import re
from pathlib import Path

import pytest

from lab.build.modules import RECIPES
from lab.build.pins import read_pins
from tests.project.repository import ROOT

GOMOD = ROOT / "hack" / "lab" / "gomod"
FOLDERS = sorted(path.name for path in GOMOD.iterdir() if path.is_dir())
PIN_OF_FOLDER = {
    "cni": "cni_plugins",
    "conformance": "kubernetes",
    "ecs-client": "aws_sdk_go_ecs",
    "netpol": "kubernetes",
    "session-manager-plugin": "session_manager_plugin",
}
"""Where the pin isn't named as the folder is."""

NOT_FOLDERS = {"go", "calico_api", "focus_validator", "twinj_uuid"}
"""Pins of other things than a program of Go's: the compiler, modules that go.mod files replace, a package of
Python's."""


def parse_version(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def read_requirement(folder: str) -> str:
    """The version of the module that a folder's go.mod is there for."""
    module = re.escape(next(iter(RECIPES[folder].requires)))
    (version,) = re.findall(rf"^(?:require |\t){module} v(\S+)$", (GOMOD / folder / "go.mod").read_text(), re.MULTILINE)
    return str(version)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_go_mod_requires_the_pinned_version(folder: str) -> None:
    assert read_requirement(folder) == read_pins()[PIN_OF_FOLDER.get(folder, folder)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_pinned_go_is_new_enough_for_every_go_mod(folder: str) -> None:
    (needed,) = re.findall(r"^go (\S+)$", (GOMOD / folder / "go.mod").read_text(), re.MULTILINE)
    assert parse_version(needed) <= parse_version(read_pins()["go"])


def test_every_pinned_program_has_a_go_mod() -> None:
    assert {PIN_OF_FOLDER.get(folder, folder) for folder in FOLDERS} == read_pins().keys() - NOT_FOLDERS


def test_calicos_api_is_the_pinned_one() -> None:
    assert f"github.com/projectcalico/api v{read_pins()['calico_api']}\n" in (GOMOD / "calico" / "go.mod").read_text()


def test_a_pin_is_an_exact_version() -> None:
    versions = Path(ROOT / "hack" / "versions.env").read_text()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+(-[\w.-]+)?", version) for version in read_pins().values()), versions
