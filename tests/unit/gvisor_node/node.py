"""A node's files in a temporary folder, and the image's programs beside them."""

from dataclasses import dataclass
from pathlib import Path

from gvisor_node.host import Host
from gvisor_node.installation import PROGRAMS, Installation

PLAIN = "/etc/containerd/config.toml"
K3S = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
RKE2 = "/var/lib/rancher/rke2/agent/etc/containerd/config.toml"


@dataclass(frozen=True)
class FakeNode:
    folder: Path

    @property
    def host(self) -> Host:
        return Host(self.folder / "root", self.folder / "proc")

    def write(self, path: str, text: str) -> None:
        target = self.folder / "root" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def files(self) -> dict[str, str]:
        """All files of the node by path."""
        root = self.folder / "root"
        found = {path: path.read_text() for path in root.rglob("*") if path.is_file()}
        return {f"/{path.relative_to(root)}": text for path, text in found.items()}

    def run(self, path: str, pid: int = 7) -> None:
        """A process that runs one of the node's files."""
        (self.folder / "proc" / str(pid)).mkdir()
        (self.folder / "proc" / str(pid) / "exe").symlink_to(self.folder / "root" / path.lstrip("/"))

    def installation(self, version: str = "1", handler: str = "runsc", config: str = "") -> Installation:
        """What an image of this version installs."""
        programs = self.folder / f"image-{version}"
        programs.mkdir(exist_ok=True)
        for name in PROGRAMS:
            (programs / name).write_text(f"{name} {version}")
        return Installation(self.host, programs, handler, config=config, flags={"platform": "systrap"})


def a_node(folder: Path) -> FakeNode:
    (folder / "root").mkdir()
    (folder / "proc").mkdir()
    return FakeNode(folder)
