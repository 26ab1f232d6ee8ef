"""The operator's image: made twice, by Docker and without, and run by the chart."""

import json
import re
import tarfile
from pathlib import Path

import pytest

from image.layers import File, Folder, Link, Tree, read_reference, write_archive, write_layer
from image.operator_image import CONFIG, PACKAGES_FOLDER, SOURCE_FOLDER, SYSTEM_PACKAGES
from monopod.__main__ import run
from tests.chart.rendering import ROOT, Rendered, render_chart

TREE: Tree = {
    "usr/bin/program": File(b"content", 0o755),
    "bin": Link("usr/bin"),
    "tmp": Folder(0o1777),
}


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, tree in (("first", TREE), ("second", dict(reversed(TREE.items())))):
        write_layer(tree, tmp_path / f"{name}.layer")
        write_archive(tmp_path / name, "example.com/x:1", [tmp_path / f"{name}.layer"], CONFIG)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_layer_belongs_to_root_and_holds_the_folders_above_its_files(tmp_path: Path) -> None:
    write_layer(TREE, tmp_path / "layer")
    with tarfile.open(tmp_path / "layer") as tar:
        entries = {entry.name: entry for entry in tar}
    assert list(entries) == ["bin", "tmp", "usr", "usr/bin", "usr/bin/program"]
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(0, 0)}
    assert entries["tmp"].mode == 0o1777
    assert entries["usr/bin/program"].mode == 0o755
    assert entries["bin"].linkname == "usr/bin"


def test_an_archive_names_its_image_and_its_layers(tmp_path: Path) -> None:
    write_layer(TREE, tmp_path / "layer")
    write_archive(tmp_path / "archive", "example.com/x:1", [tmp_path / "layer"], CONFIG)
    assert read_reference(tmp_path / "archive") == "example.com/x:1"
    with tarfile.open(tmp_path / "archive") as tar:
        names = tar.getnames()
        (manifest,) = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]  # it is a file
    assert {manifest["Config"], *manifest["Layers"]} < set(names)


def test_the_dockerfile_runs_the_operator_as_the_other_image_does(dockerfile: str) -> None:
    final = dockerfile.rsplit("FROM ", 1)[1]
    entrypoint, command = (json.loads(text) for text in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", final, re.MULTILINE))
    assert [entrypoint, command] == [CONFIG["Entrypoint"], CONFIG["Cmd"]]
    assert f"USER {CONFIG['User']}" in final
    environment = next(line for line in final.splitlines() if line.startswith("ENV ")).split()[1:]
    assert set(environment) == set(CONFIG["Env"]) - {"PATH=/usr/bin"}
    assert f"COPY operator/monopod /{SOURCE_FOLDER}/monopod" in final
    assert f"/{PACKAGES_FOLDER}" in final


def test_the_dockerfile_has_the_same_system_and_the_same_locked_packages(dockerfile: str) -> None:
    assert all(package in dockerfile for package in (*SYSTEM_PACKAGES, "ca-certificates"))
    assert "--require-hashes" in dockerfile
    assert "requirements.lock" in dockerfile


def test_the_chart_runs_as_the_images_user(default_chart: Rendered) -> None:
    context = default_chart.pod["spec"]["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == CONFIG["User"]


def test_the_operator_knows_every_argument_that_the_chart_gives_it() -> None:
    chart = render_chart({"leaderElection": {"enabled": False}, "replicas": 1})
    command, *arguments = chart.container["args"]
    known = {option for parameter in run.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert command == run.name
    assert {argument.split("=")[0] for argument in arguments} <= known
