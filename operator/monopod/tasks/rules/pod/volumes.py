"""A task's volumes as those of its pod, and what each container mounts."""

from collections.abc import Iterator, Mapping
from typing import Any

from monopod.tasks.rules.order import name_of
from monopod.tasks.rules.pod.names import name_in_pod
from monopod.tasks.rules.view import View

Json = dict[str, Any]


class UnknownFileSystem(ValueError):
    """A volume is of an EFS file system that the installation names nothing for.

    Attributes:
        path: the field in the task definition.
        id: the file system.
    """

    def __init__(self, path: str, identifier: str) -> None:
        super().__init__(
            f"{path}: nothing is known of the file system {identifier}: the chart's ecs.fileSystems doesn't name it."
        )
        self.path, self.id = path, identifier


def build_volumes(root: View, file_systems: Mapping[str, Mapping[str, Any]]) -> Iterator[Json]:
    """All volumes: directories of the task's own, file systems, and memory that containers mount.

    Raises:
        UnknownFileSystem: `file_systems` doesn't say what a volume of EFS is here.
    """
    for volume in root.children("volumes"):
        efs, name = volume.child("efsVolumeConfiguration"), name_in_pod(volume.text("name") or "")
        identifier = efs.text("fileSystemId")
        if identifier is None:
            yield {"name": name, "emptyDir": {}}
        elif identifier in file_systems:
            yield {"name": name, **file_systems[identifier]}
        else:
            raise UnknownFileSystem(efs.path_of("fileSystemId"), identifier)
    for container in root.children("containerDefinitions"):
        for mount, name in _list_memory(container):
            memory = {"medium": "Memory", "sizeLimit": f"{mount.number('size')}Mi"}
            yield {"name": name, "emptyDir": memory}


def _list_memory(container: View) -> Iterator[tuple[View, str]]:
    for index, mount in enumerate(container.child("linuxParameters").children("tmpfs")):
        # A space is in no name of a volume of ECS's.
        yield mount, name_in_pod(f"tmpfs {index} {name_of(container)}")


def build_mounts(container: View, root: View) -> list[Json]:
    """What a container mounts: its own volumes and memory, and what it has from others. One path is mounted once."""
    found = {mount["mountPath"]: mount for mount in reversed([*_list_mounts(container, root), *_list_tmpfs(container)])}
    return list(reversed(found.values()))


def _list_tmpfs(container: View) -> Iterator[Json]:
    for mount, name in _list_memory(container):
        yield {"name": name, "mountPath": mount.text("containerPath")}


def _list_mounts(container: View, root: View, seen: frozenset[str] = frozenset()) -> Iterator[Json]:
    roots = {
        volume.text("name"): volume.child("efsVolumeConfiguration").text("rootDirectory")
        for volume in root.children("volumes")
    }
    for mount in container.children("mountPoints"):
        name = mount.text("sourceVolume") or ""
        inner = (roots.get(name) or "").strip("/")
        yield {
            "name": name_in_pod(name),
            "mountPath": mount.text("containerPath"),
            **({"subPath": inner} if inner else {}),
            **({"readOnly": True} if mount.is_true("readOnly") else {}),
        }
    others = {name_of(each): each for each in root.children("containerDefinitions")}
    for source in container.children("volumesFrom"):
        name = source.text("sourceContainer") or ""
        if name in others and name not in seen | {name_of(container)}:
            for inherited in _list_mounts(others[name], root, seen | {name_of(container)}):
                yield {**inherited, **({"readOnly": True} if source.is_true("readOnly") else {})}
