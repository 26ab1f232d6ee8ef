"""A file with what has to be known of a cluster to add machines to it."""

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from lab.cluster.network import Subnet
from lab.cluster.pki import Authority
from lab.services import Services

AT_ONCE = 2
"""How many machines there are at most; they share the cores of the one that they run on."""

GROWN = "grown"
_FILE = "machines.json"


@dataclass(frozen=True)
class Plan:
    """A cluster to which machines are added.

    Attributes:
        folder: The cluster's.
        server: The API server's URL.
        subnet: The nodes' addresses.
        nodes: How many nodes it has already.
        programs: Built programs by name.
    """

    folder: Path
    server: str
    subnet: Subnet
    nodes: int
    programs: dict[str, Path]

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self.folder.name

    @property
    def authority(self) -> Authority:
        """Issues its certificates."""
        return Authority(self.folder / "pki")

    @property
    def images(self) -> Path:
        """The folder of the archives of what every node gets."""
        return find_images(self.folder)

    @property
    def indices(self) -> range:
        """The numbers of nodes that machines may have."""
        return range(self.nodes, self.nodes + AT_ONCE)

    def find_machine(self, index: int) -> Services:
        """The machine of a number, whether it is there or not."""
        # No longer a path: sockets below it have long ones, too, and 108 bytes at most.
        return Services(self.folder / GROWN / f"node-{index + 1}", isolated=True)

    def write(self) -> Path:
        """Writes the file and returns its path."""
        path = find_plan(self.folder)
        told = {
            "server": self.server,
            "subnet": str(self.subnet.network),
            "nodes": self.nodes,
            "programs": {name: str(program) for name, program in self.programs.items()},
        }
        path.write_text(json.dumps(told, indent=1))
        return path

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Reads what `write` wrote."""
        told = json.loads(path.read_text())
        programs = {name: Path(program) for name, program in told["programs"].items()}
        subnet = Subnet(ipaddress.IPv4Network(told["subnet"]))
        return cls(path.parent, told["server"], subnet, told["nodes"], programs)


def find_plan(folder: Path) -> Path:
    """The file of a cluster's plan."""
    return folder / _FILE


def find_images(folder: Path) -> Path:
    """The folder of a cluster's image archives, of which machines that are added get all."""
    return folder / "images"


def find_grown(folder: Path) -> list[Services]:
    """The machines that a cluster has got."""
    return [Services(path, isolated=True) for path in sorted(folder.glob(f"{GROWN}/node-*"))]
