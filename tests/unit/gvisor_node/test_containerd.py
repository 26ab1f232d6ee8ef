"""Each shape of containerd's configuration: where the drop-in goes, what is edited, and that it is undone."""

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from gvisor_node.containerd import (
    DISTRIBUTIONS,
    PLUGINS,
    Unsupported,
    check_containerd,
    has_runtime,
    plan_edit,
    render_drop_in,
    render_shim_settings,
    restore_main,
)

K3S, RKE2, PLAIN = DISTRIBUTIONS
K3S_FOLDER, RKE2_FOLDER = (each.config.replace("config.toml", "config-v3.toml.d") for each in (K3S, RKE2))
CONF_D = "/etc/containerd/conf.d"
V2 = """\
# kubeadm's
version = 2

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true
"""
V3 = V2.replace("version = 2", "version = 3").replace(PLUGINS[2], PLUGINS[3])
DEFAULT = V3.replace("version = 3", "version = 3\nroot = '/var/lib/containerd'\nimports = []\n")
"""As `containerd config default` writes it before containerd 2.2."""

EDITED = {
    "kubeadm, version 2": (V2, 2),
    "kubeadm, version 3": (V3, 3),
    "empty imports": (DEFAULT, 3),
    "empty imports with spaces": (V3.replace("version = 3", "version = 3\nimports=[ ]  "), 3),
    "no file": (None, 3),
}


@pytest.mark.parametrize(("text", "version"), EDITED.values(), ids=EDITED)
def test_a_file_that_imports_nothing_gets_one_line_which_goes_again(text: str | None, version: int) -> None:
    edit = plan_edit(PLAIN, text)
    assert (edit.version, edit.folder) == (version, CONF_D)
    assert edit.main is not None
    before = tomllib.loads(text or "version = 3")
    assert tomllib.loads(edit.main) == {**before, "imports": [f"{CONF_D}/*.toml"]}
    again = plan_edit(PLAIN, edit.main)
    assert again == replace(edit, main=None)
    restored = restore_main(edit.main)
    assert (restored is None) == (text is None)
    assert tomllib.loads(restored or "") == (before if text else {})


IMPORTING: dict[str, tuple[Any, str, str]] = {
    "containerd 2.2": (PLAIN, f"{CONF_D}/*.toml", CONF_D),
    "a folder of somebody's own": (PLAIN, "/etc/containerd/mine/*.toml", "/etc/containerd/mine"),
    "relative to the file": (PLAIN, "conf.d/*.toml", CONF_D),
    "k3s": (K3S, f"{K3S_FOLDER}/*.toml", K3S_FOLDER),
    "RKE2": (RKE2, f"{RKE2_FOLDER}/*.toml", RKE2_FOLDER),
}


@pytest.mark.parametrize(("distribution", "pattern", "folder"), IMPORTING.values(), ids=IMPORTING)
def test_where_drop_ins_are_imported_the_main_file_stays(distribution: Any, pattern: str, folder: str) -> None:
    text = f'imports = ["/etc/containerd/first.toml", "{pattern}"]\n{V3}'
    edit = plan_edit(distribution, text)
    assert (edit.version, edit.folder, edit.main) == (3, folder, None)
    assert restore_main(text) == text


REFUSED = {
    "version 1": (PLAIN, "[plugins.cri]\n", "is of version 1"),
    "no TOML": (PLAIN, "version = = 3", "can't be read"),
    "imports of single files": (PLAIN, f'imports = ["/etc/containerd/a.toml"]\n{V3}', 'add "/etc/containerd/conf.d/*'),
    "a glob that doesn't fit": (PLAIN, f'imports = ["/etc/containerd/*/x.toml"]\n{V3}', "has imports of its own"),
    "k3s with a template of one's own": (K3S, V3, "imports no folder of drop-ins"),
    "RKE2 before drop-ins": (RKE2, V2, "imports no folder of drop-ins"),
}


@pytest.mark.parametrize(("distribution", "text", "why"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_extended_safely_is_refused(distribution: Any, text: str, why: str) -> None:
    with pytest.raises(Unsupported, match=why.replace("*", r"\*")):
        plan_edit(distribution, text)


@pytest.mark.parametrize("version", PLUGINS)
def test_the_drop_in_has_the_table_of_its_version(version: int) -> None:
    found = tomllib.loads(render_drop_in(version, "runsc-kvm", "/opt/g/runsc-kvm/abc"))
    assert (found["version"], list(found["plugins"])) == (version, [PLUGINS[version]])
    runtime = found["plugins"][PLUGINS[version]]["containerd"]["runtimes"]["runsc-kvm"]
    assert runtime == {
        "runtime_type": "io.containerd.runsc.v1",
        "runtime_path": "/opt/g/runsc-kvm/abc/containerd-shim-runsc-v1",
        "options": {"TypeUrl": "io.containerd.runsc.v1.options", "ConfigPath": "/opt/g/runsc-kvm/abc/runsc.toml"},
    }
    assert has_runtime(found, "runsc-kvm")
    assert not has_runtime(found, "runsc")


def test_the_shim_is_told_of_runsc_and_its_flags() -> None:
    found = tomllib.loads(render_shim_settings("/opt/g", {"platform": "kvm", "log": 'a"b'}))
    assert found == {"binary_name": "/opt/g/runsc", "runsc_config": {"platform": "kvm", "log": 'a"b'}}


@pytest.mark.parametrize("version", ["containerd://1.7.27", "cri-o://1.34.0", "docker://20.10", ""])
def test_other_runtimes_than_containerd_2_are_refused(version: str) -> None:
    with pytest.raises(Unsupported, match="containerd 2 or newer"):
        check_containerd(version)


@pytest.mark.parametrize("version", ["containerd://2.0.0", "containerd://v2.2.1-k3s1", "containerd://10.1"])
def test_containerd_2_and_newer_will_do(version: str) -> None:
    check_containerd(version)
