"""Which container engine is used, and how images are made where the machine isn't Debian's."""

import os
from pathlib import Path

import pytest

from image import engine
from image.layers import name_build
from lab.cluster.provider import find_engine
from lab.shell import CommandFailed

pytestmark = pytest.mark.timeout(10)  # they run scripts

ANSWERS = "#!/bin/sh\nexit 0\n"
SILENT = "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n"
BUILDS = """\
#!/bin/sh
echo "$*" >> {log}
case $1 in
  build) cat >/dev/null; echo sha256:0123456789abcdef ;;
  save) echo saved > "$3" ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder before all others on PATH; no engine is chosen."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("MONOPOD_ENGINE", raising=False)
    return tmp_path


def write_program(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


def test_an_engine_is_one_whose_daemon_answers(programs: Path) -> None:
    write_program(programs / "docker", SILENT)
    write_program(programs / "podman", ANSWERS)
    assert find_engine() == "podman"
    write_program(programs / "docker", ANSWERS)
    assert find_engine() == "docker"


@pytest.mark.parametrize(("chosen", "found"), [("none", None), ("podman", "podman"), ("docker", "docker")])
def test_the_engine_can_be_chosen(
    programs: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, found: str | None
) -> None:
    write_program(programs / "docker", ANSWERS)
    write_program(programs / "podman", ANSWERS)
    monkeypatch.setenv("MONOPOD_ENGINE", chosen)
    assert find_engine() == found


def test_an_unknown_engine_is_refused(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOPOD_ENGINE", "containerd")
    with pytest.raises(CommandFailed, match="MONOPOD_ENGINE=containerd: it takes docker, podman or none"):
        find_engine()


def test_without_debians_tools_the_engine_builds_the_images(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = programs / "log"
    write_program(programs / "docker", BUILDS.format(log=log))
    monkeypatch.setattr(engine, "has_debian_tools", lambda: False)
    operator = engine.provide_operator_image(programs / "cache", "docker")
    busybox = engine.provide_busybox_image(programs / "cache", "docker")
    assert (operator.name, busybox.name) == ("operator-0123456789ab.tar", "busybox-0123456789ab.tar")
    assert operator.read_text() == busybox.read_text() == "saved\n"
    calls = log.read_text().splitlines()
    assert [call for call in calls if call.startswith("tag")] == [
        "tag sha256:0123456789abcdef monopod.local/operator:build-0123456789ab",
        "tag sha256:0123456789abcdef monopod.local/busybox:1",
    ]


def test_the_tag_of_an_image_built_here_is_no_number() -> None:
    assert name_build("monopod.local/operator", "445006386284") == "monopod.local/operator:build-445006386284"
