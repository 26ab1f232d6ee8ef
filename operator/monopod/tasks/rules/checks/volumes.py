"""A task's volumes, and where its containers mount them.

Source: ECS developer guide, volumes; storage options for Fargate (bind mounts, EFS, EBS, S3 Files).
"""

from collections import Counter
from collections.abc import Iterator

from monopod.tasks.rules.rule import Finding, note, refused, refused_untold, unavailable
from monopod.tasks.rules.task import NAME
from monopod.tasks.rules.view import View, show

HOST_PATH = refused(
    "HostPathUnsupported",
    "Fargate compatible task definitions do not support sourcePath.",
    "Leave host out for an empty directory, or use EFS.",
)
DOCKER_VOLUME = refused(
    "DockerVolumeUnsupported",
    "Fargate compatible task definitions do not support dockerVolumeConfiguration.",
    "Leave it out for an empty directory, or use EFS.",
)
FSX = refused_untold("FsxUnsupported", "Fargate mounts no FSx for Windows File Server.", "Use EFS.")
VOLUME_NAME_INVALID = refused_untold(
    "VolumeNameInvalid", "A volume needs a name of up to 255 letters, digits, underscores and hyphens.", "Name it."
)
VOLUME_TWICE = refused_untold("VolumeTwice", "The volume {name} is there {count} times.", "Rename one.")
VOLUME_OF_SEVERAL_KINDS = refused_untold(
    "VolumeOfSeveralKinds", "A volume is of one kind, and this is of {kinds}.", "Keep one of them."
)
VOLUME_UNKNOWN = refused("VolumeUnknown", "Unknown volume '{name}'.", "Add it to volumes, or correct its name.")
MOUNT_WITHOUT_PATH = refused_untold(
    "MountPathMissing", "A mount point needs a sourceVolume and a containerPath.", "Add them."
)
MOUNT_PATH_INVALID = refused_untold(
    "MountPathInvalid", "{path} is no place to mount something.", "Write an absolute path, without a colon."
)
MOUNT_PATH_TWICE = refused_untold("MountPathTwice", "Two things are mounted at {path}.", "Move one of them.")
SOURCE_CONTAINER_UNKNOWN = refused(
    "SourceContainerUnknown",
    "Invalid 'volumesFrom' setting. Unknown container: '{name}'.",
    "Name a container of this task definition.",
)
EFS_ROOT_WITH_ACCESS_POINT = refused(
    "EfsRootWithAccessPoint",
    'When using an EFS access point, the root directory must either be set to "/" or be omitted.',
    "Leave rootDirectory out.",
)
EFS_IAM_UNENCRYPTED = refused(
    "EfsIamUnencrypted",
    "EFS IAM authorization requires TransitEncryption to be enabled.",
    'Write "transitEncryption": "ENABLED".',
)
EFS_PORT_UNENCRYPTED = refused(
    "EfsPortUnencrypted",
    "TransitEncryptionPort requires that TransitEncryption is enabled.",
    "Leave transitEncryptionPort out, or enable transitEncryption.",
)
LAUNCH_VOLUME_UNUSED = refused(
    "LaunchVolumeUnused",
    "Volumes [{name}] are not referenced by any of the containers.",
    "Mount it, or remove it.",
)
LAUNCH_VOLUMES_TOO_MANY = refused_untold(
    "LaunchVolumesTooMany", "One volume of a task definition is configured at launch, not more.", "Keep one."
)

EBS = unavailable("EbsVolume", "Monopod mounts no EBS volumes.", "Ask for more ephemeralStorage, or use EFS.")
S3_FILES = unavailable("S3Files", "Monopod mounts no S3 Files.", "Use EFS.")
EFS_OPTIONS = unavailable(
    "EfsOptions",
    "Monopod mounts a file system by NFS, which knows no {option}.",
    "Leave it out.",
)
EFS_ROOT = unavailable(
    "EfsRoot", "A pod mounts no directory whose path goes upwards.", "Write rootDirectory without .. in it."
)
EFS_BY_TABLE = note(
    "EfsByTable",
    "The file system is an NFS export, or a claim, that the installation names for {id}.",
    "Ask those who run Monopod to name one for it.",
)

_KINDS = (
    *("host", "dockerVolumeConfiguration", "efsVolumeConfiguration", "s3filesVolumeConfiguration"),
    "fsxWindowsFileServerVolumeConfiguration",
)


def check_volumes(root: View) -> Iterator[Finding]:
    """All volumes."""
    volumes = root.children("volumes")
    mounted = {
        mount.text("sourceVolume")
        for container in root.children("containerDefinitions")
        for mount in container.children("mountPoints")
    }
    for volume in volumes:
        yield from _check_volume(volume)
        name = volume.text("name")
        if volume.is_true("configuredAtLaunch"):
            if name and name not in mounted:
                yield LAUNCH_VOLUME_UNUSED.at(volume.path, name=show(name))
            yield EBS.at(volume.path_of("configuredAtLaunch"))
    if sum(volume.is_true("configuredAtLaunch") for volume in volumes) > 1:
        yield LAUNCH_VOLUMES_TOO_MANY.at("volumes")
    for name, count in Counter(volume.text("name") for volume in volumes).items():
        if name and count > 1:
            yield VOLUME_TWICE.at("volumes", name=repr(show(name)), count=count)


def _check_volume(volume: View) -> Iterator[Finding]:
    if "name" not in volume.fields or not NAME.fullmatch(volume.text("name") or "_"):
        yield VOLUME_NAME_INVALID.at(volume.path_of("name"))
    kinds = [kind for kind in _KINDS if volume.has(kind)]
    if len(kinds) > 1:
        yield VOLUME_OF_SEVERAL_KINDS.at(volume.path, kinds=" and ".join(kinds))
    if volume.child("host").has("sourcePath"):
        yield HOST_PATH.at(volume.child("host").path_of("sourcePath"))
    for kind, rule in (
        ("dockerVolumeConfiguration", DOCKER_VOLUME),
        ("fsxWindowsFileServerVolumeConfiguration", FSX),
        ("s3filesVolumeConfiguration", S3_FILES),
    ):
        if kind in kinds:
            yield rule.at(volume.path_of(kind))
    if "efsVolumeConfiguration" in kinds:
        yield from _check_efs(volume.child("efsVolumeConfiguration"))


def _check_efs(efs: View) -> Iterator[Finding]:
    authorization, encrypted = efs.child("authorizationConfig"), efs.text("transitEncryption") == "ENABLED"
    by_iam = authorization.text("iam") == "ENABLED"
    if authorization.has("accessPointId") and efs.has("rootDirectory") and efs.text("rootDirectory") != "/":
        yield EFS_ROOT_WITH_ACCESS_POINT.at(efs.path_of("rootDirectory"))
    if by_iam and not encrypted:
        yield EFS_IAM_UNENCRYPTED.at(efs.path_of("transitEncryption"))
    if efs.has("transitEncryptionPort") and not encrypted:
        yield EFS_PORT_UNENCRYPTED.at(efs.path_of("transitEncryptionPort"))
    for has, path, option in (
        (encrypted, efs.path_of("transitEncryption"), "encryption in transit"),
        (by_iam, authorization.path_of("iam"), "authorization by IAM"),
        (authorization.has("accessPointId"), authorization.path_of("accessPointId"), "access points"),
    ):
        if has:
            yield EFS_OPTIONS.at(path, option=option)
    if ".." in (efs.text("rootDirectory") or "").split("/"):
        yield EFS_ROOT.at(efs.path_of("rootDirectory"))
    yield EFS_BY_TABLE.at(efs.path, id=show(efs.text("fileSystemId") or "it"))


def check_mounts(container: View, root: View) -> Iterator[Finding]:
    """What one container mounts."""
    volumes = {each.text("name") for each in root.children("volumes")}
    containers = {each.text("name") for each in root.children("containerDefinitions")}
    for mount in container.children("mountPoints"):
        name = mount.text("sourceVolume")
        if not mount.has("sourceVolume") or not mount.has("containerPath"):
            yield MOUNT_WITHOUT_PATH.at(mount.path)
        elif name is not None and name not in volumes:
            yield VOLUME_UNKNOWN.at(mount.path_of("sourceVolume"), name=show(name))
    yield from _check_paths(container)
    for source in container.children("volumesFrom"):
        name = source.text("sourceContainer")
        if name is not None and name not in containers:
            yield SOURCE_CONTAINER_UNKNOWN.at(source.path_of("sourceContainer"), name=show(name))


def _check_paths(container: View) -> Iterator[Finding]:
    """Where a container mounts volumes and memory."""
    taken: set[str] = set()
    for mount in (*container.children("mountPoints"), *container.child("linuxParameters").children("tmpfs")):
        path = mount.text("containerPath")
        if not path:
            continue
        if not path.startswith("/") or ":" in path:
            yield MOUNT_PATH_INVALID.at(mount.path_of("containerPath"), path=repr(show(path)))
        if path.rstrip("/") in taken:
            yield MOUNT_PATH_TWICE.at(mount.path_of("containerPath"), path=show(path))
        taken.add(path.rstrip("/"))
